"""A small dataset to train on: drawn clips, a sealed manifest over them, and rows that must never be used."""

import atexit
import functools
import json
import tempfile
from pathlib import Path

from review_events import decide
from rows import row, sealed

from tbd.demo.dataset import draw_clip
from tbd.demo.identity import PEOPLE
from tbd.media.canonical import CanonicalClip, ClipRule
from tbd.model.frozen_encoders import random_encoders
from tbd.train import cache_builder
from tbd.train.clips import TrainingClip, TrainingClips
from tbd.train.latent_cache import LatentCache
from tbd.train.recipe import TrainRecipe

SIZE, FACTOR = 32, 4
"""Pixels of a picture and of a latent, along a side."""
SHOWN = [("happiness", 1), ("anger", 2), ("neutral", 1), ("sadness", 3), ("fear", 2), ("surprise", 1),
         ("disgust", 3), ("happiness", 3), ("anger", 1), ("neutral", 1)]  # fmt: skip
"""Emotion and level of the clips that may be trained on."""
EDITED = ["A person is speaking.", "What a reviewer wrote instead."]


def recipe(changes=None, **sections):
    """The tiny recipe; ``changes`` are dotted keys, sections replace whole ones."""
    document = {
        "model": {"network": {"size": "tiny"}},
        "weights": {"start": "random"},
        "data": {"size": SIZE, "workers": 0, "validation_clips": 2, "apart": 10},
        "stage1": {"steps": 8},
        "stage2": {"steps": 8, "frames": 4},
        "hardware": {"batch": 2, "precision": "float32", "checkpointing": "none"},
        **sections,
    }
    for key, value in (changes or {}).items():
        *path, last = key.split(".")
        functools.reduce(lambda section, name: section.setdefault(name, {}), path, document)[last] = value
    return TrainRecipe.model_validate(document)


@functools.cache
def base():
    """The frozen networks, tiny and random."""
    return random_encoders(recipe().network, 0)


@functools.cache
def media():
    """A folder of drawn clips, made once a process: ten with sound of about a second, a silent and a short one."""
    holder = tempfile.TemporaryDirectory(prefix="tbd-drawn-")
    atexit.register(holder.cleanup)
    root = Path(holder.name)
    for i, (emotion, level) in enumerate(SHOWN):
        draw_clip(root / f"{i:03d}.mp4", PEOPLE[i % 8], emotion, level, seconds=1 + i / 25, size=SIZE, seed=i)
    draw_clip(root / "silent.mp4", seconds=1, size=SIZE, silent=True)
    draw_clip(root / "short.mp4", seconds=0.12, size=SIZE)
    return root


def prompts(i, emotion="neutral"):
    """Four levels, different for every clip."""
    return [f"A person called {i} is speaking.", f"The face shows {emotion}.", f"Muscle {i} moves.", "It stays so."]


def a_row(name, i=0, **changes):
    """An approved row of the train side over one of the drawn files; its clip is called ``name``."""
    emotion, level = SHOWN[i % len(SHOWN)]
    facts = {"file_name": f"{i % len(SHOWN):03d}.mp4", "fps": 25.0, "width": SIZE, "height": SIZE, "split": "train"}
    facts |= {"emotion": emotion, "emotion_raw": emotion, "level": level, "crop_box": [0.0, 0.0, float(SIZE), SIZE]}
    facts |= {"num_frames": 25 + i % len(SHOWN), "duration": 1 + (i % len(SHOWN)) / 25, "reference_frame": 5}
    return row(name, **({"prompts": prompts(i, emotion)} | facts | changes))


def usable(count=10):
    """Rows that may be trained on, ``c000`` and so on."""
    return [a_row(f"c{i:03d}", i) for i in range(count)]


def planted():
    """Rows that may not: the files of those that nobody approved do not even exist."""
    nowhere = {"file_name": "nobody/made/this.mp4"}
    return [
        a_row("x_failed", status="error", error="cut off", severity=3, **nowhere),
        a_row("x_flagged", severity=3, flags=["refused"], **nowhere),
        a_row("x_refused", status="refused", severity=2, **nowhere),
        a_row("x_rejected", **nowhere),
        a_row("x_test", split="test", **nowhere),
        a_row("y_missing", **nowhere),
        a_row("y_short", file_name="short.mp4", num_frames=3, duration=0.12),
        a_row("y_silent", file_name="silent.mp4", num_frames=25, duration=1.0, has_audio=False),
    ]


def manifest(folder, rows=None, root=None, size=512):
    """A sealed manifest in ``folder``: by default every usable and every planted row; ``c001`` was edited."""
    given = [*usable(), *planted()] if rows is None else rows
    sealed(folder, given)
    by_id = {one["clip_id"]: one["prompts"] for one in given}
    if rows is None:
        decide(folder, "x_rejected", "reject", by_id["x_rejected"])
        decide(folder, "c000", "accept", by_id["c000"])
        decide(folder, "c001", "edit", by_id["c001"], after=EDITED)
    document = {"root": str(root or media()), "dataset": "mead", "recipe": {"clip": {"size": size}}}
    (Path(folder) / "run.json").write_text(json.dumps(document))
    return Path(folder)


def clip(i=0, manifest="toy", *, path=None, frames=None, emotion=None, level=0, text=None, has_audio=True):
    """A clip without a manifest; its file is drawn unless a path is given."""
    shown, strength = SHOWN[i % len(SHOWN)]
    rule = ClipRule(size=SIZE)
    canonical = CanonicalClip(path or media() / f"{i % len(SHOWN):03d}.mp4", None, None, (0.0, 0.0, SIZE, SIZE), rule)
    words = text or (f"A person called {i}.", f"Muscle {i} moves.")
    count = 25 + i % len(SHOWN) if frames is None else frames
    mood, grade = emotion or shown, level if level != 0 else strength
    return TrainingClip(
        manifest, f"c{i:03d}", f"mead/{PEOPLE[i % 8].name}", words, mood, grade, canonical, count, has_audio
    )


def clips(count=4, validation=0, **how):
    """Clips to train on over the drawn files, and some that are kept back."""
    made = [clip(i, **how) for i in range(count + validation)]
    return TrainingClips(tuple(made[:count]), tuple(made[count:]))


def filled(folder, found, settings):
    """A cache with everything that ``found`` needs."""
    keep = LatentCache(Path(folder), base().identities, settings.data.moments)
    cache_builder.build_cache(cache_builder.plan_cache(found, settings, keep), settings, base())
    return keep
