"""``tbd`` in a process of its own, without pixels: ``python quick_tbd.py annotate …`` reads files by ``fake_examine``."""

import sys

from scripted import fake_examine

from tbd.annotate import examine_pool
from tbd.cli import main, sheets

if __name__ == "__main__":
    examine_pool.examine_clip = fake_examine
    sheets.draw = lambda folder: folder / "sheet.png"
    sys.exit(main(sys.argv[1:]))
