"""Any folder with a table: what is read, and what each mistake is called."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trees import plant

from tbd.annotate.scan import scan
from tbd.errors import InputError
from tbd.schema import ERROR, INFO, WARNING


def table(root, text, name="clips.csv"):
    return plant(root, name, content=text.encode())


def mistakes(root, text, name="clips.csv"):
    table(plant(root, "a.mp4", "b.mp4"), text, name)
    with pytest.raises(InputError) as caught:
        scan(root)
    return caught.value.message


ROW = {
    "path": "videos/anna 01.mp4",
    "emotion": "Angry",
    "clip_id": "anna",
    "subject": "Anna",
    "level": 3,
    "split": "test",
    "start": 1.5,
    "end": 4.0,
    "audio": "sound/anna.wav",
    "instruction": "looks angry",
    "transcript": "Hello, you",
    "view": "front",
    "gender": "female",
}


def write_csv(path):
    cells = [f'"{value}"' for value in ROW.values()]
    path.write_text(",".join(ROW) + "\n" + ",".join(cells) + "\n", encoding="utf-8-sig")


def write_tsv(path):
    path.write_text("\t".join(ROW) + "\n" + "\t".join(map(str, ROW.values())) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("clips.csv", write_csv),
        ("clips.tsv", write_tsv),
        ("clips.jsonl", lambda path: path.write_text(json.dumps(ROW) + "\n\n")),
        ("clips.parquet", lambda path: pq.write_table(pa.Table.from_pylist([ROW]), path)),
    ],
)
def test_each_kind_of_table_says_the_same(tmp_path, name, write):
    root = plant(tmp_path / "my set", "videos/anna 01.mp4", "sound/anna.wav")
    write(root / name)
    found = scan(root)
    (clip,) = found.clips
    assert (found.layout, found.problems) == ("folder", ())
    assert (clip.clip_id, clip.dataset, clip.subject, clip.view) == ("anna", "my-set", "Anna", "front")
    assert (clip.file_name, clip.audio_file_name) == ("videos/anna 01.mp4", "sound/anna.wav")
    assert (clip.emotion, clip.emotion_raw, clip.level, clip.split) == ("anger", "Angry", 3, "test")
    assert (clip.start, clip.end, clip.gender) == (1.5, 4.0, "woman")
    assert (clip.instruction, clip.transcript) == ("looks angry", "Hello, you")


def test_two_columns_are_enough(tmp_path):
    table(plant(tmp_path / "set", "x/a.mp4", "b.mp4"), "path,emotion\nx/a.mp4,happy\nb.mp4,sad\n")
    table(tmp_path / "set", "path,emotion\nx/a.mp4,happy\nb.mp4,sad\n")
    found = scan(tmp_path / "set")
    assert [(clip.clip_id, clip.subject) for clip in found.clips] == [("set_b", "b"), ("set_x_a", "x_a")]
    assert any("no column subject" in note for note in found.notes)


def test_blanks_and_capitals_in_the_header_do_not_matter(tmp_path):
    table(plant(tmp_path, "a.mp4"), "Path; Emotion ;LEVEL\r\na.mp4; sad; 2\r\n")
    (clip,) = scan(tmp_path).clips
    assert (clip.file_name, clip.emotion, clip.level) == ("a.mp4", "sadness", 2)


def test_a_portrait_with_speech_is_a_clip(tmp_path):
    table(plant(tmp_path, "face.jpg", "speech.wav"), "path,audio,instruction\nface.jpg,speech.wav,a very happy face\n")
    (clip,) = scan(tmp_path).clips
    assert (clip.file_name, clip.audio_file_name, clip.emotion, clip.emotion_raw) == (
        "face.jpg",
        "speech.wav",
        "happiness",
        "",
    )


def test_windows_of_one_file_share_their_source(tmp_path):
    table(plant(tmp_path / "set", "a.mp4"), "path,emotion,start,end\na.mp4,sad,0,2\na.mp4,sad,2,4.5\n")
    clips = scan(tmp_path / "set").clips
    assert [clip.clip_id for clip in clips] == ["set_a_0_2000", "set_a_2000_4500"]
    assert {(clip.source, clip.subject) for clip in clips} == {("a.mp4", "a")}


def test_a_number_is_read_with_its_scheme_only(tmp_path):
    table(plant(tmp_path, "a.mp4"), "path,emotion,scheme\na.mp4,1,mead\n")
    assert scan(tmp_path).clips[0].emotion == "disgust"
    table(tmp_path, "path,emotion\na.mp4,1\n")
    with pytest.raises(InputError, match=r"line 2, column emotion: .*scheme"):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,emotion\na.mp4,hapy\n", "line 2, column emotion: unknown emotion 'hapy'; did you mean 'happy'"),
        ("path,emotion\na.mp4,happy\nb.mp4,\n", "line 3, column emotion: is empty"),
        ("path,emotion\n,happy\n", "line 2, column path: is empty"),
        ("path,emotion,level\na.mp4,sad,5\n", "line 2, column level: level '5' is neither"),
        ("path,emotion,split\na.mp4,sad,val\n", "line 2, column split: 'val' is none of train, test"),
        ("path,emotion,start\na.mp4,sad,soon\n", "line 2, column start: 'soon' is no number of seconds"),
        ("path,emotion,start\na.mp4,sad,-1\n", "line 2, column start: '-1' is no time"),
        ("path,emotion,start\na.mp4,sad,nan\n", "line 2, column start: 'nan' is no time"),
        ("path,emotion,start,end\na.mp4,sad,3,2\n", "line 2, column end: 2 is not after start 3"),
        ("path,emotion,gender\na.mp4,sad,tall\n", "line 2, column gender: 'tall' is none of"),
        ("path,emotion\n../a.mp4,sad\n", "line 2, column path: '../a.mp4' leads out of"),
        ("path,emotion\nx/../../a.mp4,sad\n", "leads out of"),
        ("path,emotion\n/etc/passwd,sad\n", "leads out of"),
        ("path,emotion,audio\na.mp4,sad,../b.wav\n", "line 2, column audio: '../b.wav' leads out of"),
        ("path,instruction\na.mp4,happy and sad\n", "line 2, column instruction: "),
        ("path,emotion\na.mp4,sad,more\n", "line 2: more cells than columns"),
        ('path,emotion\n"a.mp4,sad\n', "line 2: unexpected end of data"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(tmp_path, text, words):
    assert words in mistakes(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path):
    told = mistakes(tmp_path, "path,emotion,level\na.mp4,hapy,9\n../b.mp4,sad,1\n")
    assert "3 mistakes" in told
    assert told.count("\n") == 3


def test_a_jsonl_line_that_is_none_is_named(tmp_path):
    text = '{"path": "a.mp4", "emotion": "sad"}\n{"path": \n'
    assert "line 2, column" in mistakes(tmp_path, text, "clips.jsonl")
    assert "line 2: not an object" in mistakes(tmp_path / "b", text.split("\n")[0] + "\n[1]\n", "clips.jsonl")


def test_a_missing_column_is_named_with_an_example(tmp_path):
    table(plant(tmp_path, "a.mp4"), "path,label\na.mp4,sad\n")
    with pytest.raises(InputError, match="no column emotion; it has 'path', 'label'") as caught:
        scan(tmp_path, "folder")
    assert "path,emotion,level,subject\n" in caught.value.message


def test_no_table_shows_how_one_looks(tmp_path):
    with pytest.raises(InputError, match="no table") as caught:
        scan(plant(tmp_path, "a.mp4"), "folder")
    assert "videos/anna_01.mp4,angry,3,anna" in caught.value.message


@pytest.mark.parametrize("name", ["clips.csv", "clips.jsonl", "clips.parquet"])
def test_a_table_that_is_none_is_told_apart(tmp_path, name):
    plant(tmp_path, "a.mp4")
    plant(tmp_path, name, content=b"\xff\xfe\x00\x01broken")
    with pytest.raises(InputError, match=name):
        scan(tmp_path, "folder")


def test_two_tables_are_ambiguous(tmp_path):
    for name in ("a.csv", "b.csv"):
        table(plant(tmp_path, "a.mp4"), "path,emotion\na.mp4,sad\n", name)
    with pytest.raises(InputError, match=r"2 tables .*a\.csv, b\.csv"):
        scan(tmp_path)


def test_a_path_inside_may_be_absolute(tmp_path):
    table(plant(tmp_path, "a.mp4"), f"path,emotion\n{tmp_path / 'a.mp4'},sad\n")
    assert scan(tmp_path).clips[0].file_name == "a.mp4"


def test_a_file_that_is_not_there_stays_a_row_and_is_told(tmp_path):
    table(plant(tmp_path, "a.mp4"), "path,emotion\na.mp4,sad\ngone.mp4,sad\n")
    found = scan(tmp_path)
    assert len(found.clips) == 2
    assert [(problem.path, problem.severity) for problem in found.problems] == [("gone.mp4", ERROR)]


def test_columns_that_are_not_read_are_named(tmp_path):
    table(plant(tmp_path, "a.mp4"), "path,emotion,subjct\na.mp4,sad,x\n")
    assert any("'subjct' is not read; did you mean 'subject'" in note for note in scan(tmp_path).notes)


def test_a_user_s_own_ids_are_made_safe_and_unique(tmp_path):
    table(
        plant(tmp_path, "a.mp4", "b.mp4", "c.mp4"),
        "path,emotion,clip_id\na.mp4,sad,É vil/../x\nb.mp4,sad,same\nc.mp4,sad,Same\n",
    )
    first, second, third = sorted(scan(tmp_path).clips, key=lambda clip: clip.file_name)
    assert first.clip_id.startswith("E-vil-..-x-")
    assert [(flag.code, flag.severity) for flag in first.flags] == [("clip_id_changed", INFO)]
    assert second.clip_id == "same"
    assert third.clip_id.startswith("Same-")
    assert [(flag.code, flag.severity) for flag in third.flags] == [("duplicate_clip_id", WARNING)]


def test_a_table_in_a_known_tree_is_a_question(tmp_path):
    table(plant(tmp_path, "M003_ang_1_001.mp4"), "path,emotion\nM003_ang_1_001.mp4,sad\n")
    with pytest.raises(InputError, match="mead, folder") as caught:
        scan(tmp_path)
    assert "--layout" in caught.value.next
    assert scan(tmp_path, "folder").clips[0].emotion == "sadness"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-16", "path\temotion\r\nclips\\José.mp4\tangry\r\n"),
        ("utf-8-sig", "sep=;\r\npath;emotion\r\nclips/José.mp4;angry\r\n"),
        ("utf-8", '"path" , "emotion",\n\n"clips/José.mp4" , "Angry ",\n'),
        ("utf-8", "path,emotion\nClips/Jose\u0301.MP4,angry\n"),
    ],
)
def test_tables_are_read_as_excel_windows_and_macs_write_them(tmp_path, encoding, text):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/José.mp4").write_text("clip")
    (tmp_path / "clips.csv").write_bytes(text.encode(encoding))
    found = scan(tmp_path, "folder")
    assert [(clip.file_name, clip.emotion) for clip in found.clips] == [("clips/José.mp4", "anger")]
    assert not [problem for problem in found.problems if problem.code == "file_missing"]
