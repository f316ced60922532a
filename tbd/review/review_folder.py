"""What all tabs of one reviewer share: the manifest as it is now, the store, every decision, the gates' findings."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tbd.errors import InputError
from tbd.hashes import file_stamp
from tbd.hidden_characters import look_alike
from tbd.manifest import run
from tbd.manifest.decision_log import DecisionLog
from tbd.manifest.lock import manifest_lock
from tbd.manifest.row_lookup import RowLookup
from tbd.manifest.seal import Sealed, refuse_lost_reviews, reseal_manifest
from tbd.manifest.verification import shows_reviews
from tbd.review.findings import Check, Findings, Meanings
from tbd.review.store import Store

if TYPE_CHECKING:
    from tbd.media.canonical import CanonicalClip


class ReviewFolder:
    """One reviewer's open manifest folder. Hold ``lock`` while working with it.

    Attributes:
        reviewer: the name, as the person spelled it first.
        version: grows when the manifest was sealed anew with other rows or texts.
        made: batch of a decision of this session -> its tab, verb and seconds.
    """

    def __init__(
        self,
        folder: str | Path,
        reviewer: str,
        check: Check | None,
        roots: Mapping[str, Path] | None,
        gates: Meanings | None,
    ) -> None:
        self.lock = threading.RLock()
        self.rows = RowLookup(folder)
        self.folder = self.rows.file.parent
        refuse_lost_reviews(self.rows.file)
        with manifest_lock(self.folder, "opening the review"):  # a merge puts another store in its place
            self.store = Store(self.folder)
        self.log = DecisionLog(self.rows, self.store.since())
        self._seen_first = self.log.last
        known = {look_alike(event.reviewer): event.reviewer for event in reversed(self.log.history)}
        self.reviewer = known.get(look_alike(reviewer), reviewer)
        self.findings = Findings(self.folder, check)
        self.gates, self.meanings = gates, gates or {}
        self.roots = run.dataset_roots(self.folder, roots)
        self.version, self.tabs = 0, 0
        self.made: dict[str, tuple[str, str, float]] = {}

    def refresh(self) -> None:
        """Read what others decided, and open the manifest again where another one has taken its place."""
        with suppress(InputError):  # between two names: the old one is still open
            if file_stamp(self.rows.file, strict=True) != self.rows.stamp:
                self._open_again()
        self.log.add(self.store.since(self.log.last))

    def canonical(self, clip_id: str) -> CanonicalClip | None:
        """A clip; None when its file is not here.

        Raises:
            InputError: there is no such clip.
        """
        from tbd.media.canonical import CanonicalClip

        with self.lock:
            row = self.rows.row(self.rows.number(clip_id))
        path = run.media_file(self.roots, row, "file_name")
        audio = run.media_file(self.roots, row, "audio_file_name")
        crop = row["crop_box"]
        box = (crop[0], crop[1], crop[2], crop[3]) if crop else None
        return CanonicalClip(path, row["start"], row["end"], box, run.clip_rule(self.folder), audio) if path else None

    def close(self) -> Sealed | None:
        """Close everything, and seal the manifest again unless it shows every decision already.

        What was decided meanwhile is always sealed: another sealing that ended later may have read the reviews earlier.
        """
        self.log.add(self.store.since(self.log.last))
        self.store.close()
        self.findings.close()
        self.rows.close()
        if self.log.last == 0:
            return None
        with manifest_lock(self.folder, "ending the review"):
            shown = self.log.last == self._seen_first and shows_reviews(self.rows.file)
            return None if shown else reseal_manifest(self.folder)

    def _open_again(self) -> None:
        rows = RowLookup(self.rows.file)
        if rows.same_rows(self.rows):
            self.rows.stamp = rows.stamp
            rows.close()
        else:
            self.rows.close()
            self.findings.open_again()
            self.rows = self.log.rows = rows
            self.version += 1
