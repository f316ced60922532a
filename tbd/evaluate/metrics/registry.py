"""Which metrics there are, which a suite asks for, and which this machine can compute."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbd import weights, workspace
from tbd.catalogue import Weights
from tbd.errors import UsageError
from tbd.evaluate import metrics as package
from tbd.evaluate.metrics.base import Metric

KEYS = (
    *("psnr", "ssim", "lpips", "cpbd", "fid", "kid", "fvd", "sync_conf", "sync_dist", "sync_offset", "csim", "m_lmd"),
    *("f_lmd", "emotion_accuracy", "au_f1", "emo_fid", "fd_expression", "lip_dynamics", "brow_dynamics"),
    *("head_dynamics", "head_pose", "still_lips", "blink_rate", "style_identity", "style_expression"),
)
"""Keys of ``scores.json`` in the order of every table."""

DRAWN = ("au_mae", "au_corr", "mouth_corr", "identity")
"""Keys that only drawn data has; no part of ``all``."""

ALL, SUITES, PROTOCOLS = "all", "evaluate/suites", "evaluate/protocols"
SETTINGS = {"align": ("canvas", "crop", "face"), "length": ("strict", "truncate", "resample")}
SETTINGS |= {"region": ("full", "face", "mouth")}


@functools.cache
def known() -> dict[str, tuple[Metric, ...]]:
    """Every metric by its key, in the order of the tables; its protocols, the default first."""
    found: dict[str, list[Metric]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for metric in getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "METRICS", ()):
            found.setdefault(metric.key, []).append(metric)
    order = [*KEYS, *DRAWN, *sorted(found.keys() - {*KEYS, *DRAWN})]
    return {key: tuple(sorted(found[key], key=lambda one: one.by_name_only)) for key in order if key in found}


def choose(names: Iterable[str]) -> tuple[Metric, ...]:
    """Metrics by name, in the order of the tables, one protocol a key.

    Args:
        names: ``all``; a key (``ssim``, its default protocol); ``key@protocol``; or what several keys begin
            with (``sync`` for the three of it, ``sync@joonson`` in that protocol).

    Raises:
        UsageError: there is no such metric or protocol, or two protocols of one key; the message names those
            there are.
    """
    chosen: dict[str, Metric] = {}
    for name in names:
        for metric in _named(name.strip()):
            before = chosen.setdefault(metric.key, metric)
            if before is not metric and name != ALL:
                raise UsageError(
                    f"{metric.key} in two protocols at once: {before.protocol} and {metric.protocol}",
                    next="tbd eval once for each, with another -o DIR",
                )
    return tuple(chosen[key] for key in known() if key in chosen)


def _named(name: str) -> list[Metric]:
    key, _, protocol = name.partition("@")
    usual = [one for one, metrics in known().items() if protocol or not metrics[0].by_name_only]
    keys = usual if key == ALL else [key] if key in known() else [one for one in usual if one.startswith(f"{key}_")]
    if not keys:
        close = difflib.get_close_matches(key, [*known(), ALL], 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known())}"
        raise UsageError(f"no metric {name!r}; {hint}", next="tbd eval --list")
    found = [next((one for one in known()[key] if _has(one, protocol)), None) for key in keys]
    if None in found:
        names = ", ".join(metric.protocol for metric in known()[keys[0]])
        raise UsageError(f"no protocol {name!r}; there are: {names}", next=f"tbd eval --explain {keys[0]}")
    return [metric for metric in found if metric]


def _has(metric: Metric, protocol: str) -> bool:
    return not protocol or metric.protocol.partition("@")[2] == protocol


@dataclass(frozen=True)
class Suite:
    """A named choice of metrics, and how pictures are compared.

    Attributes:
        name: of its file in ``evaluate/suites/``.
        title: what it is for, in one line.
        metrics: as in ``--metrics``.
        settings: ``align``, ``length``, ``region`` where the suite fixes them.
    """

    name: str
    title: str
    metrics: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict)


def suite(name: str) -> Suite:
    """Read a suite: the user's file first, then the shipped one.

    Raises:
        UsageError: there is none of this name, or its file has a mistake.
    """
    names = suites()
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
        raise UsageError(f"no suite {name!r} in {SUITES}/; {hint}", next=f"tbd eval --suite {(close or names)[0]}")
    path = workspace.find(f"{SUITES}/{name}.toml")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
    return _checked(name, path, document)


def suites() -> list[str]:
    """Names of the suites, the user's and the shipped ones."""
    roots = (Path.cwd(), workspace.shipped())
    return sorted({path.stem for root in roots for path in (root / SUITES).glob("*.toml")})


def _checked(name: str, path: Path, document: dict[str, Any]) -> Suite:
    mistakes = [f"{key}: unknown key" for key in document.keys() - {"title", "metrics", *SETTINGS}]
    for key, values in SETTINGS.items():
        if key in document and document[key] not in values:
            mistakes.append(f"{key}: {document[key]!r} is not one of {', '.join(values)}")
    metrics = document.get("metrics")
    if not isinstance(metrics, list) or not metrics or not all(isinstance(one, str) for one in metrics):
        mistakes.append('metrics: a list of names is needed, ["psnr", "ssim"]')
    if mistakes:
        raise UsageError(f"{path}: " + "; ".join(sorted(mistakes)))
    settings = {key: document[key] for key in SETTINGS if key in document}
    return Suite(name, str(document.get("title", name)), tuple(metrics or ()), settings)


@dataclass(frozen=True)
class WeightsSeen:
    """The weights that a metric looks through: every file, and whether all are the published ones."""

    files: tuple[tuple[str, str, bool], ...] = ()

    @property
    def published(self) -> bool:
        """False as soon as one file is not what was published: the score is no real one then."""
        return all(published for _, _, published in self.files)

    def as_record(self) -> dict[str, Any] | None:
        """``{file, sha256, published}`` for ``scores.json``, several files joined by ``+``; None without weights."""
        if not self.files:
            return None
        names, hashes = (" + ".join(column) for column in list(zip(*self.files, strict=True))[:2])
        return {"file": names, "sha256": hashes, "published": self.published}


def lacking(metric: Metric) -> str:
    """Why this machine cannot compute a metric: every missing file with hash, licence and how to get it; else empty."""
    reasons = [_missing(entry) for entry in map(weights.lookup, metric.weights) if weights.find(entry) is None]
    return "; ".join(filter(None, [*reasons, metric.missing()]))


def seen(keys: Sequence[str], folder: Path | None = None) -> WeightsSeen:
    """The files behind catalogue keys that are on this machine; what is not there is left out.

    Settings beside the weights (``config.json``) have no published hash and spoil nothing.

    Args:
        keys: of the catalogue.
        folder: whose files are taken instead of those that are found.
    """
    files = []
    for entry in map(weights.lookup, keys):
        place = folder or weights.find(entry)
        hashed = any(file.sha256 for file in entry.files)
        for file in entry.files if place else ():
            path = place if place and place.is_file() else (place or Path()) / file.name
            published = weights.published(path) or (hashed and not file.sha256)
            files.append((file.name, weights.sha256(path), published))
    return WeightsSeen(tuple(files))


def _missing(entry: Weights) -> str:
    files = ", ".join(f"{file.name} (sha256 {file.sha256 or 'not published'})" for file in entry.files)
    terms = ", non-commercial" if entry.commercial == "no" and "non-commercial" not in entry.licence else ""
    by_hand = "" if entry.hub else f" (not on the Hub: get it from {entry.origin}, then: export TBD_WEIGHTS=FOLDER)"
    how = entry.made or f"tbd weights pull {entry.key}{by_hand}"
    return f"weights missing: {files}; licence: {entry.licence}{terms}; {how}"


def explain(name: str) -> str:
    """The protocol page of a metric.

    Raises:
        UsageError: there is no such metric.
    """
    key = name.partition("@")[0]
    metrics = _named(key)
    for page in dict.fromkeys((key, metrics[0].key, metrics[0].key.partition("_")[0])):
        for root in (Path.cwd(), workspace.shipped()):
            path = root / PROTOCOLS / f"{page}.md"
            if path.is_file():
                return path.read_text(encoding="utf-8")
    return "\n".join(f"{metric.protocol}: {metric.title}; {metric.source}" for metric in known()[metrics[0].key])
