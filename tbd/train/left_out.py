"""Clips that prove unreadable while a run goes: another takes the place of each, and it is said and recorded.

Which one takes its place follows from the sample's number and the list of clips, so a run that was stopped or spread over
more processes still sees the same. Very many of them end a run: it would learn from what is left by accident.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tbd.errors import InputError
from tbd.train.clips import TrainingClip
from tbd.train.recipe import TrainRecipe


class UnreadableClip(InputError):
    """A clip that could not be read.

    Args:
        clip: which.
        error: why.
    """

    def __init__(self, clip: TrainingClip, error: InputError) -> None:
        super().__init__(error.message, next=error.next)
        self.clip = clip.name


@contextmanager
def reading(clip: TrainingClip) -> Iterator[None]:
    """What cannot be read in here is this clip.

    Raises:
        UnreadableClip: instead of an ``InputError``.
    """
    try:
        yield
    except InputError as error:
        raise UnreadableClip(clip, error) from None


def most_left_out(clips: int, recipe: TrainRecipe) -> int:
    """How many of so many clips may prove unreadable: ``watch.max_unreadable`` of them, rounded up."""
    return math.ceil(recipe.watch.max_unreadable * clips)


def first_readable(
    clips: Sequence[TrainingClip], first: int, make: Callable[[int], dict[str, Any]], most: int
) -> dict[str, Any]:
    """The sample of a clip; where it cannot be read, of the next one in the list that can.

    Args:
        clips: of the run.
        first: place of the clip that was drawn.
        make: the sample of the clip at a place.
        most: clips that may be passed over.

    Returns:
        The sample, with ``left_out``: name -> reason of those that were passed over; or its ``error`` and what comes ``next``.
    """
    left_out: dict[str, UnreadableClip] = {}
    for index in range(first, first + min(most + 1, len(clips))):
        place = index % len(clips)
        try:
            return make(place) | {"left_out": {name: error.message for name, error in left_out.items()}}
        except UnreadableClip as error:
            left_out[error.clip] = error
        except InputError as error:
            return {"error": f"{clips[place].name}: {error.message}", "next": error.next}
    name, odd = next(iter(left_out.items()))
    more = f" (nor can the {len(left_out) - 1} after it be read)" if len(left_out) > 1 else ""
    return {"error": f"{name}: {odd.message}{more}", "next": odd.next}


class LeftOutClips:
    """Those that a run has come across.

    Args:
        clips: how many the run has.
        recipe: how many of them may be unreadable.
        note: told of each, once.
        before: those of the checkpoint that a run goes on from; they are kept in the record, and do not count.
    """

    def __init__(
        self, clips: int, recipe: TrainRecipe, note: Callable[[str], None], before: Mapping[str, str] | None = None
    ) -> None:
        self.clips, self.most, self.note, self.before = clips, most_left_out(clips, recipe), note, dict(before or {})
        self.found: dict[str, str] = {}

    def seen(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A batch as it is; what its samples passed over is noted.

        Raises:
            InputError: more clips cannot be read than may be.
        """
        for part in batch.get("parts", [batch]):
            for passed in part.get("left_out", ()):
                self.add(passed)
        return batch

    def add(self, names: Mapping[str, str]) -> None:
        """Note clips by name, with the reason of each.

        Raises:
            InputError: as ``seen``.
        """
        fresh = self._noted(names)
        if fresh and len(self.found) > self.most:
            raise InputError(
                f"{len(self.found)} of {self.clips} clips cannot be read, and watch.max_unreadable allows {self.most} "
                f"(e.g. {fresh[0]}: {self.found[fresh[0]]})",
                next="tbd train cache, with the same manifests, names them all; or --set watch.max_unreadable=1",
            )

    def record(self) -> dict[str, str]:
        """Name -> reason of what any process of the run has come across; all take part."""
        from accelerate.utils import gather_object

        for names in gather_object([self.found]):
            self._noted(names)
        return self.before | self.found

    def _noted(self, names: Mapping[str, str]) -> list[str]:
        fresh = [name for name in names if name not in self.found]
        for name in fresh:
            self.found[name] = names[name]
            self.note(f"left out, for it cannot be read: {name}: {names[name]}")
        return fresh
