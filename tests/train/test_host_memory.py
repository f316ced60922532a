"""What the C library does with memory between steps, in a process of its own: the setting holds as long as the process."""

import subprocess
import sys

FAULTS = """
import ctypes, resource, sys
from tbd.train.host_memory import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.memset.argtypes, libc.free.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t), (ctypes.c_void_p,)
LARGE = 30 << 20

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        held = [libc.malloc(LARGE) for _ in range(4)]
        for one in held:
            libc.memset(one, 1, LARGE)
        for one in held[::-1]:
            libc.free(one)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

done = keep_freed_memory(sys.argv[1])
faults()
print(done, faults())
"""


def _after(device):
    line = [sys.executable, "-c", FAULTS, device]
    done, faults = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
    return done == "True", int(faults)


def test_what_a_step_frees_is_there_for_the_next_step():
    """5 times 120 MB are 150,000 pages of 4 kB (300 where the system gives 2 MB at once)."""
    kept, few = _after("cpu")
    left, many = _after("cuda")
    assert (kept, left) == (True, False)
    assert few < 100 < many
