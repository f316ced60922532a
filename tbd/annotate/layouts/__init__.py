"""The datasets that ``tbd`` knows by their files. To add one, write a module with ``LAYOUT`` and name it here."""

from tbd.annotate.layouts import crema_d, folder, hdtf, mead, ravdess
from tbd.annotate.layouts.base import Layout

LAYOUTS: dict[str, Layout] = {module.LAYOUT.name: module.LAYOUT for module in (mead, hdtf, ravdess, crema_d, folder)}
"""Every layout by its name, in the order in which they are described."""
