"""Little videos that know their own frame numbers, and files that are broken in known ways."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tbd.media.faces import Face


def numbered(number, size=(64, 48)):
    """A frame that carries its number as eight black or white stripes; below them red on the left, blue on the right."""
    width, height = size
    frame = np.zeros((height, width, 3), np.uint8)
    for bit in range(8):
        frame[: height // 2, bit * width // 8 : (bit + 1) * width // 8] = 255 * (number >> bit & 1)
    frame[height // 2 :, : width // 2] = (220, 30, 30)
    frame[height // 2 :, width // 2 :] = (30, 30, 220)
    return frame


def number(frame):
    """The number that ``numbered`` drew, after any lossy coding or resizing of the whole frame."""
    height, width = frame.shape[:2]
    row = frame[height // 4, :, 1]
    return sum(int(row[int((bit + 0.5) * width / 8)] > 127) << bit for bit in range(8))


def tone(seconds, sample_rate=16_000, frequency=220.0, level=0.5):
    """A sine, float32."""
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)).astype("f4")


def video(path, frames=20, fps=25, size=(64, 48), *, audio=None, sample_rate=16_000, times=None, rotation=0, **options):
    """Write a video; its frames are ``numbered`` unless an iterable of pictures is given.

    Args:
        audio: ``(n,)`` or ``(channels, n)`` float32.
        times: presentation times in seconds, in steps of a millisecond, for a variable rate.
        rotation: degrees counter-clockwise for the display matrix.
        options: of the encoder, e.g. ``g="5"`` for a keyframe every five frames; ``codec`` chooses it.
    """
    codec = options.pop("codec", "libx264")
    pictures = [numbered(i, size) for i in range(frames)] if isinstance(frames, int) else list(frames)
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w") as container:
        preset = {"crf": "10", "preset": "veryfast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=rate, options=preset | options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv444p" if stream.width % 2 or stream.height % 2 else "yuv420p"
        stream.thread_count = 1
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = _add_sound(container, audio, sample_rate)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = i if times is None else round(times[i] * 1000)
            frame.time_base = 1 / rate if times is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _encode_sound(container, sound, np.atleast_2d(audio), sample_rate)
    return Path(path)


def still(path, frame=None):
    """Write a picture file."""
    Image.fromarray(numbered(7) if frame is None else frame).save(path)
    return Path(path)


def cut_off(path, share, **options):
    """A video of which only the first ``share`` of the bytes is left."""
    video(path, **options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def face(x0, y0, x1, y1, *, nose=0.5):
    """A detection with landmarks in their usual places; ``nose`` is its place between the eyes."""
    width, height = x1 - x0, y1 - y0
    shares = [(0.3, 0.4), (0.7, 0.4), (0.3 + 0.4 * nose, 0.6), (0.35, 0.8), (0.65, 0.8)]
    return Face((x0, y0, x1, y1), 0.999, np.array([(x0 + x * width, y0 + y * height) for x, y in shares]))


class FakeDetector:
    """Stands in for MTCNN: ``answer(picture)`` gives the faces of one picture, in its own pixels."""

    def __init__(self, answer):
        self.answer, self.seen = answer, 0

    def __call__(self, longest=256):
        return self

    def find(self, pictures):
        self.seen += len(pictures)
        return [self.answer(picture) for picture in pictures]


def _add_sound(container, audio, sample_rate):
    if audio is None:
        return None
    layout = {1: "mono", 2: "stereo"}[len(np.atleast_2d(audio))]
    return container.add_stream("aac", rate=sample_rate, layout=layout)


def _encode_sound(container, stream, audio, sample_rate):
    for start in range(0, audio.shape[1], 1024):
        chunk = np.ascontiguousarray(audio[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono" if len(audio) == 1 else "stereo")
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
