"""What a request says of ground truth and choice of clips, as options that are typed again; and which videos it met."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tbd.evaluate.inputs.pairing import Pairing
from tbd.evaluate.inputs.sources import EvaluationRequest, below
from tbd.recipe import digest


def asked_options(request: EvaluationRequest) -> tuple[str, ...] | None:
    """The options of ``tbd eval`` for the truth and the clips of a request, one word each; ``--shard`` is not of these.

    Returns:
        None where no command says the same: metrics made by a program, or clips that no file names.
    """
    chosen = request.selection
    if request.chosen or (chosen.clips is not None and request.clips_file is None):
        return None
    where = ",".join(f"{key}={value}" for key, value in chosen.where.items())
    said = {
        "--manifest": request.manifest,
        "--reference": request.reference,
        "--pairs": request.pairs,
        "--portraits": request.portraits,
        "--vae": request.vae,
        "--split": request.split,
        "--where": where or None,
        "--clips": request.clips_file,
        "--sample": chosen.sample,
        "--seed": request.seed or None,
        "--limit": chosen.limit,
    }
    words = ["--no-reference"] if request.alone else []
    words += [word for option, value in said.items() if value is not None for word in (option, str(value))]
    words += [word for name, path in request.roots.items() for word in ("--root", f"{name}={path}")]
    return (*words, *(() if request.baselines else ("--no-baselines",)))


def videos_digest(runs: Mapping[str, Path], pairings: Mapping[str, Pairing]) -> str:
    """64 hex digits from the names and sizes of all matched videos: the same on every machine that sees them.

    Args:
        runs: folders by name.
        pairings: by the same names.
    """
    return digest(
        [
            [name, pair.clip_id, below(pair.video, runs[name]), _bytes(pair.video)]
            for name, found in sorted(pairings.items())
            for pair in found.matched
        ]
    )


def _bytes(path: Path | None) -> int:
    """-1 for a link that leads nowhere."""
    return path.stat().st_size if path is not None and path.is_file() else -1
