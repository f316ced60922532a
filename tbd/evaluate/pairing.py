"""What was ``tbd.evaluate.pairing`` before 0.2 is ``tbd.evaluate.inputs.pairing``: one module under both names."""

import sys

from tbd.evaluate.inputs import pairing

sys.modules[__name__] = pairing
