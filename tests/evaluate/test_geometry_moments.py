"""The look at a few pairs compares the same moments, however long the videos are."""

from media import video
from runs import clip

from tbd.evaluate.inputs import streams
from tbd.evaluate.inputs.align import same_moments


def test_a_video_that_is_cut_short_is_looked_at_where_both_are(tmp_path):
    video(tmp_path / "short.mp4", clip(0, 5), 25)
    video(tmp_path / "long.mp4", clip(0, 12), 25)
    short, long = (streams.of_file(tmp_path / f"{name}.mp4") for name in ("short", "long"))
    for pair in (same_moments(short, long), same_moments(long, short)):
        assert [one.num_frames for one in pair] == [5, 5]
        assert pair[0].indices.tolist() == pair[1].indices.tolist()
