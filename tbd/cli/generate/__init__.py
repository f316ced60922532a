"""``tbd generate``: one talking video, a split of a manifest, a grid, a sweep, or a page."""

from tbd.cli.generate.command import generate

__all__ = ["generate"]
