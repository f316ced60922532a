"""What a dataset's terms ask of somebody who passes on what was made from it."""

from __future__ import annotations

from collections.abc import Iterable

NO_MEDIA = frozenset({"mead"})
"""Datasets whose media may not be handed on; an export of them needs the user's explicit word."""

_TERMS = {
    "mead": "MEAD: for non-commercial research on request; its terms forbid redistributing, hosting or sharing the "
    "media and data derived from them. Prompts written from reference frames may count as derived data: "
    "whether you may share them is for you to decide.",
    "hdtf": "HDTF: annotations under CC BY 4.0 (name the authors); the videos belong to the people who published them.",
    "ravdess": "RAVDESS: CC BY-NC-SA 4.0; name the authors, no commercial use, share under the same licence.",
    "crema-d": "CREMA-D: Open Database Licence 1.0, contents under the Database Contents Licence 1.0.",
}


def licence_notice(datasets: Iterable[str]) -> str:
    """The text of ``NOTICE.md`` that every export carries, for the datasets it was made from."""
    unknown = "terms unknown to tbd; find out what its owner allows before you pass this on."
    lines = [f"- {_TERMS.get(name, f'{name}: {unknown}')}" for name in sorted(set(datasets))]
    words = "What is in this folder was made from these datasets, and their terms hold for it:"
    return "\n".join(["# Notice", "", words, "", *lines]) + "\n"
