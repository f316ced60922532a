"""Frames are frames, whatever the codec, the container, the cut and the time stamps."""

import av
import numpy as np
import pytest
from drawn_videos import B_FRAMES, CODECS, Recipe, drawn_video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media import number

from tbd.media.frame_index import ascending
from tbd.media.video import frames, probe


@st.composite
def recipes(draw):
    codec = draw(st.sampled_from(sorted(CODECS)))
    return Recipe(
        codec=codec,
        ending=draw(st.sampled_from(CODECS[codec])),
        frames=draw(st.integers(8, 60)),
        gop=draw(st.sampled_from((1, 5, 10, 25))),
        bframes=draw(st.integers(0, 3)) if codec in B_FRAMES else 0,
        open_gop=draw(st.booleans()),
        cut=draw(st.integers(0, 2)),
        stamps=draw(st.sampled_from(("plain", "late", "doubled", "absent"))),
        packed=codec == "mpeg4" and draw(st.booleans()),
        lost=() if codec == "ffv1" else tuple(draw(st.lists(st.integers(1, 40), max_size=2))),  # it notices no loss
    )


@pytest.mark.parametrize(
    ("stamps", "wanted"),
    [
        ([], []),
        ([7], [7]),
        ([None, None, None], [0, 4, 8]),
        ([0, 8, 4, 16, 12], [0, 4, 8, 12, 16]),  # packed pictures take their neighbours' stamps
        ([0, None, 20, 30, None, None, 60], [0, 10, 20, 30, 40, 50, 60]),
        ([0, 10, 10, 30, 500, 510], [0, 10, 20, 30, 500, 510]),  # a hole stays where it is
        ([None, 10, 20, None], [0, 10, 20, 30]),
        ([0, 10, 9000, 30, 40], [0, 10, 20, 30, 40]),
        ([*range(0, 300, 10), *range(5, 95, 10)], [*range(0, 390, 10)]),  # the clock begins anew
        ([5, 5, 5, 5], [1, 5, 9, 13]),
        ([1, 1, 2, 2], [1, 5, 9, 13]),
    ],
)
def test_every_frame_gets_a_time_of_its_own(stamps, wanted):
    found = ascending(stamps, 4.0).tolist()
    assert (np.diff(found) > 0).all()
    assert [one - (found or [0])[0] for one in found] == [one - (wanted or [0])[0] for one in wanted]


@pytest.mark.parametrize("bframes", [1, 2, 3])
@pytest.mark.parametrize("cut", [0, 1])
def test_packed_pictures_are_frames_at_their_own_times(tmp_path, bframes, cut):
    path = drawn_video(tmp_path / "a", Recipe("mpeg4", ".avi", bframes=bframes, cut=cut, packed=True))
    source = probe(path)
    assert [number(frame) for _, frame in frames(source)] == played(path)
    assert np.diff(source.times)[1:-2] == pytest.approx(0.04) and not source.damage
    for index in range(0, source.num_frames, 3):
        ((_, frame),) = frames(probe(path), [index])
        assert number(frame) == played(path)[index]


def played(path):
    """What a plain decoder hands out from the start: an independent count, and the pictures' numbers."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for packet in container.demux(stream):
            try:
                found += [number(frame.to_ndarray(format="rgb24")) for frame in stream.decode(packet)]
            except av.error.InvalidDataError:
                continue
    return found


@given(recipes(), st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_a_frame_alone_is_the_frame_of_the_whole_pass(tmp_path_factory, recipe, data):
    path = drawn_video(tmp_path_factory.mktemp("drawn") / "a", recipe)
    source = probe(path)
    whole = [frame for _, frame in frames(source)]
    found, shown = [number(frame) for frame in whole], played(path)
    if found != shown:  # where a frame is lost stands the one before it, and it is told
        assert source.damage, "not the frames that a player shows"
        left = iter(found)
        assert all(one in left for one in shown), "a frame that a player shows is not there"
    assert len(whole) == source.num_frames == len(source.times)
    assert (np.diff(source.times) > 0).all() and source.times[0] == 0
    for index in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=6, unique=True)):
        ((found, frame),) = frames(probe(path), [index])
        assert found == index
        assert np.array_equal(frame, whole[index]), f"frame {index} alone is another than in the whole pass"
    some = sorted(data.draw(st.sets(st.integers(0, len(whole) - 1), max_size=8)))
    for index, frame in frames(probe(path), some):
        assert np.array_equal(frame, whole[index])


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_a_piece_of_a_longer_video_is_not_called_damaged_for_what_was_cut_away(tmp_path, codec):
    path = tmp_path / "a.mkv"
    drawn_video(tmp_path / "whole", Recipe(codec, ".mkv", frames=100, gop=25))
    with av.open(str(tmp_path / "whole.mkv")) as whole, av.open(str(path), "w") as piece:
        stream = piece.add_stream_from_template(whole.streams.video[0])
        keys = 0
        for packet in whole.demux(video=0):
            keys += bool(packet.size) and packet.is_keyframe
            if packet.size and keys > 2:
                packet.stream = stream
                piece.mux_one(packet)
    source = probe(path)
    assert source.num_frames == 50 and not source.damage
