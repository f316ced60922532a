"""One call for a notebook: a video, its ground truth, and numbers with their protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Score:
    """One number of one video.

    Attributes:
        value: None where it cannot be computed; ``reason`` says why.
        protocol: everything that names the number, ``ssim@skimage/size=256``.
        direction: ``higher``, ``lower`` or ``closest`` (to 0) is better.
        n: frames or windows that made it.
        published: it was seen through the published weights, or needs none.
        warnings: codes of what a reader must know (``length``, ``rate``, ``size``, ``scale``, ``shift``, ``mirrored``,
            ``damaged``): see ``tbd.evaluate.outputs.codes``.
        details: what else the metric tells.
    """

    value: float | None
    protocol: str
    direction: str
    n: int
    published: bool = True
    reason: str = ""
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] | None = None

    def __float__(self) -> float:
        """The value; NaN where there is none."""
        return float("nan") if self.value is None else self.value


def evaluate(
    video: str | Path,
    reference: str | Path | None = None,
    metrics: str | Sequence[str] = "quick",
    *,
    align: str = "canvas",
    length: str = "truncate",
    region: str = "full",
    size: int | None = None,
    portrait: str | Path | None = None,
    emotion: str | None = None,
    device: str = "cpu",
) -> dict[str, Score]:
    """Score one video, as ``tbd eval`` would: one decode, the cache, the same numbers.

    Args:
        video: a file.
        reference: the true video; without it, metrics that compare with one say so.
        metrics: a suite (``quick``, ``paper``, ``all``) or names as in ``--metrics`` (``["psnr", "ssim@gray"]``).
        align: ``canvas``, ``crop`` or ``face``: how the two are laid over each other.
        length: ``truncate``, ``resample`` or ``strict``.
        region: ``full``, ``face`` or ``mouth``.
        size: shorter side in pixels to which both are brought.
        portrait: the picture that the video started from, for CSIM.
        emotion: that was asked for, for the emotion accuracy; by its name in ``tbd.schema.EMOTIONS``.
        device: where networks run, ``cpu`` or ``cuda``.

    Returns:
        A ``Score`` for each key (``psnr``, ``ssim`` …), in the order of the tables. Distances between sets (FID,
        FVD) are those of this one clip.

    Raises:
        InputError: a file does not exist.
        UsageError: there is no such metric, suite or setting.
    """
    from tbd.evaluate.engine.cache import ScoreCache
    from tbd.evaluate.engine.one_pass import score
    from tbd.evaluate.inputs.jobs import ClipJob, GroundTruth, RunVideo, Settings
    from tbd.evaluate.inputs.plan import check_settings
    from tbd.evaluate.metrics import registry
    from tbd.evaluate.outputs.scores import signature
    from tbd.media.container import check_readable

    for path in (video, reference, portrait):
        if path is not None:
            check_readable(Path(path))
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    named = registry.suite(names[0]).metrics if len(names) == 1 and names[0] in registry.suites() else names
    chosen = registry.choose(named)
    given = {"align": align, "length": length, "region": region}
    check_settings(given)
    settings = Settings(**given, size=size, device=device)  # type: ignore[arg-type]
    lacks = {metric.key: registry.lacking(metric) for metric in chosen}
    able = tuple(metric for metric in chosen if not lacks[metric.key])
    seen = {metric.protocol: registry.seen(metric.weights) for metric in able}
    truth = GroundTruth(
        {"emotion": emotion} if emotion else None,
        reference=Path(reference) if reference else None,
        portrait=Path(portrait) if portrait else None,
    )
    hashes = {name: [sha for _, sha, _ in one.files] for name, one in seen.items()}
    job = ClipJob(Path(video).stem, truth, (RunVideo("video", "run", Path(video)),), able, settings, hashes)
    with ScoreCache() as cache:
        rows = {row.protocol: row for row in score(job, cache)}
        found = {
            metric.key: _score(rows[metric.protocol], metric, cache, settings, seen[metric.protocol].published)
            for metric in able
        }
    told = vars(settings)
    missing = {
        metric.key: Score(None, signature(metric, told), metric.direction, 0, reason=lacks[metric.key])
        for metric in chosen
        if lacks[metric.key]
    }
    return {metric.key: (found | missing)[metric.key] for metric in chosen}


def _score(row: Any, metric: Any, cache: Any, settings: Any, published: bool) -> Score:
    from dataclasses import replace

    from tbd.evaluate.outputs.codes import ALONE, codes
    from tbd.evaluate.outputs.scores import signature

    value, reason = row.score.value, row.score.reason
    if metric.compares == "sets" and not reason:
        sides = [replace(row.score, features=cache.get(key).features) for key in (row.key, row.reference_key)]
        total = metric.aggregate(sides[:1], sides[1:])
        value, reason = total.value, total.reason
    told = [code for code in codes(row.comparison, vars(settings)) if metric.compares != "nothing" or code in ALONE]
    return Score(
        value, signature(metric, vars(settings)), metric.direction, row.score.n, published, reason, tuple(told),
        row.score.details,
    )  # fmt: skip
