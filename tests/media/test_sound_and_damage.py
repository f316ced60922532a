"""Every piece of sound lies at its own time, whatever the file does on the way."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from media import tone, video

from tbd.errors import InputError
from tbd.media import audio
from tbd.media.canonical import CanonicalClip
from tbd.media.flags import damage_flags
from tbd.media.probe import probe
from tbd.media.video import frames

PIECE = 4800
"""Samples of one packet."""


def pieces(path, parts, *, codec="pcm_s16le"):
    """Write parts ``(begins in seconds, samples, sample rate, layout)`` as packets at their own times, one track."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=parts[0][2], layout=parts[0][3])
        stream.time_base = Fraction(1, 48_000)
        encoders = {}
        for begins, samples, rate, layout in parts:
            encoder = encoders.get((rate, layout)) or (stream if not encoders else _encoder(codec, rate, layout))
            encoders[rate, layout] = encoder
            for at in range(0, len(samples), PIECE):
                chunk = samples[at : at + PIECE]
                channels = {"mono": 1, "stereo": 2}[layout]
                data = (np.repeat(chunk, channels) * 32767).astype(np.int16)[None]
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format="s16", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, 48_000)
                frame.pts = round((begins + at / rate) * 48_000)
                for packet in encoder.encode(frame):
                    packet.stream = stream
                    container.mux_one(packet)
    return path


def _encoder(codec, rate, layout):
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, "s16"
    encoder.time_base = Fraction(1, 48_000)
    return encoder


def starts(samples, level=0.05, gap=0.05):
    """Seconds at which sound begins after silence."""
    loud = np.flatnonzero(np.abs(samples) > level) / 16_000
    return [float(b) for a, b in zip(np.r_[-1.0, loud], loud, strict=False) if b - a > gap]


@given(
    holes=st.lists(st.floats(0.08, 0.6), min_size=1, max_size=3),
    ending=st.sampled_from((".mkv", ".nut")),
)
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_a_hole_is_silence_of_its_length(tmp_path_factory, holes, ending):
    parts, at, wanted = [], 0.0, []
    for hole in [*holes, 0.0]:
        wanted.append(at)
        parts.append((at, tone(0.3, 48_000, 440), 48_000, "mono"))
        at += 0.3 + hole
    path = pieces(tmp_path_factory.mktemp("holes") / f"a{ending}", parts)
    sound = audio.read_sound(path)
    assert np.allclose(starts(sound.samples), wanted, atol=0.004)
    assert sound.holes == pytest.approx(sum(holes), abs=0.01)
    assert audio.duration(path) == pytest.approx(at, abs=0.03)


def test_what_overlaps_is_trimmed_not_pushed_back(tmp_path):
    parts = [(0.0, tone(0.5, 48_000, 440), 48_000, "mono"), (0.42, np.zeros(9_600, "f4"), 48_000, "mono")]
    parts.append((0.8, tone(0.2, 48_000, 440), 48_000, "mono"))
    sound = audio.read_sound(pieces(tmp_path / "a.mkv", parts))
    assert starts(sound.samples)[-1] == pytest.approx(0.8, abs=0.03)
    assert len(sound.samples) == pytest.approx(16_000, abs=64)


def test_a_window_into_a_hole_is_the_same_part_of_the_whole(tmp_path):
    path = pieces(tmp_path / "a.mkv", [(at, tone(0.3, 48_000), 48_000, "mono") for at in (0.0, 0.7, 1.9)])
    whole = audio.read(path)
    part = audio.read(path, 0.5, 2.0)
    assert np.abs(whole[8_000:32_000] - part).max() < 0.02


@pytest.mark.parametrize("other", [(24_000, "mono"), (44_100, "mono"), (48_000, "stereo")])
def test_a_format_that_changes_on_the_way_is_followed(tmp_path, other):
    """Joined by an editor: the second half has another rate, or another number of channels."""
    rate, layout = other
    first, second = ((tmp_path / f"{name}.ts") for name in ("one", "two"))
    for path, setting in ((first, (48_000, "mono")), (second, (rate, layout))):
        _spoken(path, *setting)
    joined = tmp_path / "a.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    samples = audio.read(joined)
    peak = np.abs(np.fft.rfft(samples[2_000:12_000])).argmax() * 16_000 / 10_000
    assert peak == pytest.approx(440, abs=4), "the first half plays at another speed"
    assert len(samples) > 16_000


def _spoken(path, rate, layout):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mp2", rate=rate if rate != 24_000 else 32_000, layout=layout)
        rate = stream.rate
        channels = 2 if layout == "stereo" else 1
        data = (np.repeat(tone(1.0, rate, 440), channels) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def test_a_length_is_never_guessed_from_the_bit_rate(tmp_path):
    """A raw mp3 of silence, then speech: its bit rate varies, so its size says nothing about its length."""
    path = tmp_path / "a.mp3"
    samples = np.r_[np.zeros(16_000 * 20, "f4"), tone(4.0, 16_000, 440)]
    with av.open(str(path), "w", options={"write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=16_000, layout="mono", options={"q": "2"})
        data = np.ascontiguousarray(samples[None])
        frame = av.AudioFrame.from_ndarray(data, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    assert audio.duration(path) == pytest.approx(24, abs=0.15)
    assert len(audio.read(path)) == pytest.approx(24 * 16_000, abs=2400)
    assert starts(audio.read(path, 19.0, 24.0))[0] == pytest.approx(1.0, abs=0.08)


def test_holes_are_flagged_with_their_seconds(tmp_path):
    path = tmp_path / "a.mkv"
    video(tmp_path / "v.mkv", frames=50)
    with av.open(str(path), "w") as container, av.open(str(tmp_path / "v.mkv")) as pictures:
        target = container.add_stream_from_template(pictures.streams.video[0])
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for packet in pictures.demux(video=0):
            if packet.size:
                packet.stream = target
                container.mux_one(packet)
        for begins in (0.0, 1.2):
            data = (tone(0.6) * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), round(begins * 16_000)
            container.mux(sound.encode(frame))
    (flag,) = damage_flags(probe(path))
    assert flag.code == "sound_gaps" and "0.60 s" in flag.message
    assert CanonicalClip(path).sound().holes == pytest.approx(0.6, abs=0.02)


@example(0.3)
@given(st.floats(0.2, 0.95))
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_a_file_that_was_cut_off_says_so_and_gives_what_it_has(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    for ending in (".ts", ".mkv", ".avi"):
        path = video(folder / f"a{ending}", frames=50, audio=tone(2.0), g="10")
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        try:
            source = probe(path)
        except InputError as error:  # not even its header is whole
            assert path.name in str(error)
            continue
        assert 0 < source.num_frames <= 50
        assert source.duration <= 2.05
        if ending != ".ts" and source.num_frames < 40:  # a transport stream promises nothing
            assert source.damage, (ending, share, source.num_frames)
            assert "media_damaged" in {flag.code for flag in damage_flags(source)}


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_a_hole_in_the_bytes_is_seen_by_whoever_looks_at_a_few_frames(tmp_path, ending):
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 255, (96, 128, 3), np.uint8) for _ in range(60)]
    path = video(tmp_path / f"a{ending}", frames=pictures, g="250", crf="30")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 25] = bytes(len(data) // 25)
    path.write_bytes(data)
    source = probe(path)
    assert [index for index, _ in frames(source, [0, source.num_frames // 3, source.num_frames - 1])][
        -1
    ] == source.num_frames - 1
    assert "media_damaged" in {flag.code for flag in damage_flags(source)}
