import json
import threading

import pytest
from scripted import ScriptedBackend, annotate, mead_tree, table

from tbd.annotate import backends, run
from tbd.annotate.backends.base import Reply
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import MissingError, UsageError
from tbd.selection import Selection

CLIPS = [(speaker, emotion, level, index) for speaker in ("M003", "W009") for emotion in ("happy", "angry")
         for level in (1, 3) for index in (1, 2)]  # fmt: skip
pytestmark = pytest.mark.usefixtures("no_pixels")


@pytest.fixture
def dataset(tmp_path):
    return mead_tree(tmp_path / "mead", CLIPS)


def test_every_clip_becomes_a_row(dataset, tmp_path):
    summary = annotate(dataset, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert summary["rows"] == len(rows) == len(CLIPS)
    assert summary["status"] == {"success": len(CLIPS)}
    assert [row["clip_id"] for row in rows] == sorted(row["clip_id"] for row in rows)
    first = rows[0]
    assert first["clip_id"] == "mead_M003_front_angry_1_001"
    assert (first["emotion"], first["level"], first["intensity"]) == ("anger", 1, "mild")
    assert len(first["prompts"]) == 4 and first["coarse_tokens"] <= 77 and first["fine_tokens"] <= 77
    assert {row["fingerprint"] for row in rows} == {run.read_run(tmp_path / "out").fingerprint}


def test_the_same_command_again_changes_no_byte_and_asks_nobody(dataset, tmp_path, use):
    backend = use(ScriptedBackend())
    annotate(dataset, tmp_path / "out")
    before, asked = (tmp_path / "out/manifest.parquet").read_bytes(), len(backend.asked)
    annotate(dataset, tmp_path / "out")
    assert (tmp_path / "out/manifest.parquet").read_bytes() == before
    assert len(backend.asked) == asked


def test_a_pilot_is_taken_over_and_selection_never_changes_a_row(dataset, tmp_path):
    annotate(dataset, tmp_path / "pilot", selection=Selection(limit=5))
    annotate(dataset, tmp_path / "pilot")
    annotate(dataset, tmp_path / "whole")
    assert (tmp_path / "pilot/manifest.parquet").read_bytes() == (tmp_path / "whole/manifest.parquet").read_bytes()


@pytest.mark.parametrize("per", ["clip", "identity"])
def test_batches_and_concurrency_never_change_a_row(dataset, tmp_path, use, per):
    recipe = AnnotateRecipe(chain={"per": per}, backend={"name": "facs"})
    use(ScriptedBackend())
    annotate(dataset, tmp_path / "one", recipe=recipe)
    backend = use(ScriptedBackend(batch_size=3, concurrency=2))
    annotate(dataset, tmp_path / "many", recipe=recipe)
    assert (tmp_path / "one/manifest.parquet").read_bytes() == (tmp_path / "many/manifest.parquet").read_bytes()
    assert max(backend.batches) == 3 and backend.most_open <= 2


def test_per_identity_asks_once_for_person_emotion_and_level(dataset, tmp_path, use):
    backend = use(ScriptedBackend())
    annotate(dataset, tmp_path / "out", recipe=AnnotateRecipe(chain={"per": "identity"}, backend={"name": "facs"}))
    rows = table(tmp_path / "out")
    assert len({row["chain_id"] for row in rows}) == 8
    assert len(backend.asked) == 8 * 4
    for row in rows:
        same = [other for other in rows if other["chain_id"] == row["chain_id"]]
        assert len(same) == 2 and {tuple(other["prompts"]) for other in same} == {tuple(row["prompts"])}


def test_the_shared_picture_does_not_depend_on_the_selection(dataset, tmp_path, use):
    recipe = AnnotateRecipe(chain={"per": "identity"}, backend={"name": "facs"})
    seen = []

    def script(face, question, good):
        seen.append((face.key, int(face.images[0, 0, 0, 0])))
        return good

    use(ScriptedBackend(script))
    ids = tuple(f"mead_{speaker}_front_{emotion}_{level}_002" for speaker, emotion, level, index in CLIPS if index == 2)
    annotate(dataset, tmp_path / "second-clips", recipe=recipe, selection=Selection(clips=ids))
    chosen = dict(seen)
    seen.clear()
    annotate(dataset, tmp_path / "all", recipe=recipe)
    assert dict(seen) == chosen


def test_unreadable_and_faceless_clips_are_rows_with_their_reason(dataset, tmp_path):
    (dataset / "M003/video/front/angry/level_1/001.mp4").write_text("broken")
    (dataset / "M003/video/front/angry/level_1/002.mp4").write_text("faceless")
    summary = annotate(dataset, tmp_path / "out")
    assert summary["status"] == {"error": 2, "success": len(CLIPS) - 2}
    broken, faceless = table(tmp_path / "out")[:2]
    assert broken["status"] == "error" and "cannot be decoded" in broken["error"] and broken["fps"] is None
    assert broken["emotion"] == "anger" and broken["needs_review"] and not broken["approved"]
    assert faceless["status"] == "error" and "face" in faceless["error"] and faceless["crop_box"] is None


def test_a_group_takes_its_picture_from_the_next_clip_when_the_first_is_broken(dataset, tmp_path, use):
    (dataset / "M003/video/front/angry/level_1/001.mp4").write_text("broken")
    use(ScriptedBackend())
    annotate(dataset, tmp_path / "out", recipe=AnnotateRecipe(chain={"per": "identity"}, backend={"name": "facs"}))
    rows = {row["clip_id"]: row for row in table(tmp_path / "out")}
    assert rows["mead_M003_front_angry_1_001"]["status"] == "error"
    assert rows["mead_M003_front_angry_1_002"]["status"] == "success"


def test_several_moments_are_shown_and_journalled_apart(dataset, tmp_path, use):
    shown = []
    backend = use(ScriptedBackend(lambda face, question, good: (shown.append(len(face.images)), good)[1]))
    annotate(dataset, tmp_path / "out")
    assert set(shown) == {1}
    shown.clear()
    recipe = AnnotateRecipe(chain={"frames": 8}, backend={"name": "facs"})
    annotate(dataset, tmp_path / "out", recipe=recipe, update=True)
    assert set(shown) == {8}
    asked = len(backend.asked)
    annotate(dataset, tmp_path / "out", update=True)
    assert len(backend.asked) == asked, "the replies to one picture are in the journal still"


def test_retry_asks_only_the_failed_rows(dataset, tmp_path, use):
    down = {"now": True}

    def script(face, question, good):
        if down["now"] and "angry_1" in face.key and question.step == "step3":
            return Reply("connection refused", "failed")
        return good

    backend = use(ScriptedBackend(script))
    assert annotate(dataset, tmp_path / "out")["status"]["error"] == 4
    down["now"] = False
    backend.asked.clear()
    assert annotate(dataset, tmp_path / "out")["status"]["error"] == 4, "without --retry they stay"
    assert backend.asked == []
    assert annotate(dataset, tmp_path / "out", retry=("failed",))["status"] == {"success": len(CLIPS)}
    assert sorted({key for key, _ in backend.asked}) == [
        f"mead_{speaker}_front_angry_1_00{n}" for speaker in ("M003", "W009") for n in (1, 2)
    ]
    assert {question.step for _, question in backend.asked} == {"step3", "step4"}, "steps I and II were journalled"


def test_another_recipe_in_the_same_folder_is_refused_with_the_difference(dataset, tmp_path):
    annotate(dataset, tmp_path / "out")
    before = (tmp_path / "out/manifest.parquet").read_bytes()
    other = AnnotateRecipe(chain={"attempts": 5}, backend={"name": "facs"})
    with pytest.raises(UsageError, match=r"chain\.attempts: 3 -> 5") as raised:
        annotate(dataset, tmp_path / "out", recipe=other)
    assert "--update" in raised.value.next and "-o" in raised.value.next
    assert (tmp_path / "out/manifest.parquet").read_bytes() == before
    annotate(dataset, tmp_path / "out", recipe=other, update=True)
    annotate(dataset, tmp_path / "fresh", recipe=other)
    assert (tmp_path / "out/manifest.parquet").read_bytes() == (tmp_path / "fresh/manifest.parquet").read_bytes()


def test_another_revision_of_a_model_is_refused_until_update_takes_it(dataset, tmp_path, use):
    backend = use(ScriptedBackend())
    annotate(dataset, tmp_path / "out", selection=Selection(limit=4))
    backend.revision = "r2"
    with pytest.raises(
        UsageError, match=r"made with scripted scripted-1 r1; at hand is scripted scripted-1 r2"
    ) as raised:
        annotate(dataset, tmp_path / "out")
    assert "--update" in raised.value.next
    annotate(dataset, tmp_path / "out", update=True)
    assert {row["model_revision"] for row in table(tmp_path / "out")} == {"r2"} and len(table(tmp_path / "out")) == len(
        CLIPS
    )


def test_a_finished_folder_is_updated_by_its_record_where_the_model_is_gone(dataset, tmp_path, use, monkeypatch):
    use(ScriptedBackend())
    annotate(dataset, tmp_path / "out")

    def missing(*_):
        raise MissingError("no weights")

    monkeypatch.setattr(backends, "identify", missing)
    request = run.AnnotationRequest(
        dataset, AnnotateRecipe(backend={"name": "facs"}), tmp_path / "out", update=True, quiet=True
    )
    assert run.prepare_annotation(request).plan.rows == 0


def test_a_changed_file_is_noticed_and_its_row_made_again(dataset, tmp_path, use):
    backend = use(ScriptedBackend())
    annotate(dataset, tmp_path / "out")
    backend.asked.clear()
    (dataset / "W009/video/front/happy/level_3/002.mp4").write_text("another take, longer than before")
    annotate(dataset, tmp_path / "out")
    assert {key for key, _ in backend.asked} == {"mead_W009_front_happy_3_002"}


def test_a_backend_that_gives_up_leaves_a_sealed_manifest_and_can_go_on(dataset, tmp_path, use):
    calls = {"left": 20}

    def script(face, question, good):
        calls["left"] -= 1
        if calls["left"] < 0:
            raise MissingError("every endpoint is dead")
        return good

    use(ScriptedBackend(script))
    with pytest.raises(MissingError, match="dead"):
        annotate(dataset, tmp_path / "out")
    assert 0 < len(table(tmp_path / "out")) < len(CLIPS)
    calls["left"] = 10_000
    assert annotate(dataset, tmp_path / "out")["status"] == {"success": len(CLIPS)}


def test_findings_stand_in_the_journal_in_full(dataset, tmp_path):
    (dataset / "M003/video/front/neutral/level_2").mkdir(parents=True)
    (dataset / "M003/video/front/neutral/level_2/001.mp4").write_text("clip")
    annotate(dataset, tmp_path / "out")
    with run.Journal(tmp_path / "out", read_only=True) as journal:
        flagged = [row for row in map(json.loads, journal.rows()) if row["flags"]]
    assert flagged
    for row in flagged:
        assert {finding["code"] for finding in row["findings"]} == set(row["flags"])
        assert all(finding["message"] for finding in row["findings"])


def test_stopping_drains_and_keeps_what_is_done(dataset, tmp_path, use, monkeypatch):
    stopping = threading.Event()
    done = []

    def script(face, question, good):
        if question.step == "step4":
            done.append(face.key)
        if len(done) == 3:
            stopping.set()
        return good

    use(ScriptedBackend(script))
    from contextlib import contextmanager

    @contextmanager
    def event(_):
        yield stopping

    monkeypatch.setattr(run.console, "interruptible", event)
    with pytest.raises(run.Interrupted):
        annotate(dataset, tmp_path / "out")
    assert 3 <= len(table(tmp_path / "out")) < len(CLIPS)


def test_a_bug_costs_the_rows_of_one_clip_and_its_traceback_is_kept(dataset, tmp_path, use):
    def script(face, question, good):
        if face.key == "mead_M003_front_angry_1_002" and question.step == "step2":
            raise ZeroDivisionError("by nobody")
        return good

    use(ScriptedBackend(script, batch_size=4))
    summary = annotate(dataset, tmp_path / "out")
    assert summary["status"] == {"error": 1, "success": len(CLIPS) - 1} and summary["failed"] == 1
    (row,) = [row for row in table(tmp_path / "out") if row["status"] == "error"]
    assert row["clip_id"] == "mead_M003_front_angry_1_002"
    assert row["error"].startswith("step2: a bug in tbd (ZeroDivisionError: by nobody)")
    with run.Journal(tmp_path / "out", read_only=True) as journal:
        ((name, trace),) = journal.db.all("SELECT * FROM trace")
    assert name == row["clip_id"] and "Traceback" in trace and "by nobody" in trace


def test_a_row_is_told_as_done_only_when_it_is_on_disk(dataset, tmp_path, monkeypatch):
    seen = []

    def advance(bar, words="", **counts):
        bar.done += 1
        with run.Journal(tmp_path / "out", read_only=True) as other:
            seen.append((bar.done, other.count("row")))

    monkeypatch.setattr(run.console.Progress, "advance", advance)
    annotate(dataset, tmp_path / "out")
    assert len(seen) == len(CLIPS) and all(told <= kept for told, kept in seen)


def test_many_rows_wait_for_the_disk_once(tmp_path, monkeypatch):
    """A wait for the disk is most of what a row costs without a model: 7 of 10 ms."""
    dataset = mead_tree(tmp_path / "mead", [("M003", "happy", 1, index) for index in range(1, 201)])
    commits = []
    real = run.Journal.__init__

    def watched(journal, *args, **options):
        real(journal, *args, **options)
        journal.db.connection.set_trace_callback(lambda words: commits.append(words) if words == "COMMIT" else None)

    monkeypatch.setattr(run.Journal, "__init__", watched)
    monkeypatch.setattr("tbd.annotate.runner.GROUP_SECONDS", 3600)
    annotate(dataset, tmp_path / "out")
    assert 1 <= len(commits) <= 5


def test_a_gate_that_breaks_costs_one_row(dataset, tmp_path, monkeypatch):
    from tbd.annotate import rows

    real = rows.check

    def breaks(annotation):
        if annotation.emotion == "anger" and annotation.level == 3:
            raise KeyError("gate")
        return real(annotation)

    rows._checked.cache_clear()
    monkeypatch.setattr(rows, "check", breaks)
    summary = annotate(dataset, tmp_path / "out")
    rows._checked.cache_clear()
    assert summary["status"] == {"error": 4, "success": len(CLIPS) - 4}
    assert all("gates: a bug in tbd" in row["error"] for row in table(tmp_path / "out") if row["status"] == "error")


def test_a_refused_and_a_truncated_text_are_asked_anew_and_differently(dataset, tmp_path, use):
    moods = {"mead_M003_front_angry_1_001": "refused", "mead_M003_front_angry_1_002": "truncated"}
    bad = {
        "refused": Reply("I'm sorry, but I can't help with that."),
        "truncated": Reply('{"scene": "A woman speaks', "length"),
    }

    def script(face, question, good):
        mood = moods.get(face.key)
        step = {"refused": "step3", "truncated": "step4"}.get(mood)
        return bad[mood] if question.step == step else good

    backend = use(ScriptedBackend(script))
    first = annotate(dataset, tmp_path / "out")
    assert first["status"] == {"refused": 1, "truncated": 1, "success": len(CLIPS) - 2}
    moods.clear()
    backend.asked.clear()
    assert annotate(dataset, tmp_path / "out", retry=("refused", "truncated"))["status"] == {"success": len(CLIPS)}
    steps = {key: [question.step for name, question in backend.asked if name == key] for key, _ in backend.asked}
    assert steps == {
        "mead_M003_front_angry_1_001": ["step3", "step4"],
        "mead_M003_front_angry_1_002": ["step1", "step2", "step3", "step4"],
    }
    assert all(question.temperature > 0 for _, question in backend.asked)


def test_only_what_was_selected_counts_as_failed(dataset, tmp_path, use):
    use(ScriptedBackend(lambda face, question, good: Reply("no") if "angry" in face.key else good))
    assert annotate(dataset, tmp_path / "out")["failed"] == 8
    again = annotate(dataset, tmp_path / "out", selection=Selection({"emotion": "happy"}))
    assert (again["failed"], again["selected"], again["rows"]) == (0, 8, 16)


def test_a_model_that_says_the_same_of_everybody_is_flagged(dataset, tmp_path, use):
    same = json.dumps({"scene": "A person is speaking", "expression": "a face", "muscles": "all", "dynamics": "slowly"})
    use(ScriptedBackend(lambda face, question, good: Reply(same) if question.step == "step4" else good))
    annotate(dataset, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert all("text_repeated" in row["flags"] and row["needs_review"] for row in rows)
    before = (tmp_path / "out/manifest.parquet").read_bytes()
    (tmp_path / "out/manifest.parquet").unlink()
    annotate(dataset, tmp_path / "out")
    assert (tmp_path / "out/manifest.parquet").read_bytes() == before
