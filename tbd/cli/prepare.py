"""``tbd prepare``: the canonical clips of a manifest, as files for other tools and for the eye."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbd.cli import options
from tbd.clip_failures import raise_if_all_bugs
from tbd.console import document, out, progress, say

COLUMNS = ("clip_id", "dataset", "file_name", "audio_file_name", "start", "end", "crop_box", "reference_frame")


def prepare(
    manifest: Annotated[Path, typer.Argument(help="A manifest folder, or its Parquet file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the clips go.", callback=options.on_this_disk)
    ],
    where: options.Where = None,
    clips: options.ClipFile = None,
    sample: options.Sample = None,
    limit: options.Limit = None,
    shard: options.Shard = None,
    root: options.Root = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Write video.mp4, audio.wav and reference.png of every row, as all stages see them.

    Example: tbd prepare data_manifests/mead -o clips/ --limit 10
    """
    from tbd.manifest import locate_manifest, read_manifest
    from tbd.manifest.rows import as_rows
    from tbd.manifest.run import clip_rule
    from tbd.media.prepare import prepare as write
    from tbd.selection import ROW_KEYS, Selection, select

    chosen = Selection(options.pairs(where, "--where"), options.lines(clips), sample, limit, shard)
    rows = select(as_rows(read_manifest(manifest, [*COLUMNS, *ROW_KEYS])), chosen, keys=ROW_KEYS)
    if dry_run:
        document({"clips": len(rows), "output": str(output)}) if json else out(
            f"{len(rows)} clips would go to {output}"
        )
        return 0
    places = options.located(manifest, options.roots(root))
    for row in rows:
        place, sound = places[row["dataset"]], row["audio_file_name"]
        row["file_name"], row["audio_file_name"] = str(place / row["file_name"]), str(place / sound) if sound else None
    with progress("prepare", len(rows), quiet=quiet) as bar:
        done = write(
            rows,
            Path(),
            output,
            clip_rule(locate_manifest(manifest).parent),
            told=lambda _, error: bar.advance(failed=int(bool(error))),
        )
    for clip_id, words in (done.failed | done.damaged).items():
        say(f"{clip_id}: {words}")
    counts = {"clips": len(done.clips), "reused": done.reused, "output": str(output)}
    summary = counts | {"failed": done.failed, "damaged": done.damaged}
    document(summary) if json else out(
        f"{len(done.clips)} clips in {output} ({done.reused} were there), {len(done.failed)} failed, {len(done.damaged)} damaged"
    )
    raise_if_all_bugs(done.failed, len(rows))
    return int(bool(done.failed))
