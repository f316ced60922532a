"""What a file says about how it is shown is applied or told: one drawn file for each point of the one list."""

import re
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media import number, numbered, still, tone, video
from odd_videos import odd_video

from tbd.media import audio
from tbd.media.display import POINTS
from tbd.media.flags import display_flags
from tbd.media.picture import BACKGROUND, read_picture
from tbd.media.probe import probe
from tbd.media.video import frames

RED, BLUE = (220, 30, 30), (30, 30, 220)


def colour(frame, x, y):
    """The mean colour around a place, given as shares of the frame."""
    height, width = frame.shape[:2]
    row, column = int(y * height), int(x * width)
    return frame[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].reshape(-1, 3).mean(0)


def near(found, wanted, tolerance=30):
    return np.abs(np.asarray(found, float) - wanted).max() < tolerance


def film(path, pictures, *, codec="libx264", pixels="yuv420p", options=None, stream_setup=None, colours=None):
    """Write pictures with what a stream can say about itself."""
    preset = {"crf": "8", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=preset | (options or {}))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        for key, value in (colours or {}).items():
            setattr(stream.codec_context, key, value)
        if stream_setup:
            stream_setup(stream)
        for at, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            for key, value in (colours or {}).items():
                if key != "color_range":
                    setattr(frame, key, value)
            frame.pts, frame.time_base = at, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def first(path):
    source = probe(path)
    return next(frames(source, [0]))[1], {flag.code for flag in display_flags(source)}


PICTURES = [numbered(i) for i in range(6)]


def check_rotation(folder):
    path = film(folder / "a.mp4", PICTURES, stream_setup=lambda stream: stream.set_display_rotation(90))
    shown, flags = first(path)
    assert shown.shape == (64, 48, 3)
    assert near(shown, np.rot90(PICTURES[0]), 60) and not flags


def check_mirroring(folder):
    path = film(folder / "a.mp4", PICTURES, stream_setup=lambda stream: stream.set_display_rotation(0, hflip=True))
    shown, _ = first(path)
    assert near(colour(shown, 0.25, 0.75), BLUE) and near(colour(shown, 0.75, 0.75), RED)


def check_pixel_aspect(folder):
    def wide(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    shown, flags = first(film(folder / "a.mp4", PICTURES, stream_setup=wide))
    assert shown.shape == (48, 128, 3) and flags == {"stretched"}


def check_field_order(folder):
    combed = [picture.copy() for picture in PICTURES]
    for picture in combed:
        picture[0::2], picture[1::2] = 200, 40  # two moments in one frame
    shown, flags = first(film(folder / "a.mp4", combed, options={"x264-params": "tff=1:interlaced=1"}))
    assert "interlaced" in flags
    assert near(shown, (200, 200, 200), 25), "the lower field shows through"


def check_transparency(folder):
    path = folder / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        picture = np.zeros((48, 64, 4), np.uint8)
        picture[:, 32:] = (220, 30, 30, 255)
        frame = av.VideoFrame.from_ndarray(picture, format="rgba")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown, flags = first(path)
    assert flags == {"transparent"}
    assert near(colour(shown, 0.2, 0.5), (BACKGROUND,) * 3, 3) and near(colour(shown, 0.8, 0.5), RED, 10)


def check_size_on_the_way(folder):
    parts = [film(folder / f"{size}.ts", [numbered(i, (size, 48)) for i in range(4)]) for size in (64, 96)]
    joined = folder / "a.ts"
    with av.open(str(joined), "w") as container:
        target, offset = None, 0
        for part in parts:
            with av.open(str(part)) as source:
                target = target or container.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                        packet.stream = target
                        container.mux_one(packet)
                offset += 4 * 3600
    found = list(frames(joined))
    assert len(found) == 8
    assert {frame.shape for _, frame in found} == {(48, 64, 3)}


def check_bit_depth(folder):
    shown, _ = first(odd_video(folder / "a", "10 bit", PICTURES))
    assert near(shown, PICTURES[0], 60)
    deep = (np.linspace(0, 65_535, 64)[None].repeat(48, 0)).astype(np.uint16)
    import PIL.Image

    PIL.Image.fromarray(deep).save(folder / "a.png")
    assert np.abs(read_picture(folder / "a.png")[0, :, 0] - np.linspace(0, 255, 64)).max() <= 1


def check_colour_range(folder):
    ramp = [np.repeat(np.linspace(0, 255, 64)[None, :, None], 48, 0).repeat(3, 2).astype(np.uint8)] * 2
    limited, _ = first(film(folder / "a.mp4", ramp))
    full, _ = first(film(folder / "b.mkv", ramp, codec="mjpeg", pixels="yuvj420p", options={"qscale": "1"}))
    assert near(limited, ramp[0], 12) and near(full, ramp[0], 25)


def check_transfer(folder):
    for trc in (16, 18):
        _, flags = first(film(folder / f"{trc}.mp4", PICTURES, colours={"color_trc": trc}))
        assert flags == {"hdr_colours"}, trc


def check_primaries(folder):
    _, flags = first(film(folder / "a.mp4", PICTURES, colours={"color_primaries": 9}))
    assert flags == {"hdr_colours"}
    _, flags = first(film(folder / "b.mp4", PICTURES, colours={"color_primaries": 1, "color_trc": 1}))
    assert flags == set()


def sounds(path, tracks, layout="mono", sample_rate=16_000, default=0):
    """Write sound tracks ``(channels, n)`` float32 as 16-bit PCM."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=sample_rate, layout=layout) for _ in tracks]
        for at, stream in enumerate(streams):
            stream.disposition = av.stream.Disposition.default if at == default else av.stream.Disposition(0)
        for track, stream in zip(tracks, streams, strict=True):
            whole = np.ascontiguousarray((np.atleast_2d(track).T * 32767).astype(np.int16).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(whole, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = sample_rate, 0, Fraction(1, sample_rate)
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
    return path


def level(samples):
    return float(np.sqrt(np.square(samples, dtype=float).mean()))


def check_channel_layout(folder):
    speech, noise = tone(1.0), tone(1.0, frequency=1500, level=0.05)
    silence = np.zeros_like(speech)
    opposed = audio.read(sounds(folder / "a.mkv", [np.stack([speech, -speech])], "stereo"))
    assert level(opposed) > 0.8 * level(speech), "opposite phases are not silence"
    surround = np.stack([noise, noise, speech, silence, noise, noise])  # FL FR FC LFE BL BR
    mixed = np.abs(np.fft.rfft(audio.read(sounds(folder / "b.mkv", [surround], "5.1"))))
    assert mixed[220] > 2 * mixed[1500], "the centre, where the speech is, is not the loudest"


def check_default_track(folder):
    path = sounds(folder / "a.mkv", [tone(1.0, frequency=440), tone(1.0)], default=1)
    assert np.abs(np.fft.rfft(audio.read(path))).argmax() == 220
    with av.open(str(folder / "b.mkv"), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for at, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.disposition = av.stream.Disposition.default if at == 1 else av.stream.Disposition(0)
        for at, stream in enumerate(streams):
            frame = av.VideoFrame.from_ndarray(numbered(5 + at), format="rgb24")
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
    assert number(first(folder / "b.mkv")[0]) == 6


@pytest.mark.parametrize("point", POINTS)
def test_every_point_is_applied_or_told(tmp_path, point):
    globals()[f"check_{point.replace(' ', '_')}"](tmp_path)


@given(st.sampled_from((0, 90, 180, 270)), st.booleans(), st.booleans(), st.sampled_from((".mp4", ".mov", ".mkv")))
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_all_ways_to_hold_a_camera(tmp_path_factory, degrees, across, down, ending):
    path = tmp_path_factory.mktemp("held") / f"a{ending}"
    film(path, PICTURES, stream_setup=lambda s: s.set_display_rotation(degrees, hflip=across, vflip=down))
    with av.open(str(path)) as container:
        plain = next(container.decode(video=0)).to_ndarray(format="rgb24")
    wanted = np.rot90(plain, degrees // 90)
    wanted = wanted[:, ::-1] if across else wanted
    wanted = wanted[::-1] if down else wanted
    shown, _ = first(path)
    assert near(shown, wanted, 40)


def test_a_portrait_of_any_kind_keeps_its_tones(tmp_path):
    from PIL import Image

    grey = np.linspace(10, 245, 64)[None].repeat(48, 0)
    kinds = {
        "a.png": Image.fromarray((grey * 257).astype(np.uint16)),
        "b.png": Image.fromarray(grey.astype(np.uint8)),
        "c.tif": Image.fromarray((grey * 257).astype(np.uint16)),
        "d.tif": Image.fromarray((grey / 255).astype(np.float32)),
        "e.png": Image.fromarray(grey.astype(np.uint8)).convert("P"),
        "f.png": Image.fromarray(grey.astype(np.uint8)).convert("RGBA"),
        "g.jpg": Image.fromarray(grey.astype(np.uint8)).convert("CMYK"),
    }
    for name, picture in kinds.items():
        picture.save(tmp_path / name)
        assert np.abs(read_picture(tmp_path / name)[..., 1].astype(float) - grey).max() < 12, name


def test_a_dark_sixteen_bit_portrait_is_not_stretched(tmp_path):
    """Its scale is that of its format, never that of its brightest pixel."""
    from PIL import Image

    Image.fromarray(np.full((48, 64), 200, np.uint16)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").max() <= 1
    assert still(tmp_path / "b.png").is_file() and video


def test_every_flag_of_the_medium_is_explained():
    from pathlib import Path

    root = Path(__file__).parents[2]
    sources = "".join(path.read_text() for path in (root / "tbd/media").glob("*.py"))
    raised = set(re.findall(r'media_flag\(\s*"(\w+)", (INFO|WARNING|ERROR)', sources))
    told = set(re.findall(r"^\| `(\w+)` \| (info|warning|error)", (root / "docs/media.md").read_text(), re.MULTILINE))
    assert {(code, severity.lower()) for code, severity in raised} == told
