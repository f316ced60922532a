"""``tbd train``: autoencoder, cache, the two stages, and what this machine makes of them."""

from __future__ import annotations

import typer

from tbd.cli.train import autoencoder, bench, cache, stages

app: typer.Typer = typer.Typer(
    help="Train the two-stage video model on the approved rows of manifests.", no_args_is_help=True
)
for command in (autoencoder.autoencoder, cache.cache, stages.stage1, stages.stage2, bench.bench):
    app.command()(command)
