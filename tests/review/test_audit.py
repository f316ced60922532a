"""Gates measured on decisions whose truth is known; the curation list; the summary for the report."""

import json

import pytest
from review import FAIL, WARN, flagged, manifest, meanings

from tbd.manifest import rejected_clips
from tbd.manifest.curation import curation
from tbd.manifest.review_figures.audit import ANY, audit
from tbd.manifest.review_figures.summary import summary
from tbd.manifest.reviews import FILE
from tbd.review.session import ReviewSession


def folder_of(tmp_path, bad=10, clean=100, share=0.2):
    """``bad`` rows with a warning, ``clean`` ones; a fifth of the clean ones is audited."""
    rows = [flagged(f"bad{at:03}", WARN) for at in range(bad)] + [flagged(f"ok{at:03}") for at in range(clean)]
    return manifest(tmp_path / "m", rows, run={"recipe": {"gates": {"audit": share}}})


def judge(folder, queue, verdict):
    """Decide a whole queue: ``verdict(number)`` gives the action and what belongs to it."""
    with ReviewSession(folder, "Ann", queue=queue) as session:
        number = 0
        while card := session.next():
            action, more = verdict(number)
            session.decide(card, action, **more)
            number += 1
    return number


def wrong(*codes):
    return "reject", {"reason": "text", "flags": codes}


def right():
    return "accept", {}


def test_precision_and_recall_against_a_case_worked_by_hand(tmp_path):
    folder = folder_of(tmp_path)
    assert judge(folder, "flagged", lambda number: wrong() if number < 8 else right()) == 10
    assert judge(folder, "audit", lambda number: wrong("emotion_mismatch") if number < 2 else right()) == 20
    found = audit(folder)
    gates = {gate.code: gate for gate in found.gates}
    # 8 of 10 flagged rows are wrong; of 100 clean rows 2 of the 20 audited are, so 10 in all: recall 8 / (8 + 10)
    for code in (ANY, "emotion_mismatch"):
        gate = gates[code]
        assert (gate.right, gate.wrong, gate.missed) == (8, 2, 2)
        assert gate.precision.value == pytest.approx(0.8)
        assert gate.recall.value == pytest.approx(8 / 18)
        assert gate.precision.low < 0.8 < gate.precision.high
        assert gate.recall.low < 8 / 18 < gate.recall.high
    assert found.strata == {"clean": (100, 20), "severity 2": (10, 10)}
    assert audit(folder) == found


def test_named_flags_say_which_gate_was_right(tmp_path):
    folder = manifest(tmp_path / "m", [flagged(f"c{at}", WARN, FAIL) for at in range(4)])
    judge(folder, "flagged", lambda number: wrong("levels_missing"))
    gates = {gate.code: gate for gate in audit(folder).gates}
    assert (gates["levels_missing"].right, gates["emotion_mismatch"].wrong) == (4, 4)
    assert gates["emotion_mismatch"].precision.value == 0 and gates["emotion_mismatch"].recall.value is None


def test_a_bulk_decision_is_no_verdict_on_the_flags(tmp_path):
    folder = folder_of(tmp_path, clean=0)
    with ReviewSession(folder, "Ann") as session:
        assert len(session.decide_all("emotion_mismatch", "accept").clips) == 10
    assert audit(folder).gates == ()


@pytest.mark.parametrize("reason", ["media", "label"])
def test_what_is_wrong_with_the_clip_says_nothing_of_the_gates(tmp_path, reason):
    folder = folder_of(tmp_path, clean=0)
    judge(folder, "flagged", lambda number: ("reject", {"reason": reason}) if number < 5 else right())
    gate = audit(folder).gates[1]
    assert (gate.right, gate.wrong, gate.precision.value) == (0, 5, 0.0)


def test_a_refuted_flag_is_wrong_although_the_row_was_rejected(tmp_path):
    folder = manifest(tmp_path / "m", [flagged(f"c{at}", WARN, FAIL) for at in range(4)])
    judge(folder, "flagged", lambda number: ("reject", {"reason": "text", "refuted": ["emotion_mismatch"]}))
    gates = {gate.code: gate for gate in audit(folder).gates}
    assert (gates["levels_missing"].right, gates["emotion_mismatch"].wrong) == (4, 4)


def test_clean_rows_that_were_not_judged_blind_do_not_count(tmp_path):
    folder = folder_of(tmp_path)
    with ReviewSession(folder, "Ann", queue="all") as session:
        while card := session.next():
            session.decide(card, "reject", reason="text")
    found = audit(folder)
    assert found.strata["clean"] == (100, 0)
    assert any("no clean row was audited" in note for note in found.notes)


def test_a_part_of_a_queue_is_said_to_be_a_part(tmp_path):
    folder = folder_of(tmp_path)
    with ReviewSession(folder, "Ann") as session:
        session.decide(session.next(), "accept")
    assert any("severity 2: 1 of 10" in note for note in audit(folder).notes)


def test_nothing_decided_measures_nothing(tmp_path):
    folder = folder_of(tmp_path)
    assert audit(folder).gates == () and summary(folder) is None


def test_only_texts_go_back_to_annotation_and_the_rest_is_the_curation_list(tmp_path):
    folder = manifest(tmp_path / "m", [flagged(f"c{at}", FAIL, file_name=f'a "b",{at}.mp4') for at in range(4)])
    reasons = ["text", "media", "label", "media"]
    judge(folder, "flagged", lambda number: ("reject", {"reason": reasons[number]}))
    assert rejected_clips(folder) == {"c0"}
    found = curation(folder)
    assert found.counts == {"text": 1, "media": 2, "label": 1}
    assert [(clip["clip_id"], clip["reason"]) for clip in found.clips] == [
        ("c1", "media"),
        ("c2", "label"),
        ("c3", "media"),
    ]
    lines = (folder / "curation.csv").read_text().splitlines()
    assert len(lines) == 4 and lines[1].startswith("c1,media,mead,M003,happiness,2,")
    with ReviewSession(folder, "Ann") as session:
        for _ in range(4):
            session.undo()
    assert curation(folder).clips == () and len((folder / "curation.csv").read_text().splitlines()) == 1


def test_the_summary_is_plain_data_about_everything(tmp_path):
    folder = folder_of(tmp_path)
    for name in ("Ann", "Bob"):
        with ReviewSession(folder, name, overlap=1.0) as session:
            for seconds in (2.0, 4.0, 9.0):
                session.decide(session.next(), "accept", seconds=seconds)
    found = json.loads(json.dumps(summary(folder)))
    assert found["queues"] == {"flagged": {"rows": 10, "decided": 3}, "clean": {"rows": 100, "decided": 0}}
    assert found["decisions"]["Ann"] == {"accept": 3, "edit": 0, "reject": 0, "seconds": 4.0}
    assert (found["seconds"], found["agreement"]["items"], found["agreement"]["percent"]["value"]) == (4.0, 3, 1.0)
    assert found["audit"]["gates"][0]["code"] == ANY and found["curation"] == {}
    assert (folder / FILE).is_file()


def test_recall_falls_when_a_reviewer_names_a_flag_that_the_gates_missed(tmp_path):
    rows = [flagged(f"bad{at}", WARN) for at in range(4)] + [flagged(f"ok{at}") for at in range(4)]
    folder = manifest(tmp_path / "m", rows, run={"recipe": {"gates": {"audit": 1.0}}})
    judge(folder, "flagged", lambda number: wrong())

    def gate(code):
        return next(gate for gate in audit(folder).gates if gate.code == code)

    with ReviewSession(
        folder, "Ann", queue="audit", gates=meanings({"emotion_mismatch": "the units do not show the emotion"})
    ) as session:
        for flags in [(), (), (), ("emotion_mismatch",)]:
            assert gate("emotion_mismatch").missed == 0
            session.decide(session.next(), "accept", flags=flags)
    assert (gate("emotion_mismatch").right, gate("emotion_mismatch").missed) == (4, 1)
    assert gate("emotion_mismatch").recall.value == pytest.approx(4 / 5)
    assert gate(ANY).recall.value == pytest.approx(4 / 5)


def test_a_missing_flag_on_a_rejected_row_leaves_the_flags_it_has_right(tmp_path):
    folder = manifest(tmp_path / "m", [flagged(f"c{at}", WARN) for at in range(4)])
    judge(folder, "flagged", lambda number: wrong("levels_alike"))
    gates = {gate.code: gate for gate in audit(folder).gates}
    assert (gates["emotion_mismatch"].right, gates["emotion_mismatch"].wrong) == (4, 0)
    assert (gates["levels_alike"].missed, gates["levels_alike"].recall.value) == (4, 0)
