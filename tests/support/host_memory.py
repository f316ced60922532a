"""Where tensors lie on the host: in a file or in memory of their own, and how much of that there was at most."""

from pathlib import Path

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def lies_in_a_file(tensor):
    """Whether a tensor's first byte is part of a mapped file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, last = line.split()
        first, end = (int(place, 16) for place in span.split("-"))
        if first <= tensor.data_ptr() < end:
            return last.startswith("/")
    return False


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside and lie in no file: ``most`` is the peak, ``now`` what is left."""

    def __init__(self):
        super().__init__()
        self.there, self.most = {}, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        for tensor in tree_iter(found):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "cpu" and tensor.numel():
                self._see(tensor)
        return found

    def _see(self, tensor):
        storage = tensor.untyped_storage()
        if storage._cdata in self.there or lies_in_a_file(tensor):
            return
        self.there[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.most = max(self.most, self.now)

    @property
    def now(self):
        self.there = {key: (held, size) for key, (held, size) in self.there.items() if not held.expired()}
        return sum(size for _, size in self.there.values())
