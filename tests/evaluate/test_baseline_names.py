"""The kit's inputs, and outputs in the original layouts of the nine systems: every clip comes back paired."""

import csv
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

TIME = "2024_05_01_12.30.45"
PC_AVS = ["Input_", "G_Pose_Driven_", "Pose_Source_", "concat", "avconcat"]
LAYOUTS = {
    "makeittalk": ["{clip}_pred_fls_{clip}_audio_embed.mp4"],
    "makeittalk, cut out": ["{clip}.mp4"],
    "sadtalker": [f"{{clip}}/{TIME}.mp4"],
    "sadtalker --verbose": [f"{{clip}}/{TIME}.mp4", f"{{clip}}/{TIME}/{{clip}}##{{clip}}.mp4", f"{{clip}}/{TIME}/{{clip}}##{{clip}}_full.mp4", f"{{clip}}/{TIME}/3dface.mp4"],
    "sadtalker --verbose, in one folder": [f"{TIME}/{{clip}}##{{clip}}_enhanced.mp4", f"{TIME}/temp_{{clip}}##{{clip}}.mp4"],
    "pc-avs": [f"id_{{clip}}_pose_{{clip}}_audio_{{clip}}/{name}.mp4" for name in PC_AVS],
    "pc-avs, first release": [f"id_{{clip}}_pose_00473_audio_{{clip}}/{name}.mp4" for name in (*PC_AVS, "G_Fix_Pose_", "Mouth_Source_")],
    "pc-avs without --driving_pose": [f"id_{{clip}}_pose_{{clip}}_audio_{{clip}}/{name}.mp4" for name in ("Input_", "G_Fix_Pose_", "concat", "avconcat")],
    "eamm": [f"{{clip}}/{name}" for name in ("neutral.mp4", "emotion.mp4", "emotion.mov", "all.mp4", "all.mov")],
    "styletalk": ["{clip}.mp4"],
    "eat": ["deepprompt_eam3d_all_final_313/{clip}_hap_{clip}.mp4", "deepprompt_eam3d_all_final_313/temp/{clip}_hap_{clip}.mp4"],
    "edtalk": ["{clip}.mp4"],
    "edtalk --face_sr": ["{clip}.mp4", "{clip}_512.mp4", "{clip}_512.mp4.tmp.mp4"],
    "edtalk, only the large ones": ["{clip}_512.mp4"],
    "hallo": ["{clip}.mp4"],
    "sonic": ["{clip}.mp4"],
    "any, with a size": ["{short}_512.mp4"],
    "any, upper case": ["OUT-{clip}-x2.MP4"],
}  # fmt: skip
"""Names as the programs write them, read in their public repositories."""

RESULTS = {
    "sadtalker --verbose": f"{TIME}.mp4",
    "pc-avs": "G_Pose_Driven_.mp4",
    "pc-avs, first release": "G_Pose_Driven_.mp4",
    "pc-avs without --driving_pose": "G_Fix_Pose_.mp4",
    "eamm": "emotion.mov",
}
"""Which of the files is the result, where a program writes several."""


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
    if layout in RESULTS:
        assert {pair.video.name for pair in found.matched} == {RESULTS[layout]}
    told = {pair.reason for pair in found.unmatched}
    assert len(found.unmatched) == len(rows(manifest)) * (len(LAYOUTS[layout]) - 1)
    assert all("beside the result" in reason for reason in told)


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
    assert results_among(["a/all.mp4", "a/neutral.mp4"]) == ["a/all.mp4", "a/neutral.mp4"]  # nothing else is there


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
    if program == "pc-avs":  # its dataset reads the pose by number, and names its folder by what follows the last slash
        for line, meta in zip(lines, (tmp_path / "kit" / "misc" / "tbd.csv").read_text().splitlines(), strict=True):
            identity, _, pose, _, sound, *_ = meta.split()
            assert line["portrait"] == f"{pose}/000000.jpg" and identity.endswith(f"/{line['clip_id']}")
            assert sound == line["sound"] and len(meta.split()) == 8
            assert meta.startswith(f"misc/Input/{line['clip_id']} ") and f"'^misc/Input/{line['clip_id']} '" in script


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
    quiet = dataset(tmp_path / "n", count=2, frames=4, emotion="calm")
    with pytest.raises(InputError, match="no word for calm"):
        export_inputs(quiet, tmp_path / "b", "eat")
    assert main(["manifest", "export", str(manifest), "--inputs", "--for", "eat", "-o", str(tmp_path / "eat")]) == 0
    told = capsys.readouterr()
    assert "inputs of 12 clips" in told.out and "tbd eval OUTPUTS" in told.err
    assert main(["manifest", "export", str(manifest), "--inputs", "-o", str(tmp_path / "eat")]) == 3
