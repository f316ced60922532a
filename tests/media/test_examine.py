import hashlib
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from media import FakeDetector, cut_off, face, number, numbered, still, tone, video
from PIL import Image, ImageDraw, ImageFilter

from tbd.errors import InputError
from tbd.media import audio, examine
from tbd.media.canonical import CanonicalClip, ClipRule
from tbd.media.examine import Look, follow, positions
from tbd.schema import ERROR, INFO, WARNING

RULE = ClipRule(size=64)
SIZE = (320, 240)
BOX = (100, 60, 180, 160)


@pytest.fixture
def sees(monkeypatch):
    """Let the detector see what ``answer(frame number)`` says, in pixels of the video."""

    def install(answer):
        def scaled(picture):
            x, y = picture.shape[1] / SIZE[0], picture.shape[0] / SIZE[1]
            return [seen.scaled(x, y) for seen in answer(number(picture))]

        fake = FakeDetector(scaled)
        monkeypatch.setattr(examine, "detector", fake)
        return fake

    return install


def one(frame_number):
    return [face(*BOX)]


def codes(medium):
    return {flag.code: flag.severity for flag in medium.flags}


def test_positions_by_hand():
    assert positions(0, 101, 8) == (
        [20, 29, 37, 46, 54, 63, 71, 80],
        [0, 10, 20, 29, 37, 46, 54, 63, 71, 80, 90, 100],
    )
    assert positions(50, 52, 8) == ([50, 51], [50, 51])
    assert positions(7, 8, 8) == ([7], [7])
    assert positions(0, 11, 1) == ([5], [0, 1, 5, 9, 10])


def test_a_clean_clip(tmp_path, sees):
    fake = sees(one)
    path = video(tmp_path / "a.mp4", frames=100, size=SIZE, audio=tone(4))
    medium, pictures = examine.examine(path, rule=RULE)
    assert (medium.fps, medium.num_frames, medium.width, medium.height) == (25, 100, 320, 240)
    assert medium.duration == pytest.approx(4)
    assert medium.has_audio
    assert medium.face_box == pytest.approx(BOX, abs=0.01)
    assert medium.crop_box == (55, 15, 225, 185)  # side 1.7 x 100, centre (140, 110) lifted by 10
    assert codes(medium) == {}
    assert fake.seen == 12
    assert pictures.shape == (1, 64, 64, 3)
    assert medium.image_sha256 == hashlib.sha256(pictures.tobytes()).hexdigest()
    clip = CanonicalClip(path, None, None, medium.crop_box, RULE)
    assert np.array_equal(clip.picture(medium.reference_frame), pictures[0])


@pytest.mark.parametrize(("length", "asked", "found"), [(100, 1, 1), (100, 8, 8), (5, 8, 5), (1, 8, 1)])
def test_several_moments_lie_in_order_and_hold_the_reference_frame(tmp_path, sees, length, asked, found):
    sees(one)
    path = video(tmp_path / "a.mp4", frames=length, size=SIZE)
    medium, pictures = examine.examine(path, rule=RULE, frames=asked)
    places = examine.moments(0, length, medium.reference_frame, asked)
    assert len(places) == found == len(set(places)) and places == sorted(places)
    assert medium.reference_frame in places and 0 <= places[0] <= places[-1] < length
    clip = CanonicalClip(path, None, None, medium.crop_box, RULE)
    assert np.array_equal(np.stack([clip.picture(index) for index in places]), pictures)
    assert medium.image_sha256 == hashlib.sha256(pictures.tobytes()).hexdigest()
    alone, _ = examine.examine(path, rule=RULE)
    assert (alone.reference_frame, alone.crop_box, alone.flags) == (
        medium.reference_frame, medium.crop_box, medium.flags
    )  # fmt: skip


def test_the_same_clip_gives_the_same_medium(tmp_path, sees):
    sees(one)
    path = video(tmp_path / "a.mp4", frames=60, size=SIZE)
    assert examine.examine(path)[0] == examine.examine(path)[0]


def test_the_crop_holds_the_face_wherever_it_was_in_the_window(tmp_path, sees):
    sees(lambda i: [face(60 + i, 60, 100 + i, 110)])
    medium, _ = examine.examine(video(tmp_path / "a.mp4", frames=100, size=SIZE), rule=RULE)
    assert medium.crop_box == crop_by_hand(60, 60, 199, 110)
    medium, _ = examine.examine(video(tmp_path / "b.mp4", frames=100, size=SIZE), start=1, end=3, rule=RULE)
    assert medium.crop_box == crop_by_hand(85, 60, 174, 110)
    assert (medium.num_frames, medium.duration) == (50, 2)


def crop_by_hand(x0, y0, x1, y1):
    longer = max(x1 - x0, y1 - y0)
    side = round(1.7 * longer)
    left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2 - 0.1 * longer
    left, top = round(min(max(left, 0), SIZE[0] - side)), round(min(max(top, 0), SIZE[1] - side))
    return (left, top, left + side, top + side)


def test_the_reference_is_the_frontal_frame_of_the_middle(tmp_path, sees):
    sees(lambda i: [face(*BOX, nose={0: 0.5, 54: 0.48}.get(i, 0.3))])  # 0 is more frontal, but at the edge
    assert reference(tmp_path) == 54


def test_the_reference_shows_one_face_where_it_can(tmp_path, sees):
    sees(lambda i: [face(*BOX, nose=0.4)] + [face(10, 10, 40, 40)] * (i != 63))
    assert reference(tmp_path) == 63


def test_of_equal_candidates_the_earliest_is_taken(tmp_path, sees):
    sees(one)
    flat = [numbered(20, SIZE)] * 101
    assert reference(tmp_path, flat) == 20


def test_the_reference_is_the_sharp_frame(tmp_path, sees):
    sees(one)
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (*SIZE[::-1], 3), np.uint8)
    soft = np.asarray(Image.fromarray(texture).filter(ImageFilter.GaussianBlur(3)))
    assert reference(tmp_path, [texture if i == 46 else soft for i in range(101)]) == 46


def test_closed_eyes_are_avoided(tmp_path, sees):
    sees(one)
    assert reference(tmp_path, [eyes(is_open=i >= 54) for i in range(101)]) == 54


def eyes(is_open):
    """Two eyes where ``face`` says they are: an iris between white, or the line between two lids."""
    picture = Image.new("RGB", SIZE, (200, 160, 140))
    draw = ImageDraw.Draw(picture)
    for point in face(*BOX).points[:2]:
        x, y = map(float, point)
        if is_open:
            draw.ellipse([x - 6, y - 3, x + 6, y + 3], fill=(240, 240, 240))
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=(40, 30, 20))
        else:
            draw.rectangle([x - 9, y - 1, x + 9, y + 1], fill=(40, 30, 20))
            draw.rectangle([x - 40, y + 8, x + 40, y + 9], fill=(0, 0, 0))  # as sharp as the open eye
    return np.asarray(picture)


def reference(tmp_path, frames=101):
    medium, _ = examine.examine(video(tmp_path / "a.mp4", frames=frames, size=SIZE), rule=RULE)
    return medium.reference_frame


def test_two_faces_on_most_frames_are_flagged_and_one_is_followed(tmp_path, sees):
    # The two take turns in being a little larger.
    def answer(i):
        return [face(20, 60, 100, 160 + i % 3), face(200, 60, 280, 161)]

    sees(answer)
    medium, _ = examine.examine(video(tmp_path / "a.mp4", frames=100, size=SIZE), rule=RULE)
    assert codes(medium)["many_faces"] == WARNING
    assert medium.crop_box[2] < 200


def test_a_hand_on_a_few_frames_is_no_second_face(tmp_path, sees):
    sees(lambda i: [face(*BOX)] + [face(250, 180, 300, 230)] * (i < 40))
    medium, _ = examine.examine(video(tmp_path / "a.mp4", frames=100, size=SIZE), rule=RULE)
    assert "many_faces" not in codes(medium)
    assert medium.crop_box == (55, 15, 225, 185)


def test_no_face_keeps_what_is_known(tmp_path, sees):
    fake = sees(lambda i: [])
    path = video(tmp_path / "a.mp4", frames=50, size=SIZE, audio=tone(2))
    medium, pictures = examine.examine(path, rule=RULE)
    assert pictures is None
    assert codes(medium) == {"no_face": ERROR}
    assert (medium.num_frames, medium.has_audio, medium.fps) == (50, True, 25)
    assert medium.crop_box is medium.face_box is medium.reference_frame is medium.image_sha256 is None
    assert fake.seen == 24  # it looked twice, the second time in more detail


def test_a_face_that_is_seldom_seen_is_flagged(tmp_path, sees):
    sees(lambda i: one(i) if i < 30 else [])
    medium, _ = examine.examine(video(tmp_path / "a.mp4", frames=100, size=SIZE), rule=RULE)
    assert codes(medium)["face_lost"] == WARNING
    assert medium.reference_frame in (20, 28)


def test_following_goes_both_ways_from_the_largest_and_does_not_jump():
    looks = [Look(i, None, faces) for i, faces in enumerate(LOOKS)]
    assert [look.face and look.face.box[0] for look in follow(looks)] == [0, 40, None, 80, 120, None]


def test_a_wide_open_mouth_is_not_the_face():
    looks = [Look(0, None, [face(10, 10, 110, 130)]), Look(1, None, [face(45, 85, 75, 120)])]
    assert [look.face is not None for look in follow(looks)] == [True, False]


LOOKS = [
    [face(0, 0, 50, 50), face(300, 0, 345, 45)],
    [face(300, 0, 349, 49), face(40, 0, 90, 50)],
    [],
    [face(80, 0, 140, 60)],
    [face(300, 0, 350, 50), face(120, 0, 165, 45)],
    [face(300, 0, 350, 50)],
]


@pytest.mark.parametrize(
    "options,expected",
    [
        ({"frames": 100}, {"no_audio": WARNING}),
        ({"frames": 120, "fps": 30, "audio": tone(4)}, {"resampled_fps": INFO}),
        ({"frames": 8, "audio": tone(0.3)}, {"short_clip": WARNING}),
        (
            {"frames": 20, "audio": tone(1), "times": [i * 0.04 + (i > 9) for i in range(20)]},
            {"variable_fps": WARNING},
        ),
    ],
)
def test_flags_of_the_file(tmp_path, sees, options, expected):
    sees(one)
    medium, _ = examine.examine(video(tmp_path / "a.mp4", size=SIZE, **options), rule=RULE)
    assert codes(medium) == expected
    assert all(flag.where == "media" and flag.message for flag in medium.flags)


def test_a_small_crop_is_said_to_be_enlarged(tmp_path, sees):
    sees(one)
    medium, pictures = examine.examine(video(tmp_path / "a.mp4", frames=50, size=SIZE, audio=tone(2)))
    assert codes(medium) == {"upscaled": INFO}
    assert pictures.shape == (1, 512, 512, 3)


def test_a_window_that_asks_for_more_than_there_is(tmp_path, sees):
    sees(one)
    path = video(tmp_path / "a.mp4", frames=100, size=SIZE, audio=tone(4))
    assert codes(examine.examine(path, start=1, end=9, rule=RULE)[0]) == {"window_cut": WARNING}
    with pytest.raises(InputError, match="no frame between 7 s"):
        examine.examine(path, start=7, end=9, rule=RULE)


def test_rotated_videos_have_their_boxes_upright(tmp_path, monkeypatch):
    monkeypatch.setattr(examine, "detector", FakeDetector(lambda picture: [face(60, 100, 140, 200)]))
    path = video(tmp_path / "a.mp4", frames=50, size=SIZE, rotation=90)
    medium, pictures = examine.examine(path, rule=RULE)
    assert (medium.width, medium.height) == (240, 320)
    assert medium.face_box == (60 * 240 / 192, 100 * 320 / 256, 140 * 240 / 192, 200 * 320 / 256)
    clip = CanonicalClip(path, None, None, medium.crop_box, RULE)
    assert np.array_equal(clip.picture(medium.reference_frame), pictures[0])


def test_a_portrait_with_speech(tmp_path, sees):
    sees(one)
    audio.write_wav(tmp_path / "a.wav", tone(2))
    path = still(tmp_path / "a.png", numbered(7, SIZE))
    medium, pictures = examine.examine(path, audio=tmp_path / "a.wav", rule=RULE)
    assert codes(medium) == {}
    assert (medium.fps, medium.num_frames, medium.duration, medium.has_audio) == (None, 1, 2, True)
    assert medium.reference_frame == 0
    assert pictures.shape == (1, 64, 64, 3)
    alone, _ = examine.examine(path, rule=RULE)
    assert codes(alone) == {"no_audio": WARNING}
    assert alone.duration is None


def test_speech_that_cannot_be_read_is_an_error(tmp_path, sees):
    sees(one)
    path = video(tmp_path / "a.mp4", size=SIZE)
    with pytest.raises(InputError, match=r"gone\.m4a"):
        examine.examine(path, audio=tmp_path / "gone.m4a", rule=RULE)


def test_a_broken_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cut off"):
        examine.examine(cut_off(tmp_path / "a.mp4", 0.5, frames=30))


def test_it_works_in_a_spawned_worker_with_the_real_detector(tmp_path):
    path = video(tmp_path / "a.mp4", frames=30, audio=tone(1.2))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        medium, pictures = pool.submit(examine.examine, path, rule=RULE).result()
    assert pictures is None
    assert codes(medium) == {"no_face": ERROR}
    assert pickle.loads(pickle.dumps(medium)) == medium
