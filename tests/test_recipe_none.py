"""Every key of every recipe that may be None can be set to it from TOML and from ``--set``."""

import types
import typing

import pytest

from tbd.annotate.recipe import AnnotateRecipe
from tbd.recipe import Recipe, load
from tbd.train.recipe import TrainRecipe


def _optional(model, prefix=""):
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Recipe):
            yield from _optional(field.annotation, f"{prefix}{key}.")
        elif types.NoneType in typing.get_args(field.annotation):
            yield f"{prefix}{key}"


CASES = [(model, stage, key) for model, stage in ((TrainRecipe, "train"), (AnnotateRecipe, "annotate"))
         for key in _optional(model)]  # fmt: skip


@pytest.mark.parametrize(("model", "stage", "key"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_none_is_said_with_a_word(model, stage, key):
    found = load(model, stage, None, [f"{key}=none"])
    for part in key.split("."):
        found = getattr(found, part)
    assert found is None


def test_a_text_that_reads_none_stays_a_text():
    found = load(TrainRecipe, "train", None, ["watch.tracker=none", "model.guidance.schedule=none"])
    assert (found.watch.tracker, found.model.guidance.schedule) == ("none", "none")


def test_there_are_such_keys():
    assert {"weights.motion", "weights.warm_start", "loss.min_snr"} <= {key for _, _, key in CASES}
