"""``tbd demo``: draws a small dataset and takes it through the stages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbd.cli import options
from tbd.console import document, out, say


def demo(
    folder: Annotated[Path, typer.Argument(help="Workspace of the demo.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other people.")] = 0,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Draw a small MEAD-shaped dataset (nobody real) and annotate it without a model.

    Example: tbd demo
    """
    from tbd.annotate.recipe import AnnotateRecipe
    from tbd.annotate.run import AnnotationRequest, prepare_annotation, run_annotation
    from tbd.cli.annotate import tell
    from tbd.cli.sheets import write_beside
    from tbd.demo.dataset import draw
    from tbd.recipe import load

    clips = draw(folder / "mead", seed=seed)
    say(f"{len(clips)} drawn clips in {folder / 'mead'}")
    recipe = load(AnnotateRecipe, "annotate", None, ["backend.name=facs"])
    request = AnnotationRequest(
        folder / "mead", recipe, folder / "data_manifests" / "mead", split="speaker", quiet=quiet
    )
    summary = run_annotation(prepare_annotation(request))
    summary |= write_beside(request.folder, summary["changed"])
    if json:
        document(summary)
    else:
        tell(summary)
        out(f"look at it:  {request.folder / 'sheet.png'}")
        out(f"read it:     tbd manifest show {request.folder}")
    return 0
