"""Canonical clips on disk, for other tools and for the eye: ``DIR/{clip_id}/`` and ``DIR/clips.csv``."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tbd import workspace
from tbd.clip_failures import why_failed
from tbd.errors import InputError
from tbd.hashes import file_stamp
from tbd.media import audio, video
from tbd.media.canonical import CanonicalClip, ClipRule
from tbd.schema import ManifestRow

COLUMNS = ("clip_id", "video", "audio", "reference", "num_frames", "fps", "size", "sample_rate", "damage")
"""Of ``clips.csv``; paths are relative to its folder, ``audio`` is empty for a silent clip, ``damage`` for a sound one."""

DONE = "clip.json"
"""In each clip's folder: what it was made from. A folder that holds it is whole."""


@dataclass
class Prepared:
    """What ``prepare`` did.

    Attributes:
        clips: one ``clips.csv`` row for each clip that lies in the folder now, in the order of the table.
        reused: how many of them were there already, made from the same file by the same rule.
        failed: ``clip_id`` -> why it could not be prepared.
        damaged: ``clip_id`` -> what of its file is broken, where it could be prepared all the same.
    """

    clips: list[dict[str, Any]] = field(default_factory=list)
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def prepare(
    rows: Iterable[ManifestRow],
    root: Path,
    folder: Path,
    rule: ClipRule | None = None,
    *,
    told: Callable[[str, str | None], None] = lambda clip_id, error: None,
) -> Prepared:
    """Write each row's canonical clip as ``video.mp4``, ``audio.wav`` and ``reference.png``.

    The video is compressed (x264, crf 18), the picture is exact. A clip appears whole or not at all, and the
    same call goes on where the last one ended. A silent clip gets no ``audio.wav``.

    Args:
        rows: manifest rows with ``clip_id file_name audio_file_name start end crop_box reference_frame``.
        root: what ``file_name`` is relative to.
        folder: where to write.
        rule: None takes the default rule.
        told: called with ``(clip_id, error or None)`` after each row.

    Raises:
        InputError: the folder cannot be written.
        MissingError: the disk is full. Every finished clip stays.
    """
    rule = rule or ClipRule()
    done = Prepared()
    for row in rows:
        clip_id = str(row["clip_id"])
        try:
            _one(row, clip_id, Path(root), Path(folder), rule, done)
        except Exception as error:  # noqa: BLE001 (the boundary of one clip)
            done.failed[clip_id] = why_failed(error, clip_id, "prepare", Path(folder))
        told(clip_id, done.failed.get(clip_id))
    workspace.write_whole(Path(folder) / "clips.csv", lambda path: _write_csv(path, done.clips))
    return done


def _one(row: ManifestRow, clip_id: str, root: Path, folder: Path, rule: ClipRule, done: Prepared) -> None:
    clip, reference, origin = _clip(row, clip_id, root, rule)
    target = folder / clip_id
    made = _read(target)
    if made.get("origin") == origin:
        done.reused += 1
    else:
        with workspace.writing(target):
            made = _write(clip, reference, target, origin)
    done.clips.append(_listed(clip_id, made, rule))
    if made.get("damage"):
        done.damaged[clip_id] = made["damage"]


def _clip(row: ManifestRow, clip_id: str, root: Path, rule: ClipRule) -> tuple[CanonicalClip, int, dict[str, Any]]:
    """The clip of a row, its reference frame, and everything its files depend on."""
    if clip_id != Path(clip_id).name or clip_id.startswith("."):
        raise InputError(f"clip_id {clip_id!r} cannot be the name of a folder")
    clip, reference = CanonicalClip.of_row(row, root, rule), row.get("reference_frame")
    if reference is None:
        raise InputError("no reference frame: no face was found, or the file could not be read")
    box = list(clip.crop_box or ())
    origin = {
        "row": [row["file_name"], row.get("audio_file_name"), clip.start, clip.end, box, int(reference)],
        "files": [file_stamp(file) for file in (clip.path, clip.audio_file) if file],
        "rule": json.loads(rule.model_dump_json()),
    }
    return clip, int(reference), origin


def _read(target: Path) -> dict[str, Any]:
    """What a finished clip was made from; nothing for one that is not finished."""
    try:
        made = json.loads((target / DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return made if isinstance(made, dict) else {}


def _write(clip: CanonicalClip, reference: int, target: Path, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Fill a folder beside the target, then put it in the target's place."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        made = {"origin": origin, **_fill(clip, reference, temporary)}
        workspace.write_json(temporary / DONE, made)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return made


def _fill(clip: CanonicalClip, reference: int, folder: Path) -> dict[str, Any]:
    rule, has_audio = clip.rule, clip.audio_file is not None or clip.source.has_audio
    sound = clip.sound() if has_audio else None
    samples = None if sound is None else sound.samples
    count = video.write(folder / "video.mp4", clip.frames(), rule.fps, samples, sample_rate=rule.sample_rate)
    if samples is not None:
        audio.write_wav(folder / "audio.wav", samples, rule.sample_rate)
    Image.fromarray(clip.picture(reference)).save(folder / "reference.png")
    return {"num_frames": count, "has_audio": has_audio, "damage": _damage(clip, sound)}


def _damage(clip: CanonicalClip, sound: audio.Sound | None) -> str:
    words = [clip.source.damage.words(clip.source.fps)]
    if sound is not None and sound.damaged:
        words.append(f"{sound.damaged} pieces of sound damaged")
    if sound is not None and sound.holes:
        words.append(f"{sound.holes:.2f} s without sound")
    return "; ".join(filter(None, words))


def _listed(clip_id: str, made: Mapping[str, Any], rule: ClipRule) -> dict[str, Any]:
    sound = f"{clip_id}/audio.wav" if made["has_audio"] else ""
    names = (clip_id, f"{clip_id}/video.mp4", sound, f"{clip_id}/reference.png")
    last = (made["num_frames"], rule.fps, rule.size, rule.sample_rate, made.get("damage", ""))
    return dict(zip(COLUMNS, (*names, *last), strict=True))


def _write_csv(path: Path, clips: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(clips)
