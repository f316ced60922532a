"""Two flawless rows, and what the gates say of rows that were changed."""

from dataclasses import replace

from facs_chain import written

from tbd.annotate.gates import check
from tbd.schema import Annotation

ANGER = written(Annotation("cot", "anger", 2, gender="woman"))
HAPPY = written(Annotation("cot", "happiness", 2, gender="woman"))


def codes(annotation):
    return {flag.code for flag in check(annotation)}


def flags(annotation, code):
    return [flag for flag in check(annotation) if flag.code == code]


def prompted(base, **texts):
    """The annotation with some prompts replaced, by name."""
    names = ("scene", "expression", "muscles", "dynamics")
    return replace(base, prompts=tuple(texts.get(name, old) for name, old in zip(names, base.prompts, strict=True)))
