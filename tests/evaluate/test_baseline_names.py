"""The kit's inputs, and outputs in the original layouts of the nine systems: every clip comes back paired."""

import csv
import shutil
import wave

import numpy as np
import pytest
from PIL import Image
from runs import dataset

from tbd.cli import main
from tbd.errors import InputError, UsageError
from tbd.evaluate.inputs.baseline_names import contained_clip, results_among
from tbd.evaluate.inputs.pairing import with_folder, with_manifest
from tbd.manifest import read_manifest
from tbd.manifest.baseline_kit import BASELINES, export_inputs

LAYOUTS = {
    "makeittalk": ["examples/{clip}_pred_fls_{clip}_audio_embed.mp4"],
    "sadtalker": ["results/{clip}/2024_05_01_12.30.45.mp4"],
    "sadtalker, its inner names": ["2024_05_01_12.30.45/{clip}##{clip}_enhanced.mp4", "2024_05_01_12.30.45/temp_{clip}##{clip}.mp4"],
    "pc-avs": [
        "id_{clip}_pose_{clip}_audio_{clip}/" + name + ".mp4"
        for name in ("G_Pose_Driven_", "avG_Pose_Driven_", "Input_", "Pose_Source_", "avconcat")
    ],
    "eamm": ["result/{clip}/emotion.mp4", "result/{clip}/neutral.mp4", "result/{clip}/all.mp4"],
    "styletalk": ["results/{clip}.mp4"],
    "eat": ["demo/output/deepprompt_eam3d_all_final_313/{clip}_hap_{clip}.mp4"],
    "edtalk": ["res/{clip}_512.mp4"],
    "hallo": ["results/{clip}.mp4"],
    "sonic": ["res_path/{clip}_{clip}.mp4"],
    "any, with a size": ["{short}_512.mp4"],
    "any, upper case": ["OUT-{clip}-x2.MP4"],
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("kit"), count=12, frames=4)


def rows(manifest):
    return read_manifest(manifest).to_pylist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_clip_comes_back_paired(tmp_path, manifest, layout):
    for row in rows(manifest):
        for name in LAYOUTS[layout]:
            path = tmp_path / name.format(clip=row["clip_id"], short=row["clip_id"].removeprefix("mead_"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = with_manifest(tmp_path, rows(manifest))
    assert [pair.clip_id for pair in found.matched] == sorted(row["clip_id"] for row in rows(manifest))
    assert all(
        pair.clip_id.lower() in str(pair.video).lower() or "short" in LAYOUTS[layout][0] for pair in found.matched
    )
    if layout == "pc-avs":
        assert {pair.video.stem for pair in found.matched} == {"avG_Pose_Driven_"}
    if layout == "eamm":
        assert {pair.video.stem for pair in found.matched} == {"emotion"}


def test_between_two_folders_too(tmp_path):
    for name in ("M003_angry_3_001", "M003_angry_3_002"):
        (tmp_path / "ref").mkdir(exist_ok=True)
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "ref" / f"{name}.mp4").touch()
        (tmp_path / "run" / f"{name}##{name}_512.mp4").touch()
    assert len(with_folder(tmp_path / "run", tmp_path / "ref").matched) == 2


def test_a_name_inside_another_is_sought_word_by_word():
    spellings = {
        "m003_angry_3_001": "one",
        "mead_m003_angry_3_001": "one",
        "m003_angry_3_0011": "eleven",
        "001": "short",
    }
    assert contained_clip("x/M003#angry#3#001_512", spellings) == "one"
    assert contained_clip("x/M003_angry_3_0011_512", spellings) == "eleven"
    assert contained_clip("x/M003_angry_3_00112", spellings) is None
    assert contained_clip("x/001_512", spellings) is None
    two = {"a_b_c": "one", "d_e_f": "two", "a_b_c_d": "long"}
    assert contained_clip("a_b_c__d_e_f", two) == "long"
    assert contained_clip("a_b_c__x__d_e_f", two) is None


def test_two_sizes_of_one_clip_are_a_double_that_is_named(tmp_path, manifest):
    row = rows(manifest)[0]
    for name in ("x_{}_256.mp4", "x_{}_512.mp4"):
        (tmp_path / name.format(row["clip_id"])).touch()
    (pair,) = [pair for pair in with_manifest(tmp_path, rows(manifest)).pairs if pair.problem == "duplicate"]
    assert "_256.mp4" in pair.reason and "_512.mp4" in pair.reason
    assert results_among(["a/all", "a/neutral"]) == ["a/all", "a/neutral"]  # nothing else is there


@pytest.mark.parametrize("program", BASELINES)
def test_the_kit_writes_what_its_list_says(tmp_path, manifest, program):
    done = export_inputs(manifest, tmp_path / "kit", program, clips=[row["clip_id"] for row in rows(manifest)[:2]])
    assert (done.clips, done.left_out) == (2, ())
    lines = list(csv.DictReader((tmp_path / "kit" / "tbd_list.csv").open()))
    layout = BASELINES[program]
    for line in lines:
        assert line["code"] == layout.codes.get("happiness", "")
        with Image.open(tmp_path / "kit" / line["portrait"]) as image:
            assert image.size == (layout.side, layout.side)
        with wave.open(str(tmp_path / "kit" / line["sound"])) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (16_000, 1)
    if program != "plain":
        script = (tmp_path / "kit" / "tbd_run.sh").read_text()
        assert all(line["clip_id"] in script for line in lines)
        assert "{clip}" not in script.partition("\n")[2].partition("\n")[2]
    assert (tmp_path / "kit" / "NOTICE.md").is_file()


def test_the_portrait_is_the_canonical_picture(tmp_path, manifest):
    export_inputs(manifest, tmp_path / "kit", "plain")
    from tbd.manifest.run import clip_rule, dataset_roots
    from tbd.media.canonical import CanonicalClip

    row = rows(manifest)[0]
    clip = CanonicalClip.of_row(row, dataset_roots(manifest)["mead"], clip_rule(manifest))
    seen = Image.open(tmp_path / "kit" / "portraits" / f"{row['clip_id']}.png").resize((64, 64))
    assert np.abs(np.asarray(seen, float) - clip.picture(row["reference_frame"])).mean() < 8


def test_what_cannot_be_written_is_said(tmp_path, manifest, capsys):
    with pytest.raises(UsageError, match="--for nothing"):
        export_inputs(manifest, tmp_path / "a", "nothing")
    with pytest.raises(UsageError, match="no clip 'x'"):
        export_inputs(manifest, tmp_path / "a", "plain", clips=["x"])
    with pytest.raises(InputError, match="no clip could be written"):
        export_inputs(manifest, tmp_path / "a", "plain", roots={"mead": tmp_path})
    assert not (tmp_path / "a").exists() and not list(tmp_path.glob(".a*"))
    lacks = tmp_path / "neutral"
    shutil.copytree(manifest.parents[1], lacks)
    quiet = dataset(tmp_path / "n", count=2, frames=4, emotion="neutral")
    with pytest.raises(InputError, match="no word for neutral"):
        export_inputs(quiet, tmp_path / "b", "edtalk")
    assert main(["manifest", "export", str(manifest), "--inputs", "--for", "eat", "-o", str(tmp_path / "eat")]) == 0
    told = capsys.readouterr()
    assert "inputs of 12 clips" in told.out and "tbd eval OUTPUTS" in told.err
    assert main(["manifest", "export", str(manifest), "--inputs", "-o", str(tmp_path / "eat")]) == 3
