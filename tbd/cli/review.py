"""``tbd review``: people check the flagged prompts, in the terminal or on a web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tbd.cli import options
from tbd.console import document, out, say
from tbd.errors import UsageError
from tbd.review.kinds import QueueName


def review(
    manifest: Annotated[Path | None, typer.Argument(help="Default: the only manifest in data_manifests/.")] = None,
    web: Annotated[bool, typer.Option("--web", help="A page in the browser instead of the terminal.")] = False,
    host: Annotated[str, typer.Option(help="Anything but the loopback lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    reviewer: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Default: your login name. With --web several: an address each."),
    ] = None,
    queue: Annotated[
        QueueName, typer.Option(help="audit is blind: clean rows, to measure the gates; decided: yours, to change.")
    ] = QueueName.FLAGGED,
    where: Annotated[
        str | None,
        typer.Option(metavar="KEY=VALUE,…", help="flag=many_faces,emotion=angry,level=3,subject=M003,text=jacket"),
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
    names = [name.strip() for name in (reviewer or _login()).split(",") if name.strip()]
    if len(names) != 1 and not (web and names):
        raise UsageError(f"--reviewer {reviewer}: one name; several have an address each", next="--web")
    filters = options.pairs(where, "--where")
    places = _roots(folder, root)

    def session(person: str, folder: Path = folder) -> Any:
        from tbd.annotate.gates import GATES, check
        from tbd.review.session import ReviewSession

        return ReviewSession(
            folder, person, queue=queue, filters=filters, overlap=overlap, check=check, roots=places, gates=GATES
        )

    if dry_run:
        from tbd.manifest.rehearsal import rehearsed

        with rehearsed(folder) as copy:
            return _dry_run(session(names[0], copy), json)
    if web:
        from tbd.review.web.serve import serve_review

        sealed = serve_review(session, host=host, port=port, reviewers=names if reviewer else ())
    else:
        from tbd.review.terminal import run_terminal

        ended = run_terminal(session(names[0]))
        sealed = [ended] if ended else []
    _tell(sealed, json)
    return 0


def _folder(manifest: Path) -> Path:
    from tbd.manifest import locate_manifest

    return locate_manifest(manifest).parent


def _roots(folder: Path, values: list[str] | None) -> dict[str, Path]:
    """``--root`` as a dictionary; a name that no row has would leave every clip where it is not found.

    Raises:
        UsageError: as ``options.roots``, or the manifest has no such dataset.
    """
    given = options.roots(values)
    if given:
        from tbd.manifest import read_manifest

        known = sorted(read_manifest(folder, ["dataset"])["dataset"].unique().to_pylist())
        if unknown := sorted(given.keys() - set(known)):
            first = next(iter(known), "NAME")
            raise UsageError(
                f"--root {unknown[0]}={given[unknown[0]]}: {folder} has no dataset {unknown[0]}, only {', '.join(known)}",
                next=f"--root {first}={given[unknown[0]]}",
            )
    return given


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"


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
