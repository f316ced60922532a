"""The paper's use of HDTF: 20 people, 10 random windows each of 5 to 10 s, none of them overlapping.

The paper says no more than that. Here people are drawn among those with enough material, 16 go to
training and 4 to testing, and every draw depends on the seed and the name alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tbd.hashes import seeded_fraction
from tbd.schema import Clip

PEOPLE, WINDOWS = 20, 10
SHORTEST, LONGEST = 5.0, 10.0
"""Seconds of a window."""
TEST_SHARE = 0.2
"""Share of the people that are tested on: 4 of 20. Our choice; the paper names none."""
GRID = 0.04
"""Windows begin and end on frames of the canonical clip (25 a second)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of a clip from which one window is drawn."""

    clip: Clip
    start: float
    length: float


def draw_windows(
    clips: Sequence[Clip], seconds: Callable[[Clip], float | None], seed: int
) -> tuple[list[Clip], list[str]]:
    """Draw people, then windows.

    Args:
        clips: whole files; ``subject`` is the person.
        seconds: duration of a clip; None where it cannot be read. Asked only until enough people are found.
        seed: of every draw.

    Returns:
        The windows as clips with ``start``, ``end`` and ``split``, and notes on what was drawn.
    """
    people: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        people.setdefault(clip.subject, []).append(clip)
    chosen: dict[str, list[Slot]] = {}
    looked = 0
    for person in sorted(people, key=lambda person: (seeded_fraction(seed, "people", person), person)):
        if len(chosen) == PEOPLE:
            break
        looked += 1
        slots = [slot for clip in people[person] for slot in _slots(clip, seconds(clip))]
        if len(slots) >= WINDOWS:
            chosen[person] = slots
    test = _test_people(chosen, seed)
    windows = [
        replace(window, split="test" if person in test else "train")
        for person, slots in chosen.items()
        for window in _windows(slots, seed)
    ]
    return windows, _notes(len(chosen), len(people), looked, len(test))


def _slots(clip: Clip, seconds: float | None) -> Iterable[Slot]:
    """Stretches of ``LONGEST`` seconds one after the other; a rest that is long enough is one too."""
    start = 0.0
    while seconds is not None and seconds - start >= SHORTEST:
        length = min(LONGEST, seconds - start)
        yield Slot(clip, start, length)
        start += length


def _windows(slots: Sequence[Slot], seed: int) -> Iterable[Clip]:
    order = sorted(slots, key=lambda slot: seeded_fraction(seed, "slot", slot.clip.clip_id, f"{slot.start:g}"))
    for slot in order[:WINDOWS]:
        name = (slot.clip.clip_id, f"{slot.start:g}")
        spare = math.floor((slot.length - SHORTEST) / GRID + 1e-6)
        extra = math.floor(seeded_fraction(seed, "length", *name) * (spare + 1))
        shift = math.floor(seeded_fraction(seed, "shift", *name) * (spare - extra + 1))
        start = round(slot.start + shift * GRID, 3)
        end = round(start + SHORTEST + extra * GRID, 3)
        yield replace(slot.clip, clip_id=f"{slot.clip.clip_id}_{round(start * 1000)}", start=start, end=end)


def _test_people(people: Mapping[str, object], seed: int) -> set[str]:
    """The same people whom the split rule ``hdtf-16-4`` of ``tbd.manifest`` tests on."""
    count = max(1, math.floor(TEST_SHARE * len(people) + 0.5)) if len(people) > 1 else 0
    return set(sorted(people, key=lambda person: (seeded_fraction(seed, person), person))[:count])


def _notes(chosen: int, people: int, looked: int, test: int) -> list[str]:
    found = (
        f"{WINDOWS} windows of {SHORTEST:g} to {LONGEST:g} s from each of {chosen} people, {chosen - test} to train and "
        f"{test} to test (our choice); --layout hdtf:whole takes whole files"
    )
    if chosen == PEOPLE:
        return [
            found,
            f"people were drawn among {people}; {looked - chosen} of those looked at had too little material",
        ]
    return [found, f"the paper has {PEOPLE} people; only {chosen} of {people} here have enough material"]
