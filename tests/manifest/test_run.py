import json

import pytest
from rows import row

from tbd.errors import InputError
from tbd.manifest import (
    SplitRule,
    dataset_roots,
    manifest_report,
    merge_manifests,
    read_run,
    report_markdown,
    rule_notes,
    seal_manifest,
)
from tbd.manifest.run import CROP_RULE, ManifestRun, clip_rule, clip_settings, write_run


def test_what_was_written_is_read_again_with_what_another_version_added(tmp_path):
    run = ManifestRun(
        tbd="0.1", dataset="mead", root="/data/MEAD", asked=("facs", None), recipe={"clip": {"size": 256}},
        split=SplitRule("speaker", 3), more={"later": [1]},
    )  # fmt: skip
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["later"] == [1]
    assert "merged" not in document
    assert clip_rule(tmp_path).size == 256
    assert {name: str(path) for name, path in dataset_roots(tmp_path).items()} == {"mead": "/data/MEAD"}


def test_a_rule_that_is_absent_is_told_from_one_that_is_none(tmp_path):
    assert read_run(tmp_path) is None
    (tmp_path / "run.json").write_text("{}")
    assert not read_run(tmp_path).split_recorded
    (tmp_path / "run.json").write_text('{"split": null}')
    assert read_run(tmp_path).split_recorded


@pytest.mark.parametrize(
    "text", ["", "[]", '{"root": 5}', '{"split": {"seed": 1}}', '{"merged": "a"}', '{"recipe": null}', "\udcff"]
)
def test_a_document_that_is_no_record_is_named(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"run\.json: cannot be read as the record"):
        read_run(tmp_path)


def test_a_merge_keeps_the_rule_by_which_its_clips_become_canonical(tmp_path):
    for name, clip, version in (("a", "a", 2), ("b", "b", 1), ("c", "c", 1)):
        seal_manifest(tmp_path / name, [json.dumps(row(clip))])
        size = 256 if name != "c" else 512
        write_run(tmp_path / name, ManifestRun(recipe={"clip": {"size": size, "version": version}}))
    merge_manifests([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    assert clip_settings(tmp_path / "both") == {"size": 256, "version": 1}
    with pytest.raises(InputError, match="different rules: size: 256 -> 512"):
        merge_manifests([tmp_path / "a", tmp_path / "c"], tmp_path / "other")


def test_a_manifest_of_the_first_crop_rule_is_read_and_says_so(tmp_path):
    from tbd.media.canonical import ClipRule

    assert ClipRule().version == CROP_RULE
    seal_manifest(tmp_path, [json.dumps(row("a"))])
    write_run(tmp_path, ManifestRun(recipe={"clip": {"version": 1, "whole": [0.35, 0.75], "size": 256}}))
    assert clip_rule(tmp_path).size == 256
    (note,) = rule_notes(tmp_path)
    assert "rule version 1" in note
    assert note in report_markdown(manifest_report(tmp_path), "m")
    write_run(tmp_path, ManifestRun(recipe={"clip": ClipRule().model_dump(mode="json")}))
    assert rule_notes(tmp_path) == []
