"""``python -m tbd`` is the same program as ``tbd``."""

import sys

from tbd.cli import main

sys.exit(main())
