"""``tbd generate`` as people call it: from an empty folder, with a saved pipeline of the tiny network."""

import json
import socket

import av
import numpy as np
import pytest
import talking_head
import trained
import training
from PIL import Image

from tbd.cli import main
from tbd.cli.generate import page as serving
from tbd.demo.face import Portrait
from tbd.demo.identity import PEOPLE
from tbd.demo.landmarks import Expression
from tbd.media import audio, video
from tbd.media.recorded import recorded_details

FAST = ["--steps", "1", "--scale", "1"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A saved pipeline, a portrait, a fifth of a second of speech, and a picture without a face."""
    folder = tmp_path_factory.mktemp("inputs")
    talking_head.pipeline(frames=8).save_pretrained(folder / "model")
    Image.fromarray(Portrait(PEOPLE[1], 160).draw(Expression({}))).save(folder / "face.png")
    Image.new("RGB", (160, 160), "grey").save(folder / "wall.png")
    audio.write_wav(folder / "speech.wav", talking_head.speech(5))
    return folder


@pytest.fixture
def generate(inputs, tmp_path, monkeypatch, capfd):
    """Call the command in an empty folder: ``(code, out, err)``. No ffmpeg is in the way: PATH is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")

    def call(*arguments, image="face.png", sound="speech.wav", checkpoint=None):
        given = ["--checkpoint", checkpoint or inputs / "model", *FAST, *arguments]
        given += ["--image", inputs / image, "--audio", inputs / sound] if image else []
        code = main(["generate", *map(str, given)])
        found = capfd.readouterr()
        return code, found.out, found.err

    return call


def prompts(*texts):
    return [word for text in texts for word in ("--prompt", text)]


def test_one_video_by_hand_and_by_emotion(generate, tmp_path):
    code, out, err = generate(*prompts("a man speaks", "his brows fall"))
    assert code == 0 and out == "face.mp4: 5 frames\n" and "about" in err
    details = recorded_details(tmp_path / "face.mp4")
    assert details["prompts"] == ["a man speaks", "his brows fall"] and details["recipe"]["sampler"]["steps"] == 1
    code, out, _ = generate("--emotion", "happy", "--intensity", "mild", "-o", "happy.mp4", "--json")
    told = json.loads(out)
    assert code == 0 and len(told["prompts"]) == 2 and told["chain"]["status"] == "success"
    assert video.probe(tmp_path / "happy.mp4").num_frames == told["frames"] == 5


def test_a_sweep_has_a_column_for_every_value(generate, tmp_path):
    code, out, _ = generate("--emotion", "angry", "--sweep", "guidance.k=2,3,4", "-o", "sweep", "--json")
    told = json.loads(out)
    assert code == 0 and told["cells"] == 3
    levels = [len(recorded_details(tmp_path / "sweep" / f"guidance.k-{k}.mp4")["prompts"]) for k in (2, 3, 4)]
    assert levels == [2, 3, 4]
    assert video.probe(tmp_path / "sweep.mp4").num_frames == 5 and (tmp_path / "sweep.png").is_file()


def test_any_other_key_can_be_swept(generate, tmp_path):
    code, out, _ = generate(*prompts("a", "b"), "--sweep", "seed=0,1", "-o", "seeds")
    frames = [np.stack([frame for _, frame in video.frames(tmp_path / "seeds" / f"seed-{n}.mp4")]) for n in (0, 1)]
    assert code == 0 and (frames[0] != frames[1]).any() and out.startswith("seeds.png\nseeds.mp4: 2 videos")


def test_a_grid_has_every_emotion_at_every_intensity(generate, tmp_path):
    code, out, _ = generate("--grid", "-o", "grid", "--json")
    assert code == 0 and json.loads(out)["cells"] == 22
    names = {path.stem for path in (tmp_path / "grid").iterdir()}
    assert {"anger-mild", "fear-intense", "neutral-mild"} <= names and len(names) == 22


def test_a_split_on_two_devices(generate, tmp_path):
    rows = [training.a_row(f"c{i}", i, split="test") for i in range(2)]
    folder = training.manifest(tmp_path / "toy", rows, size=talking_head.SIZE)
    code, out, err = generate("--manifest", folder, "-o", "run", "--devices", "cpu,cpu", "--json", image=None)
    assert code == 0 and json.loads(out)["rendered"] == 2 and "on 2 x cpu" in err
    assert sorted(path.name for path in (tmp_path / "run" / "videos").iterdir()) == ["c0.mp4", "c1.mp4"]
    assert json.loads((tmp_path / "run/run.json").read_text())["recipe"]["precision"] == "float32", "auto on a CPU"


def mp3(path, seconds):
    """A voice at a variable bit rate: quality instead of bits a second, silence in its middle."""
    samples = talking_head.speech(round(seconds * 25))
    samples[len(samples) // 3 : len(samples) // 2] = 0
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=16_000, layout="mono", options={"q": "4", "flags": "+qscale"})
        stream.codec_context.global_quality = 4 * 118
        frame = av.AudioFrame.from_ndarray((samples[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def six_channels(path, seconds):
    samples = np.stack([talking_head.speech(round(seconds * 25))] * 6)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="5.1")
        frame = av.AudioFrame.from_ndarray(
            (samples.T.reshape(1, -1) * 20_000).astype(np.int16), format="s16", layout="5.1"
        )
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])


KINDS = {
    "variable.mp3": (mp3, 0.6),
    "six.wav": (six_channels, 0.4),
    "short.wav": (lambda path, seconds: audio.write_wav(path, talking_head.speech(3)[: int(seconds * 16_000)]), 0.1),
    "8k.wav": (lambda path, seconds: audio.write_wav(path, talking_head.speech(10)[: int(seconds * 8000)], 8000), 0.4),
    "silent.wav": (lambda path, seconds: audio.write_wav(path, np.zeros(int(seconds * 16_000), np.float32)), 0.4),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_sound_becomes_a_video_as_long_as_itself(name, generate, inputs, tmp_path):
    make, seconds = KINDS[name]
    make(inputs / name, seconds)
    code, _, err = generate(*prompts("a", "b"), sound=name)
    assert code == 0, err
    assert abs(video.probe(tmp_path / "face.mp4").num_frames - 25 * seconds) <= 1


MISTAKES = {
    "an emotion outside the eight": (["--emotion", "jealous"], {}, "jealous"),
    "a mistyped emotion": (["--emotion", "hapy"], {}, "happ"),
    "an intensity for neutral": (["--emotion", "neutral", "--intensity", "mild"], {}, "neutral has no intensity"),
    "an unknown intensity": (["--emotion", "happy", "--intensity", "huge"], {}, "huge"),
    "neither prompts nor emotion": ([], {}, "no --prompt"),
    "one prompt of two": (prompts("a"), {}, "the model hears 2 levels"),
    "no face": (["--emotion", "happy"], {"image": "wall.png"}, "no face"),
    "no face, prompts by hand": (prompts("a", "b"), {"image": "wall.png"}, "no face"),
    "no such picture": (prompts("a", "b"), {"image": "nowhere.png"}, "nowhere.png"),
    "no such sound": (prompts("a", "b"), {"sound": "nowhere.wav"}, "nowhere.wav"),
    "a picture as sound": (prompts("a", "b"), {"sound": "face.png"}, "face.png"),
    "no such checkpoint": (prompts("a", "b"), {"checkpoint": "nowhere"}, "nowhere"),
    "several devices for one video": ([*prompts("a", "b"), "--devices", "cpu,cpu"], {}, "one device"),
    "an unknown device": ([*prompts("a", "b"), "--devices", "first"], {}, "'first'"),
    "a sweep without values": ([*prompts("a", "b"), "--sweep", "guidance.k"], {}, "KEY=A,B"),
    "a sweep of no key": ([*prompts("a", "b"), "--sweep", "levels=2,3"], {}, "levels"),
    "a grid of one's own prompts": ([*prompts("a", "b"), "--grid"], {}, "--grid and --prompt"),
    "a grid of one emotion": (["--grid", "--emotion", "happy"], {}, "--grid and --emotion"),
    "a grid that is a sweep": (["--grid", "--sweep", "seed=0,1"], {}, "--grid and --sweep"),
    "prompts and an emotion": ([*prompts("a", "b"), "--emotion", "happy"], {}, "--prompt and --emotion"),
    "a sweep of the precision": ([*prompts("a", "b"), "--sweep", "precision=float32,bfloat16"], {}, "one network"),
    "a sweep of compile": ([*prompts("a", "b"), "--sweep", "compile=true,false"], {}, "one network"),
    "a sweep of the reference": ([*prompts("a", "b"), "--sweep", "reference=clip,person"], {}, "--image"),
    "rows of no manifest": ([*prompts("a", "b"), "--limit", "3"], {}, "rows of a manifest"),
    "levels of one joined text": (
        ["--emotion", "happy", "--set", "guidance.schedule=none", "--set", "guidance.fractions=[0.4,0.6]"],
        {},
        "fractions: 1 positive",
    ),
    "no video's name": ([*prompts("a", "b"), "-o", "a.avi"], {}, "ends in .mp4"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_with_a_way_out_and_leave_nothing(mistake, generate, tmp_path):
    arguments, given, words = MISTAKES[mistake]
    code, out, err = generate(*arguments, **given)
    assert code in (2, 3) and words in err and "next:" in err, err
    assert "Traceback" not in err and "it/s" not in err and not out and not list(tmp_path.rglob("*.mp4"))


def test_a_checkpoint_of_stage_1_only_is_refused(generate, tmp_path):
    toy = training.manifest(tmp_path / "toy", training.usable())
    trained.run(tmp_path / "stage1", toy, trained.recipe({"stage1.steps": 1}))
    code, _, err = generate(*prompts("a", "b"), checkpoint=tmp_path / "stage1")
    assert code == 3 and "a checkpoint of stage 1" in err and "tbd train stage2 MANIFEST --from" in err


def test_a_prompt_of_more_than_77_tokens_is_cut_and_what_was_cut_is_shown(generate):
    code, _, err = generate(*prompts("a", "brows " * 80 + "zygomaticus major"))
    assert code == 0 and "prompt 2 has more than 75 CLIP tokens" in err and "zygomaticus major" in err


@pytest.mark.parametrize("more", [["--sweep", "seed=0,1"], ["--grid"], ["--web"], ["--text", "smile"],
                                  ["--intensity", "mild"], ["--emotion", "happy"]])  # fmt: skip
def test_a_split_refuses_what_it_would_not_hear(more, generate):
    code, out, err = generate("--manifest", "toy", *more, image=None)
    assert code == 2 and not out and f"--manifest and {more[0]}" in err


def test_without_a_name_no_file_of_the_user_is_replaced(generate, inputs, tmp_path, monkeypatch):
    said = prompts("a", "b")
    assert generate(*said)[1] == "face.mp4: 5 frames\n"
    assert generate(*said)[1] == "face.mp4: 5 frames\n", "the same request: the same file"
    assert generate(*said, "--seed", "1")[1] == "face-2.mp4: 5 frames\n"
    (tmp_path / "face.mp4").write_bytes(b"somebody's film")
    code, out, _ = generate(*prompts("c", "d"), "--dry-run", "--json")
    assert code == 0 and json.loads(out)["output"] == "face-3.mp4"
    assert generate(*said, "--seed", "1")[1] == "face-2.mp4: 5 frames\n"
    assert (tmp_path / "face.mp4").read_bytes() == b"somebody's film"


@pytest.mark.parametrize("how", [["-o", "me.mp4"], ["--grid", "-o", "me"], ["--sweep", "seed=0,1", "-o", "me.mp4"],
                                 ["--sweep", "seed=0,1", "-o", "film"]])  # fmt: skip
def test_no_output_takes_the_place_of_an_input(how, generate, inputs, tmp_path):
    portrait = tmp_path / ("me.png" if "me" in how[-1] else "film.mp4")
    portrait.write_bytes((inputs / "face.png").read_bytes())
    speech = tmp_path / ("me.mp4" if "me" in how[-1] else "film/seed-1.mp4")
    speech.parent.mkdir(exist_ok=True)
    speech.write_bytes((inputs / "speech.wav").read_bytes())
    before = portrait.read_bytes(), speech.read_bytes()
    words = [] if how[0] == "--grid" else prompts("a", "b")
    code, out, err = generate(*words, *how, "--image", portrait, "--audio", speech, image=None)
    assert code == 2 and not out and "would take its place" in err
    assert (portrait.read_bytes(), speech.read_bytes()) == before


def test_dots_are_part_of_a_name_and_a_rehearsal_names_what_is_written(generate, tmp_path):
    given = [*prompts("a", "b"), "--sweep", "scale=1,2", "-o", "sweeps/seed-2.5.mp4", "--json"]
    code, out, _ = generate(*given, "--dry-run")
    told = json.loads(out)
    assert code == 0 and told["picture"] == "sweeps/seed-2.5.png" and not (tmp_path / "sweeps").exists()
    assert told["videos"] == ["sweeps/seed-2.5/scale-1.mp4", "sweeps/seed-2.5/scale-2.mp4"]
    code, out, _ = generate(*given)
    made = json.loads(out)
    assert code == 0 and (made["picture"], made["video"]) == (told["picture"], told["video"])
    assert all((tmp_path / name).is_file() for name in [told["picture"], told["video"], *told["videos"]])


def test_without_a_name_a_grid_goes_beside_an_earlier_one(generate, tmp_path):
    (tmp_path / "grid.png").write_bytes(b"somebody's picture")
    code, out, _ = generate("--grid", "--dry-run", "--json")
    assert code == 0 and json.loads(out)["picture"] == "grid-2.png" and len(json.loads(out)["videos"]) == 22


@pytest.mark.parametrize(
    "index", ["{", "[]", '{"_class_name": "StableDiffusionPipeline"}', '{"recipe": {"guidance": 3}}']
)
def test_a_folder_of_another_pipeline_is_no_traceback(index, generate, tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/model_index.json").write_text(index)
    code, _, err = generate(*prompts("a", "b"), checkpoint=tmp_path / "foreign")
    assert code == 3 and "not of a pipeline that tbd saved" in err and "next:" in err


@pytest.mark.parametrize("port", ["taken", "80000"])
def test_a_port_that_cannot_be_had_is_said_before_the_network_is_loaded(port, generate, monkeypatch):
    monkeypatch.setattr(serving, "open_pipeline", lambda *_: pytest.fail("it was loaded"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = str(other.getsockname()[1]) if port == "taken" else port
        code, out, err = generate("--web", "--port", number, image=None)
    assert code in (2, 3) and not out and number in err and "next:" in err and "Traceback" not in err
