"""Single rows of a manifest, found by number or ``clip_id`` without holding them all.

Names and texts stay in memory as Arrow columns (about 80 MB for all of MEAD); a whole row is read with
its row group, and the groups read last are kept.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tbd.errors import InputError
from tbd.hashes import file_stamp
from tbd.manifest.reader import locate_manifest, open_manifest
from tbd.manifest.rows import as_rows
from tbd.schema import ManifestRow

_GROUPS = 8
"""Row groups that are kept: about 5 MB each."""


class RowLookup:
    """A sealed manifest as it was when this was made; a new one in its place is seen by its ``stamp`` alone.

    Raises:
        InputError: there is no manifest, it is damaged, or a newer version of tbd wrote it.
    """

    def __init__(self, path: str | Path) -> None:
        self.file = locate_manifest(path)
        self._open = ExitStack()
        self._parquet = self._open.enter_context(open_manifest(self.file))
        table = self.table(["clip_id", "chain_id", "prompts"])
        self._clips, self._chains, self._texts = (table[name] for name in table.column_names)
        self.stamp = file_stamp(self.file, strict=True)
        metadata = self._parquet.metadata
        self._starts = [0]
        for group in range(metadata.num_row_groups):
            self._starts.append(self._starts[-1] + metadata.row_group(group).num_rows)
        self._groups: OrderedDict[int, pa.Table] = OrderedDict()

    def __len__(self) -> int:
        return len(self._clips)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of every row, as sealed."""
        return self._parquet.read(columns=list(columns))

    def find(self, clip_id: str) -> int | None:
        """The number of a clip's row; None when the manifest has none."""
        at = bisect_left(range(len(self)), clip_id, key=self.clip)  # rows are sorted by clip_id
        return at if at < len(self) and self.clip(at) == clip_id else None

    def number(self, clip_id: str) -> int:
        """The number of a clip's row.

        Raises:
            InputError: there is no such clip.
        """
        found = self.find(clip_id)
        if found is None:
            raise InputError(f"{self.file.parent}: no clip {clip_id!r} in this manifest")
        return found

    def numbers(self, clips: Iterable[str]) -> list[int]:
        """The numbers of those clips that have a row."""
        return [number for clip_id in clips if (number := self.find(clip_id)) is not None]

    def clip(self, number: int) -> str:
        """The ``clip_id`` of a row."""
        name: str = self._clips[number].as_py()
        return name

    def chain(self, number: int) -> str:
        """The ``chain_id`` of a row."""
        name: str = self._chains[number].as_py()
        return name

    def prompts(self, number: int) -> tuple[str, ...]:
        """The model's text of a row."""
        return tuple(self._texts[number].as_py())

    def having(self, text: str) -> npt.NDArray[np.bool_]:
        """``(rows,)`` which rows have a text in their ``clip_id`` or their prompts, whatever its case."""
        found = pc.match_substring(self._clips, text, ignore_case=True)
        prompts = pc.match_substring(pc.binary_join(self._texts, "\n"), text, ignore_case=True)
        return np.asarray(pc.or_(found, pc.fill_null(prompts, False)), bool)

    def same_rows(self, other: RowLookup) -> bool:
        """Both have the same clips with the same chains, texts and flags."""
        columns = ["flags", "severity", "needs_review"]
        mine, theirs = (
            [rows._clips, rows._chains, rows._texts, *rows.table(columns).columns] for rows in (self, other)
        )
        return all(column.equals(same) for column, same in zip(mine, theirs, strict=True))

    def row(self, number: int) -> ManifestRow:
        """A whole row, as sealed."""
        group = bisect_right(self._starts, number) - 1
        return as_rows(self._group(group).slice(number - self._starts[group], 1))[0]

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def _group(self, group: int) -> pa.Table:
        if group not in self._groups:
            try:
                self._groups[group] = self._parquet.read_row_group(group)
            except (pa.ArrowInvalid, OSError) as error:
                raise InputError(
                    f"{self.file}: damaged ({error})", next=f"tbd manifest seal {self.file.parent}"
                ) from None
            if len(self._groups) > _GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(group)
        return self._groups[group]
