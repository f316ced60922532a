"""From a checkpoint to a pipeline: what the clips that were trained on say about sampling."""

import json
from types import SimpleNamespace

import trained
import training

from tbd.cli.generate.inputs import model_facts
from tbd.generate.load import load_pipeline


def test_a_model_talks_at_the_rate_of_its_clips_and_other_crops_are_said(tmp_path):
    toy = training.manifest(tmp_path / "toy", training.usable())
    document = json.loads((toy / "run.json").read_text())
    document["recipe"]["clip"] |= {"fps": 30.0, "scale": 2.2, "sample_rate": 24_000}
    (toy / "run.json").write_text(json.dumps(document))
    trained.run(tmp_path / "stage1", toy, trained.recipe({"stage1.steps": 1}))
    chosen = trained.recipe({"stage2.steps": 1, "stage2.frames": 4})
    trained.run(tmp_path / "stage2", toy, chosen, stage=2, first=tmp_path / "stage1")
    pipe = load_pipeline(tmp_path / "stage2", device="cpu")
    assert (pipe.clip_rule.fps, pipe.clip_rule.sample_rate, pipe.frame_count(16_000)) == (30, 16_000, 30)
    (note,) = model_facts(SimpleNamespace(checkpoint=tmp_path / "stage2")).notes
    assert "clip.scale=2.2" in note and "cropped with 1.7" in note
