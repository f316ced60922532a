import pytest
from review_events import decide, record, undo
from rows import PROMPTS, row, sealed

from tbd.errors import InputError
from tbd.manifest import Decision, read_decisions, read_manifest, rejected_clips, text_hash
from tbd.manifest.reviews import FILE, open_reviews, read_events

MODEL = text_hash(PROMPTS)
EDIT, OTHER = ("an edit",), ("another edit",)


def accept(who, before=PROMPTS):
    return who, "accept", before, None


def reject(who, before=PROMPTS):
    return who, "reject", before, None


def skip(who):
    return who, "skip", PROMPTS, None


def edit(who, after=EDIT, before=PROMPTS):
    return who, "edit", before, after


def back(number):
    """Undo the event of that number, counted from 1."""
    return number


def accepted(*who):
    return Decision("accepted", None, who)


def edited(text, *who):
    return Decision("edited", text, who)


def denied(*who):
    return Decision("rejected", None, who)


@pytest.mark.parametrize(
    ("history", "decision"),
    [
        ([], None),
        ([accept("ann")], accepted("ann")),
        ([reject("ann")], denied("ann")),
        ([edit("ann")], edited(EDIT, "ann")),
        ([skip("ann")], None),
        ([accept("ann"), skip("ann")], accepted("ann")),
        # the latest decision of one reviewer counts
        ([accept("ann"), reject("ann")], denied("ann")),
        ([reject("ann"), accept("ann")], accepted("ann")),
        ([edit("ann"), edit("ann", OTHER, EDIT)], edited(OTHER, "ann")),
        # several reviewers: a rejection, else the latest edit, else accepted
        ([accept("bob"), accept("ann")], accepted("ann", "bob")),
        ([accept("ann"), reject("bob")], denied("ann", "bob")),
        ([reject("bob"), edit("ann")], denied("ann", "bob")),
        ([edit("ann"), accept("bob")], edited(EDIT, "ann", "bob")),
        ([edit("ann"), edit("bob", OTHER)], edited(OTHER, "ann", "bob")),
        ([edit("bob", OTHER), edit("ann")], edited(EDIT, "ann", "bob")),
        # judging what somebody edited
        ([edit("ann"), accept("bob", EDIT)], edited(EDIT, "ann", "bob")),
        ([edit("ann"), reject("bob", EDIT)], denied("ann", "bob")),
        ([edit("ann"), accept("ann", EDIT)], edited(EDIT, "ann")),
        # undo
        ([accept("ann"), back(1)], None),
        ([accept("ann"), reject("ann"), back(2)], accepted("ann")),
        ([accept("ann"), back(1), back(2)], accepted("ann")),
        ([reject("ann"), back(1), accept("ann")], accepted("ann")),
        ([edit("ann"), accept("bob", EDIT), back(1)], None),
        # another text: a decision waits until its text is the row's again
        ([reject("ann", ["old text"])], None),
        ([reject("ann", ["old text"]), accept("bob")], accepted("bob")),
        ([edit("ann", tuple(PROMPTS), ["old text"]), accept("bob")], accepted("bob")),
    ],
)
def test_what_holds_for_the_models_text(tmp_path, history, decision):
    for entry in history:
        if isinstance(entry, int):
            undo(tmp_path, "a", entry)
        else:
            who, action, before, after = entry
            decide(tmp_path, "a", action, before, reviewer=who, after=after)
    assert read_decisions(tmp_path).get("a", {}).get(MODEL) == decision


def test_a_decision_holds_again_when_its_text_comes_back(tmp_path):
    decide(tmp_path, "a", "reject", ["old text"])
    decide(tmp_path, "a", "accept", PROMPTS)
    made = read_decisions(tmp_path)["a"]
    assert made[text_hash(["old text"])].status == "rejected"
    assert made[MODEL].status == "accepted"


def test_clips_do_not_touch_each_other(tmp_path):
    decide(tmp_path, "a", "reject", PROMPTS)
    decide(tmp_path, "b", "accept", PROMPTS)
    made = read_decisions(tmp_path)
    assert (made["a"][MODEL].status, made["b"][MODEL].status) == ("rejected", "accepted")


def test_no_store_means_no_decisions(tmp_path):
    assert read_decisions(tmp_path) == {} and read_events(tmp_path / FILE) == []
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("change", ["UPDATE event SET action = 'reject'", "DELETE FROM event"])
def test_events_are_only_added(tmp_path, change):
    decide(tmp_path, "a", "accept", PROMPTS)
    with open_reviews(tmp_path / FILE) as store, pytest.raises(InputError, match="only added"):
        store.write(change)


def test_an_unknown_action_is_refused(tmp_path):
    with pytest.raises(InputError, match="CHECK"):
        record(tmp_path, "a", "approve")


def test_a_file_that_is_no_store_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database at all" * 100)
    with pytest.raises(InputError, match=r"reviews\.sqlite: not a review store"):
        read_decisions(tmp_path)


def test_a_folder_with_odd_signs_in_its_name(tmp_path):
    folder = tmp_path / "a #1? 100% é"
    folder.mkdir()
    decide(folder, "a", "accept", PROMPTS)
    assert read_decisions(folder)["a"][MODEL] == accepted("ann")


def test_rejected_clips_are_those_whose_present_text_was_rejected(tmp_path):
    sealed(tmp_path, [row("a"), row("b"), row("c")])
    decide(tmp_path, "a", "reject", PROMPTS)
    decide(tmp_path, "b", "reject", ["a text of last week"])
    assert rejected_clips(tmp_path) == {"a"}
    assert rejected_clips(tmp_path / "nowhere") == set()
    assert read_manifest(tmp_path, ["approved"])["approved"].to_pylist() == [False, True, True]
