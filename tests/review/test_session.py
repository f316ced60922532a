"""One reviewer, and several, at their sessions; nothing here waits for time to pass."""

import json

import pytest
from review import DARK, FAIL, WARN, chain, flagged, manifest, meanings, small
from rows import PROMPTS

from tbd.errors import InputError, UsageError
from tbd.manifest import read_manifest, rejected_clips, text_hash
from tbd.manifest.prompt_levels import token_budgets
from tbd.manifest.reviews import FILE, read_events
from tbd.review.card import Stale
from tbd.review.session import ReviewSession
from tbd.schema import Flag

EDIT = ["A man.", "Mild Joy.", "The lips part.", "They close."]


@pytest.fixture
def folder(tmp_path):
    return small(tmp_path / "m", 6)


@pytest.fixture
def ann(folder):
    with ReviewSession(folder, "Ann") as session:
        yield session


def sit(folder, name, **kwargs):
    return ReviewSession(folder, name, **kwargs)


def clear(session, action="accept", **kwargs):
    """Decide every card; the first clips of the cards in the order they came."""
    shown = []
    while card := session.next():
        session.decide(card, action, **kwargs)
        shown.append(card.clip_id)
    return shown


def test_the_flagged_queue_is_cleared_severest_first_and_the_manifest_is_sealed_again(folder):
    session = sit(folder, "Ann")
    assert clear(session) == ["clip_001", "clip_003", "clip_005", "clip_000", "clip_002", "clip_004"]
    sealed = session.close()
    assert (sealed.approved, sealed.review["accepted"]) == (6, 6)
    stored = read_manifest(folder, ["approved", "reviewers"])
    assert all(stored["approved"].to_pylist()) and stored["reviewers"][0].as_py() == ["Ann"]
    assert session.close() is None


def test_a_session_without_decisions_leaves_the_manifest_as_it_is(folder):
    before = (folder / "manifest.parquet").stat().st_mtime_ns
    with sit(folder, "Ann") as session:
        session.next()
    assert (folder / "manifest.parquet").stat().st_mtime_ns == before


def test_a_card_shows_findings_with_place_and_quote(tmp_path):
    where = WARN | {"quote": "Moderate Happiness"}
    folder = manifest(tmp_path / "m", [flagged("c", where, FAIL, prompts=PROMPTS)])
    with sit(folder, "Ann") as session:
        card = session.next()
    assert [(flag.code, flag.severity, flag.where, flag.quote) for flag in card.findings] == [
        ("levels_missing", 3, "step4", ""),
        ("emotion_mismatch", 2, "expression", "Moderate Happiness"),
    ]
    assert (card.prompts, card.original, card.levels[0]) == (tuple(PROMPTS), tuple(PROMPTS), "scene")
    assert card.before_hash == text_hash(PROMPTS)
    assert [budget.limit for budget in token_budgets(card.prompts)] == [40, 75]


def test_without_a_journal_the_gates_are_asked_and_other_codes_stay(tmp_path):
    folder = manifest(tmp_path / "m", [flagged("c", WARN, DARK)], journal=False)
    found = Flag("emotion_mismatch", 2, "Anger.", "expression", "smile"), Flag("new_gate", 3, "Not in the manifest.")
    with sit(folder, "Ann", check=lambda annotation: found) as session:
        findings = session.next().findings
    assert found[0] in findings and {flag.code for flag in findings} == {"emotion_mismatch", "dark"}


def test_a_journal_that_moved_on_is_not_believed(tmp_path):
    import sqlite3
    import zlib

    folder = manifest(tmp_path / "m", [flagged("c", WARN)])
    newer = flagged("c", WARN, prompts=EDIT) | {"findings": [WARN | {"message": "about another text"}]}
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        connection.execute("UPDATE row SET body = ?", [zlib.compress(json.dumps(newer).encode())])
    with sit(folder, "Ann") as session:
        assert "another text" not in session.next().findings[0].message


def test_one_card_for_a_chain_and_clips_split_off(tmp_path):
    folder = chain(tmp_path / "m", 28)
    with sit(folder, "Ann") as session:
        session.decide(session.next(), "accept")
        card = session.next()
        assert len(card.clips) == 28
        away = card.clips[3:5]
        assert session.decide(card, "reject", reason="media", clips=away).clips == away
        rest = session.next()
        assert set(rest.clips) == set(card.clips) - set(away)
        assert session.decide(rest, "edit", prompts=EDIT).clips == rest.clips
        assert session.next() is None
        assert session.card(away[0]).clips == away  # decided alike, one card again
        assert session.progress().done == 2
    stored = read_manifest(folder, ["review_status"])["review_status"].to_pylist()
    assert (stored.count("edited"), stored.count("rejected"), stored.count("accepted")) == (26, 2, 1)


def test_flags_that_only_some_clips_of_a_chain_have_are_told_apart(tmp_path):
    text = {"chain_id": "one", "prompts": PROMPTS}
    folder = manifest(tmp_path / "m", [flagged("c1", WARN, **text), flagged("c2", WARN, DARK, **text)])
    with sit(folder, "Ann") as session:
        card = session.next()
    assert card.clips == ("c1", "c2") and card.only == {"dark": ("c2",)}
    assert {flag.code for flag in card.findings} == {"emotion_mismatch", "dark"}


def test_rows_of_a_chain_with_another_text_are_another_card(tmp_path):
    rows = [flagged(f"c{at}", WARN, chain_id="one", prompts=PROMPTS if at < 2 else EDIT) for at in range(4)]
    with sit(manifest(tmp_path / "m", rows), "Ann") as session:
        assert [session.decide(session.next(), "accept").clips for _ in range(2)] == [("c0", "c1"), ("c2", "c3")]
        assert session.next() is None


def test_an_edit_is_the_text_that_others_and_the_manifest_see(folder, ann):
    card = ann.next()
    ann.decide(card, "edit", prompts=["  A\nman. ", *EDIT[1:]])
    again = sit(folder, "Bob").card(card.clip_id)
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
    with sit(folder, "Ann") as session:
        session.decide(session.next(), "edit", prompts=["bad \ud800 sign", *EDIT[1:]])
    assert read_manifest(folder, ["prompts_final"])["prompts_final"][1].as_py()[0] == "bad ? sign"


def test_skipped_cards_come_again_in_the_next_session(folder):
    with sit(folder, "Ann") as session:
        assert clear(session, "skip") and session.progress().skipped == session.progress().left == 6
        assert sit(folder, "Bob").next().clip_id == "clip_001"
    with sit(folder, "Ann") as session:
        assert session.next(after="clip_001").clip_id == "clip_003"


def test_undo_goes_back_step_by_step_over_skips_and_sessions(folder):
    with sit(folder, "Ann") as session:
        for action in ("accept", "skip", "accept"):
            session.decide(session.next(), action)
    with sit(folder, "Ann") as session:
        back = [session.undo() for _ in range(4)]
        assert [(receipt.clip_id, receipt.undone) for receipt in back[:3]] == [
            ("clip_005", "accept"),
            ("clip_003", "skip"),
            ("clip_001", "accept"),
        ]
        assert back[3] is None
        assert session.progress().left == 6
    assert read_manifest(folder, ["review_status"])["review_status"].unique().to_pylist() == ["unreviewed"]


def test_undo_takes_back_nothing_of_others(folder, ann):
    bob = sit(folder, "Bob")
    bob.decide(bob.next(), "accept")
    assert ann.undo() is None


def test_a_whole_chain_is_one_undo(tmp_path):
    with sit(chain(tmp_path / "m", 5), "Ann") as session:
        clear(session)
        assert len(session.undo().clips) == 5
        assert len(session.next().clips) == 5


def test_a_bulk_decision_leaves_out_what_others_hold_and_one_undo_takes_it_back(folder, ann):
    bob = sit(folder, "Bob")
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
    bob = sit(folder, "Bob")
    first, second = ann.next(), bob.next()
    assert first.clip_id != second.clip_id
    assert ann.next().clip_id == first.clip_id  # still in her hand
    assert bob.card(first.clip_id).held_by == "Ann"
    assert [card.clip_id for card in bob.peek(2, after=second.clip_id)] == ["clip_005", "clip_000"]


def test_a_lease_ends_by_itself_and_can_be_renewed(folder):
    ann, bob = sit(folder, "Ann", lease=-1.0), sit(folder, "Bob")
    mine = ann.next()
    assert ann.renew(mine)
    assert bob.next().clip_id == mine.clip_id
    assert not ann.renew(mine)


def test_closing_gives_cards_back(folder):
    with sit(folder, "Ann") as ann:
        mine = ann.next()
    assert sit(folder, "Bob").next().clip_id == mine.clip_id


def test_a_stale_edit_gets_the_difference_and_a_choice(folder):
    ann, bob = sit(folder, "Ann", lease=-1.0), sit(folder, "Bob", lease=-1.0)
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
    assert sit(folder, "Cleo").card(card.clip_id).prompts == tuple(mine)


def test_a_decision_of_my_own_in_another_window_is_noticed_too(folder):
    one, other = sit(folder, "Ann"), sit(folder, "Ann")
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
    with sit(folder, "Zoë") as zoe:
        zoe.decide(zoe.next(), "accept")
    for name in ("zoe\u0308", "ZOË", "Z\u200boë ", "Ｚoë"):
        with sit(folder, name, queue="decided") as again:
            assert (again.reviewer, again.progress().total) == ("Zoë", 1)


@pytest.mark.parametrize("reason", ["media", "label"])
def test_a_rejection_of_the_clip_survives_annotation_and_ends_when_it_is_taken_back(folder, reason):
    with sit(folder, "Ann") as ann:
        ann.decide(ann.next(), "reject", reason=reason)
        ann.decide(ann.next(), "reject", reason="text")
    reannotated = [flagged(f"clip_{at:03}", prompts=[*PROMPTS[:3], "All is new."]) for at in range(6)]
    (folder / "journal.sqlite").unlink()
    manifest(folder, reannotated)
    rows = {row["clip_id"]: row for row in read_manifest(folder).to_pylist()}
    assert (rows["clip_001"]["review_status"], rows["clip_001"]["approved"]) == ("rejected", False)
    assert (rows["clip_003"]["review_status"], rows["clip_003"]["approved"]) == ("unreviewed", True)
    assert rejected_clips(folder) == set()
    with sit(folder, "Ann", queue="decided") as ann:
        ann.decide(ann.next(), "accept")
        assert ann.next() is None
    assert all(read_manifest(folder, ["approved"])["approved"].to_pylist())


def test_a_row_without_a_prompt_cannot_be_accepted_neither_alone_nor_in_bulk(tmp_path):
    rows = [flagged("a", FAIL, prompts=[], status="error"), flagged("b", FAIL)]
    with sit(manifest(tmp_path / "m", rows), "Ann") as ann:
        with pytest.raises(UsageError, match="no prompt to accept"):
            ann.decide(ann.card("a"), "accept")
        receipt = ann.decide_all("levels_missing", "accept")
        assert (receipt.clips, receipt.left_out) == (("b",), ("a",))


def test_a_filter_of_the_command_line_may_be_spelled_in_any_way(tmp_path):
    rows = [flagged("a", WARN, emotion="anger", level=3), flagged("b", WARN, emotion="fear", level=1)]
    folder = manifest(tmp_path / "m", rows)
    for where in ({"emotion": "angry"}, {"level": "intense"}, {"emotion": "Anger", "text": "SMILE of a"}):
        with sit(folder, "Ann", filters=where) as ann:
            assert [card.clip_id for card in ann.peek(9)] == ["a"]
    for where, near in (({"emotion": "angr"}, "anger"), ({"emotio": "anger"}, "emotion"), ({"flag": "loops"}, "")):
        with pytest.raises(UsageError) as caught:
            sit(folder, "Ann", filters=where)
        assert near in f"{caught.value}"


def test_what_was_undone_meanwhile_is_not_stale_when_all_is_as_before(folder):
    ann, bob = sit(folder, "Ann", lease=-1.0), sit(folder, "Bob", lease=-1.0)
    card = ann.next()
    bob.decide(bob.next(), "accept")
    bob.undo()
    assert ann.decide(card, "accept").clips == card.clips


def test_an_overlap_card_is_judged_by_two_who_do_not_see_each_other(folder):
    ann, bob, cleo = (sit(folder, name, overlap=1.0) for name in ("Ann", "Bob", "Cleo"))
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
    sessions = [sit(folder, name, overlap=0.3) for name in ("Ann", "Bob")]
    cards = [[session.card(f"clip_{at:03}").independent for at in range(40)] for session in sessions]
    assert cards[0] == cards[1] and 4 <= sum(cards[0]) <= 20


def test_disagreements_are_queued_and_settled(folder):
    for name, action, more in (("Ann", "accept", {}), ("Bob", "reject", {"reason": "text"})):
        with sit(folder, name, overlap=1.0) as session:
            clear(session, action, **more)
    with sit(folder, "Cleo", queue="disagreements") as session:
        card = session.next()
        assert [opinion.reviewer for opinion in card.opinions] == ["Ann", "Bob"]
        assert session.progress().left == 6
        session.decide(card, "accept")
        assert session.progress().left == 5
        session.undo()
        assert session.progress().left == 6
        clear(session)
    assert all(read_manifest(folder, ["approved"])["approved"].to_pylist())


def audited(tmp_path, share, count=200):
    rows = [flagged(f"c{at:03}", *([WARN] if at < 20 else [DARK] if at < 40 else [])) for at in range(count)]
    return manifest(tmp_path / "m", rows, run={"recipe": {"gates": {"audit": share}, "chain": {"seed": 3}}})


def test_the_audit_is_a_blind_seeded_share_of_the_clean_rows(tmp_path):
    folder = audited(tmp_path, 0.1)
    with sit(folder, "Ann", queue="audit") as session:
        cards = [session.card(clip_id) for clip_id in clear(session)]
    assert len(cards) == 18  # a tenth of the 180 that the gates pass
    assert all(card.blind and not card.findings and not card.row["needs_review"] for card in cards)
    assert not any(card.opinions for card in cards if card.opinions and card.opinions[0].reviewer != "Ann")
    with sit(folder, "Bob", queue="audit") as session:
        assert session.next() is None and session.progress().by_flag == {}
        with pytest.raises(UsageError, match="blind"):
            session.decide_all("dark", "accept")


def test_filters_narrow_a_queue_and_can_be_changed(tmp_path):
    rows = [
        flagged("a", WARN, emotion="anger", subject="M003"),
        flagged("b", FAIL, emotion="anger", level=3, subject="W009"),
        flagged("c", WARN, FAIL, emotion="fear", subject="M003"),
    ]
    with sit(manifest(tmp_path / "m", rows), "Ann", filters={"emotion": "anger"}) as session:
        assert [card.clip_id for card in session.peek(9)] == ["b", "a"]
        assert session.choices()["subject"] == {"M003": 2, "W009": 1}
        for filters, clips in (
            ({"level": "3"}, ["b"]),
            ({"subject": "M003", "flag": "levels_missing"}, ["c"]),
            ({"emotion": "joy"}, []),
        ):
            session.filter(filters)
            assert [card.clip_id for card in session.peek(9)] == clips
        assert session.next() is None and session.progress().total == 0
        with pytest.raises(UsageError, match="no filter 'colour'"):
            session.filter({"colour": "red"})


def test_the_queue_of_all_rows_is_in_order(tmp_path):
    with sit(audited(tmp_path, 0.1, 30), "Ann", queue="all") as session:
        assert [card.clip_id for card in session.peek(3, after="c019")] == ["c020", "c021", "c022"]


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
    with sit(folder, "Ann") as session:
        assert session.card("clean").clips == ("clean",)
        for strange in ("nobody", "../../etc/passwd", "", "é\x00"):
            with pytest.raises(InputError, match="no clip"):
                session.card(strange)


def test_recheck_runs_the_gates_on_the_edited_text_and_budgets_count_tokens(folder):
    def check(annotation):
        assert annotation.step_outputs[-1] == "\n".join(annotation.prompts)
        return [Flag("leaked", 3, "A code.", "scene", "AU12")] if "AU12" in annotation.prompts[0] else []

    with sit(folder, "Ann", check=check) as session:
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


def test_files_are_found_below_the_root_only(tmp_path):
    root = tmp_path / "media"
    root.mkdir()
    (root / "here.mp4").touch()
    (tmp_path / "outside.mp4").touch()
    names = {"a": "here.mp4", "b": "gone.mp4", "c": "../outside.mp4", "d": str(tmp_path / "outside.mp4"), "e": "\x00"}
    rows = [flagged(clip_id, FAIL, file_name=name) for clip_id, name in names.items()]
    folder = manifest(tmp_path / "m", rows, run={"root": "/moved/away", "dataset": "mead"})
    with sit(folder, "Ann", root=root) as session:
        assert {clip_id: session.card(clip_id).path for clip_id in names} == dict.fromkeys("abcde") | {
            "a": root / "here.mp4"
        }
        clip = session.canonical(session.card("a"))
        assert (clip.path, clip.crop_box) == (root / "here.mp4", (500, 100, 1180, 780))
        assert session.canonical(session.card("b")) is None
    with sit(folder, "Ann") as session:
        assert session.card("a").path is None


@pytest.mark.parametrize("name", ["Ann", "李 小龙", "O'Brien; DROP TABLE event --", "<b>é</b>", "👩‍🔬", "x" * 80])
def test_reviewer_names_are_kept_as_typed(folder, name):
    with sit(folder, name) as session:
        session.decide(session.next(), "accept")
    assert read_manifest(folder, ["reviewers"])["reviewers"][1].as_py() == [name]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "\x1b[31m", "x" * 81, "\ud800", "a\u2028b"])
def test_names_that_cannot_be_shown_are_refused(folder, name):
    with pytest.raises(UsageError, match="cannot be a reviewer's name"):
        sit(folder, name)
    assert not (folder / FILE).exists()


@pytest.mark.parametrize("kwargs", [{"queue": "best"}, {"overlap": 1.5}, {"filters": {"mood": "bad"}}])
def test_a_desk_that_cannot_be_is_refused_before_anything_is_written(folder, kwargs):
    with pytest.raises(UsageError):
        sit(folder, "Ann", **kwargs)
    assert not (folder / FILE).exists()


def test_no_manifest_and_a_store_that_is_none(tmp_path, folder):
    with pytest.raises(InputError, match="no such file"):
        sit(tmp_path / "nowhere", "Ann")
    (folder / FILE).write_bytes(b"not a database" * 99)
    with pytest.raises(InputError, match="not a review store"):
        sit(folder, "Ann")


def test_a_lost_store_is_not_replaced_by_an_empty_one(folder):
    with sit(folder, "Ann") as session:
        clear(session)
    (folder / FILE).unlink()
    with pytest.raises(InputError, match=r"6 rows are reviewed, but reviews\.sqlite is missing"):
        sit(folder, "Ann")


def test_after_the_last_desk_the_store_is_one_plain_file(folder):
    with sit(folder, "Ann") as ann, sit(folder, "Bob") as bob:
        ann.decide(ann.next(), "accept")
        bob.decide(bob.next(), "accept")
    assert sorted(path.name for path in folder.glob("reviews*")) == [FILE]
    assert (folder / FILE).read_bytes()[18] == 1  # not WAL: readable from a read-only disk


def test_flags_that_the_gates_missed_are_named_with_the_decision_and_unknown_ones_refused(folder):
    codes = {"emotion_mismatch": "the units do not show the emotion", "levels_alike": "two levels say the same"}
    with sit(folder, "Ann", gates=meanings(codes)) as session:
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
    with sit(folder, "Ann", queue="audit", gates=meanings(codes)) as session:
        assert session.missing(session.next()) == codes
