"""Options of ``tbd generate`` that a kind of job would not hear: they are refused, and none is dropped in silence."""

from __future__ import annotations

from tbd.cli.generate.inputs import GenerateOptions
from tbd.errors import UsageError
from tbd.selection import Selection

UNHEARD = {
    "--manifest": (
        "--image",
        "--audio",
        "--emotion",
        "--intensity",
        "--text",
        "--prompt",
        "--grid",
        "--sweep",
        "--web",
    ),
    "--web": ("--image", "--audio", "--emotion", "--intensity", "--prompt", "--grid", "--sweep", "--output"),
    "--grid": ("--emotion", "--intensity", "--prompt", "--sweep"),
    "--prompt": ("--emotion", "--intensity", "--text"),
}
"""Option -> those that it leaves nothing to say; the first that is given counts."""
_WHY = {
    "--manifest": "its rows have their own portraits, speech and prompts",
    "--web": "portrait, speech, emotion and prompts are chosen on the page",
    "--grid": "it shows every emotion at every intensity, and the annotator writes the prompts",
    "--prompt": "prompts by hand are taken as they are",
}


def refuse_unheard(given: GenerateOptions, *, grid: bool, sweep: str | None, web: bool) -> None:
    """Look that every option that was given has something to say.

    Raises:
        UsageError: one has not.
    """
    said = {
        "--image": given.image, "--audio": given.audio, "--emotion": given.emotion, "--intensity": given.intensity,
        "--text": given.text, "--prompt": given.prompts, "--grid": grid, "--sweep": sweep, "--web": web,
        "--manifest": given.manifest, "--output": given.output,
    }  # fmt: skip
    for kind in (name for name in UNHEARD if said[name]):
        if odd := [name for name in UNHEARD[kind] if said[name]]:
            raise UsageError(f"{kind} and {odd[0]}: {_WHY[kind]}", next=f"leave {kind} or {' and '.join(odd)} out")
        break
    if given.manifest is None and given.selection != Selection():
        raise UsageError(
            "--where, --clips, --sample, --limit and --shard choose rows of a manifest, and there is none",
            next="--manifest MANIFEST",
        )


def refuse_fixed(key: str) -> None:
    """Look that a key can differ between the videos of a sweep.

    Raises:
        UsageError: it cannot.
    """
    if key in ("precision", "compile"):
        raise UsageError(
            f"--sweep {key}: all videos of a sweep are made by one network, loaded once",
            next=f"--set {key}=VALUE, once a command",
        )
    if key == "reference":
        raise UsageError("--sweep reference: chooses the portraits of a split; this one is --image", next="--manifest")
