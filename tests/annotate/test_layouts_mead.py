"""MEAD's names in every form met in the wild, and its defects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import mead, plant

from tbd.annotate.scan import default_where, scan
from tbd.errors import InputError
from tbd.filenames import FOLDERS, read_name
from tbd.schema import ERROR, INFO, WARNING
from tbd.selection import Selection, select


def only(root, layout="auto"):
    (clip,) = scan(root, layout).clips
    return clip


PATTERNS = [  # file name, clip_id, emotion, level
    ("M003#angry#level_1#001.mp4", "mead_M003_front_angry_1_001", "anger", 1),
    ("M003_ang_1_001.mp4", "mead_M003_front_angry_1_001", "anger", 1),
    ("W009_con_2_004.mp4", "mead_W009_front_contempt_2_004", "contempt", 2),
    ("W009_dis_3_030.mp4", "mead_W009_front_disgusted_3_030", "disgust", 3),
    ("W009_fea_3_030.mp4", "mead_W009_front_fear_3_030", "fear", 3),
    ("W009_hap_3_030.mp4", "mead_W009_front_happy_3_030", "happiness", 3),
    ("W009_neu_1_040.mp4", "mead_W009_front_neutral_1_040", "neutral", 1),
    ("W009_sur_2_030.mp4", "mead_W009_front_surprised_2_030", "surprise", 2),
    ("M030_sad_3_001.mp4", "mead_M030_front_sad_3_001", "sadness", 3),
    ("M030_angry_001.mp4", "mead_M030_front_angry_001", "anger", None),
    ("M003_level_2_contempt_001.mp4", "mead_M003_front_contempt_2_001", "contempt", 2),
    ("M003_front_angry_1_001.mp4", "mead_M003_front_angry_1_001", "anger", 1),
    ("M003_left_30_angry_1_001.mp4", "mead_M003_left_30_angry_1_001", "anger", 1),
    ("M003_front_angry_level_3_011.mp4", "mead_M003_front_angry_3_011", "anger", 3),
    ("mead_M003_disgust_L1_001.mp4", "mead_M003_front_disgusted_1_001", "disgust", 1),
    ("m03-neutral-level_1-010.mp4", "mead_M003_front_neutral_1_010", "neutral", 1),
    ("M003_09_2_output_03.mp4", "mead_M003_front_disgusted_2_09-03", "disgust", 2),
    ("M003/video/front/angry/level_3/001.mp4", "mead_M003_front_angry_3_001", "anger", 3),
    ("M003/1/front/angry/level_3/001.mp4", "mead_M003_front_angry_3_001", "anger", 3),
    ("M003/video-001/video/right_60/fear/level_3/057.mp4", "mead_M003_right_60_fear_3_057", "fear", 3),
    ("part0/M003/video/extra/down/sad/level_2/007.mp4", "mead_M003_down_sad_2_007", "sadness", 2),
    ("M003/video/w12_crops/front/angry/level_3/001.mp4", "mead_M003_front_angry_3_001", "anger", 3),
    ("sad_people/M003/video/top/happy/level_1/002.mp4", "mead_M003_top_happy_1_002", "happiness", 1),
    ("M003/video/front/angry/level_3/001.MP4", "mead_M003_front_angry_3_001", "anger", 3),
]


@pytest.mark.parametrize(("name", "clip_id", "emotion", "level"), PATTERNS)
def test_every_form_of_a_name_is_read(tmp_path, name, clip_id, emotion, level):
    clip = only(plant(tmp_path, name))
    assert (clip.clip_id, clip.emotion, clip.level) == (clip_id, emotion, level)
    assert clip.dataset == "mead"
    assert clip.file_name == name


def test_pages_of_the_old_naming_tell_the_emotion():
    firsts = {
        1: "angry",
        9: "disgusted",
        17: "contempt",
        25: "fear",
        34: "happy",
        44: "sad",
        53: "surprised",
        62: "neutral",
    }
    for page, folder in firsts.items():
        assert read_name(f"M003_{page:02d}_1_output_01").emotion == FOLDERS[folder]
    lasts = {
        8: "angry",
        16: "disgusted",
        24: "contempt",
        33: "fear",
        43: "happy",
        52: "sad",
        61: "surprised",
        73: "neutral",
    }
    for page, folder in lasts.items():
        assert read_name(f"M003_{page:02d}_1_output_01").emotion == FOLDERS[folder]
    assert read_name("M003_74_1_output_01").emotion is None


def test_numbered_emotions_need_their_scheme(tmp_path):
    plant(tmp_path, "M003_001_6_0.mp4")
    with pytest.raises(InputError, match="mead:probtalk3d"):
        scan(tmp_path, "mead")
    clip = only(tmp_path, "mead:probtalk3d")
    assert (clip.emotion, clip.emotion_raw, clip.level) == ("anger", "6", 1)


def test_gender_follows_the_letter_of_the_speaker(tmp_path):
    clips = scan(mead(tmp_path, emotions=("sad",))).clips
    assert {(clip.subject, clip.gender) for clip in clips} == {("M003", "man"), ("W009", "woman")}


def test_neutral_above_level_one_is_an_error(tmp_path):
    clip = only(plant(tmp_path, "M003/video/front/neutral/level_2/001.mp4"))
    assert [(flag.code, flag.severity) for flag in clip.flags] == [("neutral_level", ERROR)]


def test_a_level_that_does_not_exist_is_an_error(tmp_path):
    clip = only(plant(tmp_path, "M003/video/front/sad/level_4/001.mp4"))
    assert clip.level is None
    assert [(flag.code, flag.severity) for flag in clip.flags] == [("unknown_level", ERROR)]


def test_what_a_renamed_file_does_not_say_is_said(tmp_path):
    clip = only(plant(tmp_path, "M030_angry_001.mp4"))
    assert {(flag.code, flag.severity) for flag in clip.flags} == {("level_missing", INFO), ("view_assumed", INFO)}
    assert clip.view == "front"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (
            "M003/video/front/hapy/level_1/001.mp4",
            "unknown_emotion",
            "unknown emotion 'hapy'; the nearest known one is 'happy'",
        ),
        (
            "M003/video/frontal/happy/level_1/001.mp4",
            "unknown_view",
            "unknown view 'frontal'; the nearest known one is 'front'",
        ),
        (
            "M003/video/left_45/happy/level_1/001.mp4",
            "unknown_view",
            "unknown view 'left_45'; the nearest known one is 'left_",
        ),
        ("M003_sad_happy_1_001.mp4", "two_emotions", "sad, happy"),
        ("M003/video/front/happy/level_1/M003_sad_1_001.mp4", "two_emotions", "sad, happy"),
    ],
)
def test_an_unknown_word_is_a_problem_with_the_nearest_known_one(tmp_path, name, code, words):
    plant(mead(tmp_path, speakers=("W009",)), name)
    (problem,) = scan(tmp_path).problems
    assert (problem.code, problem.severity, problem.path) == (code, ERROR, name)
    assert words in problem.message


def test_one_wrong_folder_is_one_problem_with_a_count(tmp_path):
    plant(mead(tmp_path), *[f"M003/video/front/suprised/level_1/{take:03d}.mp4" for take in range(1, 31)])
    (problem,) = scan(tmp_path).problems
    assert problem.count == 30
    assert "(and 29 more)" in str(problem)


def test_hidden_files_and_other_endings_are_passed_over(tmp_path):
    mead(tmp_path, emotions=("sad",), takes=(1,))
    plant(tmp_path, "M003/video/front/sad/level_1/._001.mp4", ".DS_Store", "M003/video/front/sad/level_1/001.txt")
    assert len(scan(tmp_path).clips) == 6


def test_sound_is_the_video_s_own(tmp_path):
    plant(mead(tmp_path, speakers=("M003",), emotions=("sad",)), "M003/audio/sad/level_1/001.m4a")
    clips = scan(tmp_path, sound=lambda path: True).clips
    assert not any(clip.audio_file_name for clip in clips)


def test_silent_videos_take_the_audio_folder_and_say_so(tmp_path):
    mead(tmp_path, emotions=("sad",), takes=(1,))
    plant(tmp_path, "M003/audio/sad/level_1/001.m4a", "W009/audio/sad/level_1/001.m4a")
    clips = scan(tmp_path, sound=lambda path: "W009" in str(path)).clips
    assert {clip.clip_id: clip.audio_file_name for clip in clips if clip.audio_file_name} == {
        "mead_M003_front_sad_1_001": "M003/audio/sad/level_1/001.m4a"
    }
    assert {flag.code for clip in clips for flag in clip.flags} == {"audio_fallback"}


def test_sound_is_asked_of_few_files_and_survives_bad_ones(tmp_path):
    plant(mead(tmp_path), "M003/audio/sad/level_1/001.m4a")
    asked = []

    def broken(path):
        asked.append(path)
        raise InputError("cut off")

    assert not any(clip.audio_file_name for clip in scan(tmp_path, sound=broken).clips)
    assert len(asked) == 6


def test_gaps_in_the_numbering_are_noted(tmp_path):
    mead(tmp_path, speakers=("M037",), emotions=("angry",), takes=(1, 2, 3, 7, 8))
    assert any("gaps in their numbering (M037)" in note for note in scan(tmp_path).notes)


def test_few_takes_are_noted_and_a_full_set_is_not(tmp_path):
    mead(tmp_path, speakers=("M013",), emotions=("sad",), takes=range(1, 31))
    assert not any("fewer takes" in note for note in scan(tmp_path).notes)
    for take in range(1, 13):
        (tmp_path / f"M013/video/front/sad/level_2/{take:03d}.mp4").unlink()
    assert any("1 of 3 groups" in note and "M013 front sad 2: 18 of about 30" in note for note in scan(tmp_path).notes)


def test_the_licence_is_said(tmp_path):
    assert any("non-commercial research only" in note for note in scan(mead(tmp_path)).notes)


def test_the_front_camera_is_the_default_and_can_be_lifted(tmp_path):
    clips = scan(mead(tmp_path, views=("front", "top", "left_30"))).clips
    front = select(clips, Selection(default_where("mead")))
    assert {clip.view for clip in front} == {"front"}
    assert len(clips) == 3 * len(front)
    assert len(select(clips, Selection({"view": "*"}))) == len(clips)


def test_one_take_in_two_places_is_kept_twice_and_flagged(tmp_path):
    plant(tmp_path, "M003/video/front/sad/level_1/001.mp4", "copy/M003_front_sad_1_001.mp4")
    first, second = scan(tmp_path).clips
    assert first.clip_id == "mead_M003_front_sad_1_001"
    assert second.clip_id.startswith("mead_M003_front_sad_1_001-")
    assert [(flag.code, flag.severity) for flag in second.flags] == [("duplicate_clip_id", WARNING)]
    assert [clip.clip_id for clip in scan(tmp_path).clips] == [first.clip_id, second.clip_id]


@given(st.text(alphabet=st.characters(exclude_characters="/\0")))
def test_no_name_breaks_the_tokenizer(name):
    said = read_name(name)
    assert said.emotion is None or said.emotion in FOLDERS.values()
    assert said.speaker is None or len(said.speaker) == 4


@given(
    st.sampled_from(["M003", "W040"]),
    st.sampled_from(["front", "left_30", "down"]),
    st.sampled_from(sorted(FOLDERS)),
    st.integers(1, 3),
    st.integers(1, 77),
    st.sampled_from("#_-. "),
)
def test_the_separator_does_not_matter(speaker, view, emotion, level, take, sign):
    said = read_name(sign.join([speaker, view, emotion, f"level{sign}{level}", f"{take:03d}"]))
    assert (said.speaker, said.view, said.emotion) == (speaker, view, FOLDERS[emotion])
    assert (said.level, said.index) == (level, f"{take:03d}")
