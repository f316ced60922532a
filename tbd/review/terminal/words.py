"""What the terminal tells and asks, in words."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from tbd.review.card import Progress, Receipt, Stale
from tbd.review.terminal.marks import one_line, plain

REASONS = {
    "t": "text: the words are wrong; annotation writes them again",
    "m": "media: the clip cannot be used; it goes to the curation list",
    "l": "label: the emotion label is wrong; it goes to the curation list",
}
REASON = {"t": "text", "m": "media", "l": "label"}

HELP = """\
 a  accept the text as it stands
 e  edit it: Tab next level, ^s or Ctrl+Enter save, Esc leave
 x  reject: t for its text, m for its media, l for its label
 r  reject and ask for another text
 space  skip for this session
 u  undo the last decision, a skip or a whole bulk too
 j  the next card, undecided      k  the card before
 f  show only one flag, emotion, level or subject
 A  accept all shown with one flag      X  reject them all
 s  split: choose the clips that the decision applies to
 m  name flags that the gates missed; they go with the decision
 p  play the clip in the system's player
 q  quit: seals the manifest with every decision
 ↑ ↓ PgUp PgDn Home End  scroll

 A decision is on disk before the next card shows. Words that a gate
 quotes: ✖ errors inverted, ▲ warnings underlined, • infos slanted."""


def done(receipt: Receipt, reason: str | None) -> str:
    """What a receipt says, in one line."""
    clips = receipt.clip_id if len(receipt.clips) == 1 else count(len(receipt.clips), "clip")
    verbs = {"accept": "accepted", "edit": "edited", "reject": "rejected", "skip": "skipped"}
    if receipt.action == "undo":
        return f"took back: {verbs.get(receipt.undone or '', 'decided')} {clips}"
    left = f"; {len(receipt.left_out)} left out: skipped, or open elsewhere" if receipt.left_out else ""
    return f"{verbs[receipt.action]} {clips}{f' ({reason})' if reason else ''}{left}"


def filters(active: Mapping[str, str]) -> str:
    """``flag loop, emotion anger``."""
    return ", ".join(f"{key} {one_line(value)}" for key, value in active.items())


def nothing(progress: Progress, queue: str, active: Mapping[str, str]) -> str:
    """Why a review ends before it begins."""
    only = f" with {filters(active)}" if active else ""
    if progress.total == 0:
        return f"nothing to review: the queue {queue!r} has no cards{only}"
    if progress.left == 0:
        return f"nothing to review: all {progress.total} cards of the queue {queue!r}{only} are decided"
    return f"nothing to review now: the {progress.left} cards left{only} are open at other reviewers"


def ending(progress: Progress, active: Mapping[str, str]) -> Content:
    """No card is left that this reviewer could have now: why, and what there is to do."""
    only = f" with {filters(active)}" if active else ""
    others = progress.left - progress.skipped
    lines = [f"{progress.done} of {progress.total} cards{only} are decided, {progress.mine} by you in this session."]
    if progress.skipped:
        lines.append(f"You skipped {progress.skipped}: f and Enter bring them back, u takes a skip back.")
    if others > 0:
        lines.append(f"Other reviewers have {others} open: j looks again.")
    title = "Nothing is left here." if progress.left else "All done."
    keys = "u undo · k the card before · f other cards · q quit and seal"
    return Content("\n\n").join([Content.styled(title, "bold $text-primary"), *map(Content, lines), Content(keys)])


def difference(stale: Stale) -> Content:
    """What was decided meanwhile, and each level in its versions."""
    parts = [Content(plain(stale.message))]
    for level in stale.difference:
        versions = (("you saw", level.seen), ("theirs", level.theirs), ("mine", level.mine))
        lines = [Content.assemble((f"{name:8}", "bold"), plain(text)) for name, text in versions]
        parts.append(Content("\n").join([Content.styled(level.level, "bold $text-primary"), *lines]))
    return Content("\n\n").join(parts)


def count(number: int, noun: str) -> str:
    """``1 card``, ``2 cards``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
