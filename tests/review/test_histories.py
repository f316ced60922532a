"""Whatever three reviewers do in whatever order, the store, the sessions and the manifest say the same."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review import chain, small

from tbd.manifest import read_decisions, text_hash
from tbd.manifest.reader import read_manifest
from tbd.manifest.reviews import FILE
from tbd.review.card import Stale
from tbd.review.session import ReviewSession

NAMES = ("Ann", "Bob", "Cleo")
CLIPS = ("clip_000", "clip_001", "clip_002")
EDITS = (("a", "b", "c", "d"), ("e", "f", "g", "h"))

deed = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(CLIPS),
    st.sampled_from(["accept", "reject", "edit 0", "edit 1", "skip", "undo"]),
)
QUICK = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small(tmp_path_factory.mktemp("histories") / "m", len(CLIPS))


def sessions(folder):
    """Three sessions at a store without events; nobody's lease keeps a card from the others."""
    for path in folder.glob(f"{FILE}*"):
        path.unlink()
    return {name: ReviewSession(folder, name, lease=-1.0) for name in NAMES}


def act(session, clip_id, what):
    if what == "undo":
        return session.undo()
    verb, _, number = what.partition(" ")
    more = {"prompts": EDITS[int(number)]} if number else {"reason": "text"} if verb == "reject" else {}
    return session.decide(session.card(clip_id), verb, **more)


def expected(done, original):
    """The same rules, said in another way: replay what stands, text by text."""
    known, last = {original}, {}
    for name, verb, seen, text in done:
        if verb == "skip" or seen not in known:
            continue
        known.add(text)
        last = {who: what for who, what in last.items() if who != name} | {name: (verb, text)}
    if not last:
        return None
    if any(verb == "reject" for verb, _ in last.values()):
        return "rejected", None, sorted(last)
    texts = [text for _, text in last.values() if text != original]
    return ("edited" if texts else "accepted"), (texts[-1] if texts else None), sorted(last)


def found(folder, clip_id, original):
    decision = read_decisions(folder).get(clip_id, {}).get(text_hash(original))
    return decision and (decision.status, decision.prompts, list(decision.reviewers))


@QUICK
@given(deeds=st.lists(deed, max_size=14))
def test_what_holds_is_what_a_replay_says(folder, deeds):
    sat = sessions(folder)
    originals = {clip_id: sat["Ann"].card(clip_id).original for clip_id in CLIPS}
    done = []
    for name, clip_id, what in deeds:
        if what == "undo":
            mine = [at for at, entry in enumerate(done) if entry[0] == name]
            receipt = sat[name].undo()
            assert (receipt is None) == (not mine)
            if mine:
                assert done.pop(mine[-1])[4] == receipt.clip_id
            continue
        seen = sat[name].card(clip_id).prompts
        act(sat[name], clip_id, what)
        verb, _, number = what.partition(" ")
        text = EDITS[int(number)] if number else seen
        done.append((name, "accept" if text == seen and verb == "edit" else verb, seen, text, clip_id))
    for clip_id, original in originals.items():
        of_clip = [entry[:4] for entry in done if entry[4] == clip_id]
        assert found(folder, clip_id, original) == expected(of_clip, original)
    open_now = [clip_id for clip_id in CLIPS if not found(folder, clip_id, originals[clip_id])]
    assert {session.progress().left for session in sat.values()} == {len(open_now)}
    assert [card.clip_id for card in ReviewSession(folder, "Dora").peek(9)] == sorted(
        open_now, key=lambda clip: (clip[-1] != "1", clip)
    )


@QUICK
@given(deeds=st.lists(deed, max_size=10))
def test_undoing_everything_leaves_a_manifest_that_nobody_touched(folder, deeds):
    sat = sessions(folder)
    for name, clip_id, what in deeds:
        act(sat[name], clip_id, what)
    for session in sat.values():
        while session.undo():
            pass
    assert all(not about for about in read_decisions(folder).values())
    assert read_manifest(folder, ["review_status"])["review_status"].unique().to_pylist() == ["unreviewed"]
    assert {session.progress().left for session in sat.values()} == {len(CLIPS)}


@QUICK
@given(deeds=st.lists(deed, max_size=6), late=st.sampled_from(["accept", "reject", "edit 0"]))
def test_a_late_decision_is_refused_exactly_when_something_else_stands(folder, deeds, late):
    sat = sessions(folder)
    card = sat["Ann"].card(CLIPS[0])
    for name, clip_id, what in deeds:
        act(sat[name], clip_id, what)
    before = found(folder, CLIPS[0], card.original)
    verb, _, number = late.partition(" ")
    more = {"prompts": EDITS[int(number)]} if number else {"reason": "text"} if verb == "reject" else {}
    try:
        sat["Ann"].decide(card, verb, **more)
    except Stale as stale:
        assert found(folder, CLIPS[0], card.original) == before is not None
        assert stale.current.opinions
        sat["Ann"].decide(stale.current, verb, **more)
    else:
        assert before is None


@QUICK
@given(
    pieces=st.lists(
        st.tuples(st.sets(st.integers(0, 5), min_size=1), st.sampled_from(["accept", "skip", "undo"])), max_size=8
    )
)
def test_clips_split_off_a_chain_are_decided_once_each(tmp_path_factory, pieces):
    shared = tmp_path_factory.getbasetemp() / "chain"
    chain(shared, 6) if not shared.exists() else [path.unlink() for path in shared.glob(f"{FILE}*")]
    session = ReviewSession(shared, "Ann", filters={"flag": "emotion_mismatch"})
    decided, back = set(), []
    for wanted, what in pieces:
        card = session.next()
        if what == "undo":
            if session.undo():
                decided -= back.pop()
        elif card:
            clips = set(card.clips) & {card.clips[at % len(card.clips)] for at in wanted}
            session.decide(card, what, clips=sorted(clips))
            decided |= clips if what == "accept" else set()
            back.append(clips if what == "accept" else set())
        waiting = session.card("mead_M003_front_happy_2_001").clips if not decided else None
        assert waiting is None or len(waiting) == 6
    assert session.progress().clips_left == 6 - len(decided)
