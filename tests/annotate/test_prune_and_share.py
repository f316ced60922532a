"""Rows of clips that are gone, captions beside videos, and manifests on the Hub."""

import json

import pytest
from scripted import ScriptedBackend, mead_tree

from tbd.annotate import run
from tbd.annotate.backends.retry import Pace
from tbd.annotate.prune import prune_rows
from tbd.annotate.recipe import AnnotateRecipe
from tbd.cli import sheets
from tbd.errors import InputError
from tbd.manifest import export_manifest, read_manifest
from tbd.manifest.push import push_manifest


@pytest.fixture
def annotated(tmp_path, no_pixels):
    dataset = mead_tree(tmp_path / "mead", [("W009", "happy", level, 1) for level in (1, 2, 3)])
    recipe = AnnotateRecipe(backend={"name": "facs"})
    request = run.AnnotationRequest(dataset, recipe, tmp_path / "out", workers=0, quiet=True)
    run.run_annotation(run.prepare_annotation(request))
    return request


def test_clips_that_left_are_said_and_pruned(annotated):
    (annotated.dataset / "W009/video/front/happy/level_2/001.mp4").unlink()
    assert run.prepare_annotation(annotated).plan.gone == 1
    gone = ["mead_W009_front_happy_2_001"]
    assert prune_rows(annotated.folder, dry=True) == {"gone": gone, "kept": 2}
    assert len(read_manifest(annotated.folder)) == 3
    assert prune_rows(annotated.folder) == {"gone": gone, "kept": 2}
    assert gone[0] not in read_manifest(annotated.folder)["clip_id"].to_pylist()
    assert prune_rows(annotated.folder) == {"gone": [], "kept": 2}


def test_what_a_run_cost_stands_in_its_report(tmp_path, no_pixels, use):
    use(ScriptedBackend())
    dataset = mead_tree(tmp_path / "mead", [("W009", "happy", level, 1) for level in (1, 2, 3)])
    for price, money in (((2.0, 10.0), 3 * 4 * (100 * 2 + 20 * 10) / 1e6), ((0.0, 0.0), 0)):
        recipe = AnnotateRecipe(server={"price": price})
        request = run.AnnotationRequest(dataset, recipe, tmp_path / "out", workers=0, quiet=True)
        run.run_annotation(run.prepare_annotation(request))
        assert sheets.report(tmp_path / "out")["costs"]["money"] == pytest.approx(money)
        assert json.loads((tmp_path / "out/report.json").read_text())["costs"]["money"] == pytest.approx(money)


def test_nothing_is_pruned_while_the_dataset_is_not_there(annotated):
    annotated.dataset.rename(annotated.dataset.with_name("elsewhere"))
    with pytest.raises(InputError, match="not there"):
        prune_rows(annotated.folder)
    assert len(read_manifest(annotated.folder)) == 3


def test_captions_lie_beside_videos(annotated, tmp_path):
    with pytest.raises(InputError, match="forbid"):
        export_manifest(annotated.folder, tmp_path / "no", "captions")
    done = export_manifest(annotated.folder, tmp_path / "captions", "captions", media_right=True)
    files = sorted(path.name for path in done.path.iterdir())
    names = [f"mead_W009_front_happy_{level}_001" for level in (1, 2, 3)]
    assert files == sorted(["NOTICE.md", *(f"{name}.{end}" for name in names for end in ("mp4", "txt"))])
    row = read_manifest(annotated.folder).to_pylist()[0]
    assert (done.path / f"{names[0]}.txt").read_text().strip() == " ".join(row["prompts_final"])


def test_a_push_sends_text_alone_and_privately(annotated, monkeypatch):
    import datasets
    import huggingface_hub

    sent = {}
    monkeypatch.setattr(
        datasets.DatasetDict, "push_to_hub", lambda self, name, private: sent.update(it=self, private=private)
    )
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_file", lambda self, **given: sent.update(notice=given))
    done = push_manifest(annotated.folder, "me/prompts")
    assert done == {"repository": "me/prompts", "rows": 3, "splits": {"train": 3}, "media": False, "public": False}
    assert sent["private"] is True and sent["notice"]["path_in_repo"] == "NOTICE.md"
    assert sent["it"]["train"][0]["prompts_final"] and not sent["it"]["train"][0]["file_name"].startswith("/")


def test_a_pace_spreads_requests():
    pace = Pace(60)
    waits = [pace.turn() for _ in range(3)]
    assert waits[0] == 0 and waits[1] == pytest.approx(1, abs=0.2) and waits[2] == pytest.approx(2, abs=0.2)
    assert [Pace(0).turn() for _ in range(2)] == [0, 0]
