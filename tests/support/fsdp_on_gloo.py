"""``tbd`` with gloo's processes declared to be of the kind for which accelerate spreads weights (FSDP): it does so for GPUs alone.

torch's FSDP 2 itself, its collectives and all of ours are the real ones.
"""

import sys

from accelerate import DistributedType
from accelerate.state import PartialState

from tbd.cli import main

if __name__ == "__main__":
    PartialState(cpu=True).distributed_type = DistributedType.MULTI_GPU
    sys.exit(main(sys.argv[1:]))
