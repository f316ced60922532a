"""Which clip an output of another program belongs to, and which of its files is the result.

Programs write a clip's name into longer ones: ``NAME##NAME_enhanced.mp4`` (SadTalker), ``NAME_512.mp4`` (EDTalk),
``NAME_pred_fls_NAME_audio_embed.mp4`` (MakeItTalk), ``NAME_hap_NAME.mp4`` (EAT),
``id_NAME_pose_NAME_audio_NAME/G_Pose_Driven_.mp4`` (PC-AVS), ``NAME/emotion.mov`` (EAMM); docs/baselines.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

FEWEST_WORDS = 3
"""Words of a clip's name below which it is too common to be sought inside other names."""

_BY_PRODUCT = re.compile(
    r"(^|/)((av)?concat|input_|(pose|mouth)_source_|neutral|all|3dface)$|(^|[_/.])te?mp([_/.]|$)", re.IGNORECASE
)
"""Files that PC-AVS, EAMM, EAT, EDTalk and SadTalker write beside the result."""

_SECOND = re.compile(r"(^|/)g_fix_pose_$", re.IGNORECASE)
"""PC-AVS' video without the pose that was asked for: the result only where there is no other."""


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
    """Of the files of one clip those that are its result, sorted.

    Left out are by-products, what lies in a folder named as a video beside it (SadTalker keeps its steps there), and a
    silent ``.mp4`` beside the ``.mov`` of the same name that has the sound (EAMM).

    Args:
        names: relative paths.
    """
    every = sorted(names)
    stems = {name: PurePosixPath(name).with_suffix("").as_posix() for name in every}
    kept = [name for name in every if not _BY_PRODUCT.search(stems[name])] or every
    kept = [name for name in kept if not _SECOND.search(stems[name])] or kept
    folders = {stems[name] for name in kept}
    kept = [name for name in kept if not folders.intersection(map(str, PurePosixPath(name).parents))]
    with_sound = {stems[name] for name in kept if name.lower().endswith(".mov")}
    return [name for name in kept if not (name.lower().endswith(".mp4") and stems[name] in with_sound)]
