"""From a folder to its clips: walk once, find the layout, name every clip, say what was found."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tbd import workspace
from tbd.annotate.layouts import LAYOUTS
from tbd.annotate.layouts.base import Layout, Options, Problem, Problems, Tree, has_sound, listed, seconds_of, shown
from tbd.annotate.layouts.folder import EXAMPLE
from tbd.annotate.layouts.ids import made_unique
from tbd.annotate.layouts.tree import walk
from tbd.errors import InputError, UsageError
from tbd.schema import INFO, Clip


@dataclass(frozen=True)
class Scan:
    """A dataset as its files describe it; nothing has been decoded.

    Attributes:
        layout: name of the layout.
        clips: sorted by ``clip_id``, which is unique and safe as a file name.
        problems: what could not be used as it is, gravest first; ``str()`` of each is a line for people.
        notes: what a person should know: counts, licence, numbering.
    """

    layout: str
    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def scan(
    root: Path,
    layout: str = "auto",
    *,
    seed: int = 0,
    windows: bool = True,
    duration: Callable[[Path], float] | None = None,
    sound: Callable[[Path], bool] | None = None,
) -> Scan:
    """Find the clips of a dataset.

    Args:
        root: its folder.
        layout: ``auto``, a name of ``LAYOUTS``, or a name and a variant, ``hdtf:whole``.
        seed: of the windows drawn from HDTF.
        windows: cut HDTF into the paper's windows; False takes whole files.
        duration: path -> seconds, asked only for windows; ``tbd.media.probe`` when not given.
        sound: path -> has a sound stream, asked once a speaker where MEAD's audio folder is there.

    Raises:
        UsageError: there is no such layout or variant.
        InputError: no folder, an empty one, no layout fits, several fit equally, or no clip was found.
    """
    chosen, variant = _chosen(layout)
    problems = Problems()
    tree = walk(Path(root), problems)
    if not tree.files:
        raise InputError(f"{shown(str(root))}: empty; no visible file in it or below it{_lines(problems.listed())}")
    found = chosen or _recognised(tree, problems.listed())
    options = Options(seed, windows, variant, duration or seconds_of, sound or has_sound)
    reading = found.read(tree, options)
    every = sorted([*problems.listed(), *reading.problems], key=lambda problem: -problem.severity)
    if not reading.clips:
        raise InputError(
            f"{shown(str(root))}: no clip in the layout {found.name} ({found.expects}){_lines(every)}",
            next=f"tbd annotate {root} --layout auto" if chosen else None,
        )
    clips = tuple(made_unique(reading.clips))
    return Scan(found.name, clips, tuple(every), (*_notes(clips), *reading.notes, *_licence(found.name)))


def default_where(layout: str) -> Mapping[str, str]:
    """The selection when a user asks for none: MEAD's front camera, else everything."""
    return dict(LAYOUTS[layout].where)


def _chosen(layout: str) -> tuple[Layout | None, str]:
    name, _, variant = layout.partition(":")
    if name == "auto" and not variant:
        return None, ""
    if name not in LAYOUTS:
        raise UsageError(f"no layout {name!r}; there are: auto, {', '.join(LAYOUTS)}", next="--layout auto")
    variants = LAYOUTS[name].variants
    if variant and variant not in variants:
        known = ", ".join(f"{name}:{word} ({what})" for word, what in variants.items()) or "none"
        raise UsageError(f"the layout {name} has no variant {variant!r}; there are: {known}", next=f"--layout {name}")
    return LAYOUTS[name], variant


def _recognised(tree: Tree, problems: list[Problem]) -> Layout:
    """The layout that most media files fit; none and a tie are errors."""
    fits = {name: layout.recognise(tree) for name, layout in LAYOUTS.items()}
    best = max(fits.values())
    winners = [name for name, fit in fits.items() if fit == best]
    if best == 0:
        raise InputError(_no_layout(tree, problems), next=f"write {tree.root}/clips.csv, then tbd annotate {tree.root}")
    if len(winners) > 1:
        raise InputError(
            f"{shown(str(tree.root))}: several layouts fit equally well: {', '.join(winners)}",
            next=f"tbd annotate {tree.root} --layout {winners[0]}",
        )
    return LAYOUTS[winners[0]]


def _no_layout(tree: Tree, problems: list[Problem]) -> str:
    names = tree.media or tree.files
    step = max(1, len(names) // 5)
    tried = "\n".join(f"  {name:9}{layout.expects}" for name, layout in LAYOUTS.items())
    return (
        f"{shown(str(tree.root))}: no layout fits its {len(tree.files):,} files ({len(tree.media):,} of them video or "
        f"pictures)\nfound, for example: {listed(map(shown, names[::step]), 5)}\ntried:\n{tried}\n"
        f"any folder works with a table such as\n{EXAMPLE}{_lines(problems)}"
    )


def _lines(problems: list[Problem]) -> str:
    return "".join(f"\n  {problem}" for problem in problems[:5])


def _notes(clips: tuple[Clip, ...]) -> Iterable[str]:
    yield "emotions: " + _counts(clip.emotion or "unknown" for clip in clips)
    views = Counter(clip.view for clip in clips if clip.view)
    if views:
        yield "views: " + _counts(clip.view or "none" for clip in clips)
    subjects = Counter(clip.subject for clip in clips)
    few, many = min(subjects.values()), max(subjects.values())
    each = f"{few} to {many}" if few < many else str(few)
    yield f"people: {len(subjects)}, with {each} clip{'s' if many > 1 else ''} each"
    flagged = Counter(flag.code for clip in clips for flag in clip.flags if flag.severity > INFO)
    if flagged:
        yield "flagged by the layout: " + ", ".join(f"{count} {code}" for code, count in flagged.most_common())


def _counts(words: Iterable[str]) -> str:
    counts = Counter(words)
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _licence(layout: str) -> Iterable[str]:
    """The notice of the dataset's card, ``data_manifests/cards/<layout>.toml``."""
    try:
        card = workspace.find(f"data_manifests/cards/{layout}.toml")
        yield f"licence: {tomllib.loads(card.read_text(encoding='utf-8'))['notice']}"
    except (InputError, OSError, KeyError, tomllib.TOMLDecodeError):
        return
