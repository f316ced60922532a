"""Finished rows as the annotate stage hands them to sealing, with anatomy that fits a smile."""

import json
from pathlib import Path

from hypothesis import strategies as st

from tbd.manifest import count_tokens, seal_manifest
from tbd.manifest.prompt_levels import coarse_and_fine

PROMPTS = [
    "A woman in her thirties with brown hair is speaking with a happy emotion.",
    "Her face shows Moderate Happiness.",
    "The zygomaticus major lifts the corners of the mouth.",
    "The smile grows and holds.",
]


def row(clip_id="mead_M003_front_happy_2_001", *, prompts=PROMPTS, **changes):
    """A clean row; ``changes`` replace columns, and None makes a column null."""
    coarse, fine = coarse_and_fine(prompts)
    made = {
        "clip_id": clip_id,
        "dataset": "mead",
        "subject": "M003",
        "view": "front",
        "emotion": "happiness",
        "emotion_raw": "happy",
        "level": 2,
        "intensity": "moderate",
        "split": None,
        "file_name": f"M003/video/front/happy/level_2/{clip_id[-3:]}.mp4",
        "audio_file_name": None,
        "has_audio": True,
        "fps": 29.97,
        "num_frames": 90,
        "duration": 3.0,
        "width": 1920,
        "height": 1080,
        "start": None,
        "end": None,
        "reference_frame": 40,
        "face_box": [700.5, 200.25, 1000.0, 600.0],
        "crop_box": [500.0, 100.0, 1180.0, 780.0],
        "instruction": None,
        "transcript": None,
        "chain_id": clip_id,
        "mode": "cot",
        "gender": "woman",
        "age_range": "thirties",
        "ethnicity": None,
        "appearance": "brown hair",
        "action_units": [
            {"au": 6, "name": "Cheek Raiser", "side": None, "intensity": "C", "description": "cheeks lift"},
            {"au": 12, "name": "Lip Corner Puller", "side": "left", "intensity": "C", "description": "corners rise"},
        ],
        "muscles": [{"name": "zygomaticus major", "au": 12, "action": "pulls the lip corners up"}],
        "prompts": list(prompts),
        "coarse_prompt": coarse,
        "fine_prompt": fine,
        "coarse_tokens": None if coarse is None else count_tokens(coarse),
        "fine_tokens": None if fine is None else count_tokens(fine),
        "step_outputs": ['{"gender": "woman"}', "II", "III", "IV"],
        "status": "success",
        "error": None,
        "flags": [],
        "severity": 0,
        "backend": "facs",
        "model": "facs",
        "model_revision": "1",
        "prompt_version": "v1",
        "fingerprint": "f" * 64,
        "seed": 0,
    }
    assert changes.keys() <= made.keys(), changes.keys() - made.keys()
    return made | changes


def failed(clip_id, **changes):
    """A row of a clip whose file could not be read: its identity and its error."""
    media = ["has_audio", "fps", "num_frames", "duration", "width", "height", "reference_frame", "face_box", "crop_box"]
    chain = ["gender", "age_range", "ethnicity", "appearance"]
    nothing = dict.fromkeys(media + chain) | {"action_units": [], "muscles": [], "step_outputs": []}
    outcome = {"status": "error", "error": "cut off", "flags": ["unreadable"], "severity": 3}
    return row(clip_id, prompts=[], **(nothing | outcome | changes))


def lines(rows):
    """Rows in the order and form in which they are sealed."""
    return [json.dumps(one, ensure_ascii=False) for one in sorted(rows, key=lambda one: one["clip_id"])]


def sealed(folder, rows, **kwargs):
    """Seal ``rows`` in a new folder and return the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    seal_manifest(folder, lines(rows), **kwargs)
    return folder


_words = st.text(st.characters(codec="utf-8"), max_size=30)
_maybe = st.none() | _words
_float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
_box = st.none() | st.lists(_float32, min_size=4, max_size=4)
_au = st.fixed_dictionaries(
    {
        "au": st.integers(1, 99),
        "name": _words,
        "side": st.sampled_from([None, "left", "right"]),
        "intensity": st.sampled_from([None, *"ABCDE"]),
        "description": _words,
    }
)
_muscle = st.fixed_dictionaries({"name": _words, "au": st.none() | st.integers(1, 99), "action": _words})


@st.composite
def any_rows(draw):
    """Up to eight rows with arbitrary text, boxes and numbers, and distinct ids."""
    ids = draw(st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), max_size=8, unique=True))
    return [
        row(
            clip_id,
            prompts=draw(st.lists(_words, max_size=4)),
            subject=draw(_words),
            transcript=draw(_maybe),
            level=draw(st.none() | st.integers(1, 3)),
            duration=draw(st.none() | _float32),
            start=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
            width=draw(st.none() | st.integers(1, 2**15 - 1)),
            face_box=draw(_box),
            has_audio=draw(st.none() | st.booleans()),
            action_units=draw(st.lists(_au, max_size=3)),
            muscles=draw(st.lists(_muscle, max_size=3)),
            step_outputs=draw(st.lists(_words, max_size=4)),
            status=draw(st.sampled_from(["success", "truncated", "refused", "error"])),
            severity=draw(st.integers(0, 3)),
            seed=draw(st.integers(-(2**63), 2**63 - 1)),
        )
        for clip_id in ids
    ]
