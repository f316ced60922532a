"""RAVDESS and CREMA-D: codes in file names, and what comes beside them."""

import pytest
from trees import plant

from tbd.annotate.scan import scan
from tbd.errors import InputError
from tbd.schema import ERROR, INFO, WARNING


def flags(clip):
    return {(flag.code, flag.severity) for flag in clip.flags}


@pytest.mark.parametrize(
    ("code", "emotion"),
    [
        ("01", "neutral"),
        ("02", "calm"),
        ("03", "happiness"),
        ("04", "sadness"),
        ("05", "anger"),
        ("06", "fear"),
        ("07", "disgust"),
        ("08", "surprise"),
    ],
)
def test_ravdess_emotion_codes(tmp_path, code, emotion):
    (clip,) = scan(plant(tmp_path, f"Actor_12/01-01-{code}-01-02-01-12.mp4")).clips
    assert (clip.emotion, clip.emotion_raw) == (emotion, code)
    assert clip.clip_id == f"ravdess_01-01-{code}-01-02-01-12"
    assert (clip.subject, clip.gender) == ("Actor_12", "woman")
    assert clip.level == (None if emotion == "neutral" else 2)


def test_ravdess_strength_is_a_convention_and_said_so(tmp_path):
    (clip,) = scan(plant(tmp_path, "Actor_01/01-02-05-02-01-01-01.mp4")).clips
    assert (clip.level, clip.gender) == (3, "man")
    assert flags(clip) == {("level_by_convention", INFO), ("song", INFO)}


def test_ravdess_neutral_has_one_strength(tmp_path):
    (clip,) = scan(plant(tmp_path, "Actor_01/01-01-01-02-01-01-01.mp4")).clips
    assert flags(clip) == {("neutral_level", ERROR)}


def test_ravdess_takes_a_performance_once(tmp_path):
    rest = "01-05-02-01-01-01"
    plant(tmp_path, *[f"Actor_01/{kind}-{rest}.{end}" for kind, end in (("01", "mp4"), ("02", "mp4"), ("03", "wav"))])
    found = scan(tmp_path)
    assert [clip.clip_id for clip in found.clips] == [f"ravdess_01-{rest}"]
    assert sum("passed over" in note for note in found.notes) == 2
    assert len(scan(tmp_path, "ravdess:all").clips) == 2


def test_ravdess_silent_video_takes_its_twin_s_sound(tmp_path):
    rest = "01-05-02-01-01-01"
    plant(tmp_path, f"v/02-{rest}.mp4", f"a/03-{rest}.wav", "v/02-01-06-01-01-01-01.mp4")
    with_sound, without = scan(tmp_path).clips
    assert with_sound.audio_file_name == f"a/03-{rest}.wav"
    assert ("audio_fallback", INFO) in flags(with_sound)
    assert without.audio_file_name is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("01-01-09-01-01-01-01.mp4", "emotion code 09"),
        ("01-01-05-03-01-01-01.mp4", "intensity code 03"),
        ("01-01-05-01-01-01-25.mp4", "actor 25"),
    ],
)
def test_ravdess_unknown_codes_are_problems(tmp_path, name, words):
    plant(tmp_path, "01-01-05-01-01-01-01.mp4", name)
    (problem,) = scan(tmp_path).problems
    assert (problem.severity, problem.path) == (ERROR, name)
    assert words in problem.message


@pytest.mark.parametrize(
    ("name", "emotion", "level"),
    [
        ("1001_IEO_ANG_LO", "anger", 1),
        ("1001_IEO_DIS_MD", "disgust", 2),
        ("1001_IEO_FEA_HI", "fear", 3),
        ("1001_TIE_HAP_XX", "happiness", None),
        ("1091_WSI_NEU_XX", "neutral", None),
        ("1091_ITH_SAD_XX", "sadness", None),
    ],
)
def test_crema_d_codes(tmp_path, name, emotion, level):
    (clip,) = scan(plant(tmp_path, f"VideoFlash/{name}.flv", f"AudioWAV/{name}.wav")).clips
    assert (clip.clip_id, clip.emotion, clip.level) == (f"crema-d_{name}", emotion, level)
    assert (clip.subject, clip.emotion_raw, clip.audio_file_name) == (name[:4], name[9:12], None)


def test_crema_d_gender_and_votes_come_from_its_tables(tmp_path):
    plant(
        tmp_path, "VideoFlash/1001_IEO_ANG_LO.flv", "VideoFlash/1002_IEO_ANG_LO.flv", "VideoFlash/1003_IEO_ANG_LO.flv"
    )
    plant(
        tmp_path,
        "VideoDemographics.csv",
        content=b"ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,x,y\n1002,21,Female,x,y\n",
    )
    votes = b'"","FileName","MultiModalVote"\n"1","1001_IEO_ANG_LO","N"\n"2","1002_IEO_ANG_LO","A:D"\n'
    plant(tmp_path, "processedResults/summaryTable.csv", content=votes)
    found = scan(tmp_path)
    assert [clip.gender for clip in found.clips] == ["man", "woman", None]
    assert [flags(clip) for clip in found.clips] == [{("perceived_differs", INFO)}, set(), set()]
    assert "neutral" in found.clips[0].flags[0].message


def test_crema_d_without_its_tables_says_so(tmp_path):
    found = scan(plant(tmp_path, "1001_IEO_ANG_LO.flv"))
    assert found.clips[0].gender is None
    assert any("gender is unknown" in note for note in found.notes)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"no,columns\n1,2\n"])
def test_crema_d_with_a_broken_table_still_gives_clips(tmp_path, content):
    plant(plant(tmp_path, "1001_IEO_ANG_LO.flv"), "VideoDemographics.csv", content=content)
    found = scan(tmp_path)
    assert len(found.clips) == 1
    assert [(problem.path, problem.severity) for problem in found.problems] == [("VideoDemographics.csv", WARNING)]


def test_crema_d_known_defects_are_flagged(tmp_path):
    plant(tmp_path, "1076_MTI_NEU_XX.flv", "1064_IEO_DIS_MD.flv")
    assert [flags(clip) for clip in scan(tmp_path).clips] == [{("known_defect", ERROR)}, {("known_defect", WARNING)}]


def test_crema_d_unknown_code_is_a_problem(tmp_path):
    plant(tmp_path, "1001_IEO_ANG_LO.flv", "1001_XYZ_ANG_LO.flv")
    (problem,) = scan(tmp_path).problems
    assert "XYZ" in problem.message
    assert problem.severity == ERROR


def test_sound_alone_is_no_clip(tmp_path):
    with pytest.raises(InputError, match="no layout fits"):
        scan(plant(tmp_path, "AudioWAV/1001_IEO_ANG_LO.wav", "Actor_01/03-01-05-02-01-01-01.wav"))
