"""Parts of a job: ``--shard i/n``, read in one place."""

from __future__ import annotations

import re

from tbd.errors import UsageError

Part = tuple[int, int]
"""(i, n): the i-th of n parts, counted from 1."""


def part(text: str) -> Part:
    """``1/4`` as (1, 4).

    Raises:
        UsageError: not of the form i/n with i from 1 to n.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text}: not of the form i/n with i from 1 to n", next="--shard 1/4")
    return int(match[1]), int(match[2])
