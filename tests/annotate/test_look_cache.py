"""Looks that are kept: manifests made with them are those made without, and changed bytes are looked at anew."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from media import FakeDetector, face, number, numbered, still, tone, video
from scripted import ScriptedBackend

from tbd import workspace
from tbd.annotate import look_cache, run
from tbd.annotate.examine_pool import ExamineJob, examine_clip
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import InputError
from tbd.media import audio, examine
from tbd.media.canonical import ClipRule

SIZE = (160, 120)
RULE = ClipRule(size=64)


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    """Sees a face that moves with the frame's number, and none on frames from 200 on; counts what it is shown."""

    def faces(picture):
        left = 0.2 + number(picture) / 1000
        x, y = picture.shape[1], picture.shape[0]
        return [face(left * x, 0.2 * y, (left + 0.3) * x, 0.7 * y)] if number(picture) < 200 else []

    fake = FakeDetector(faces)
    monkeypatch.setattr(examine, "detector", fake)
    return fake


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / look_cache.FOLDER


def entries(kept):
    return sorted(path for path in kept.rglob("*") if path.is_file())


def look(path, sound=None, start=None, end=None, rule=RULE, frames=1):
    return examine_clip(ExamineJob(path, sound, start, end, rule, frames=frames))


def alike(one, other):
    assert one.medium == other.medium
    assert (one.images is None) == (other.images is None) and np.array_equal(one.images, other.images)


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder with a table: a clip, two windows of a longer one, a clip and a picture with speech beside them, no face."""
    root = tmp_path_factory.mktemp("media") / "own"
    root.mkdir()
    video(root / "plain.mp4", frames=30, size=SIZE, audio=tone(1.2))
    video(root / "long.mp4", frames=90, size=SIZE, g="12")
    video(root / "silent.mp4", frames=30, size=SIZE)
    video(root / "empty.mp4", frames=[np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)] * 20, size=SIZE)
    still(root / "face.png", numbered(7, SIZE))
    audio.write_wav(root / "speech.wav", tone(1.0))
    (root / "clips.csv").write_text(
        "path,emotion,subject,start,end,audio\n"
        "plain.mp4,happy,a,,,\nlong.mp4,angry,b,0.5,1.5,\nlong.mp4,angry,b,2,3,\n"
        "silent.mp4,sad,c,,,speech.wav\nface.png,fear,d,,,speech.wav\nempty.mp4,happy,e,,,\n"
    )
    return root


def annotate(dataset, output, mode="cot", frames=1):
    recipe = AnnotateRecipe(backend={"name": "facs"}, chain={"mode": mode, "frames": frames}, clip=RULE)
    request = run.AnnotationRequest(dataset, recipe, output, workers=0, quiet=True)
    run.run_annotation(run.prepare_annotation(request))
    return (output / "manifest.parquet").read_bytes()


@pytest.mark.parametrize("frames", [None, 1, 3])
def test_a_manifest_of_kept_looks_has_the_bytes_of_a_first_one(media, tmp_path, kept, detector, use, frames):
    shown = []
    if frames:  # a backend with eyes
        use(ScriptedBackend(lambda start, question, good: (shown.append(start.images.tobytes()), good)[1]))
    first = annotate(media, tmp_path / "first", frames=frames or 1)
    seen, pictures = detector.seen, sorted(shown)
    assert len(entries(kept)) == 6 and seen > 40
    shown.clear()
    assert annotate(media, tmp_path / "second", frames=frames or 1) == first
    assert detector.seen == seen and sorted(shown) == pictures and bool(pictures) == bool(frames)
    described = annotate(media, tmp_path / "described", "describe", frames=frames or 1)
    assert detector.seen == seen
    shutil.rmtree(kept)
    assert annotate(media, tmp_path / "again", "describe", frames=frames or 1) == described
    assert detector.seen > seen


CASES = {
    "plain": ("plain.mp4", {}),
    "window": ("long.mp4", {"start": 0.5, "end": 1.5}),
    "moments": ("long.mp4", {"frames": 4}),
    "speech": ("silent.mp4", {"sound": "speech.wav"}),
    "picture": ("face.png", {"sound": "speech.wav"}),
    "no face": ("empty.mp4", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_kept_look_gives_the_same_pictures_under_any_name(media, tmp_path, detector, case):
    name, how = CASES[case]
    how = {key: media / value if key == "sound" else value for key, value in how.items()}
    first = look(media / name, **how)
    seen = detector.seen
    other = tmp_path / f"elsewhere{(media / name).suffix}"
    shutil.copy(media / name, other)
    alike(look(other, **how), first)
    assert detector.seen == seen > 0


def test_the_pace_of_a_run_is_that_of_looks_and_not_of_recalling_them(media):
    first, second = look(media / "plain.mp4"), look(media / "plain.mp4")
    assert first.spared == 0 and second.seconds == first.seconds > 0
    assert second.spared < second.seconds


def test_whatever_a_finding_depends_on_is_looked_at_anew(media, tmp_path, kept, detector, monkeypatch):
    path = media / "long.mp4"
    ways = [
        {}, {"start": 0.0}, {"end": 2.0}, {"frames": 2}, {"rule": ClipRule(size=32)}, {"rule": ClipRule(size=64, scale=2)},
        {"rule": ClipRule(size=64, version=3)}, {"sound": media / "speech.wav"},
    ]  # fmt: skip
    for count, how in enumerate(ways, 1):
        before = detector.seen
        look(path, **how)
        assert detector.seen > before and len(entries(kept)) == count, how
    audio.write_wav(tmp_path / "speech.wav", tone(2.0))
    look(path, sound=tmp_path / "speech.wav")
    monkeypatch.setattr(examine, "VERSION", examine.VERSION + 1)
    look_cache._looker.cache_clear()
    look(path)
    look_cache._looker.cache_clear()
    assert len(entries(kept)) == len(ways) + 2


def test_changed_bytes_of_the_same_name_and_time_are_looked_at_anew(tmp_path, detector):
    path = video(tmp_path / "a.mp4", frames=30, size=SIZE)
    first, before = look(path), path.stat()
    video(path, frames=25, size=SIZE)
    path.write_bytes(path.read_bytes().ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert (first.medium.num_frames, look(path).medium.num_frames) == (30, 25)


def test_a_file_that_changes_while_it_is_looked_at_is_not_kept(tmp_path, kept, monkeypatch):
    path = video(tmp_path / "a.mp4", frames=30, size=SIZE)
    plain = examine.examine

    def meddled(*args, **how):
        found = plain(*args, **how)
        path.touch()
        return found

    monkeypatch.setattr(examine, "examine", meddled)
    assert look(path).medium.num_frames == 30 and entries(kept) == []


def changed(**medium):
    """The entry with other findings, and the check sum that fits them."""

    def change(words, entry):
        found = json.loads(words)
        found["medium"] |= medium
        found["check"] = look_cache.digest([entry.stem, found["medium"], found["seconds"]])
        return json.dumps(found).encode()

    return change


DAMAGES = {
    "empty": lambda words, entry: b"",
    "half": lambda words, entry: words[: len(words) // 2],
    "no text": lambda words, entry: b"\xff\x00" * 99,
    "a list": lambda words, entry: b"[1, 2]",
    "deep": lambda words, entry: b"[" * 100_000,
    "one digit": lambda words, entry: words.replace(b'"num_frames": 30', b'"num_frames": 31'),
    "foreign keys": changed(colour="blue"),
    "other flags": changed(flags=[{"word": 1}]),
    "other pictures": changed(image_sha256="0" * 64),
    "a frame that is not there": changed(reference_frame=10**6),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_looked_at_anew_and_replaced(media, kept, detector, damage):
    first, seen = look(media / "plain.mp4"), detector.seen
    (entry,) = entries(kept)
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGES[damage](whole, entry))
    assert entry.read_bytes() != whole
    alike(look(media / "plain.mp4"), first)
    assert detector.seen == 2 * seen
    assert json.loads(entry.read_bytes())["medium"] == json.loads(whole)["medium"]
    alike(look(media / "plain.mp4"), first)
    assert detector.seen == 2 * seen


def test_the_entry_of_another_clip_is_none_of_this_one(media, kept):
    look(media / "empty.mp4")
    (foreign,) = entries(kept)
    first = look(media / "plain.mp4")
    (entry,) = set(entries(kept)) - {foreign}
    shutil.copy(foreign, entry)
    alike(look(media / "plain.mp4"), first)


def test_a_failed_look_is_not_kept_and_says_what_it_said(tmp_path, kept):
    (tmp_path / "a.mp4").write_text("not a video")
    for _ in range(2):
        with pytest.raises(InputError, match=r"a\.mp4: a text, not a medium"):
            look(tmp_path / "a.mp4")
        with pytest.raises(InputError, match=r"b\.mp4: No such file"):
            look(tmp_path / "b.mp4")
    assert entries(kept) == []


def test_a_cache_that_cannot_be_written_fails_nothing(media, tmp_path, monkeypatch):
    first = look(media / "plain.mp4")
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "file/below"))
    alike(look(media / "plain.mp4"), first)

    def full(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(workspace, "sync", full)
    alike(look(media / "plain.mp4"), first)
    assert entries(tmp_path / "other") == []


def test_writers_of_one_entry_do_not_meet(media, kept):
    path = media / "plain.mp4"
    medium = look(path).medium
    entry = look_cache.KeptLook(path, None, (None, None), RULE, 1)
    with ThreadPoolExecutor(8) as pool:
        wrote = [pool.submit(entry.write, medium, float(count)) for count in range(40)]
        found = [pool.submit(entry.read) for _ in range(40)]
    assert all(one.exception() is None for one in wrote)
    assert all(one.result()[0] == medium for one in found)
    assert entries(kept) == [entry.path]
