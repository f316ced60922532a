import json
import subprocess
import sys
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import duckdb
import pandas
import polars
import pyarrow as pa
import pytest
from datasets import Features, List, Value, load_dataset
from rows import failed, row, sealed

from tbd.manifest import MODEL_COLUMNS, REVIEW_COLUMNS, SCHEMA, SCHEMA_VERSION
from tbd.manifest.schema import features
from tbd.schema import ManifestRow

COLUMNS = [
    "clip_id",
    "dataset",
    "subject",
    "view",
    "emotion",
    "emotion_raw",
    "level",
    "intensity",
    "split",
    "file_name",
    "audio_file_name",
    "has_audio",
    "fps",
    "num_frames",
    "duration",
    "width",
    "height",
    "start",
    "end",
    "reference_frame",
    "face_box",
    "crop_box",
    "instruction",
    "transcript",
    "chain_id",
    "mode",
    "gender",
    "age_range",
    "ethnicity",
    "appearance",
    "action_units",
    "muscles",
    "prompts",
    "coarse_prompt",
    "fine_prompt",
    "coarse_tokens",
    "fine_tokens",
    "step_outputs",
    "status",
    "error",
    "flags",
    "severity",
    "needs_review",
    "review_status",
    "reviewers",
    "prompts_final",
    "coarse_prompt_final",
    "fine_prompt_final",
    "approved",
    "backend",
    "model",
    "model_revision",
    "prompt_version",
    "fingerprint",
    "seed",
]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    rows = [row("a", start=0.5, end=2.5, audio_file_name="a.m4a"), failed("b")]
    return sealed(tmp_path_factory.mktemp("schema") / "m", rows) / "manifest.parquet"


def test_the_columns_are_those_of_the_design_in_their_order():
    assert SCHEMA.names == COLUMNS
    assert set(MODEL_COLUMNS) | set(REVIEW_COLUMNS) == set(COLUMNS)
    assert not set(MODEL_COLUMNS) & set(REVIEW_COLUMNS)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("level", pa.int8()),
        ("fps", pa.float32()),
        ("num_frames", pa.int32()),
        ("duration", pa.float32()),
        ("width", pa.int16()),
        ("height", pa.int16()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("reference_frame", pa.int32()),
        ("face_box", pa.list_(pa.float32(), 4)),
        ("crop_box", pa.list_(pa.float32(), 4)),
        ("has_audio", pa.bool_()),
        ("coarse_tokens", pa.int16()),
        ("severity", pa.int8()),
        ("flags", pa.list_(pa.string())),
        ("reviewers", pa.list_(pa.string())),
        ("seed", pa.int64()),
        (
            "action_units",
            pa.list_(
                pa.struct(
                    [
                        ("au", pa.int16()),
                        ("name", pa.string()),
                        ("side", pa.string()),
                        ("intensity", pa.string()),
                        ("description", pa.string()),
                    ]
                )
            ),
        ),
        ("muscles", pa.list_(pa.struct([("name", pa.string()), ("au", pa.int16()), ("action", pa.string())]))),
    ],
)
def test_a_column_has_the_type_of_the_design(column, kind):
    assert SCHEMA.field(column).type == kind


def of_arrow(kind):
    """A column's type in Python: a type, a list of one, a dictionary of them."""
    if pa.types.is_struct(kind):
        return {column.name: of_arrow(column.type) for column in kind.fields}
    if isinstance(kind, pa.ListType | pa.FixedSizeListType):
        return [of_arrow(kind.value_type)]
    tests = {
        str: pa.types.is_string,
        bool: pa.types.is_boolean,
        int: pa.types.is_integer,
        float: pa.types.is_floating,
    }
    (found,) = (python for python, fits in tests.items() if fits(kind))
    return found


def of_hint(hint):
    """A hint in the same form, its None left out."""
    if is_typeddict(hint):
        return {name: of_hint(one) for name, one in get_type_hints(hint).items()}
    if get_origin(hint) is list:
        return [of_hint(*get_args(hint))]
    if get_origin(hint) is Literal:
        (found,) = {type(value) for value in get_args(hint)}
        return found
    if get_origin(hint) in (Union, UnionType):
        (rest,) = set(get_args(hint)) - {NoneType}
        return of_hint(rest)
    return hint


def test_the_typed_row_has_the_columns_and_their_types():
    hints = get_type_hints(ManifestRow)
    assert list(hints) == SCHEMA.names
    assert {name: of_hint(hint) for name, hint in hints.items()} == {
        column.name: of_arrow(column.type) for column in SCHEMA
    }


def test_the_typed_row_allows_none_where_the_column_may_be_null():
    may_be_none = {name for name, hint in get_type_hints(ManifestRow).items() if NoneType in get_args(hint)}
    assert may_be_none == {column.name for column in SCHEMA if column.nullable}


def test_the_features_are_those_that_datasets_would_derive():
    assert features(SCHEMA) == Features.from_arrow_schema(SCHEMA.remove_metadata()).to_dict()


def test_the_file_says_its_version_and_its_features(manifest):
    metadata = pa.parquet.read_schema(manifest).metadata
    assert metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert json.loads(metadata[b"huggingface"])["info"]["features"].keys() == set(COLUMNS)


def test_datasets_reads_it_with_the_right_types(manifest, tmp_path):
    loaded = load_dataset("parquet", data_files=str(manifest), cache_dir=str(tmp_path))["train"]
    assert loaded.features == Features.from_arrow_schema(SCHEMA)
    assert loaded.features["face_box"] == List(Value("float32"), length=4)
    assert loaded[0]["face_box"] == [700.5, 200.25, 1000.0, 600.0]
    assert loaded[0]["action_units"][1]["side"] == "left"
    assert loaded[1]["status"] == "error" and loaded[1]["crop_box"] is None


def test_pandas_reads_it(manifest):
    frame = pandas.read_parquet(manifest)
    assert list(frame.columns) == COLUMNS
    assert frame["approved"].tolist() == [True, False]
    assert frame["action_units"][0][0]["au"] == 6
    assert frame["start"][0] == 0.5 and pandas.isna(frame["start"][1])


def test_polars_reads_it(manifest):
    frame = polars.read_parquet(manifest)
    assert frame.columns == COLUMNS
    assert frame.schema["face_box"] == polars.Array(polars.Float32, 4)
    assert frame.schema["level"] == polars.Int8
    assert frame["prompts"].to_list()[1] == []


def test_duckdb_reads_it(manifest):
    query = f"SELECT clip_id, len(action_units), action_units[1].name, fps FROM '{manifest}' ORDER BY clip_id"
    first, second = duckdb.sql(query).fetchall()
    assert first[:3] == ("a", 2, "Cheek Raiser") and abs(first[3] - 29.97) < 1e-5
    assert second == ("b", 0, None, None)


def test_importing_the_package_brings_nothing_heavy():
    heavy = ["torch", "transformers", "pandas", "datasets", "open_clip", "tokenizers", "ftfy", "pydantic", "polars"]
    code = f"import sys, tbd.manifest; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
