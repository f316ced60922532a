"""The examples, run as a user would."""

import importlib.util
import json
import re
import runpy
import sys
from pathlib import Path

import media
import numpy as np
import pytest

from tbd.annotate import layouts
from tbd.demo.dataset import draw_clip
from tbd.media import video

EXAMPLES = Path(__file__).parents[1] / "examples"


def _load(name: str):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES.glob("*.py"), ids=lambda path: path.stem)
def test_an_example_says_how_it_is_called(path):
    assert f"python {path.name}" in path.read_text(encoding="utf-8").split('"""')[1]


@pytest.mark.parametrize(
    "name", ["annotate_one_portrait", "own_layout", "own_metric", "progressive_prompts_for_wan", "score_my_videos"]
)
def test_an_example_without_its_arguments_says_which_it_wants(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    monkeypatch.setattr(layouts, "LAYOUTS", dict(layouts.LAYOUTS))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert ended.value.code == 2 and re.search("usage:|next:", capfd.readouterr().err)


def test_score_my_videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "true"):
        Path(name).mkdir()
        media.video(Path(name) / "a.mp4", frames=12, size=(64, 64))
    found = _load("score_my_videos").score(Path("mine"), Path("true"), tmp_path / "results")
    assert found["psnr"] == 100.0 and found["ssim"] == 1.0


def test_own_metric(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "true"):
        Path(name).mkdir()
        media.video(
            Path(name) / "a.mp4", frames=[np.full((64, 64, 3), 100 + 20 * (i % 2), np.uint8) for i in range(12)]
        )
    assert _load("own_metric").score(Path("mine"), Path("true"), tmp_path / "results") == pytest.approx(20, abs=1)


def test_own_backend():
    from tbd.annotate.gates import check

    found = _load("own_backend").annotate()
    assert [unit.au for unit in found.action_units] == [6, 12] and len(found.prompts) == 4
    assert max((flag.severity for flag in check(found)), default=0) < 3


def test_annotate_one_portrait(tmp_path):
    _, picture = next(video.frames(draw_clip(tmp_path / "face.mp4", seconds=0.2)))
    media.still(tmp_path / "face.png", picture)
    found = _load("annotate_one_portrait").prompts(tmp_path / "face.png", "a shy smile")
    assert list(found) == ["scene", "expression", "muscles", "dynamics"]
    assert "happy" in found["scene"]


def test_own_layout(tmp_path, monkeypatch, capsys):
    from tbd.annotate.layouts import LAYOUTS
    from tbd.cli import main

    monkeypatch.chdir(tmp_path)
    Path("studio").mkdir()
    for name in ("anna-happy-2-take01", "anna-angry-3-take02", "holiday"):
        media.video(tmp_path / f"studio/{name}.mp4", frames=3)
    try:
        _load("own_layout")
        assert main(["annotate", "studio", "--backend", "facs", "--dry-run", "--json"]) == 0
    finally:
        LAYOUTS.pop("studio", None)
    plan = json.loads(capsys.readouterr().out)
    assert plan["layout"] == "studio" and plan["emotions"] == {"happiness": 1, "anger": 1}
    assert [problem for problem in plan["problems"] if "holiday" in str(problem)]


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    book = json.loads((EXAMPLES / "clips_to_table.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), "clips_to_table.ipynb", "exec"), names)
    assert list(names["table"].index) == ["run", "ground truth", "still frame of the target clip"]
    assert names["table"]["psnr"]["run"] < 100


def test_progressive_prompts_for_wan():
    import tiny_pipelines

    pipe, _, options = tiny_pipelines.wan()
    options = {key: options[key] for key in ("height", "width", "num_frames", "max_sequence_length")}
    render = _load("progressive_prompts_for_wan").render
    made = render(pipe, 3, output_type="np", **options)
    assert np.isfinite(np.asarray(made)).all() and len(made) == 5
