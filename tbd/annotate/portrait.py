"""One portrait and a label or a free instruction (Fig. 1): the chain without a dataset."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tbd.annotate import backends, plan
from tbd.annotate.backends import serving
from tbd.annotate.chain import Chain, ChainRunner
from tbd.annotate.examine_pool import Examined, ExamineJob, examine_clip
from tbd.annotate.gates import check
from tbd.annotate.journal import Journal
from tbd.annotate.recipe import AnnotateRecipe
from tbd.annotate.replies import PROMPTS
from tbd.annotate.steps import load_prompts
from tbd.errors import InputError, UsageError
from tbd.hashes import file_stamp
from tbd.labels import canonical, emotion_in, level_in
from tbd.manifest.tokens import count_tokens
from tbd.media.canonical import ClipRule
from tbd.schema import INTENSITIES, Annotation, Clip


def annotate_portrait(
    image: Path,
    *,
    text: str | None,
    emotion: str | None,
    intensity: str | None,
    recipe: AnnotateRecipe,
    endpoints: Sequence[str] = (),
    serve: bool = False,
    devices: str = "auto",
) -> dict[str, Any]:
    """Run the chain on one picture.

    Args:
        text: an instruction such as "a shy smile"; it has to speak of exactly one emotion, unless
            ``emotion`` says which one is meant.
        intensity: ``mild``, ``moderate``, ``intense``, or 1 to 3; else what the text says, else moderate.

    Returns:
        ``status error emotion intensity action_units muscles prompts flags steps`` and costs.

    Raises:
        UsageError: neither a text nor an emotion, or an unknown word.
        InputError: the picture shows no face, or the text no emotion, or more than one.
    """
    if not text and not emotion:
        raise UsageError("--image needs --text or --emotion", next=f"tbd annotate --image {image} --emotion happy")
    label = canonical(emotion) if emotion else emotion_in(text or "")
    clip = Clip(
        image.stem,
        "portrait",
        image.stem,
        label,
        emotion or "",
        image.name,
        level=_level(intensity, text),
        instruction=text,
    )
    seen = _examined(image, file_stamp(image), recipe.clip)
    if seen.medium is None or seen.images is None:
        raise InputError(
            f"{image}: {seen.error or 'no face found'}", next="take a picture that shows one face from the front"
        )
    chain = Chain(clip.clip_id, plan.chain_topic(clip, recipe), seen.images, seen.medium.image_sha256)
    with (
        tempfile.TemporaryDirectory() as name,
        Journal(folder := Path(name)) as journal,
        serving.at_hand(recipe, endpoints, devices, folder if serve else None) as (named, addresses),
        contextlib.closing(backends.open_all(named, addresses, devices)[0]) as backend,
    ):
        origin = (backend.name, backend.model, backend.revision)
        chain_runner = ChainRunner(recipe, load_prompts(recipe.chain.prompts), journal, origin)
        chain_runner.recall(chain)
        if not chain.ended:
            chain_runner.run([chain], backend)
        return _document(chain, journal.costs(), seen.medium.flags)


@functools.lru_cache(maxsize=2)
def _examined(image: Path, stamp: str, rule: ClipRule) -> Examined:
    """The faces of a picture, looked for once however many emotions are asked for (a grid asks for 22)."""
    return examine_clip(ExamineJob(image, None, None, None, rule))


def words(result: dict[str, Any]) -> list[str]:
    """A result of ``annotate_portrait`` for people."""
    title = f"{result['intensity'] or ''} {result['emotion']}".strip()
    lines = [title, *(f"  AU{unit['au']:<3} {unit['name']}{_marks(unit)}" for unit in result["action_units"])]
    lines += [f"  {muscle['name']}: {muscle['action']}" for muscle in result["muscles"]]
    lines += [f"{level['name']} ({level['tokens']} tokens)\n  {level['text']}" for level in result["prompts"]]
    lines += [f"! {flag['code']}: {flag['message']}" for flag in result["flags"]]
    return lines + ([f"{result['status']}: {result['error']}"] if result["error"] else [])


def _marks(unit: dict[str, Any]) -> str:
    marks = " ".join(filter(None, (unit["side"], unit["intensity"])))
    return f" ({marks})" if marks else ""


def _level(intensity: str | None, text: str | None) -> int | None:
    if intensity is None:
        return (level_in(text) if text else None) or 2
    levels = {word: level for level, word in INTENSITIES.items()} | {str(level): level for level in INTENSITIES}
    if intensity.lower() not in levels:
        raise UsageError(f"--intensity {intensity}: not one of mild, moderate, intense", next="--intensity moderate")
    return levels[intensity.lower()]


def _document(chain: Chain, costs: dict[str, float], media_flags: Sequence[Any]) -> dict[str, Any]:
    topic: Annotation = chain.topic
    names = PROMPTS if len(topic.prompts) == 4 else ("coarse", "fine") if len(topic.prompts) == 2 else ("prompt",)
    return {
        "status": chain.status,
        "error": chain.error,
        **{key: value for key, value in asdict(topic).items() if key not in ("prompts", "truncated", "mode", "level")},
        "intensity": topic.intensity,
        "prompts": [
            {"name": name, "text": text, "tokens": count_tokens(text)}
            for name, text in zip(names, topic.prompts, strict=False)
        ],
        "flags": [asdict(flag) for flag in (*media_flags, *check(topic)) if flag.code != "no_audio"],
        "costs": costs,
    }
