"""Several reviewers, and several tabs of one, at the same manifest."""

import pytest
from review import clear, small

from tbd.errors import UsageError
from tbd.manifest import read_manifest
from tbd.manifest.reviews import FILE, read_events
from tbd.review.card import Stale
from tbd.review.session import ReviewSession

EDIT = ["A man.", "Mild Joy.", "The lips part.", "They close."]


def test_undo_takes_back_nothing_of_others(folder, ann):
    bob = ReviewSession(folder, "Bob")
    bob.decide(bob.next(), "accept")
    assert ann.undo() is None


def test_a_bulk_decision_leaves_out_what_others_hold_and_one_undo_takes_it_back(folder, ann):
    bob = ReviewSession(folder, "Bob")
    held = bob.next()
    ann.decide(ann.next(), "skip")
    receipt = ann.decide_all("levels_missing", "reject", "text")
    assert (receipt.clips, receipt.left_out) == (("clip_005",), ("clip_001", "clip_003"))
    assert ann.progress().by_flag == {"emotion_mismatch": 3, "levels_missing": 2}
    assert ann.decide_all("emotion_mismatch", "accept").clips == ("clip_000", "clip_002", "clip_004")
    bob.decide(held, "accept")
    assert ann.undo().clips == ("clip_000", "clip_002", "clip_004")
    assert ann.undo().clips == ("clip_005",)
    assert ann.progress().left == 5
    with pytest.raises(UsageError, match="no open card"):
        ann.decide_all("never_heard_of", "accept")
    with pytest.raises(UsageError, match="nothing else"):
        ann.decide_all("levels_missing", "skip")


def test_no_card_goes_to_two_reviewers(folder, ann):
    bob = ReviewSession(folder, "Bob")
    first, second = ann.next(), bob.next()
    assert first.clip_id != second.clip_id
    assert ann.next().clip_id == first.clip_id  # still in her hand
    assert bob.card(first.clip_id).held_by == "Ann"
    assert [card.clip_id for card in bob.peek(2, after=second.clip_id)] == ["clip_005", "clip_000"]


def test_a_lease_ends_by_itself_and_can_be_renewed(folder):
    ann, bob = ReviewSession(folder, "Ann", lease=-1.0), ReviewSession(folder, "Bob")
    mine = ann.next()
    assert ann.renew(mine)
    assert bob.next().clip_id == mine.clip_id
    assert not ann.renew(mine)


def test_closing_gives_cards_back(folder):
    with ReviewSession(folder, "Ann") as ann:
        mine = ann.next()
    assert ReviewSession(folder, "Bob").next().clip_id == mine.clip_id


def test_a_stale_edit_gets_the_difference_and_a_choice(folder):
    ann, bob = ReviewSession(folder, "Ann", lease=-1.0), ReviewSession(folder, "Bob", lease=-1.0)
    card, same = ann.next(), bob.next()
    bob.decide(same, "edit", prompts=EDIT)
    mine = [card.prompts[0], "Mild Calm.", *card.prompts[2:]]
    with pytest.raises(Stale, match=r"decided meanwhile: Bob \(edit\)") as caught:
        ann.decide(card, "edit", prompts=mine)
    stale = caught.value
    assert len(read_events(folder / FILE)) == 1
    assert [(one.level, one.theirs, one.mine) for one in stale.difference][:2] == [
        ("scene", EDIT[0], card.prompts[0]),
        ("expression", EDIT[1], "Mild Calm."),
    ]
    assert stale.current.prompts == tuple(EDIT)
    ann.decide(stale.current, "edit", prompts=mine)  # as a new decision
    assert ReviewSession(folder, "Cleo").card(card.clip_id).prompts == tuple(mine)


def test_a_decision_of_my_own_in_another_window_is_noticed_too(folder):
    one, other = ReviewSession(folder, "Ann"), ReviewSession(folder, "Ann")
    card = one.next()
    assert other.next().clip_id != card.clip_id
    other.decide(other.card(card.clip_id), "accept")
    with pytest.raises(Stale):
        one.decide(card, "reject", reason="text")


def test_what_one_tab_holds_comes_last_in_the_other_and_blocks_nobody(folder, ann):
    other = ann.tab()
    first, shown = ann.next(), clear(other)
    assert shown[-1] == first.clip_id and len(shown) == 6
    assert ann.undo() is None and other.undo().clip_id == first.clip_id  # each takes its own decisions back
    other.close()


def test_names_that_look_alike_are_one_person_as_it_was_spelled_first(folder):
    with ReviewSession(folder, "Zoë") as zoe:
        zoe.decide(zoe.next(), "accept")
    for name in ("zoe\u0308", "ZOË", "Z\u200boë ", "Ｚoë"):
        with ReviewSession(folder, name, queue="decided") as again:
            assert (again.reviewer, again.progress().total) == ("Zoë", 1)


def test_what_was_undone_meanwhile_is_not_stale_when_all_is_as_before(folder):
    ann, bob = ReviewSession(folder, "Ann", lease=-1.0), ReviewSession(folder, "Bob", lease=-1.0)
    card = ann.next()
    bob.decide(bob.next(), "accept")
    bob.undo()
    assert ann.decide(card, "accept").clips == card.clips


def test_an_overlap_card_is_judged_by_two_who_do_not_see_each_other(folder):
    ann, bob, cleo = (ReviewSession(folder, name, overlap=1.0) for name in ("Ann", "Bob", "Cleo"))
    card, same = ann.next(), bob.next()
    assert card.clip_id == same.clip_id and card.independent
    assert cleo.next().clip_id != card.clip_id
    ann.decide(card, "edit", prompts=EDIT)
    again = bob.card(card.clip_id)
    assert (again.opinions, again.prompts, again.state) == ((), card.original, "open")
    bob.decide(same, "accept")  # not stale: hers is hers
    assert cleo.card(card.clip_id).state == "edited"


def test_overlap_is_a_share_and_the_same_for_everybody(tmp_path):
    folder = small(tmp_path / "m", 40)
    sessions = [ReviewSession(folder, name, overlap=0.3) for name in ("Ann", "Bob")]
    cards = [[session.card(f"clip_{at:03}").independent for at in range(40)] for session in sessions]
    assert cards[0] == cards[1] and 4 <= sum(cards[0]) <= 20


def test_disagreements_are_queued_and_settled(folder):
    for name, action, more in (("Ann", "accept", {}), ("Bob", "reject", {"reason": "text"})):
        with ReviewSession(folder, name, overlap=1.0) as session:
            clear(session, action, **more)
    with ReviewSession(folder, "Cleo", queue="disagreements") as session:
        card = session.next()
        assert [opinion.reviewer for opinion in card.opinions] == ["Ann", "Bob"]
        assert session.progress().left == 6
        session.decide(card, "accept")
        assert session.progress().left == 5
        session.undo()
        assert session.progress().left == 6
        clear(session)
    assert all(read_manifest(folder, ["approved"])["approved"].to_pylist())
