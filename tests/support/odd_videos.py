"""Videos in pixel formats and containers that generators do not write and people still have."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

KINDS = {
    "grey": (".mkv", "ffv1", "gray", {}),
    "alpha": (".mov", "qtrle", "argb", {}),
    "10 bit": (".mkv", "ffv1", "yuv420p10le", {}),
}
"""Ending, codec, pixel format and options."""

ALSO = {"argb": "bgra"}


def odd_video(path: Path, kind: str, frames: list[np.ndarray], fps: int = 25) -> Path:
    """Write frames ``(H, W, 3)`` uint8 as a video of one of ``KINDS``; the path gets the kind's ending."""
    ending, codec, pixels, options = KINDS[kind]
    path = path.with_suffix(ending)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt in (pixels, ALSO.get(pixels))
    return path


def empty_video(path: Path, size: tuple[int, int] = (64, 64)) -> Path:
    """A container with a header and no frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        container.start_encoding()
    return path
