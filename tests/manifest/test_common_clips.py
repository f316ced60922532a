import pytest
from review import WARN, flagged, manifest

from tbd.errors import InputError, UsageError
from tbd.manifest import SplitRule, resplit_manifest
from tbd.manifest.common_clips import clips_in_common


def _manifest(folder, good, bad=()):
    manifest(folder, [flagged(clip) for clip in good] + [flagged(clip, WARN) for clip in bad])
    return folder


@pytest.fixture
def modes(tmp_path):
    """One dataset in three modes; c2 waits for review in one of them and c3 was never annotated in another."""
    return [
        _manifest(tmp_path / "label", ["c1", "c2", "c4"]),
        _manifest(tmp_path / "describe", ["c1", "c4"], ["c2", "c3"]),
        _manifest(tmp_path / "cot", ["c1", "c2", "c3", "c4"]),
    ]


def test_only_what_every_mode_has_approved(modes):
    assert clips_in_common(modes) == ["c1", "c4"]
    assert clips_in_common(modes[::-1]) == ["c1", "c4"]
    assert clips_in_common([modes[0], modes[2]]) == ["c1", "c2", "c4"]


def test_one_manifest_has_nothing_in_common(modes):
    with pytest.raises(UsageError, match="at least two"):
        clips_in_common(modes[:1])


def test_no_common_clip_is_an_error_that_counts(tmp_path):
    one, other = _manifest(tmp_path / "one", ["a", "b"]), _manifest(tmp_path / "other", ["c"])
    with pytest.raises(InputError, match=r"one: 2, .*other: 1"):
        clips_in_common([one, other])


def test_sides_that_differ_are_refused(modes):
    resplit_manifest(modes[0], SplitRule("random-80-20", 0))
    resplit_manifest(modes[2], SplitRule("random-80-20", 1))
    sides = [SplitRule("random-80-20", seed) for seed in range(20)]
    for rule in sides:  # until the two sides differ for a shared clip
        resplit_manifest(modes[2], rule)
        try:
            clips_in_common([modes[0], modes[2]])
        except InputError as error:
            assert "train in one manifest and test in another" in error.message
            return
    pytest.fail("no seed tore a clip")
