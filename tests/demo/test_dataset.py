"""The drawn dataset: MEAD's tree, every emotion, sound in every file, safe to interrupt, the same every time."""

from collections import Counter

import av
import numpy as np
import pytest

from tbd import schema
from tbd.annotate.facs import EMOTIONS
from tbd.demo.dataset import draw, draw_clip, drawn_clips, strengths, varied
from tbd.demo.identity import PEOPLE
from tbd.errors import InputError, UsageError

TINY = {"size": 32, "fps": 4.0}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("mead")
    return root, draw(root, workers=1, **TINY)


def opened(path):
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        return frames, len(container.streams.audio)


def test_the_tree_is_meads_and_holds_every_emotion_at_every_level(drawn):
    root, files = drawn
    assert len(files) == len(set(files)) == 24
    parts = [path.relative_to(root).parts for path in files]
    assert {part[1:3] for part in parts} == {("video", "front")}
    assert {part[0] for part in parts} == {f"{sex}90{n}" for sex in "MW" for n in (1, 2, 3, 4)}
    labels = Counter(part[3:5] for part in parts)
    emotions = {EMOTIONS[name].mead for name in schema.EMOTIONS} - {"neutral"}
    assert labels == {(word, f"level_{n}"): 1 for word in emotions for n in (1, 2, 3)} | {("neutral", "level_1"): 3}
    assert all(part[5] == "001.mp4" for part in parts)


def test_the_mead_layout_reads_it_without_a_problem(drawn):
    from tbd.annotate.scan import scan

    found = scan(drawn[0])
    assert found.layout == "mead" and len(found.clips) == 24
    assert {clip.emotion for clip in found.clips} == set(schema.EMOTIONS)
    assert {(clip.subject[0], clip.gender) for clip in found.clips} == {("M", "man"), ("W", "woman")}
    assert not [flag for clip in found.clips for flag in clip.flags if flag.severity >= schema.WARNING]


def test_every_file_has_pictures_and_sound_of_the_planned_length(drawn):
    root, _ = drawn
    for clip in drawn_clips():
        frames, sounds = opened(root / clip.path)
        assert frames.shape == (round(clip.seconds * 4), 32, 32 * clip.faces, 3) and sounds == (not clip.silent)
        assert 2 <= clip.seconds <= 3


def test_the_last_two_clips_are_flawed():
    assert [(clip.faces, clip.silent) for clip in drawn_clips()[-3:]] == [(1, False), (2, False), (1, True)]


def test_the_truth_about_every_frame_lies_beside_a_clip(drawn):
    root, _ = drawn
    for clip in drawn_clips()[:4]:
        lines = (root / clip.path).with_suffix(".units.csv").read_text().splitlines()
        header, rows = lines[0].split(","), np.array([line.split(",") for line in lines[1:]], float)
        assert len(rows) == round(clip.seconds * 4) and header[:4] == ["frame", "seconds", "energy", "opening"]
        shown = varied(clip.emotion, clip.level, clip.seed).units
        assert {f"au{unit}_left" for unit in shown} <= set(header)
        assert np.corrcoef(rows[:, 2], rows[:, 3])[0, 1] > 0.9, "the voice opens the mouth"
        for unit, (left, right) in shown.items():
            seen = rows[:, [header.index(f"au{unit}_left"), header.index(f"au{unit}_right")]].max(0)
            assert (seen <= np.array([left, right]) + 0.01).all() and (
                seen >= 0.9 * np.array([left, right]) - 0.01
            ).all()


def test_each_take_of_an_emotion_shows_it_in_its_own_way():
    ways = [varied("happiness", 3, seed).units for seed in range(8)]
    assert all(12 in way for way in ways) and len({str(sorted(way.items())) for way in ways}) == 8
    assert len({frozenset(way) for way in ways}) > 1, "a label does not say which units"
    assert varied("anger", 2, 5) == varied("anger", 2, 5)


@pytest.mark.parametrize(("people", "clips"), [(5, 40), (24, 96)])
def test_as_many_people_and_clips_as_asked_for(people, clips):
    plan = drawn_clips(1, people, clips)
    assert len({clip.path for clip in plan}) == clips and len({clip.identity.name for clip in plan}) == people
    assert {clip.emotion for clip in plan} == set(schema.EMOTIONS)


def test_too_few_are_refused(tmp_path):
    with pytest.raises(UsageError, match="1 people"):
        draw(tmp_path / "x", people=1)
    assert not (tmp_path / "x").exists()


def test_the_same_seed_draws_the_same_frames_with_any_number_of_processes(drawn, tmp_path):
    root, files = drawn
    kept = files[:21]  # three are left to two processes
    for path in kept:
        copy = tmp_path / path.relative_to(root)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(path.read_bytes())
    again = draw(tmp_path, workers=2, **TINY)
    for first, second in zip(files[21:], again[21:], strict=True):
        np.testing.assert_array_equal(opened(first)[0], opened(second)[0])


def test_an_interrupted_run_goes_on_and_keeps_what_is_there(drawn):
    root, files = drawn
    before = {path: path.stat().st_mtime_ns for path in files}
    whole = files[5].read_bytes()
    files[5].unlink()
    (files[5].parent / ".001.mp4.999.tmp").write_bytes(whole[:100])  # what a killed process leaves
    assert draw(root, workers=1, **TINY) == files
    assert files[5].read_bytes() == whole
    assert all(path.stat().st_mtime_ns == before[path] for path in files if path != files[5])


def test_a_folder_drawn_with_another_seed_is_refused(drawn):
    root, files = drawn
    with pytest.raises(InputError, match="other settings") as caught:
        draw(root, seed=1, workers=1, **TINY)
    assert caught.value.next
    assert files[0].is_file()


def test_another_seed_has_other_people_and_lengths():
    first, other = drawn_clips(0), drawn_clips(1)
    assert first == drawn_clips(0)
    assert {clip.identity for clip in first}.isdisjoint(clip.identity for clip in other)
    assert [clip.seconds for clip in first] != [clip.seconds for clip in other]


def test_strengths_are_the_knowledge_bases_letters():
    for level in (1, 2, 3):
        for code in EMOTIONS["contempt"].levels[level].mentions:
            left, right = strengths("contempt", level)[code.au]
            assert (left, right) == (0.0, {"A": 0.2, "B": 0.4, "C": 0.6, "D": 0.8, "E": 1.0}[code.intensity])
    smile = [strengths("happiness", level)[12] for level in (1, 2, 3)]
    assert smile == sorted(smile) and all(left == right for left, right in smile)


@pytest.mark.parametrize(("emotion", "level"), [("joyful", 1), ("anger", 4), ("neutral", 2)])
def test_an_unknown_emotion_or_level_is_named(tmp_path, emotion, level):
    with pytest.raises(UsageError, match=emotion):
        draw_clip(tmp_path / "a.mp4", PEOPLE[0], emotion, level)
    assert not list(tmp_path.iterdir())


def test_a_clip_can_be_silent_have_two_faces_or_none(tmp_path):
    options = {"seconds": 0.5, "fps": 10, "size": 48}
    one, sound = opened(draw_clip(tmp_path / "one.mp4", PEOPLE[1], "anger", 2, **options))
    two, silence = opened(draw_clip(tmp_path / "two.mp4", PEOPLE[1], "anger", 2, faces=2, silent=True, **options))
    none, _ = opened(draw_clip(tmp_path / "none.mp4", faces=0, **options))
    assert one.shape == none.shape == (5, 48, 48, 3) and two.shape == (5, 48, 96, 3)
    assert (sound, silence) == (1, 0)
    assert np.abs(one.astype(int) - two[:, :, :48].astype(int)).mean() < 4, "the first face is the same"
    assert none.std(axis=(0, 1, 2)).max() < 3 < two[:, :, 48:].std(axis=(0, 1, 2)).max()
