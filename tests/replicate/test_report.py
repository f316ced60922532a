"""From a finished folder to its answers and its page: a system that shows exactly what was asked, and one that shows others."""

import json
import shutil

import numpy as np
import pytest
import training
from rows import row

from tbd.cli import main
from tbd.demo.dataset import draw
from tbd.errors import InputError
from tbd.evaluate.networks.drawn_reader import UNITS, Readings
from tbd.media.drawn_units import read_units
from tbd.replicate import report
from tbd.replicate.findings import measure_replication
from tbd.replicate.plan import TEST_CLIPS, portrait_names
from tbd.replicate.readings import drawn_clip
from tbd.replicate.recipe import DrawnWorld, Rendering, ReplicationRecipe
from tbd.replicate.report import write_report
from tbd.replicate.step_keys import picture_side
from tbd.schema import EMOTIONS, INTENSITIES

RECIPE = ReplicationRecipe(
    world=DrawnWorld(people=10, clips=48, seconds=(0.3, 0.4), size=64), rows=("label", "full"), levels=(3,),
    directions=False, rendering=Rendering(portraits=6),
)  # fmt: skip
RUNS = ("label-seed0", "full-seed0", "full-k3-seed0")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twelve drawn clips of six people, their rows, and a run of each kind that is a copy of them."""
    folder = tmp_path_factory.mktemp("replication")
    clips = draw(folder / "mead", people=6, clips=14, size=64, seconds=(0.3, 0.4), workers=1)[
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
    (folder / TEST_CLIPS).write_text("".join(f"c{number:03d}\n" for number in range(len(clips))))
    for number, clip in enumerate(clips):
        (place := folder / drawn_clip(f"c{number:03d}")).parent.mkdir(parents=True)
        shutil.copy(clip, place)
    for grid in (folder / "grids" / name for name in portrait_names(RECIPE)):
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
    people = sorted({clip.parts[-6] for clip in clips.values()})

    def read(video):
        own = next((name for name in (video.stem, video.parent.name) if name in clips), names[0])
        shown = names[(names.index(own) + 5) % len(names)] if video.parts[-3] in wrong else own
        truth = read_units(clips[shown])
        person = np.eye(len(people), dtype=np.float32)[people.index(clips[own].parts[-6])]
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
    assert found.steering["the drawn clips"].value == pytest.approx(1)
    assert found.steering["full-seed0"].value == pytest.approx(1) and found.steering["label-seed0"].value < 0.5
    turned = measure_replication(folder, RECIPE, _reader(clips, wrong=RUNS), "a perfect reader", "a perfect one")
    assert {claim.name: claim.verdict for claim in turned.claims}["steering"] != "holds"


def test_only_the_chosen_clips_count_and_all_of_them(drawn, tmp_path):
    folder, clips = drawn
    shutil.copytree(folder, there := tmp_path / "copy")
    (there / TEST_CLIPS).write_text("".join(f"{clip}\n" for clip in sorted(clips)[:7]))
    found = measure_replication(there, RECIPE, _reader(clips), "a perfect reader", "a perfect one")
    scores = there / "results" / "replication" / "scores.json"
    scores.write_text(scores.read_text()[:-9])
    with pytest.raises(InputError, match="no scores that can be read"):
        measure_replication(there, RECIPE, _reader(clips), "a perfect reader", "a perfect one")
    assert {len(one) for one in found.readings.values()} == {7} == {one.clips for one in found.steering.values()}
    (there / "runs" / "label-seed0" / "videos" / f"{sorted(clips)[3]}.mp4").unlink()
    with pytest.raises(InputError, match=f"{sorted(clips)[3]}.mp4: 1 of 7 test clips are not there"):
        measure_replication(there, RECIPE, _reader(clips), "a perfect reader", "a perfect one")


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
    (folder / "checkpoints" / "base").mkdir(parents=True)
    line = {"step": 0, "loss": 0.5, "conditions": {"text": {"change": 0.1}}}
    (folder / "checkpoints" / "base" / "validation.jsonl").write_text(f"{json.dumps(line)}\n")
    page = write_report(folder, RECIPE, found, {"scores": 12.3, "drawn people": 45.6}, {"scores": 23.4}).read_text()
    assert "http" not in page.replace("http-equiv", "") and "a &lt;perfect&gt; reader" in page
    assert "drawn people at 64 × 64 pixels" in page
    assert ">12 s<" in page and ">23 s<" in page and ">46 s<" in page
    for claim in found.claims:
        assert claim.question in page
    for name in ("rows", "curves", "faces", "intensities"):
        assert (folder / "figures" / f"{name}.png").is_file()
    scores = json.loads((folder / "results" / "replication" / "scores.json").read_text())
    for one in (*scores["runs"], *scores["baselines"]):
        assert one["name"] in page
        value = one["scores"]["psnr"]["value"]
        assert value is None or f"{value:.3f}" in page
    document = json.loads((folder / "findings.json").read_text())
    assert [one["name"] for one in document["claims"]] == [claim.name for claim in found.claims]
    assert list(document["steering"]) == [*RUNS, "the drawn clips"]
    assert "NaN" not in (folder / "findings.json").read_text()


def test_the_side_of_the_pictures_is_that_of_the_training(tmp_path):
    assert [picture_side(name, tmp_path) for name in ("replicate", "replicate96")] == [64, 96]
