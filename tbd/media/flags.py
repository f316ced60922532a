"""Flags on a clip that come from its file: how it is shown, what is broken, where the sound has holes."""

from __future__ import annotations

from tbd.media.probe import Probe
from tbd.schema import INFO, WARNING, Flag


def media_flag(code: str, severity: int, message: str) -> Flag:
    """A flag about the medium, not about a text."""
    return Flag(code, severity, message, where="media")


def display_flags(source: Probe) -> list[Flag]:
    """What is changed for showing, and what would have to be and is not."""
    shown, flags = source.display, []
    if shown.transfer or shown.gamut:
        kind = " ".join(filter(None, (shown.transfer, shown.gamut)))
        flags.append(
            media_flag("hdr_colours", WARNING, f"{kind} colours are taken as they are: paler than a player shows")
        )
    if shown.interlaced:
        flags.append(media_flag("interlaced", INFO, "two fields a frame: the upper one is shown, its lines doubled"))
    if shown.transparent:
        flags.append(media_flag("transparent", INFO, "transparent parts show grey"))
    if abs(shown.aspect - 1) > 0.005:
        flags.append(media_flag("stretched", INFO, f"pixels are {shown.aspect:.3f} times as wide as high; made square"))
    return flags


def damage_flags(source: Probe) -> list[Flag]:
    """What is broken, as far as the frames that were looked at have shown."""
    flags = []
    if source.damage:
        flags.append(media_flag("media_damaged", WARNING, source.damage.words(source.fps)))
    if source.sound_holes:
        count = len(source.sound_holes)
        words = f"{count} hole{'s' * (count > 1)} in the sound, {sum(source.sound_holes):.2f} s, made silent"
        flags.append(media_flag("sound_gaps", WARNING, words))
    return flags
