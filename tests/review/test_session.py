"""One reviewer, and several, at their sessions; nothing here waits for time to pass."""

import os
import time

import pytest
from review import DARK, FAIL, chain, clear, flagged, manifest, meanings
from review_events import decide
from rows import PROMPTS

from tbd.errors import InputError, UsageError
from tbd.manifest import read_manifest, rejected_clips, reseal_manifest
from tbd.manifest.prompt_levels import token_budgets
from tbd.manifest.reviews import FILE, read_events
from tbd.review.session import ReviewSession
from tbd.schema import Flag

EDIT = ["A man.", "Mild Joy.", "The lips part.", "They close."]


def test_the_flagged_queue_is_cleared_severest_first_and_the_manifest_is_sealed_again(folder):
    session = ReviewSession(folder, "Ann")
    assert clear(session) == ["clip_001", "clip_003", "clip_005", "clip_000", "clip_002", "clip_004"]
    sealed = session.close()
    assert (sealed.approved, sealed.review["accepted"]) == (6, 6)
    stored = read_manifest(folder, ["approved", "reviewers"])
    assert all(stored["approved"].to_pylist()) and stored["reviewers"][0].as_py() == ["Ann"]
    assert session.close() is None


def test_a_session_without_decisions_leaves_the_manifest_as_it_is(folder):
    before = (folder / "manifest.parquet").stat().st_mtime_ns
    with ReviewSession(folder, "Ann") as session:
        session.next()
    assert (folder / "manifest.parquet").stat().st_mtime_ns == before


def _sealed_in_a_minute(folder):
    later = time.time() + 60
    os.utime(folder / "manifest.parquet", (later, later))


def test_a_sealing_that_read_the_reviews_before_a_decision_and_ended_after_it_hides_none(folder):
    session = ReviewSession(folder, "Ann")
    session.decide(session.next(), "accept")
    reseal_manifest(folder, decisions={})
    _sealed_in_a_minute(folder)
    assert session.close().review["accepted"] == 1


def test_what_an_earlier_review_left_unsealed_is_sealed_once(folder):
    decide(folder, "clip_001", "reject", read_manifest(folder)["prompts"][1].as_py())
    _sealed_in_a_minute(folder)
    assert ReviewSession(folder, "Ann").close().review["rejected"] == 1
    assert ReviewSession(folder, "Ann").close() is None


def test_an_edit_is_the_text_that_others_and_the_manifest_see(folder, ann):
    card = ann.next()
    ann.decide(card, "edit", prompts=["  A\nman. ", *EDIT[1:]])
    again = ReviewSession(folder, "Bob").card(card.clip_id)
    assert (again.prompts, again.original, again.state) == (tuple(EDIT), card.original, "edited")
    assert [(opinion.reviewer, opinion.event.action) for opinion in again.opinions] == [("Ann", "edit")]
    assert ann.next().clip_id == "clip_003"


def test_an_edit_without_a_change_is_an_acceptance(folder, ann):
    card = ann.next()
    assert ann.decide(card, "edit", prompts=card.prompts).action == "accept"


@pytest.mark.parametrize(
    ("action", "kwargs", "words"),
    [
        ("approve", {}, "no action"),
        ("reject", {}, "needs a reason"),
        ("reject", {"reason": "ugly"}, "needs a reason"),
        ("accept", {"reason": "text"}, "only a rejection"),
        ("accept", {"prompts": EDIT}, "only an edit"),
        ("edit", {}, "4 prompt levels"),
        ("edit", {"prompts": EDIT[:3]}, "4 prompt levels"),
        ("edit", {"prompts": [*EDIT[:3], " \n"]}, "none of them blank"),
        ("edit", {"prompts": [*EDIT[:3], "x" * 5000]}, "1,000 signs more than the 4,000"),
        ("accept", {"clips": ["clip_000"]}, "is not on the card"),
        ("accept", {"clips": []}, "no clip"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_written(folder, ann, action, kwargs, words):
    with pytest.raises(UsageError, match=words):
        ann.decide(ann.next(), action, **kwargs)
    assert read_events(folder / FILE) == []


def test_a_surrogate_in_an_edit_cannot_break_the_manifest(folder):
    with ReviewSession(folder, "Ann") as session:
        session.decide(session.next(), "edit", prompts=["bad \ud800 sign", *EDIT[1:]])
    assert read_manifest(folder, ["prompts_final"])["prompts_final"][1].as_py()[0] == "bad ? sign"


def test_skipped_cards_come_again_in_the_next_session(folder):
    with ReviewSession(folder, "Ann") as session:
        assert clear(session, "skip") and session.progress().skipped == session.progress().left == 6
        assert ReviewSession(folder, "Bob").next().clip_id == "clip_001"
    with ReviewSession(folder, "Ann") as session:
        assert session.next(after="clip_001").clip_id == "clip_003"


def test_undo_goes_back_step_by_step_over_skips_and_sessions(folder):
    with ReviewSession(folder, "Ann") as session:
        for action in ("accept", "skip", "accept"):
            session.decide(session.next(), action)
    with ReviewSession(folder, "Ann") as session:
        back = [session.undo() for _ in range(4)]
        assert [(receipt.clip_id, receipt.undone) for receipt in back[:3]] == [
            ("clip_005", "accept"),
            ("clip_003", "skip"),
            ("clip_001", "accept"),
        ]
        assert back[3] is None
        assert session.progress().left == 6
    assert read_manifest(folder, ["review_status"])["review_status"].unique().to_pylist() == ["unreviewed"]


def test_a_whole_chain_is_one_undo(tmp_path):
    with ReviewSession(chain(tmp_path / "m", 5), "Ann") as session:
        clear(session)
        assert len(session.undo().clips) == 5
        assert len(session.next().clips) == 5


@pytest.mark.parametrize("reason", ["media", "label"])
def test_a_rejection_of_the_clip_survives_annotation_and_ends_when_it_is_taken_back(folder, reason):
    with ReviewSession(folder, "Ann") as ann:
        ann.decide(ann.next(), "reject", reason=reason)
        ann.decide(ann.next(), "reject", reason="text")
    reannotated = [flagged(f"clip_{at:03}", prompts=[*PROMPTS[:3], "All is new."]) for at in range(6)]
    (folder / "journal.sqlite").unlink()
    manifest(folder, reannotated)
    rows = {row["clip_id"]: row for row in read_manifest(folder).to_pylist()}
    assert (rows["clip_001"]["review_status"], rows["clip_001"]["approved"]) == ("rejected", False)
    assert (rows["clip_003"]["review_status"], rows["clip_003"]["approved"]) == ("unreviewed", True)
    assert rejected_clips(folder) == set()
    with ReviewSession(folder, "Ann", queue="decided") as ann:
        ann.decide(ann.next(), "accept")
        assert ann.next() is None
    assert all(read_manifest(folder, ["approved"])["approved"].to_pylist())


def test_a_row_without_a_prompt_cannot_be_accepted_neither_alone_nor_in_bulk(tmp_path):
    rows = [flagged("a", FAIL, prompts=[], status="error"), flagged("b", FAIL)]
    with ReviewSession(manifest(tmp_path / "m", rows), "Ann") as ann:
        with pytest.raises(UsageError, match="no prompt to accept"):
            ann.decide(ann.card("a"), "accept")
        receipt = ann.decide_all("levels_missing", "accept")
        assert (receipt.clips, receipt.left_out) == (("b",), ("a",))


def test_previous_goes_back_through_what_was_shown(folder, ann):
    shown = []
    for _ in range(3):
        shown.append(ann.next().clip_id)
        ann.decide(ann.card(shown[-1]), "accept")
    ann.next()
    assert [card.clip_id for card in iter(ann.previous, None)] == shown[::-1]
    assert ann.previous() is None
    assert ann.next().clip_id == "clip_000"


def test_a_decision_can_be_changed_by_going_back(folder, ann):
    ann.decide(ann.next(), "accept")
    ann.next()
    card = ann.previous()
    assert card.state == "accepted"
    ann.decide(card, "reject", reason="label")
    assert ann.card(card.clip_id).state == "rejected"


def test_any_clip_has_a_card_and_an_unknown_one_is_refused(tmp_path):
    folder = manifest(tmp_path / "m", [flagged("clean"), flagged("bad", FAIL)])
    with ReviewSession(folder, "Ann") as session:
        assert session.card("clean").clips == ("clean",)
        for strange in ("nobody", "../../etc/passwd", "", "é\x00"):
            with pytest.raises(InputError, match="no clip"):
                session.card(strange)


def test_recheck_runs_the_gates_on_the_edited_text_and_budgets_count_tokens(folder):
    def check(annotation):
        assert annotation.step_outputs[-1] == "\n".join(annotation.prompts)
        return [Flag("leaked", 3, "A code.", "scene", "AU12")] if "AU12" in annotation.prompts[0] else []

    with ReviewSession(folder, "Ann", check=check) as session:
        flags = session.recheck(session.next(), ["AU12", *EDIT[1:]])
        assert [flag.quote for flag in flags] == ["AU12"]
        assert session.recheck(session.next(), EDIT) == []
    assert [(budget.name, budget.over > 0) for budget in token_budgets(["word " * 50, *EDIT[1:]])] == [
        ("scene", True),
        ("expression + muscles + dynamics", False),
    ]


def test_progress_counts_cards_and_their_time(folder, ann):
    for seconds in (4.0, 8.0):
        ann.decide(ann.next(), "accept", seconds=seconds)
    found = ann.progress()
    assert (found.done, found.left, found.total, found.mine, found.clips_left) == (2, 4, 6, 2, 4)
    assert found.per_hour == 600.0
    assert found.by_flag == {"emotion_mismatch": 3, "levels_missing": 1}


@pytest.mark.parametrize("name", ["Ann", "李 小龙", "O'Brien; DROP TABLE event --", "<b>é</b>", "👩‍🔬", "x" * 80])
def test_reviewer_names_are_kept_as_typed(folder, name):
    with ReviewSession(folder, name) as session:
        session.decide(session.next(), "accept")
    assert read_manifest(folder, ["reviewers"])["reviewers"][1].as_py() == [name]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "\x1b[31m", "x" * 81, "\ud800", "a\u2028b"])
def test_names_that_cannot_be_shown_are_refused(folder, name):
    with pytest.raises(UsageError, match="cannot be a reviewer's name"):
        ReviewSession(folder, name)
    assert not (folder / FILE).exists()


@pytest.mark.parametrize("kwargs", [{"queue": "best"}, {"overlap": 1.5}, {"filters": {"mood": "bad"}}])
def test_a_desk_that_cannot_be_is_refused_before_anything_is_written(folder, kwargs):
    with pytest.raises(UsageError):
        ReviewSession(folder, "Ann", **kwargs)
    assert not (folder / FILE).exists()


def test_no_manifest_and_a_store_that_is_none(tmp_path, folder):
    with pytest.raises(InputError, match="no such file"):
        ReviewSession(tmp_path / "nowhere", "Ann")
    (folder / FILE).write_bytes(b"not a database" * 99)
    with pytest.raises(InputError, match="not a review store"):
        ReviewSession(folder, "Ann")


def test_a_lost_store_is_not_replaced_by_an_empty_one(folder):
    with ReviewSession(folder, "Ann") as session:
        clear(session)
    (folder / FILE).unlink()
    with pytest.raises(InputError, match=r"6 rows are reviewed, but reviews\.sqlite is missing"):
        ReviewSession(folder, "Ann")


def test_after_the_last_desk_the_store_is_one_plain_file(folder):
    with ReviewSession(folder, "Ann") as ann, ReviewSession(folder, "Bob") as bob:
        ann.decide(ann.next(), "accept")
        bob.decide(bob.next(), "accept")
    assert sorted(path.name for path in folder.glob("reviews*")) == [FILE]
    assert (folder / FILE).read_bytes()[18] == 1  # not WAL: readable from a read-only disk


def test_flags_that_the_gates_missed_are_named_with_the_decision_and_unknown_ones_refused(folder):
    codes = {"emotion_mismatch": "the units do not show the emotion", "levels_alike": "two levels say the same"}
    with ReviewSession(folder, "Ann", gates=meanings(codes)) as session:
        card = session.next()  # has levels_missing, which is not among the codes
        assert session.missing(card) == codes
        with pytest.raises(UsageError, match="no flag 'levels_alik'"):
            session.decide(card, "accept", flags=["levels_alik"])
        assert read_events(folder / FILE) == []
        session.decide(card, "accept", flags=["levels_missing", "levels_alike"])
        assert read_events(folder / FILE)[0].flags == ("levels_missing", "levels_alike")
        assert list(session.missing(session.card("clip_000"))) == ["levels_alike"]


def test_a_blind_card_offers_every_code_also_those_it_has(tmp_path):
    rows = [flagged(f"c{at}", DARK) for at in range(3)]
    folder = manifest(tmp_path / "m", rows, run={"recipe": {"gates": {"audit": 1.0}}})
    codes = {"dark": "the picture is dark", "levels_alike": "two levels say the same"}
    with ReviewSession(folder, "Ann", queue="audit", gates=meanings(codes)) as session:
        assert session.missing(session.next()) == codes
