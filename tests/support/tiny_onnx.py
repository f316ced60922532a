"""Tiny networks in real ONNX files, with the inputs and outputs of the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(path: Path, nodes: list, constants: dict[str, np.ndarray], shape: list, outputs: list[str]) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def linear(path: Path, classes: int, side: int, seed: int = 0, batch: int | str = "n", cells: int = 4) -> Path:
    """``(n, 3, side, side)`` -> ``(n, classes)``: means over ``cells`` x ``cells`` parts, then a random matrix."""
    size = side // cells
    weight = np.random.default_rng(seed).normal(0, 1, (3 * cells * cells, classes))
    nodes = [
        helper.make_node("AveragePool", ["input"], ["pooled"], kernel_shape=[size, size], strides=[size, size]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["output"]),
    ]
    return save(path, nodes, {"weight": weight}, [batch, 3, side, side], ["output"])


def scrfd(path: Path, faces: list[tuple[int, int, float, float]]) -> Path:
    """A detector of 640 x 640 pictures that finds the same faces in all: column, row (of 80), half side, score.

    The points are the middle, and from there 8 pixels left, up, right and down.
    """
    constants, outputs = {}, {}
    for step in (8, 16, 32):
        anchors = (640 // step) ** 2 * 2
        outputs[step] = [np.zeros((anchors, width), np.float32) for width in (1, 4, 10)]
    scores, boxes, points = outputs[8]
    for column, row, half, score in faces:
        anchor = (row * 80 + column) * 2
        scores[anchor], boxes[anchor] = score, half / 8
        points[anchor] = [0, 0, -1, 0, 0, -1, 1, 0, 0, 1]
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    names = []
    for kind in range(3):
        for step in (8, 16, 32):
            name = f"{('score', 'box', 'points')[kind]}{step}"
            constants[f"{name}_"] = outputs[step][kind]
            nodes.append(helper.make_node("Add", [f"{name}_", "nothing"], [name]))
            names.append(name)
    return save(path, nodes, constants | {"zero": np.zeros(())}, [1, 3, 640, 640], names)
