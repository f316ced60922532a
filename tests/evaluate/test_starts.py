"""The picture that videos started from: which one it is, what is made of it, and that tables say so."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import runs

from tbd.console import Progress
from tbd.evaluate.engine.clip import ClipContext
from tbd.evaluate.inputs.jobs import PORTRAITS, STILLS, MetricGroup
from tbd.evaluate.inputs.plan import plan
from tbd.evaluate.inputs.sources import EvaluationRequest
from tbd.evaluate.metrics.base import ClipScore
from tbd.evaluate.metrics.csim import METRICS as CSIM
from tbd.evaluate.metrics.drawn import METRICS as DRAWN
from tbd.evaluate.outputs.score_table import score_table
from tbd.evaluate.outputs.scores import signature
from tbd.evaluate.run import run
from tbd.media import video
from tbd.media.recorded import COMMENT

COUNT, FRAME = 3, 5
NAMES = [f"mead_M003_front_happy_2_{number + 1:03d}" for number in range(COUNT)]
OTHERS = [1, 0, 0]
"""The first other clip of the person, by name."""


class Shown(runs.Brightness):
    """Brightness of the portrait."""

    key, protocol, title, needs_portrait = "shown", "shown@mean", "Shown", True

    def open(self, clip):
        return _Shown(self, clip)


class _Shown(runs._Levels):
    def finish(self):
        return ClipScore(float(self.clip.portrait().mean()), len(self.values))


METRICS = (runs.Difference(), Shown())


@pytest.fixture
def project(tmp_path, monkeypatch):
    runs.dataset(tmp_path, COUNT)
    monkeypatch.chdir(tmp_path)
    for name in ("TBD_CACHE", "TBD_WEIGHTS", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def rendered(project, name, reference="person", frames=(FRAME,) * COUNT, others=OTHERS):
    """A run folder as ``tbd generate`` leaves it: videos that name the frame they started from, and ``run.json``."""
    folder = project / "runs" / name
    (folder / "videos").mkdir(parents=True)
    for seed, frame in enumerate(frames):
        made = {"portrait": f"{others[seed] + 1:03d}.mp4", "frame": frame}
        tags = {COMMENT: json.dumps(made)} if frame is not None else {}
        video.write(folder / "videos" / f"{NAMES[seed]}.mp4", runs.worse(runs.clip(seed)), 25, tags=tags)
    document = {"manifest": str(project / "data_manifests/toy"), "split": "test", "recipe": {"reference": reference}}
    (folder / "run.json").write_text(json.dumps(document))
    return folder


def scored(project, *folders, **changes):
    """The plan, the document, and of every clip the numbers of the still picture and of the first run."""
    request = EvaluationRequest(runs=folders, chosen=METRICS, workers=0, output=project / "results", **changes)
    planned = plan(request)
    document = run(planned, Progress("eval", len(planned.jobs)))
    return planned, document


def still(document, key):
    (row,) = (one for one in document["baselines"] if one["kind"] == "still")
    return row["name"], row["scores"][key]["value"]


def true(project, seed):
    path = project / f"data/M003/video/front/happy/level_2/{seed + 1:03d}.mp4"
    return np.stack([frame for _, frame in video.frames(path)]).astype(float)


def expected(project, shown):
    """Difference of the still picture from the truth, and brightness of the portrait, where clip ``i`` starts from ``shown[i]``."""
    films = [true(project, seed) for seed in range(COUNT)]
    pictures = [films[other][FRAME] for other in shown]
    difference = np.mean([np.abs(film - one).mean() for film, one in zip(films, pictures, strict=True)])
    return pytest.approx(difference), pytest.approx(np.mean([one.mean() for one in pictures]))


def test_the_still_picture_and_the_portrait_are_those_that_every_video_records(project):
    planned, document = scored(project, rendered(project, "a"), rendered(project, "b"))
    assert planned.record.settings["portrait"] == document["settings"]["portrait"] == "person"
    difference, brightness = expected(project, OTHERS)
    assert still(document, "difference") == ("still picture of another clip", difference)
    for row in (*document["runs"], *document["baselines"]):
        assert row["scores"]["shown"]["value"] == brightness
        assert row["scores"]["shown"]["protocol"] == "shown@mean/portrait=person"
        assert row["scores"]["difference"]["protocol"] == "difference@l1"
    assert PORTRAITS["person"] in score_table(document, "x").caption
    assert not [note for note in document["notes"] if "target clip" in note]


@pytest.mark.parametrize(
    ("other", "noted"),
    [
        ({"reference": "clip"}, "a started"),
        ({"reference": "neutral"}, "a, b started"),
        ({"frames": (FRAME, FRAME + 1, FRAME)}, "a, b started"),
        ({"frames": (FRAME, None, FRAME)}, "a, b started"),
        ({"others": [1, 2, 0]}, "a, b started"),
    ],
)
def test_where_they_differ_or_do_not_say_it_is_a_frame_of_the_target_clip_and_a_note_says_so(project, other, noted):
    planned, document = scored(project, rendered(project, "a"), rendered(project, "b", **other))
    difference, brightness = expected(project, range(COUNT))
    assert still(document, "difference") == ("still frame of the target clip", difference)
    assert still(document, "shown")[1] == brightness
    assert document["runs"][0]["scores"]["shown"]["protocol"] == "shown@mean"
    assert [note for note in planned.record.notes if note.startswith(noted)]
    assert PORTRAITS["clip"] in score_table(document, "x").caption


def test_runs_that_started_from_the_target_clip_have_nothing_to_note(project):
    planned, document = scored(project, rendered(project, "a", "clip", others=range(COUNT)))
    assert still(document, "difference") == ("still frame of the target clip", expected(project, range(COUNT))[0])
    assert not [note for note in planned.record.notes if "started" in note]


def test_a_lost_clip_lends_no_picture(project):
    folder = rendered(project, "a")
    (project / "data/M003/video/front/happy/level_2/002.mp4").unlink()
    assert plan(EvaluationRequest(runs=(folder,), chosen=METRICS, workers=0)).record.settings["portrait"] == "clip"


def test_other_pictures_are_other_numbers_whatever_was_scored_before(project):
    folder = rendered(project, "a")
    run_json = (folder / "run.json").read_text()
    (folder / "run.json").write_text(run_json.replace("person", "clip"))
    assert still(scored(project, folder)[1], "shown")[1] == expected(project, range(COUNT))[1]
    (folder / "run.json").write_text(run_json)
    assert still(scored(project, folder)[1], "shown")[1] == expected(project, OTHERS)[1]
    path = project / "data/M003/video/front/happy/level_2/001.mp4"
    video.write(path, [255 - frame for frame in runs.clip(0)], 25)
    difference, brightness = expected(project, OTHERS)
    document = scored(project, folder)[1]
    assert (still(document, "difference")[1], still(document, "shown")[1]) == (difference, brightness)


def test_a_picture_is_known_by_its_content_not_by_the_name_of_its_file(project):
    job = plan(EvaluationRequest(runs=(rendered(project, "a"),), chosen=METRICS, workers=0)).jobs[1]
    (still_video,) = (one for one in job.videos if one.kind == "still")

    def keys(**changes):
        other = replace(job, truth=replace(job.truth, start={**job.truth.start, **changes}))
        return [ClipContext(other).key(still_video, MetricGroup(metric.protocol, (metric,))) for metric in METRICS]

    source = project / "data" / job.truth.start["file_name"]
    shutil.copy(source, project / "data/copy.mp4")
    video.write(project / "data/changed.mp4", [255 - frame for frame in runs.clip(0)], 25)
    assert keys() == keys(file_name="copy.mp4")
    for changes in ({"file_name": "changed.mp4"}, {"reference_frame": 6}, {"crop_box": [0.0, 0.0, 32.0, 32.0]}):
        assert not set(keys()) & set(keys(**changes))


def test_only_what_looks_at_a_portrait_says_which_one():
    told = {metric.key: signature(metric, {"portrait": "person"}) for metric in DRAWN}
    assert told["identity"] == "identity@drawn/portrait=person" and told["au_corr"] == "au_corr@drawn"
    assert signature(CSIM[0], {"portrait": "clip"}) == signature(CSIM[0], {}) == "csim@arcface-portrait"
    assert signature(CSIM[0], {"portrait": "neutral"}) == "csim@arcface-portrait/portrait=neutral"


def test_a_truth_without_a_manifest_knows_of_no_other_clip(project):
    planned, document = scored(project, rendered(project, "a"), reference=project / "data")
    assert len(planned.jobs) == COUNT and planned.record.settings["portrait"] == "clip"
    assert still(document, "difference")[0] == STILLS["clip"]
    assert [note for note in planned.record.notes if note.startswith("a started")]
