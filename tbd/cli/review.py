"""``tbd review``: people check the flagged prompts, in the terminal or on a web page."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tbd.cli import options
from tbd.console import document, out, say


class Queue(StrEnum):
    """What is reviewed."""

    flagged = "flagged"
    all = "all"
    audit = "audit"
    disagreements = "disagreements"


def review(
    manifest: Annotated[Path | None, typer.Argument(help="Default: the only manifest in data_manifests/.")] = None,
    web: Annotated[bool, typer.Option("--web", help="A page in the browser instead of the terminal.")] = False,
    host: Annotated[str, typer.Option(help="Anything but the loopback lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    reviewer: Annotated[str | None, typer.Option(metavar="NAME", help="Default: your login name.")] = None,
    queue: Annotated[Queue, typer.Option(help="audit is blind: clean rows, to measure the gates.")] = Queue.flagged,
    where: Annotated[
        str | None, typer.Option(metavar="KEY=VALUE,…", help="flag=many_faces,emotion=anger,level=3,subject=M003")
    ] = None,
    overlap: Annotated[float, typer.Option(min=0, max=1, help="Share of the cards that every reviewer gets.")] = 0.0,
    root: options.Root = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> int:
    """Accept, edit or reject prompts with the keyboard: a, e, x, space, u; ? shows all keys.

    A decision is on disk before the next card shows; ending seals the manifest again.

    Example: tbd review data_manifests/mead --web --reviewer anna
    """
    from tbd import workspace

    folder = _folder(manifest or workspace.only_manifest())
    name = reviewer or _login()
    filters = options.pairs(where, "--where")
    place = next(iter(options.roots(root).values()), None)

    def session(person: str) -> Any:
        from tbd.annotate.gates import GATES, check
        from tbd.review.session import ReviewSession

        codes = {code: gate.meaning for code, gate in GATES.items()}
        return ReviewSession(
            folder, person, queue=queue.value, filters=filters, overlap=overlap, check=check, root=place, codes=codes
        )

    if dry_run:
        return _dry_run(session(name), json)
    if web:
        from tbd.review.web import serve

        if not _left(session(name)):
            say(f"nothing to review in {folder}: the queue {queue.value} is empty")
            return 0
        sealed = serve(session, host=host, port=port, reviewer=reviewer or "")
    else:
        from tbd.review.terminal import run_terminal

        ended = run_terminal(session(name))
        sealed = [ended] if ended else []
    _tell(sealed, json)
    return 0


def _folder(manifest: Path) -> Path:
    from tbd.manifest import locate_manifest

    return locate_manifest(manifest).parent


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"


def _left(session: Any) -> int:
    cards: int = session.progress().left
    session.close()
    return cards


def _dry_run(session: Any, json: bool) -> int:
    from dataclasses import asdict

    progress = session.progress()
    session.close()
    document(asdict(progress)) if json else out(f"{progress.left} cards left of {progress.total}; nothing was decided")
    return 0


def _tell(sealed: list[Any], json: bool) -> None:
    if json:
        document({"sealed": [each.as_json() for each in sealed]})
        return
    for each in sealed:
        out(f"{each.path}: {each.rows} rows, {each.needs_review} need review, {each.approved} approved")
    if not sealed:
        say("the manifest shows every decision already")
