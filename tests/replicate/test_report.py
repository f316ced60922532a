"""From a finished folder to its answers and its page: a system that shows exactly what was asked, and one that shows others."""

import json
import shutil

import numpy as np
import pytest
import training
from rows import row

from tbd.cli import main
from tbd.demo.dataset import draw
from tbd.evaluate.networks.drawn_reader import UNITS, Readings
from tbd.media.drawn_units import read_units
from tbd.replicate import report
from tbd.replicate.findings import measure_replication
from tbd.replicate.recipe import DrawnWorld, Rendering, ReplicationRecipe
from tbd.replicate.report import write_report
from tbd.schema import EMOTIONS, INTENSITIES

RECIPE = ReplicationRecipe(
    world=DrawnWorld(people=10, clips=48, seconds=(0.3, 0.4), size=64), rows=("label", "full"), levels=(3,),
    directions=False, rendering=Rendering(portraits=1),
)  # fmt: skip
RUNS = ("label-seed0", "full-seed0", "full-k3-seed0")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twelve drawn clips, their rows, and a run of each kind that is a copy of them."""
    folder = tmp_path_factory.mktemp("replication")
    clips = draw(folder / "mead", people=2, clips=14, size=64, seconds=(0.3, 0.4), workers=1)[
        :-2
    ]  # the last are flawed
    rows = []
    for number, clip in enumerate(clips):
        place = clip.relative_to(folder / "mead")
        emotion = next(name for name in EMOTIONS if place.parts[3].startswith(name[:3]))
        facts = {"subject": place.parts[0], "emotion": emotion, "level": 1 + number % 3, "file_name": str(place)}
        facts |= {"width": 64, "height": 64, "fps": 25.0, "crop_box": [0.0, 0.0, 64.0, 64.0], "num_frames": 8}
        facts |= {"duration": len(read_units(clip)) / 25, "reference_frame": 2}
        rows.append(row(f"c{number:03d}", **facts))
    for manifest in ("label", "cot"):
        training.manifest(folder / "data_manifests" / manifest, rows, root=folder / "mead", size=64)
    for run in RUNS:
        (folder / "runs" / run / "videos").mkdir(parents=True)
        for number, clip in enumerate(clips):
            shutil.copy(clip, folder / "runs" / run / "videos" / f"c{number:03d}.mp4")
    grid = folder / "grids" / "portrait1"
    grid.mkdir(parents=True)
    for emotion in EMOTIONS:
        for level in (1,) if emotion == "neutral" else INTENSITIES:
            shutil.copy(clips[0], grid / f"{emotion}-{INTENSITIES[level]}.mp4")
    runs = [str(folder / "runs" / run) for run in RUNS]
    asked = ["--manifest", str(folder / "data_manifests" / "cot"), "--metrics", "psnr", "--workers", "0", "--quiet"]
    asked += ["--align", "canvas"]
    assert main(["eval", *runs, *asked, "-o", str(folder / "results" / "replication")]) == 0
    return folder, {f"c{number:03d}": clip for number, clip in enumerate(clips)}


def _reader(clips, wrong=()):
    """Reads the truth of each clip; of the runs in ``wrong`` that of the next clip."""
    names = sorted(clips)

    def read(video):
        own = video.stem if video.stem in clips else names[0]
        shown = names[(names.index(own) + 5) % len(names)] if video.parts[-3] in wrong else own
        truth = read_units(clips[shown])
        person = np.eye(4, dtype=np.float32)[0 if clips[own].parts[-6].startswith("M") else 1]
        units = truth.mean(UNITS).astype(np.float32)
        if "-" in video.stem:  # of a grid: as strong as its name says
            level = [word for _, word in sorted(INTENSITIES.items())].index(video.stem.split("-")[1])
            units = np.full_like(units, 0.2 + 0.3 * level)
        opening = truth.energy.astype(np.float32)
        return Readings(units, opening, person, np.zeros((len(opening), 3), np.float32))

    return read


def test_a_system_that_obeys_holds_and_one_that_shows_other_clips_does_not(drawn):
    folder, clips = drawn
    found = measure_replication(
        folder, RECIPE, _reader(clips, wrong=("label-seed0",)), "a perfect reader", "a perfect one"
    )
    answers = {claim.name: claim.verdict for claim in found.claims}
    assert answers.pop("happy-sad") == "cannot be told"
    assert answers.pop("levels") == "cannot be told", "both show the same"
    assert answers == dict.fromkeys(("steering", "intensity", "mouth", "identity"), "holds")
    assert found.steering["full-seed0"].value == pytest.approx(1) and found.steering["label-seed0"].value < 0.5
    turned = measure_replication(folder, RECIPE, _reader(clips, wrong=RUNS), "a perfect reader", "a perfect one")
    assert {claim.name: claim.verdict for claim in turned.claims}["steering"] != "holds"


def test_fine_prompts_beat_labels_only_over_the_same_clips(drawn):
    folder, clips = drawn
    recipe = RECIPE.model_copy(update={"rows": ("label", "cot", "full")})
    for name in ("cot-seed0",):
        shutil.copytree(folder / "runs" / "full-seed0", folder / "runs" / name)
    for wrong, answer in ((("label-seed0",), "holds"), (("cot-seed0",), "does not hold"), ((), "cannot be told")):
        found = measure_replication(folder, recipe, _reader(clips, wrong=wrong), "a perfect reader", "a perfect one")
        assert {claim.name: claim.verdict for claim in found.claims}["fine-prompts"] == answer


def test_the_page_is_one_file_that_says_every_answer(drawn, monkeypatch):
    monkeypatch.setattr(report, "METRICS", ("psnr",))
    folder, clips = drawn
    found = measure_replication(folder, RECIPE, _reader(clips), "a <perfect> reader", "a <perfect> one")
    page = write_report(folder, RECIPE, found, {"scores": 12.3}, {"scores": 23.4}).read_text()
    assert "http" not in page.replace("http-equiv", "") and "a &lt;perfect&gt; reader" in page
    assert ">12 s<" in page and ">23 s<" in page
    for claim in found.claims:
        assert claim.question in page
    for name in ("rows", "faces", "intensities"):
        assert (folder / "figures" / f"{name}.png").is_file()
    scores = json.loads((folder / "results" / "replication" / "scores.json").read_text())
    for one in (*scores["runs"], *scores["baselines"]):
        assert one["name"] in page
        value = one["scores"]["psnr"]["value"]
        assert value is None or f"{value:.3f}" in page
    document = json.loads((folder / "findings.json").read_text())
    assert [one["name"] for one in document["claims"]] == [claim.name for claim in found.claims]
