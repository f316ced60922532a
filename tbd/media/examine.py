"""One look at a clip's pixels: what it is, where the face is, which frame shows it best."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from tbd.media import audio as sound
from tbd.media import video
from tbd.media.canonical import TIGHT, CanonicalClip, ClipRule, crop, crop_box, union_side
from tbd.media.faces import LONGEST, Face, detector
from tbd.media.flags import damage_flags, display_flags, media_flag
from tbd.media.probe import Probe
from tbd.schema import ERROR, INFO, WARNING, Box, Flag, Medium

Pixels = npt.NDArray[np.uint8]

VERSION = 1
"""Raised when a look finds something else in the same bytes, be it a flag's words; kept looks are then looked at anew."""

MARGINS = (0.0, 0.1, 0.9, 1.0)
"""Places, as shares of the window, that are looked at for the union of the face boxes only."""

MIDDLE = (0.2, 0.8)
"""The candidates for the reference picture are spread evenly between these places."""

SECOND_LOOK = 640
"""Longer side of the pictures that are searched again when the first look found no face."""

NEEDED = 16
"""Canonical frames that the second stage of training takes: 14, and 2 before them."""


@dataclass(frozen=True, eq=False)
class Look:
    """One frame that was looked at: its index from the start of the file, and the person's face on it."""

    index: int
    frame: av.VideoFrame
    faces: list[Face]
    face: Face | None = None


def examine(
    path: Path,
    *,
    start: float | None = None,
    end: float | None = None,
    audio: Path | None = None,
    rule: ClipRule | None = None,
    frames: int = 1,
) -> tuple[Medium, Pixels | None]:
    """Probe a clip, find its face, choose the reference frame and the crop, in one forward pass.

    With ``n = rule.candidates`` (8), the frames looked at lie at the shares 0, 0.1, 0.2 + 0.6 k / (n - 1) for
    k = 0 … n - 1, 0.9 and 1 of the window, rounded to frames: 12 detections in one batch. The union of the
    face boxes, and with it the crop, is taken over all of them; the reference frame is one of the middle n.
    The person is the largest face seen, followed from frame to frame. The reference is the best by
    ``frontality x sharpness x eyes`` among frames with exactly one face where there are any; of equals the
    earliest. All three lie between 0 and 1; sharpness is relative to the sharpest candidate, eyes to the usual
    opening in this clip, which tells a blink but not a person whose eyes stay closed.

    Args:
        path: video or picture.
        start, end: window in seconds from the beginning of the file.
        audio: speech outside the video file.
        rule: None takes the default rule.
        frames: moments that are to be seen; see ``moments``.

    Returns:
        The medium, and the canonical crops of the moments as ``(n, size, size, 3)`` uint8 RGB, in order of time; n is
        ``frames``, or all frames of a shorter window. None when no face was found. Flags: ``no_face`` (error); ``many_faces``, ``face_lost``, ``no_audio``,
        ``variable_fps``, ``short_clip``, ``window_cut``, ``media_damaged``, ``sound_gaps``, ``hdr_colours``, ``padded``
        (warnings); ``resampled_fps``, ``upscaled``, ``interlaced``, ``transparent``, ``stretched``, ``tight_crop`` (info).

    Raises:
        InputError: the file, or its speech, cannot be read, or the window holds no frame; the message says why.
    """
    rule = rule or ClipRule()
    clip = CanonicalClip(Path(path), start, end, None, rule, audio)
    source = clip.source
    if audio is not None:
        sound.duration(audio)  # it must be readable
    first, stop = source.window(start, end)
    candidates, places = positions(first, stop, rule.candidates)
    looks = follow(_look(source, places))
    seen = [look for look in looks if look.face]
    found, pictures = Medium(), None
    if seen:
        best = reference(seen, candidates, source)
        faces = [look.face.box for look in seen if look.face]
        box = crop_box(faces, source.width, source.height, rule)
        pictures = _pictures(source, best, moments(first, stop, best.index, frames), box, rule)
        found = Medium(
            reference_frame=best.index,
            face_box=best.face.box if best.face else None,
            crop_box=box,
            image_sha256=hashlib.sha256(pictures.tobytes()).hexdigest(),
            flags=tuple(_crop_flags(box, faces, source, rule)),
        )
    medium = replace(
        found,
        has_audio=audio is not None or source.has_audio,
        fps=source.fps,
        num_frames=stop - first,
        duration=None if source.is_picture and audio is None else clip.duration,
        width=source.width,
        height=source.height,
        flags=(*_clip_flags(clip), *display_flags(source), *damage_flags(source), *_face_flags(looks), *found.flags),
    )
    return medium, pictures


def load_detector() -> None:
    """Load the detector, which takes seconds, before the first look does."""
    detector()


def positions(first: int, stop: int, candidates: int) -> tuple[list[int], list[int]]:
    """The candidates for the reference, and all frames to look at; both ascending, without repeats.

    Args:
        first, stop: the window in frames, ``stop`` excluded.
        candidates: how many.
    """
    shares = [0.5] if candidates == 1 else np.linspace(*MIDDLE, candidates).tolist()
    middle = {first + int(share * (stop - 1 - first) + 0.5) for share in shares}
    margins = {first + int(share * (stop - 1 - first) + 0.5) for share in MARGINS}
    return sorted(middle), sorted(middle | margins)


def moments(first: int, stop: int, reference: int, count: int) -> list[int]:
    """The frames that a model sees: spread evenly over the window; the nearest to the reference gives way to it.

    Args:
        first, stop: the window in frames, ``stop`` excluded.
        reference: the reference frame, inside the window.
        count: how many; a shorter window gives all its frames.
    """
    count = min(count, stop - first)
    places = [first + int((k + 0.5) * (stop - first) / count) for k in range(count)]
    nearest = min(range(count), key=lambda k: abs(places[k] - reference))
    return [*places[:nearest], reference, *places[nearest + 1 :]]


def follow(looks: Sequence[Look]) -> list[Look]:
    """Mark one person's face in every look: from the largest face onward and backward, the nearest each time.

    A face counts as the same person's while its centre has moved by less than its side since it was last seen, and
    its side has not halved or doubled: a detector may take a wide open mouth for a small face.
    """
    anchor = max(range(len(looks)), key=lambda i: max((face.side for face in looks[i].faces), default=0.0))
    if not looks[anchor].faces:
        return list(looks)
    marked = {anchor: looks[anchor].faces[0]}
    for order in (range(anchor + 1, len(looks)), range(anchor - 1, -1, -1)):
        last = marked[anchor]
        for i in order:
            alike = [face for face in looks[i].faces if 0.5 < face.side / last.side < 2]
            face = min(alike, key=lambda face: _distance(face, last), default=None)
            if face and _distance(face, last) < last.side:
                marked[i] = last = face
    return [Look(look.index, look.frame, look.faces, marked.get(i)) for i, look in enumerate(looks)]


def reference(seen: Sequence[Look], candidates: Sequence[int], source: Probe) -> Look:
    """The look to describe the clip by; see ``examine``. Every look in ``seen`` has a face."""
    chosen = [look for look in seen if look.index in set(candidates)] or list(seen)
    chosen = [look for look in chosen if len(look.faces) == 1] or chosen
    luma = [video.grey(look.frame, source) for look in chosen]
    faces = [look.face for look in chosen if look.face]
    sharp = [_sharpness(_patch(grey, face.box)) for grey, face in zip(luma, faces, strict=True)]
    eyes = [_eyes(grey, face) for grey, face in zip(luma, faces, strict=True)]
    usual = max(float(np.median(eyes)), 1e-9)  # eyes wider open than usual are no better
    scores = [
        face.frontality * s / max(*sharp, 1e-9) * min(1.0, e / usual)
        for face, s, e in zip(faces, sharp, eyes, strict=True)
    ]
    return chosen[int(np.argmax(np.round(scores, 6)))]  # argmax takes the earliest of equals


def _look(source: Probe, places: Sequence[int]) -> list[Look]:
    """The frames at ``places`` with their faces; searched again in more detail when none has any."""
    found = list(video.decoded(source, places))
    for longest in (LONGEST, SECOND_LOOK):
        small = [video.rgb(frame, source, longest) for _, frame in found]
        x, y = source.width / small[0].shape[1], source.height / small[0].shape[0]
        faces = [[face.scaled(x, y) for face in faces] for faces in detector(longest).find(small)]
        if any(faces) or max(source.width, source.height) <= longest:
            break
    return [Look(index, frame, seen) for (index, frame), seen in zip(found, faces, strict=True)]


def _pictures(source: Probe, best: Look, places: Sequence[int], box: Box, rule: ClipRule) -> Pixels:
    """``(n, size, size, 3)``: the canonical crops of some frames, of which the reference is decoded already."""
    others = video.frames(source, [index for index in places if index != best.index]) if len(places) > 1 else ()
    shown = {best.index: crop(video.rgb(best.frame, source), box, rule.size)}
    shown |= {index: crop(frame, box, rule.size) for index, frame in others}
    return np.stack([shown[index] for index in places])


def _distance(one: Face, other: Face) -> float:
    return float(np.hypot(*np.subtract(one.centre, other.centre)))


def _patch(grey: Pixels, box: Box) -> npt.NDArray[np.float32]:
    """A box of a grey picture, cut at the frame, its longer side reduced to 160 pixels at most."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    patch = grey[max(y0, 0) : max(y1, 1), max(x0, 0) : max(x1, 1)]
    if not patch.size:
        return np.zeros((3, 3), np.float32)
    picture = Image.fromarray(np.ascontiguousarray(patch))
    picture.thumbnail((160, 160), Image.Resampling.BOX)
    return np.asarray(picture, np.float32)


def _sharpness(patch: npt.NDArray[np.float32]) -> float:
    """Mean absolute Laplacian, in grey levels."""
    if min(patch.shape) < 3:
        return 0.0
    inner = patch[1:-1, 1:-1]
    around = patch[:-2, 1:-1] + patch[2:, 1:-1] + patch[1:-1, :-2] + patch[1:-1, 2:]
    return float(np.abs(around - 4 * inner).mean())


def _eyes(grey: Pixels, face: Face) -> float:
    """How open the less open eye is: gradients along the line of the eyes, relative to those across it.

    The edges of an iris run up and down; closed lids leave only the line between them.
    """
    along = face.points[1] - face.points[0]
    return min(_openness(grey, centre, along) for centre in face.points[:2])


def _openness(grey: Pixels, centre: npt.NDArray[np.float64], along: npt.NDArray[np.float64]) -> float:
    height, width = 24, 44  # pixels of a patch in which the eyes are 100 pixels apart
    (a, b), (x, y) = along / 100, centre
    turn = (a, -b, x - a * width / 2 + b * height / 2, b, a, y - b * width / 2 - a * height / 2)
    patch = Image.fromarray(np.ascontiguousarray(grey)).transform(
        (width, height), Image.Transform.AFFINE, turn, Image.Resampling.BILINEAR
    )
    pixels = np.asarray(patch.filter(ImageFilter.GaussianBlur(1.5)), np.float32)
    edges = [float(np.abs(np.diff(pixels, axis=axis)).mean()) for axis in (0, 1)]
    return edges[1] / max(edges[0], 1e-6)


def _clip_flags(clip: CanonicalClip) -> list[Flag]:
    """What the headers tell. Silence is a warning: the clip is fine except for training driven by sound."""
    source, rule = clip.source, clip.rule
    frames = clip.num_frames
    flags = []
    if not source.has_audio and clip.audio_file is None:
        flags.append(media_flag("no_audio", WARNING, "no sound: of no use where sound drives the training"))
    if source.variable_rate:
        flags.append(media_flag("variable_fps", WARNING, f"the frame rate varies ({source.fps:.2f} on average)"))
    elif source.fps is not None and abs(source.fps - rule.fps) > 0.01:
        flags.append(media_flag("resampled_fps", INFO, f"{source.fps:.2f} frames a second become {rule.fps:g}"))
    if frames < NEEDED and not (source.is_picture and clip.audio_file is None):
        flags.append(media_flag("short_clip", WARNING, f"{frames} frames; training takes {NEEDED}"))
    if clip.end is not None and not source.is_picture and clip.end > source.duration + 0.5:
        flags.append(media_flag("window_cut", WARNING, f"asked for up to {clip.end:.2f} s of {source.duration:.2f} s"))
    return flags


def _face_flags(looks: Sequence[Look]) -> list[Flag]:
    """By majority: hands and backgrounds pass for a face on single frames."""
    seen = sum(look.face is not None for look in looks)
    many = sum(len(look.faces) > 1 for look in looks)
    if not seen:
        return [media_flag("no_face", ERROR, f"no face on any of {len(looks)} frames")]
    flags = []
    if 2 * many > len(looks):
        flags.append(media_flag("many_faces", WARNING, f"more than one face on {many} of {len(looks)} frames"))
    if 2 * seen < len(looks):
        flags.append(media_flag("face_lost", WARNING, f"the face is seen on {seen} of {len(looks)} frames only"))
    return flags


def _crop_flags(box: Box, faces: Sequence[Box], source: Probe, rule: ClipRule) -> list[Flag]:
    x0, y0, x1, y1 = box
    flags = []
    if (scale := (x1 - x0) / union_side(faces, source.width, source.height)) < TIGHT:
        flags.append(
            media_flag("tight_crop", INFO, f"the crop is {scale:.2f} times the face; {rule.scale:g} is asked for")
        )
    if (side := round(x1 - x0)) < rule.size:
        flags.append(media_flag("upscaled", INFO, f"{side} pixels become {rule.size}"))
    if min(x0, y0) < 0 or x1 > source.width or y1 > source.height:
        outside = max(-x0, -y0, x1 - source.width, y1 - source.height)
        flags.append(
            media_flag("padded", WARNING, f"the face fills the frame: {outside:.0f} pixels are made up at an edge")
        )
    return flags
