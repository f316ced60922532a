"""What can be reviewed, what can be done with a card, and why a row is rejected: names that the command line shares."""

from __future__ import annotations

from enum import StrEnum


class QueueName(StrEnum):
    """What is reviewed; ``decided`` are one's own decisions, to look at again."""

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
