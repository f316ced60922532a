"""``tbd generate``: one talking video, a split of a manifest, a grid, a sweep, or a page."""

from tbd.cli.generate.command import generate_command

__all__ = ["generate_command"]
