"""Steps without a finite loss: each is skipped and said, and too many in a row end a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tbd.errors import TbdError


class BadSteps:
    """The guard of a loop against a loss or a gradient that is no number.

    Args:
        most: in a row (``watch.max_bad_steps``).
        note: told of each.
        last_good: the newest state on the disk, or None.
        rate: the recipe's key of the learning rate.
    """

    def __init__(self, most: int, note: Callable[[str], None], last_good: Callable[[], Path | None], rate: str) -> None:
        self.most, self.note, self.last_good, self.rate = most, note, last_good, rate
        self.in_a_row = 0

    def judge(self, step: int, finite: bool) -> None:
        """Count a step that is done, or was skipped.

        Raises:
            TbdError: it was one too many in a row without a finite loss.
        """
        self.in_a_row = 0 if finite else self.in_a_row + 1
        if finite:
            return
        self.note(f"step {step}: the loss or its gradient is not finite; the step is skipped")
        if self.in_a_row >= self.most:
            raise TbdError(
                f"{self.in_a_row} steps in a row without a finite loss; the last good checkpoint is {self.last_good()}",
                next=f"a smaller {self.rate}, or hardware.precision=float32",
            )
