"""What was ``tbd.evaluate.networks.syncnet`` before 0.2 is ``tbd.media.syncnet``: one module under both names."""

import sys

from tbd.media import syncnet

sys.modules[__name__] = syncnet
