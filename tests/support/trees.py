"""Dataset trees of empty files: layouts read names only."""

from itertools import product
from pathlib import Path

EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")


def plant(root: Path, *names: str, content: bytes = b"") -> Path:
    """Make files, with their folders, below ``root``."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def mead(root: Path, speakers=("M003", "W009"), views=("front",), emotions=EMOTIONS, takes=(1, 2)) -> Path:
    """The tree of the release: neutral at level 1 only, the others at three levels."""
    names = [
        f"{speaker}/video/{view}/{emotion}/level_{level}/{take:03d}.mp4"
        for speaker, view, emotion in product(speakers, views, emotions)
        for level in ((1,) if emotion == "neutral" else (1, 2, 3))
        for take in takes
    ]
    return plant(root, *names)


def hdtf(root: Path, people=25, pieces=1, subset="WDA") -> Path:
    """``WDA_PersonAa_000.mp4`` and so on."""
    names = [
        f"{subset}_Person{chr(65 + n // 26)}{chr(97 + n % 26)}_{i:03d}.mp4"
        for n in range(people)
        for i in range(pieces)
    ]
    return plant(root, *names)
