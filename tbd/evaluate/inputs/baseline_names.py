"""Which clip an output of another program belongs to, and which of its files is the result.

Programs write a clip's name into longer ones: ``NAME##NAME_enhanced.mp4`` (SadTalker), ``NAME_512.mp4`` (EDTalk),
``NAME_pred_fls_NAME_audio_embed.mp4`` (MakeItTalk), ``NAME_hap_NAME.mp4`` (EAT),
``id_NAME_pose_NAME_audio_NAME/G_Pose_Driven_.mp4`` (PC-AVS), ``NAME/emotion.mp4`` (EAMM); docs/baselines.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

FEWEST_WORDS = 3
"""Words of a clip's name below which it is too common to be sought inside other names."""

_BY_PRODUCT = re.compile(
    r"(^|/)(av)?(concat|input|pose_source|mouth_source)_?$|(^|/)(av)?g_fix_pose_?$|(^|/)(neutral|all)$|(^|[_/])(te?mp)([_/]|$)",
    re.IGNORECASE,
)
"""Files that PC-AVS, EAMM, EAT, EDTalk and SadTalker write beside the result."""


def contained_clip(name: str, spellings: Mapping[str, str]) -> str | None:
    """The clip whose name stands, word by word, inside a path; the longest name wins; None where two are as long.

    Args:
        name: relative path without its ending.
        spellings: ``mead_m003_front_angry_3_001`` (words joined by ``_``, lower case) -> clip_id.
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    for length in range(len(words), FEWEST_WORDS - 1, -1):
        runs = {"_".join(words[start : start + length]) for start in range(len(words) - length + 1)}
        found = {spellings[run] for run in runs if run in spellings}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def results_among(names: Iterable[str]) -> list[str]:
    """Of the files of one clip those that are its result: by-products left out, and the silent twin of one with sound.

    Args:
        names: relative paths without their endings.
    """
    every = sorted(names)
    kept = [name for name in every if not _BY_PRODUCT.search(name)] or every
    return [name for name in kept if not _twin(name, kept)]


def _twin(name: str, others: Sequence[str]) -> bool:
    folder, slash, stem = name.rpartition("/")
    return f"{folder}{slash}av{stem}" in others
