"""``tbd train autoencoder``."""

from __future__ import annotations

from dataclasses import asdict

from tbd.cli import options
from tbd.cli.train.common import (
    Device,
    Manifests,
    Output,
    device_name,
    one_process,
    raise_if_stopped,
    say_what_is_read,
    selection,
    training_recipe,
    until_stopped,
)
from tbd.console import Progress, document, out, progress, say


def autoencoder(
    manifests: Manifests,
    output: Output,
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    seed: options.Seed = None,
    where: options.Where = None,
    clips: options.ClipFile = None,
    root: options.Root = None,
    device: Device = "auto",
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """The image autoencoder, fine-tuned on the approved clips, or a small one from nothing. The same command resumes.

    Eyes and mouth weigh more than the rest. People who are kept back judge it: PSNR of picture, face and mouth, and
    reconstructions.png to look at. Use it with --set weights.vae=DIR; without that the stages take the published one.

    Example: tbd train autoencoder demo/data_manifests/mead --recipe tiny -o demo/checkpoints/autoencoder
    """
    from tbd.train.approved_clips import read_training_clips

    one_process("tbd train autoencoder")
    loaded = training_recipe(recipe, set_, None, seed)
    say_what_is_read(manifests)
    found = read_training_clips(manifests, loaded, 1, selection(where, clips), options.roots(root))
    for line in found.words():
        say(line)
    start = "random weights" if loaded.weights.vae == "random" else loaded.weights.vae
    if dry_run:
        plan = {"clips": len(found.train) + len(found.validation), "steps": loaded.autoencoder.steps,
                "start": start, "trainable": loaded.autoencoder.trainable, "output": str(output)}  # fmt: skip
        document(plan) if json else out("\n".join(f"{key:16}{value}" for key, value in plan.items()))
        return 0
    say(f"loads torch; starts from {start}")
    from tbd.train.autoencoder.trainer import train_autoencoder

    steps = loaded.autoencoder.steps
    with (
        until_stopped("the step") as stopping,
        progress("autoencoder", steps, warm_up=1, quiet=quiet) as bar,
    ):
        ended = train_autoencoder(
            found, loaded, output, device=device_name(device), callback=_FitProgress(bar), stopping=stopping
        )
    if json:
        document(asdict(ended) | {"folder": str(ended.folder)})
    elif ended.quality:
        out(
            f"step {ended.step} of {ended.of}: PSNR {ended.quality.picture:.1f} dB, face {ended.quality.face:.1f}, "
            f"mouth {ended.quality.mouth:.1f}: {output}; next: --set weights.vae={output}"
        )
    if ended.step < ended.of:
        raise_if_stopped(stopping)
    return 0


class _FitProgress:
    """Shows a run on the terminal."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar

    def step(self, step: int, loss: float) -> None:
        self.bar.advance(f"loss {loss:.4f}")

    def note(self, words: str) -> None:
        say(words)
