"""The nouns that the stages share. Standard library only, so that importing them costs nothing.

A layout turns a folder into ``Clip``s; ``tbd.media`` looks at each and returns a ``Medium``; the
chain writes an ``Annotation``; the gates raise ``Flag``s. A manifest row is these four together.
Coordinates are pixels of the source video after rotation, x to the right and y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, TypedDict

Mode = Literal["cot", "describe", "label"]
Status = Literal["success", "truncated", "refused", "error"]
Side = Literal["left", "right"]
Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels; x1 and y1 lie outside."""

EMOTIONS = ("happiness", "sadness", "anger", "fear", "disgust", "surprise", "contempt", "neutral")
"""The eight MEAD emotions by their canonical name. RAVDESS adds ``calm``."""

INTENSITIES = {1: "mild", 2: "moderate", 3: "intense"}
"""MEAD level -> the paper's word (section 4.4.3). Neutral has none."""

INFO, WARNING, ERROR = 1, 2, 3
"""Severities of a flag. A row needs review from ``WARNING`` upwards."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One finding about a row.

    Attributes:
        code: stable name in snake case, e.g. ``emotion_mismatch``; filters and reports use it.
        severity: ``INFO``, ``WARNING`` or ``ERROR``.
        message: one sentence for a person.
        where: the part it speaks of: ``media``, ``dataset``, ``step1`` … ``step4``, ``scene``,
            ``expression``, ``muscles``, ``dynamics``; ``prompt`` of a row that has only one, and
            ``coarse``, ``fine`` of one that has two.
        quote: the words that bit, exactly as they stand in that part; empty when there are none.
    """

    code: str
    severity: int
    message: str
    where: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled piece of video (or a portrait with speech), before anything is decoded.

    Attributes:
        clip_id: unique in its dataset and safe as a file name, ``mead_M003_front_angry_3_001``.
        dataset: ``mead``, ``hdtf``, ``ravdess``, ``crema-d``, or the folder's own name.
        subject: who is seen; clips of one person share it.
        emotion: canonical name (``EMOTIONS`` or ``calm``); None when the label is not known.
        emotion_raw: the label as the dataset writes it.
        file_name: the video or picture, relative to the dataset's root, with ``/``.
        view: camera view where the dataset has several.
        level: 1 to 3 as MEAD counts; None when the dataset has no levels.
        split: ``train`` or ``test`` where the dataset itself says so.
        audio_file_name: speech outside the video file, relative to the root.
        start, end: seconds from the beginning of the file; None takes the whole file.
        instruction: free text that asks for an expression.
        transcript: what is said.
        gender: ``woman`` or ``man`` where the dataset's documentation tells.
        source: the longer video that this clip was cut from; clips of one source overlap.
        flags: what the layout noticed.
    """

    clip_id: str
    dataset: str
    subject: str
    emotion: str | None
    emotion_raw: str
    file_name: str
    view: str | None = None
    level: int | None = None
    split: str | None = None
    audio_file_name: str | None = None
    start: float | None = None
    end: float | None = None
    instruction: str | None = None
    transcript: str | None = None
    gender: str | None = None
    source: str | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def intensity(self) -> str | None:
        """The paper's word for ``level``; None for neutral and for clips without a level."""
        return None if self.emotion == "neutral" or self.level is None else INTENSITIES[self.level]


@dataclass(frozen=True, slots=True)
class Medium:
    """What one look at a clip's pixels found. Fields that could not be read are None.

    Attributes:
        has_audio: the file, or ``audio_file_name``, carries sound.
        fps: frames a second of the source (average when it varies); None for a picture.
        num_frames: frames in the window ``[start, end]``, not in the canonical clip.
        duration: seconds of the window.
        width, height: pixels after rotation.
        reference_frame: 0-based index, counted from the start of the file.
        face_box: raw detection on the reference frame.
        crop_box: the square of the canonical clip in native pixels; it may leave the frame.
        image_sha256: of the canonical crops that a model sees (512 x 512 x 3 uint8 RGB each): the reference frame's,
            and with ``chain.frames`` above 1 those of other moments around it.
        flags: what is wrong or worth knowing about the medium.
    """

    has_audio: bool | None = None
    fps: float | None = None
    num_frames: int | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    reference_frame: int | None = None
    face_box: Box | None = None
    crop_box: Box | None = None
    image_sha256: str | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One action unit of step II. ``intensity`` is a FACS letter from A (trace) to E (maximum)."""

    au: int
    name: str
    side: Side | None = None
    intensity: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Muscle:
    """One muscle of step III, with the action unit that it carries."""

    name: str
    au: int | None
    action: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What is known of a flag's code: how much it weighs (1 to 3), what is wrong, what a reviewer does about it."""

    severity: int
    meaning: str
    advice: str


class ActionUnitRow(TypedDict):
    """An ``ActionUnit`` as a manifest row holds it."""

    au: int
    name: str
    side: Side | None
    intensity: str | None
    description: str


class MuscleRow(TypedDict):
    """A ``Muscle`` as a manifest row holds it."""

    name: str
    au: int | None
    action: str


class ManifestRow(TypedDict, total=False):
    """A row of a manifest as plain values: the columns of ``tbd.manifest.SCHEMA``, those of them that were read.

    What may be null there may be None here. Boxes have four numbers.
    """

    clip_id: str
    dataset: str
    subject: str
    view: str | None
    emotion: str | None
    emotion_raw: str
    level: int | None
    intensity: str | None
    split: str | None
    file_name: str
    audio_file_name: str | None
    has_audio: bool | None
    fps: float | None
    num_frames: int | None
    duration: float | None
    width: int | None
    height: int | None
    start: float | None
    end: float | None
    reference_frame: int | None
    face_box: list[float] | None
    crop_box: list[float] | None
    instruction: str | None
    transcript: str | None

    chain_id: str
    mode: Mode
    gender: str | None
    age_range: str | None
    ethnicity: str | None
    appearance: str | None
    action_units: list[ActionUnitRow]
    muscles: list[MuscleRow]
    prompts: list[str]
    coarse_prompt: str | None
    fine_prompt: str | None
    coarse_tokens: int | None
    fine_tokens: int | None
    step_outputs: list[str]

    status: Status
    error: str | None
    flags: list[str]
    severity: int

    needs_review: bool
    review_status: str
    reviewers: list[str]
    prompts_final: list[str]
    coarse_prompt_final: str | None
    fine_prompt_final: str | None
    approved: bool

    backend: str
    model: str
    model_revision: str
    prompt_version: str
    fingerprint: str
    seed: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a chain wrote about one face: the input of the gates, and most of a manifest row.

    Attributes:
        mode: ``cot`` has four prompts (scene, expression, muscles, dynamics); the others have one.
        emotion, level: what was asked for.
        gender, age_range, ethnicity, appearance: step I; None where it said "unknown".
        action_units: step II.  muscles: step III.
        prompts: coarse to fine.
        step_outputs: the raw replies, in order.
        truncated: 0-based indices of replies that ran into their token limit.
    """

    mode: Mode
    emotion: str | None
    level: int | None = None
    instruction: str | None = None
    gender: str | None = None
    age_range: str | None = None
    ethnicity: str | None = None
    appearance: str | None = None
    action_units: tuple[ActionUnit, ...] = ()
    muscles: tuple[Muscle, ...] = ()
    prompts: tuple[str, ...] = ()
    step_outputs: tuple[str, ...] = ()
    truncated: tuple[int, ...] = field(default=())

    @classmethod
    def of_row(cls, row: ManifestRow, prompts: Sequence[str]) -> Self:
        """The chain of a manifest row with these prompts; where they are not its own, they stand for the last reply."""
        replies = list(row["step_outputs"])
        if replies and list(prompts) != list(row["prompts"]):
            replies[-1] = "\n".join(prompts)
        return cls(
            mode=row["mode"],
            emotion=row["emotion"],
            level=row["level"],
            instruction=row["instruction"],
            gender=row["gender"],
            age_range=row["age_range"],
            ethnicity=row["ethnicity"],
            appearance=row["appearance"],
            action_units=tuple(ActionUnit(**unit) for unit in row["action_units"]),
            muscles=tuple(Muscle(**muscle) for muscle in row["muscles"]),
            prompts=tuple(prompts),
            step_outputs=tuple(replies),
        )

    @property
    def intensity(self) -> str | None:
        """The paper's word for ``level``; None for neutral."""
        return None if self.emotion == "neutral" or self.level is None else INTENSITIES[self.level]


def as_record(noun: Any) -> dict[str, Any]:
    """A dataclass as plain JSON-ready values (tuples become lists)."""
    return asdict(noun)
