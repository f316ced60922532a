"""Networks that are published as ONNX files: one way to open and to run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError

Floats = npt.NDArray[np.float32]
BATCH = 16


def session(path: Path, device: str = "cpu") -> Any:
    """An ``onnxruntime.InferenceSession``; on a GPU where the device is one and this onnxruntime knows it.

    Raises:
        InputError: the file is no ONNX network.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    known = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[*known, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for every way in which a file can be damaged
        words = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not an ONNX network ({words})", next="tbd weights verify") from error


def run(network: Any, pictures: Floats) -> Floats:
    """The first output for ``(n, 3, H, W)`` pictures as ``(n, d)``: in batches, or one by one where the file says so.

    Raises:
        InputError: the network expects other pictures, or has another kind of output.
    """
    (wanted, *_) = network.get_inputs()
    size = 1 if isinstance(wanted.shape[0], int) else BATCH
    try:
        found = [
            network.run(None, {wanted.name: np.ascontiguousarray(pictures[i : i + size], np.float32)})[0]
            for i in range(0, len(pictures), size)
        ]
    except Exception as error:  # likewise
        words = " ".join(str(error).split())[:200]
        raise InputError(f"the ONNX network refuses pictures {pictures.shape[1:]} ({words})") from error
    return np.concatenate(found).reshape(len(pictures), -1)
