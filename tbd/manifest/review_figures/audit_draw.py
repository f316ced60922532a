"""Which of the rows that the gates pass are looked at all the same, so that the gates themselves are measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tbd.hashes import seeded_fraction
from tbd.manifest.run import read_run


@dataclass(frozen=True, slots=True)
class AuditDraw:
    """The seeded share of the clean chains that is audited: recipe keys ``gates.audit``, ``chain.seed``."""

    share: float = 0.01
    seed: int = 0

    def drawn(self, chains: Iterable[str]) -> list[str]:
        """The share of the chains, rounded up, in random order: a beginning of it is a random sample too."""
        ordered = sorted(set(chains), key=lambda chain: (seeded_fraction(self.seed, "audit", chain), chain))
        return ordered[: math.ceil(self.share * len(ordered))]


def recorded_draw(folder: Path) -> AuditDraw:
    """The audit that ``run.json``'s recipe asks for."""
    run = read_run(folder)
    recipe = run.recipe if run else {}
    given = {"share": recipe.get("gates", {}).get("audit"), "seed": recipe.get("chain", {}).get("seed")}
    return AuditDraw(**{key: value for key, value in given.items() if value is not None})
