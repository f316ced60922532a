"""What ``tbd generate`` was given, checked before torch is loaded; prompts from an emotion by the annotator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.cli.options import EngineName
from tbd.console import say
from tbd.errors import InputError, UsageError
from tbd.selection import Selection

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline
    from tbd.generate.recipe import GenerateRecipe
    from tbd.model.recipe import Guidance


INDEX = "model_index.json"
"""Of a folder that ``save_pretrained`` wrote."""


@dataclass(frozen=True)
class GenerateOptions:
    """The options of the command."""

    checkpoint: Path | None
    output: Path | None
    image: Path | None
    audio: Path | None
    emotion: str | None
    intensity: str | None
    text: str | None
    prompts: tuple[str, ...]
    backend: str
    manifest: Path | None
    split: str
    overrides: tuple[str, ...]
    selection: Selection
    roots: Mapping[str, Path]
    max_failed: str
    devices: str
    engine: EngineName
    address: str | None
    dry_run: bool
    quiet: bool
    json: bool
    recipe: GenerateRecipe


@dataclass(frozen=True)
class ModelFacts:
    """What a checkpoint says about itself, read without torch.

    Attributes:
        folder: the checkpoint, or the saved pipeline.
        guidance: of its prompt levels, as the checkpoint was trained.
        size: side of its pictures.
        frames: of its windows.
        notes: what a person should know who gives it a portrait of their own.
    """

    folder: Path
    guidance: Guidance
    size: int
    frames: int
    notes: tuple[str, ...] = ()


def model_facts(given: GenerateOptions) -> ModelFacts:
    """The checkpoint to sample from.

    Raises:
        UsageError: none was given, and there is not exactly one in ``checkpoints/``.
        InputError: it is none of stage 2.
    """
    path = given.checkpoint or _only_checkpoint()
    if (path / INDEX).is_file():
        return _saved_facts(path)
    from tbd.model.checkpoints import find_checkpoint

    saved = find_checkpoint(path)
    if saved.stage != 2:
        raise InputError(
            f"{saved.path}: a checkpoint of stage 1, which has neither sound nor motion",
            next=f"tbd train stage2 MANIFEST --from {path} -o checkpoints/stage2",
        )
    recipe: Any = saved.meta.recipe
    notes = tuple(_crop_notes(saved.meta.clip_rule))
    return ModelFacts(saved.path, saved.recipe.guidance, recipe["data"]["size"], recipe["stage2"]["frames"], notes)


def levels_heard(facts: ModelFacts, recipe: GenerateRecipe) -> int:
    """Prompt levels that the checkpoint hears with this recipe, which is a ``guided`` one."""
    return (recipe.guidance or facts.guidance).k


def prompts_for(given: GenerateOptions, k: int, emotion: str | None, intensity: str | None) -> tuple[list[str], Any]:
    """The prompts of one video, coarse to fine, and the annotator's chain where it was asked.

    Raises:
        UsageError: neither prompts nor an emotion, too few prompts, or an intensity for neutral.
        InputError: the annotator found no face or refused.
    """
    if given.prompts:
        if len(given.prompts) != k:
            raise UsageError(f"{len(given.prompts)} prompts, the model hears {k} levels", next="--prompt, once a level")
        return list(given.prompts), None
    if not emotion and not given.text:
        raise UsageError("no --prompt, --emotion or --text", next="--emotion happy --intensity moderate")
    from tbd.labels import canonical

    if emotion and canonical(emotion) == "neutral" and intensity:
        raise UsageError("neutral has no intensity", next="--emotion neutral, without --intensity")
    from tbd.annotate.portrait import annotate_portrait
    from tbd.annotate.recipe import AnnotateRecipe
    from tbd.manifest import levels
    from tbd.recipe import load

    assert given.image is not None
    settings = load(AnnotateRecipe, "annotate", None, [f"backend.name={given.backend}"])
    chain = annotate_portrait(given.image, text=given.text, emotion=emotion, intensity=intensity, recipe=settings)
    found = levels([prompt["text"] for prompt in chain["prompts"]], k)
    if chain["status"] != "success" or len(found) < k:
        raise InputError(
            f"{given.image}: the annotator gave {len(found)} of {k} prompts ({chain['error'] or chain['status']})",
            next="--prompt, once a level, coarse to fine",
        )
    return found, chain


def open_pipelines(given: GenerateOptions, facts: ModelFacts) -> list[TalkingHeadPipeline]:
    """The pipeline on each of the devices.

    Raises:
        UsageError, MissingError: as ``device_list``.
        InputError, MissingError: as ``load_pipeline``.
    """
    from tbd.devices import device_list

    return [_load(given, facts, device) for device in device_list(given.devices)]


def open_pipeline(given: GenerateOptions, facts: ModelFacts) -> TalkingHeadPipeline:
    """The pipeline on the one device that a single portrait needs.

    Raises:
        UsageError: several devices are named.
        InputError, MissingError: as ``open_pipelines``.
    """
    from tbd.devices import device_list

    if "," in given.devices:
        raise UsageError(
            f"--devices {given.devices}: one portrait's videos are made on one device; only a split is shared out",
            next=f"--devices {given.devices.split(',')[0]}",
        )
    for note in facts.notes:
        say(note)
    return _load(given, facts, device_list(given.devices)[0])


def _load(given: GenerateOptions, facts: ModelFacts, device: str) -> TalkingHeadPipeline:
    from tbd.generate.load import load_pipeline

    return load_pipeline(facts.folder, device=device, precision=given.recipe.precision, compile=given.recipe.compile)


def _crop_notes(trained: Mapping[str, Any]) -> Iterator[str]:
    """Where portraits are cropped otherwise than the clips that were trained on."""
    from tbd.media.canonical import ClipRule

    for key in ("scale", "lift"):
        own, usual = trained.get(key), getattr(ClipRule(), key)
        if own is not None and own != usual:
            yield (
                f"trained on crops with clip.{key}={own:g}, and portraits are cropped with {usual:g}: "
                "the face may be larger or smaller than the model knows it"
            )


def _saved_facts(path: Path) -> ModelFacts:
    import json

    from tbd.model.recipe import Guidance

    index = path / INDEX
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        trained = Guidance.model_validate(found["recipe"]["guidance"])
        return ModelFacts(path, trained, int(found["size"]), int(found["frames"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise InputError(
            f"{index}: not of a pipeline that tbd saved ({why})", next="--checkpoint DIR, of tbd train stage2"
        ) from None


def _only_checkpoint() -> Path:
    runs = sorted({str(path.parent.parent) for path in Path("checkpoints").glob("*/step-*/audio_projection")})
    if len(runs) == 1:
        return Path(runs[0])
    told = f"{len(runs)} checkpoints of stage 2 here: {', '.join(runs)}" if runs else "no --checkpoint was given"
    raise UsageError(told, next=f"--checkpoint {runs[0] if runs else 'checkpoints/stage2'}")
