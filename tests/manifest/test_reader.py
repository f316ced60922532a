import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from review_events import decide
from rows import PROMPTS, row, sealed

from tbd.errors import InputError, UsageError
from tbd.manifest import SCHEMA, read_manifest, text_hash
from tbd.manifest.reviews import Decision


@pytest.fixture
def folder(tmp_path):
    return sealed(tmp_path / "m", [row("a"), row("b")])


def test_a_folder_and_its_file_read_the_same(folder):
    assert read_manifest(folder).equals(read_manifest(folder / "manifest.parquet"))
    assert read_manifest(str(folder)).schema.equals(SCHEMA)


def test_some_columns_come_in_the_order_asked_for(folder):
    assert read_manifest(folder, ["status", "clip_id"]).column_names == ["status", "clip_id"]


def test_reviews_since_sealing_are_applied(folder):
    before = (folder / "manifest.parquet").read_bytes()
    decide(folder, "b", "edit", PROMPTS, after=["new"])
    table = read_manifest(folder)
    assert table.schema.equals(SCHEMA)
    assert table["prompts_final"].to_pylist() == [PROMPTS, ["new"]]
    assert read_manifest(folder, ["review_status"])["review_status"].to_pylist() == ["unreviewed", "edited"]
    assert (folder / "manifest.parquet").read_bytes() == before


def test_without_a_store_the_sealed_reviews_hold(tmp_path):
    sealed(tmp_path, [row("a")], decisions={"a": {text_hash(PROMPTS): Decision("rejected", None, ("ann",))}})
    assert read_manifest(tmp_path)["review_status"].to_pylist() == ["rejected"]


def test_an_unknown_column_is_named(folder):
    with pytest.raises(UsageError, match="no column 'prompt'"):
        read_manifest(folder, ["prompt"])


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def overwrite(text):
    return lambda path: path.write_bytes(text)


def damage(path):
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)
    path.write_bytes(data)


def with_version(version):
    def change(path):
        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata(dict(table.schema.metadata) | {b"schema_version": version}), path)

    return change


def other_columns(path):
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["status"]), path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (cut, "cut off: the end of the file is missing"),
        (damage, "damaged"),
        (overwrite(b""), "not a Parquet file"),
        (overwrite(b"clip_id,prompt\na,b\n"), "not a Parquet file"),
        (overwrite(b"PAR1"), "damaged|cut off"),
        (lambda path: pq.write_table(pa.table({"x": [1]}), path), r"not a manifest of tbd \(no schema_version\)"),
        (with_version(b"99"), "newer tbd .schema version 99"),
        (other_columns, "columns are not those of a manifest .differs: status"),
    ],
)
def test_a_bad_file_has_its_own_message(folder, harm, message):
    harm(folder / "manifest.parquet")
    with pytest.raises(InputError, match=message):
        read_manifest(folder)


@pytest.mark.parametrize(("journal", "way_on"), [(True, "tbd manifest seal {}"), (False, "tbd manifest list")])
def test_a_damaged_table_is_sealed_again_where_there_is_something_to_seal(folder, journal, way_on):
    (folder / "manifest.parquet").write_bytes(b"PAR1")
    if journal:
        (folder / "journal.sqlite").touch()
    with pytest.raises(InputError) as caught:
        read_manifest(folder)
    assert caught.value.next == way_on.format(folder)


def test_a_folder_with_only_a_journal_says_how_to_seal_it(tmp_path):
    (tmp_path / "journal.sqlite").touch()
    with pytest.raises(InputError, match="not sealed yet") as caught:
        read_manifest(tmp_path)
    assert caught.value.next == f"tbd manifest seal {tmp_path}"


def test_an_empty_folder_and_a_missing_one_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="no manifest in this folder"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        read_manifest(tmp_path / "nowhere")
