"""A split into a run folder: whole, resumed, in parts, and with clips that fail."""

import json
import multiprocessing
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import training
from rendering import CHECKPOINT, FRAMES, RECIPE, jobs, rendered, rendered_until
from talking_head import SIZE, pipeline

from tbd.errors import InputError, MissingError, UsageError
from tbd.evaluate.engine.clip import ClipContext
from tbd.evaluate.inputs.plan import plan
from tbd.evaluate.inputs.sources import EvaluationRequest
from tbd.generate.clips import ClipRequest, plan_jobs
from tbd.generate.recipe import load_generate_recipe
from tbd.generate.render import fit_prompts, render_video
from tbd.generate.run import RUN, make_record, network_calls, open_run, pending_jobs, render_jobs, settled_recipe
from tbd.manifest import count_tokens
from tbd.media import audio, video
from tbd.media.canonical import ClipRule
from tbd.media.recorded import recorded_details
from tbd.selection import Selection


@pytest.fixture(scope="module")
def pipe():
    return pipeline(frames=FRAMES)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    rows = [training.a_row(f"c{i:03d}", i, split="test", subject=f"M90{i % 2}") for i in range(3)]
    rows.append(training.a_row("c_gone", 3, split="test", file_name="gone.mp4"))
    rows.append(training.a_row("c_train", 2, split="train", subject="M900"))
    return training.manifest(folder, rows, size=SIZE)


def contents(folder):
    """The bytes of every video of a run, by name."""
    return {path.name: path.read_bytes() for path in (folder / "videos").iterdir()}


@pytest.fixture(scope="module")
def whole(pipe, manifest, tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    done = rendered(pipe, folder, manifest)
    assert (done.rendered, done.kept, list(done.failed)) == (3, 0, ["c_gone"])
    return folder


def test_a_run_has_its_videos_its_record_and_its_failures(manifest, whole):
    assert sorted(contents(whole)) == ["c000.mp4", "c001.mp4", "c002.mp4"]
    assert "gone.mp4" in (whole / "failed" / "c_gone.txt").read_text()
    record = json.loads((whole / RUN).read_text())
    assert record["split"] == "test" and record["manifest"] == str(manifest) and record["checkpoint"] == CHECKPOINT


def test_shards_in_any_order_are_one_run(pipe, manifest, whole, tmp_path):
    for part in ("2/2", "1/2"):
        rendered(pipe, tmp_path, manifest, shard=part)
    assert contents(tmp_path) == contents(whole)


def test_several_devices_share_the_clips_and_change_nothing(pipe, manifest, whole, tmp_path):
    other, used = pipeline(frames=FRAMES), []
    hooks = [one.unet.register_forward_pre_hook(lambda module, _: used.append(id(module))) for one in (pipe, other)]
    done = rendered([pipe, other], tmp_path, manifest)
    for hook in hooks:
        hook.remove()
    assert (done.rendered, list(done.failed)) == (3, ["c_gone"]) and contents(tmp_path) == contents(whole)
    assert set(used) == {id(pipe.unet), id(other.unet)}


def test_once_told_to_stop_no_video_is_begun(pipe, manifest, tmp_path):
    stopping = threading.Event()
    record = make_record(ClipRequest(manifest), pipe.recipe.guidance, CHECKPOINT, RECIPE)
    done = render_jobs(
        [pipe], tmp_path, jobs(manifest), record, RECIPE, told=lambda *_: stopping.set(), stopping=stopping
    )
    assert done.stopped and 1 <= done.rendered < 3


def test_a_run_that_was_killed_in_the_middle_of_a_video_goes_on_as_if_nothing_had_been(pipe, manifest, whole, tmp_path):
    folder, reached = tmp_path / "killed", tmp_path / "reached"
    given = ("c001.mp4", folder, manifest, reached)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rendering"])
    process = context.Process(target=rendered_until, args=given)
    process.start()
    patience = time.monotonic() + 120
    while not reached.exists() and process.is_alive() and time.monotonic() < patience:
        time.sleep(0.01)
    process.kill()
    process.join()
    left = sorted(path.name for path in (folder / "videos").iterdir())
    assert left[1:] == ["c000.mp4"] and left[0].endswith(".tmp"), "the second video was under way"
    again = rendered(pipe, folder, manifest)
    assert (again.rendered, again.kept) == (2, 1)
    assert {path.name: path.read_bytes() for path in (folder / "videos").glob("c*.mp4")} == contents(whole)


def test_videos_have_the_sound_the_length_and_the_recipe(pipe, manifest, tmp_path):
    rendered(pipe, tmp_path, manifest, clips=("c001",))
    path = tmp_path / "videos" / "c001.mp4"
    found, (job,) = video.probe(path), jobs(manifest, clips=("c001",))
    assert found.num_frames == job.speech.num_frames == job.frames and found.fps == 25
    heard, spoken = audio.read(path), job.speech.audio()
    assert abs(len(heard) - len(spoken)) <= 640 + 1024
    least = min(len(heard), len(spoken))
    assert np.corrcoef(heard[:least], spoken[:least])[0, 1] > 0.95, "sound and picture start together"
    details = recorded_details(path)
    assert details["clip_id"] == "c001" and details["prompts"] == list(job.prompts) and details["seed"] == job.seed
    assert details["recipe"]["sampler"]["steps"] == 1


def test_a_folder_that_was_made_otherwise_is_refused(pipe, manifest, tmp_path):
    rendered(pipe, tmp_path, manifest, clips=("c000",))
    with pytest.raises(InputError, match="seed: 0 -> 1"):
        rendered(pipe, tmp_path, manifest, load_generate_recipe(["steps=1", "scale=1", "seed=1"]))


def test_other_prompts_are_rendered_anew(pipe, manifest, tmp_path):
    record = make_record(ClipRequest(manifest), pipe.recipe.guidance, CHECKPOINT, RECIPE)
    (job,) = jobs(manifest, clips=("c000",))
    open_run(tmp_path, record)
    render_jobs([pipe], tmp_path, [job], record, RECIPE)
    assert list(pending_jobs(tmp_path, [job], record)) == []
    assert list(pending_jobs(tmp_path, [replace(job, prompts=("a", "b"))], record)) != []


def test_other_crops_windows_and_files_are_rendered_anew_and_a_moved_data_set_is_not(pipe, manifest, tmp_path):
    record = make_record(ClipRequest(manifest), pipe.recipe.guidance, CHECKPOINT, RECIPE)
    (job,) = jobs(manifest, clips=("c000",))
    render_jobs([pipe], tmp_path, [job], record, RECIPE)
    (tmp_path / "moved").mkdir()
    other = shutil.copy(job.speech.path, tmp_path / "moved")  # with times of its own

    def anew(**parts):
        changed = {name: replace(getattr(job, name), **how) for name, how in parts.items()}
        return list(pending_jobs(tmp_path, [replace(job, **changed)], record)) != []

    assert not anew() and not anew(speech={"path": Path(other)}, portrait={"path": Path(other)})
    assert anew(portrait={"crop_box": (0.0, 0.0, 48.0, 48.0)}) and anew(speech={"start": 0.1})
    assert anew(speech={"audio_file": Path(other)}) and anew(speech={"rule": ClipRule(size=SIZE, fps=30)})
    Path(other).write_bytes(Path(other).read_bytes() + b"\0")
    assert anew(portrait={"path": Path(other)}), "another file of the same name"
    Path(other).unlink()
    assert anew(portrait={"path": Path(other)}), "rendering says that it is gone"


def test_a_folder_is_of_one_manifest_wherever_it_lies(pipe, manifest, tmp_path):
    def record(path):
        return make_record(ClipRequest(path), pipe.recipe.guidance, CHECKPOINT, RECIPE)

    open_run(tmp_path, record(Path("data_manifests/label")))
    open_run(tmp_path, record(Path("/elsewhere/label/label.parquet")))
    with pytest.raises(InputError, match=r"of the manifest data_manifests/label, not of data_manifests/cot"):
        open_run(tmp_path, record(Path("data_manifests/cot")))


def test_auto_is_the_precision_that_a_folder_was_begun_in(pipe, manifest, tmp_path):
    def opened(recipe):
        open_run(tmp_path, make_record(ClipRequest(manifest), pipe.recipe.guidance, CHECKPOINT, recipe))
        return json.loads((tmp_path / RUN).read_text())["recipe"]["precision"]

    assert RECIPE.precision == "auto" and settled_recipe(tmp_path, RECIPE, ["cuda:0"]).precision == "bfloat16"
    assert settled_recipe(tmp_path, RECIPE, []).precision == "auto", "a cluster that is not joined yet"
    assert opened(RECIPE) == "auto", "as tbd 0.2.0 wrote it"
    assert opened(settled_recipe(tmp_path, RECIPE, ["cpu"])) == "float32"
    assert settled_recipe(tmp_path, RECIPE, ["cuda:0"]).precision == "float32", "and it stays"
    with pytest.raises(InputError, match="precision: float32 -> bfloat16"):
        opened(load_generate_recipe(["steps=1", "scale=1", "precision=bfloat16"]))


def test_a_seed_of_a_clip_depends_on_nothing_else(manifest):
    alone, among = jobs(manifest, clips=("c002",))[0], jobs(manifest)[2]
    assert alone.seed == among.seed and len({job.seed for job in jobs(manifest)}) == 4


def test_a_neutral_portrait_is_another_clip_of_the_same_person(manifest):
    recipe = load_generate_recipe(["reference=neutral"])
    found = {job.clip_id: job for job in jobs(manifest, recipe)}
    assert found["c000"].portrait.path.name == "002.mp4", "the neutral clip of M900"
    assert found["c001"].problem == "no neutral clip of this person"


def test_a_portrait_of_the_person_is_never_from_the_clip_itself_and_neutral_where_there_is_one(manifest):
    found = {job.clip_id: job for job in jobs(manifest, load_generate_recipe(["reference=person"]))}
    own = {job.clip_id: job for job in jobs(manifest)}
    assert found["c000"].portrait.path.name == "002.mp4", "the neutral clip of M900"
    for clip_id, job in found.items():
        assert job.problem == "no other clip of this person" or job.portrait.path != own[clip_id].speech.path


def test_an_evaluation_takes_the_pictures_that_the_videos_started_from(pipe, manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_generate_recipe(["steps=1", "scale=1", "reference=person"])
    rendered(pipe, tmp_path / "other", manifest, recipe)
    planned = plan(EvaluationRequest(runs=(tmp_path / "other",), metrics=("psnr",), workers=0))
    assert planned.record.baselines["still"] == "still picture of another clip"
    made = {job.clip_id: job for job in jobs(manifest, recipe)}
    assert [job.clip_id for job in planned.jobs] == ["c000", "c002"], "c001 is the only clip of its person"
    for job in planned.jobs:
        np.testing.assert_array_equal(ClipContext(job)._portrait(), made[job.clip_id].picture())


def test_rows_that_nobody_may_use_say_why(tmp_path):
    rows = [
        training.a_row("a_silent", 0, split="test", has_audio=False),
        training.a_row("b_flagged", 1, split="test", severity=3, flags=["refused"]),
        training.a_row("c_boxless", 2, split="test", crop_box=None),
    ]
    folder = training.manifest(tmp_path / "toy", rows)
    assert [job.problem for job in jobs(folder)] == [
        "no sound",
        "its prompts are not approved",
        "no crop box: no face was found, or the file could not be read",
    ]
    with pytest.raises(UsageError, match="no row has the split 'dev'"):
        plan_jobs(ClipRequest(folder, "dev"), RECIPE, 2, SIZE)
    with pytest.raises(UsageError, match="anger"):
        plan_jobs(ClipRequest(folder, selection=Selection({"emotion": "angr"})), RECIPE, 2, SIZE)


def test_a_full_disk_ends_the_run_and_leaves_no_half_video(pipe, manifest, tmp_path, monkeypatch):
    def full(path, write):
        raise MissingError("the disk is full")

    record = make_record(ClipRequest(manifest), pipe.recipe.guidance, CHECKPOINT, RECIPE)
    monkeypatch.setattr("tbd.workspace.write_whole", full)
    with pytest.raises(MissingError, match="full"):
        render_jobs([pipe], tmp_path, jobs(manifest, clips=("c000",)), record, RECIPE)
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_prompt_that_is_too_long_is_cut_after_a_word_and_the_rest_quoted():
    long = "brows " * 80 + "zygomaticus major"
    (short, cut), notes = fit_prompts(["short", long], 1)
    assert short == "short" and count_tokens(cut) <= 77 and set(cut.split()) == {"brows"}
    assert len(notes) == 1 and notes[0].startswith("prompt 2") and "zygomaticus major" in notes[0]
    assert fit_prompts([long], 2) == ([long], [])


def test_the_estimate_counts_every_call(pipe):
    recipe = load_generate_recipe(["steps=4"])
    assert network_calls(pipe, recipe, [1, 8, 9]) == 4 * 2 * (1 + 1 + 2)
    asked = []
    hook = pipe.unet.register_forward_pre_hook(lambda *_: asked.append(1))
    try:
        list(pipe.stream_latents(np.zeros((SIZE, SIZE, 3), np.uint8), np.ones(9 * 640, np.float32), ["a", "b"],
                                 sampling=recipe.sampling()))  # fmt: skip
    finally:
        hook.remove()
    assert len(asked) == network_calls(pipe, recipe, [9])


def test_an_interrupted_video_leaves_nothing(pipe, tmp_path):
    def stop(number):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_video(pipe, tmp_path / "a.mp4", np.zeros((SIZE, SIZE, 3), np.uint8), np.ones(6400, np.float32),
                     ["a", "b"], sampling=RECIPE.sampling(), seed=0, told=stop)  # fmt: skip
    assert not list(tmp_path.iterdir())


LACKING = {"manifest": "m", "split": "test", "checkpoint": {}, "recipe": {}, "guidance": {}, "versions": {}}
LATER = LACKING | {"checkpoint": {"sha256": "1"}, "lora": "2"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"manifest": 3}', "\xff", json.dumps(LACKING), json.dumps(LATER)])
def test_a_record_that_is_none_is_said_in_words(tmp_path, text):
    (tmp_path / RUN).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"not the record of a run"):
        settled_recipe(tmp_path, RECIPE, ["cpu"])
