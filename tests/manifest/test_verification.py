import pyarrow.parquet as pq
import pytest
from review_events import decide
from rows import PROMPTS, failed, lines, row, sealed

from tbd.errors import InputError
from tbd.manifest import SplitRule, reseal_manifest, verify_manifest


def codes(found):
    return [finding.code for finding in found]


def rewrite(folder, change):
    """Put changed rows into the file, past sealing."""
    file = folder / "manifest.parquet"
    table = pq.read_table(file)
    rows = change(table.to_pylist())
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), file)


def test_a_sound_manifest_has_no_findings(tmp_path):
    cut = {"status": "truncated", "error": None}
    rows = [row("a"), row("b", prompts=["label"], mode="label"), failed("c"), row("d", **cut)]
    rows.append(failed("e", status="truncated", error="step3: the reply ran into its token limit"))
    folder = sealed(tmp_path, rows, split=SplitRule("random-80-20"))
    assert verify_manifest(folder) == verify_manifest(folder / "manifest.parquet") == []
    assert verify_manifest(folder, rows=lines(rows)) == []
    assert list(tmp_path.glob("[!.]*")) == [tmp_path / "manifest.parquet"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"coarse_tokens": 17}, "tokens_differ"),
        ({"fine_tokens": None}, "tokens_differ"),
        ({"coarse_prompt": "other", "coarse_tokens": 3}, "prompts_differ"),
        ({"emotion": "joy"}, "value_unknown"),
        ({"level": 4}, "value_unknown"),
        ({"split": "val"}, "value_unknown"),
        ({"status": "error"}, "outcome_differs"),
        ({"prompts": [], "coarse_prompt": None, "fine_prompt": None, "status": "truncated"}, "outcome_differs"),
        ({"start": 2.0, "end": 1.0}, "window_wrong"),
        ({"crop_box": [0.0, 0.0, 10.0, 20.0]}, "crop_not_square"),
        ({"clip_id": "a/b"}, "clip_id_unsafe"),
        ({"clip_id": ".hidden"}, "clip_id_unsafe"),
    ],
)
def test_each_trouble_has_its_finding(tmp_path, changes, code):
    found = verify_manifest(sealed(tmp_path, [row("b") | changes, row("zz")]))
    assert code in codes(found)
    finding = found[codes(found).index(code)]
    assert (finding.count, finding.clips) == (1, (changes.get("clip_id", "b"),))


def test_order_and_repetition_are_found(tmp_path):
    folder = sealed(tmp_path, [row("a"), row("b"), row("c")])
    rewrite(folder, lambda rows: [rows[1], rows[1], rows[0]])
    assert codes(verify_manifest(folder)) == ["clip_id_twice", "clip_id_order"]


def test_a_changed_final_text_is_found_by_a_fresh_seal(tmp_path):
    rows = [row("a"), row("b")]
    folder = sealed(tmp_path, rows)
    rewrite(folder, lambda sealed_rows: [one | {"prompts_final": ["forged"]} for one in sealed_rows])
    assert codes(verify_manifest(folder)) == []
    assert codes(verify_manifest(folder, rows=lines(rows))) == ["bytes_differ"]


def test_reviews_since_sealing_are_found_until_it_is_sealed_again(tmp_path):
    folder = sealed(tmp_path, [row("a"), row("b")])
    decide(folder, "b", "reject", PROMPTS)
    (finding,) = verify_manifest(folder)
    assert (finding.code, finding.clips) == ("reviews_newer", ("b",))
    reseal_manifest(folder)
    assert verify_manifest(folder) == []


def test_media_are_looked_for_where_a_root_is_given(tmp_path):
    rows = [row("a", file_name="a.mp4"), row("b", file_name="b.mp4", audio_file_name="b.m4a"), row("c", dataset="own")]
    folder = sealed(tmp_path / "m", rows)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    found = verify_manifest(folder, roots={"mead": tmp_path})
    assert [(finding.code, finding.clips) for finding in found] == [("media_missing", ("b",)), ("root_unknown", ("c",))]


def test_only_five_clips_are_named(tmp_path):
    (finding,) = verify_manifest(sealed(tmp_path, [row(f"c{number}", level=4) for number in range(8)]))
    assert (finding.count, finding.clips) == (8, ("c0", "c1", "c2", "c3", "c4"))


def test_a_damaged_file_is_an_error(tmp_path):
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="cut off"):
        verify_manifest(tmp_path)
