"""What can be reviewed, what can be done with a card, and why a row is rejected: names that the command line shares."""

from __future__ import annotations

from enum import StrEnum


class QueueName(StrEnum):
    """What is reviewed.

    ``flagged``: rows that need review, the severest first; ``all``: every row in order; ``audit``: a seeded share of
    the rows that the gates pass, blind; ``disagreements``: rows that reviewers judged differently, and a decision made
    here settles it; ``decided``: one's own decisions, the latest first, to look at again.
    """

    FLAGGED = "flagged"
    ALL = "all"
    AUDIT = "audit"
    DISAGREEMENTS = "disagreements"
    DECIDED = "decided"


class Verb(StrEnum):
    """What a reviewer does with a card."""

    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"
    SKIP = "skip"


class Reason(StrEnum):
    """Why a row is rejected. ``text`` goes back to annotation; the others are about the clip itself."""

    TEXT = "text"
    MEDIA = "media"
    LABEL = "label"
