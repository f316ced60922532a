"""Keys by their place on keyboards of other scripts.

A terminal tells which character was typed, not which key was pressed (a browser tells both). So the letters
of the common layouts are known here; on others one switches the layout, as for every program of a terminal.
"""

from __future__ import annotations

_LATIN = "qwertyuiopasdfghjklzxcvbnm"
_LAYOUTS = {
    "Russian": "йцукенгшщзфывапролдячсмить",
    "Greek": ";ςερτυθιοπασδφγηξκλζχψωβνμ",
    "Hebrew": "/'קראטוןםפשדגכעיחלךזסבהנמצ",
}
_PLACES = {
    letter: latin
    for layout in _LAYOUTS.values()
    for letter, latin in zip(layout, _LATIN, strict=True)
    if ord(letter) > 127
}
_PLACES |= {"і": "s"}  # Ukrainian


def at_its_place(key: str, character: str | None) -> str:
    """The key of a Latin keyboard at the place where a character of another script was typed; else ``key``."""
    latin = _PLACES.get((character or "").lower())
    if latin is None:
        return key
    return latin.upper() if character and character != character.lower() else latin
