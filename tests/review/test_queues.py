"""Which cards there are, what is on them, and in what order they come."""

import json

import pytest
from review import DARK, FAIL, WARN, chain, clear, flagged, manifest
from rows import PROMPTS

from tbd.errors import UsageError
from tbd.manifest import read_manifest, text_hash
from tbd.manifest.prompt_levels import token_budgets
from tbd.review.session import ReviewSession
from tbd.schema import Flag

EDIT = ["A man.", "Mild Joy.", "The lips part.", "They close."]


def test_a_card_shows_findings_with_place_and_quote(tmp_path):
    where = WARN | {"quote": "Moderate Happiness"}
    folder = manifest(tmp_path / "m", [flagged("c", where, FAIL, prompts=PROMPTS)])
    with ReviewSession(folder, "Ann") as session:
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
    with ReviewSession(folder, "Ann", check=lambda annotation: found) as session:
        findings = session.next().findings
    assert found[0] in findings and {flag.code for flag in findings} == {"emotion_mismatch", "dark"}


def test_a_journal_that_moved_on_is_not_believed(tmp_path):
    import sqlite3
    import zlib

    folder = manifest(tmp_path / "m", [flagged("c", WARN)])
    newer = flagged("c", WARN, prompts=EDIT) | {"findings": [WARN | {"message": "about another text"}]}
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        connection.execute("UPDATE row SET body = ?", [zlib.compress(json.dumps(newer).encode())])
    with ReviewSession(folder, "Ann") as session:
        assert "another text" not in session.next().findings[0].message


def test_one_card_for_a_chain_and_clips_split_off(tmp_path):
    folder = chain(tmp_path / "m", 28)
    with ReviewSession(folder, "Ann") as session:
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
    with ReviewSession(folder, "Ann") as session:
        card = session.next()
    assert card.clips == ("c1", "c2") and card.only == {"dark": ("c2",)}
    assert {flag.code for flag in card.findings} == {"emotion_mismatch", "dark"}


def test_rows_of_a_chain_with_another_text_are_another_card(tmp_path):
    rows = [flagged(f"c{at}", WARN, chain_id="one", prompts=PROMPTS if at < 2 else EDIT) for at in range(4)]
    with ReviewSession(manifest(tmp_path / "m", rows), "Ann") as session:
        assert [session.decide(session.next(), "accept").clips for _ in range(2)] == [("c0", "c1"), ("c2", "c3")]
        assert session.next() is None


def test_a_filter_of_the_command_line_may_be_spelled_in_any_way(tmp_path):
    rows = [flagged("a", WARN, emotion="anger", level=3), flagged("b", WARN, emotion="fear", level=1)]
    folder = manifest(tmp_path / "m", rows)
    for where in ({"emotion": "angry"}, {"level": "intense"}, {"emotion": "Anger", "text": "SMILE of a"}):
        with ReviewSession(folder, "Ann", filters=where) as ann:
            assert [card.clip_id for card in ann.peek(9)] == ["a"]
    for where, near in (({"emotion": "angr"}, "anger"), ({"emotio": "anger"}, "emotion"), ({"flag": "loops"}, "")):
        with pytest.raises(UsageError) as caught:
            ReviewSession(folder, "Ann", filters=where)
        assert near in f"{caught.value}"


def audited(tmp_path, share, count=200):
    rows = [flagged(f"c{at:03}", *([WARN] if at < 20 else [DARK] if at < 40 else [])) for at in range(count)]
    return manifest(tmp_path / "m", rows, run={"recipe": {"gates": {"audit": share}, "chain": {"seed": 3}}})


def test_the_audit_is_a_blind_seeded_share_of_the_clean_rows(tmp_path):
    folder = audited(tmp_path, 0.1)
    with ReviewSession(folder, "Ann", queue="audit") as session:
        cards = [session.card(clip_id) for clip_id in clear(session)]
    assert len(cards) == 18  # a tenth of the 180 that the gates pass
    assert all(card.blind and not card.findings and not card.row["needs_review"] for card in cards)
    assert not any(card.opinions for card in cards if card.opinions and card.opinions[0].reviewer != "Ann")
    with ReviewSession(folder, "Bob", queue="audit") as session:
        assert session.next() is None and session.progress().by_flag == {}
        with pytest.raises(UsageError, match="blind"):
            session.decide_all("dark", "accept")


def test_filters_narrow_a_queue_and_can_be_changed(tmp_path):
    rows = [
        flagged("a", WARN, emotion="anger", subject="M003"),
        flagged("b", FAIL, emotion="anger", level=3, subject="W009"),
        flagged("c", WARN, FAIL, emotion="fear", subject="M003"),
    ]
    with ReviewSession(manifest(tmp_path / "m", rows), "Ann", filters={"emotion": "anger"}) as session:
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
    with ReviewSession(audited(tmp_path, 0.1, 30), "Ann", queue="all") as session:
        assert [card.clip_id for card in session.peek(3, after="c019")] == ["c020", "c021", "c022"]


def test_each_dataset_has_a_root_of_its_own(tmp_path):
    for name in ("mead", "hdtf"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.mp4").touch()
    rows = [flagged(f"{name}_x", FAIL, dataset=name, file_name="same.mp4") for name in ("mead", "hdtf")]
    run = {"merged": ["a", "b"], "roots": {"mead": str(tmp_path / "mead"), "hdtf": "/moved/away"}}
    with ReviewSession(manifest(tmp_path / "m", rows, run=run), "Ann", roots={"hdtf": tmp_path / "hdtf"}) as session:
        found = {session.card(clip_id).path for clip_id in ("mead_x", "hdtf_x")}
    assert found == {tmp_path / "mead/same.mp4", tmp_path / "hdtf/same.mp4"}


def test_files_are_found_below_the_root_only(tmp_path):
    root = tmp_path / "media"
    root.mkdir()
    (root / "here.mp4").touch()
    (tmp_path / "outside.mp4").touch()
    names = {"a": "here.mp4", "b": "gone.mp4", "c": "../outside.mp4", "d": str(tmp_path / "outside.mp4"), "e": "\x00"}
    rows = [flagged(clip_id, FAIL, file_name=name) for clip_id, name in names.items()]
    folder = manifest(tmp_path / "m", rows, run={"root": "/moved/away", "dataset": "mead"})
    with ReviewSession(folder, "Ann", roots={"mead": root}) as session:
        assert {clip_id: session.card(clip_id).path for clip_id in names} == dict.fromkeys("abcde") | {
            "a": root / "here.mp4"
        }
        clip = session.canonical(session.card("a"))
        assert (clip.path, clip.crop_box) == (root / "here.mp4", (500, 100, 1180, 780))
        assert session.canonical(session.card("b")) is None
    with ReviewSession(folder, "Ann") as session:
        assert session.card("a").path is None
