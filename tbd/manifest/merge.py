"""Merging manifests: shards of one dataset, or several datasets, into one that is sealed like any other.

The sources are read side by side in order of ``clip_id``, so memory does not grow with their size.
The result does not depend on the order of the sources, nor on the order of several merges.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from tbd import workspace
from tbd.errors import InputError, UsageError
from tbd.manifest import reviews
from tbd.manifest.lock import manifest_lock
from tbd.manifest.merged_reviews import combine_histories, replace_store, settle_store
from tbd.manifest.reader import MANIFEST, locate_manifest, read_manifest, row_groups
from tbd.manifest.rows import as_rows
from tbd.manifest.run import RUN, ManifestRun, clip_settings, read_run, recorded_roots, write_run
from tbd.manifest.schema import MODEL_COLUMNS, MODEL_SCHEMA, ROW_GROUP
from tbd.manifest.seal import Sealed, write_manifest
from tbd.manifest.shards import check_shards
from tbd.manifest.split import SplitRule
from tbd.schema import ManifestRow, Status

_STATUSES = get_args(Status)
"""Of two rows of one clip the one whose status comes first here stays."""


@dataclass(slots=True)
class Merged:
    """What a merge did.

    Attributes:
        sealed: the counts of the new manifest.
        collapsed: rows that were in several sources, equal.
        replaced: clips whose failed row gave way to another row, sorted.
    """

    sealed: Sealed
    collapsed: int = 0
    replaced: list[str] = field(default_factory=list)


def merge_manifests(sources: Sequence[str | Path], folder: Path, *, split: SplitRule | None = None) -> Merged:
    """Write the rows of several manifests as one, and their reviews. A merge that fails changes nothing.

    Shards of one run must be all there, once each. A clip in several sources must have equal rows, which become one. A success replaces a failure;
    of two failures the milder stays.

    Args:
        sources: manifest folders or Parquet files.
        folder: a new folder, or one that an earlier merge wrote.
        split: the rule of the new manifest; None keeps each row's own.

    Raises:
        InputError: a source cannot be read; two sources hold different successful rows of a clip (the
            message names them); a shard is foreign, doubled, missing or not finished; ``folder`` holds a manifest that is no merge, or one that is being reviewed.
        UsageError: no sources.
    """
    files = [locate_manifest(source) for source in sources]
    if not files:
        raise UsageError("nothing to merge", next="tbd manifest merge DIR DIR -o DIR")
    check_shards({str(file.parent): run for file in files if (run := read_run(file.parent))})
    with manifest_lock(folder, "merging manifests"):
        before = read_run(folder)
        if (folder / "journal.sqlite").exists() or ((folder / MANIFEST).exists() and not (before and before.merged)):
            raise InputError(f"{folder}: holds a manifest of its own", next="choose another folder with -o DIR")
        own = folder / reviews.FILE
        bookmarks = settle_store(own)
        history = combine_histories(
            [reviews.read_events(file.parent / reviews.FILE) for file in files] + [reviews.read_events(own)]
        )
        merged = Merged(Sealed(folder / MANIFEST))
        run = _record(files, split)
        with _put_back(folder / RUN, own):
            write_run(folder, run)  # first: a merge that is killed is known as one, and is made again
            if history:
                replace_store(own, history, bookmarks)
            rows = _groups(files, merged, keep_split=split is None)
            merged.sealed = write_manifest(folder / MANIFEST, rows, split=split, decisions=reviews.decided(history))
    merged.replaced.sort()
    return merged


@contextmanager
def _put_back(*files: Path) -> Iterator[None]:
    """Where what is done meanwhile fails, each file holds what it held before, or is gone again."""
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                workspace.write_whole(file, partial(Path.write_bytes, data=content))
        raise


def _record(files: Sequence[Path], split: SplitRule | None) -> ManifestRun:
    """What ``run.json`` says of a merged manifest: where the datasets lie, and the one rule that its clips follow."""
    roots = {name: root for file in files for name, root in recorded_roots(file.parent).items()}
    rules = {str(file.parent): rule for file in files if (rule := clip_settings(file.parent))}
    _refuse_other_rules(rules)
    oldest = min(rules.values(), key=lambda rule: rule.get("version", 1), default=None)
    recipe = {"clip": oldest} if oldest else {}
    return ManifestRun(merged=tuple(file.parent.name for file in files), roots=roots, split=split, recipe=recipe)


def _refuse_other_rules(rules: Mapping[str, Mapping[str, Any]]) -> None:
    from tbd.recipe import difference  # brings pydantic, which readers of a manifest do not need

    for one, other in pairwise(rules):
        if differs := difference(_geometry(rules[one]), _geometry(rules[other])):
            raise InputError(
                f"the clips of {one} and {other} become canonical by different rules: {'; '.join(differs)}",
                next="annotate both with the same --set clip.… before they are merged",
            )


def _geometry(rule: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a canonical clip of a row; the other keys tell how its box was chosen, which the row holds already."""
    return {key: rule.get(key) for key in ("size", "fps", "sample_rate")}


def _groups(files: Sequence[Path], merged: Merged, *, keep_split: bool) -> Iterator[pa.Table]:
    """The rows of all files in order, each clip once, ``ROW_GROUP`` rows at a time."""
    ids = [table["clip_id"].to_pylist() for table in (read_manifest(file, ["clip_id"]) for file in files)]
    take = [_taker(file) for file in files]
    names = [str(file.parent) for file in files]
    done = [0] * len(files)
    every = iter(sorted(set().union(*ids)))
    while window := list(islice(every, ROW_GROUP)):
        pieces = []
        for source, own in enumerate(ids):
            until = bisect_right(own, window[-1])
            pieces.append(take[source](until - done[source]))
            done[source] = until
        yield _unique(pieces, names, merged, keep_split)


def _taker(file: Path) -> Callable[[int], pa.Table]:
    """Rows from the front of a file, as many as are asked for; a row group or two are in memory."""
    stored = row_groups(file, MODEL_COLUMNS)
    waiting = MODEL_SCHEMA.empty_table()

    def take(count: int) -> pa.Table:
        nonlocal waiting
        while len(waiting) < count:
            waiting = pa.concat_tables([waiting, next(stored).cast(MODEL_SCHEMA)]).combine_chunks()
        taken, waiting = waiting.slice(0, count), waiting.slice(count)
        return taken

    return take


def _unique(pieces: Sequence[pa.Table], names: Sequence[str], merged: Merged, keep_split: bool) -> pa.Table:
    """One row a clip out of one window of every source, sorted."""
    table = pa.concat_tables(pieces).combine_chunks()
    places: dict[str, list[int]] = {}
    for index, clip_id in enumerate(table["clip_id"].to_pylist()):
        places.setdefault(clip_id, []).append(index)
    shared = [indices for indices in places.values() if len(indices) > 1]
    if _equal(table if keep_split else table.drop_columns(["split"]), shared):
        merged.collapsed += sum(len(indices) - 1 for indices in shared)
        shared = []
    origins = [name for name, piece in zip(names, pieces, strict=True) for _ in range(len(piece))]
    conflicts = []
    for indices in shared:
        rows = {index: as_rows(table.slice(index, 1))[0] for index in indices}
        best, differs = _choose(rows, merged, keep_split)
        if differs is not None:
            conflicts.append(f"  {rows[best]['clip_id']}: {origins[best]} and {origins[differs]}")
        indices[0] = best
    if conflicts:
        more = f"\n  and {len(conflicts) - 5} more" if len(conflicts) > 5 else ""
        raise InputError(
            "the same clip with different rows:\n" + "\n".join(sorted(conflicts)[:5]) + more,
            next="leave one of the manifests out, or give the datasets different names",
        )
    return table.take([places[clip_id][0] for clip_id in sorted(places)])


def _equal(table: pa.Table, shared: Sequence[Sequence[int]]) -> bool:
    """Whether every row that is there more than once is the same each time: the common case, and fast."""
    firsts = [first for first, *others in shared for _ in others]
    others = [other for _, *others in shared for other in others]
    return not shared or bool(table.take(firsts).equals(table.take(others)))


def _choose(rows: Mapping[int, ManifestRow], merged: Merged, keep_split: bool) -> tuple[int, int | None]:
    """The row that stays, and a successful one that contradicts it."""
    texts = {index: _text(row, keep_split) for index, row in rows.items()}
    best = min(rows, key=lambda index: (_STATUSES.index(rows[index]["status"]), texts[index]))
    if rows[best]["status"] == "success":
        for index, row in rows.items():
            if row["status"] == "success" and texts[index] != texts[best]:
                return best, index
    merged.collapsed += sum(text == texts[best] for text in texts.values()) - 1
    if any(text != texts[best] for text in texts.values()):
        merged.replaced.append(rows[best]["clip_id"])
    return best, None


def _text(row: ManifestRow, keep_split: bool) -> str:
    return json.dumps(row if keep_split else row | {"split": None}, sort_keys=True)
