"""dlib's face embedding network (a ResNet with 29 layers) as ONNX."""

from __future__ import annotations

from typing import TypeVar, cast

import numpy as np

from weights.dlib_network import Affine, Convolution, Dense, Layer, Network, Plain, Pool
from weights.dlib_network import read_metric_network as _read
from weights.dlib_stream import DlibStream
from weights.errors import MalformedSource
from weights.onnx_graph import Graph

L = TypeVar("L", bound=Layer)

CHIP_PX = 150
_SIZE_AFTER_STEM = 35  # 150 through a 7x7 stride 2 convolution and a 3x3 stride 2 pool


def convert(data: bytes, name: str) -> bytes:
    """The `.dat` file's bytes as an ONNX model.

    Input `chips`: uint8 [n, 150, 150, 3], RGB. Output `embeddings`: float32 [n, 128].

    Raises
    ------
    MalformedSource
    """
    network = _read(DlibStream(data, name))
    return _to_onnx(network, name)


def _to_onnx(network: Network, name: str) -> bytes:
    layers = list(network.layers)
    graph = Graph("dlib_face_embedding")
    value = graph.rgb_picture("chips")
    convolution, affine = _take(layers, name, Convolution), _take(layers, name, Affine)
    _take(layers, name, Plain)
    pool = _take(layers, name, Pool)
    value = graph.node("Relu", graph.convolution(value, convolution, affine, network.mean))
    value = graph.node("MaxPool", value, kernel_shape=pool.size, strides=pool.stride)
    channels, size = convolution.weights.shape[0], _SIZE_AFTER_STEM
    while isinstance(layers[0], Convolution):
        value, channels, size = _block(graph, layers, name, value, channels, size)
    _take(layers, name, Pool)
    dense = _take(layers, name, Dense)
    value = graph.node("Flatten", graph.node("GlobalAveragePool", value))
    weights = graph.constant(dense.weights.astype(np.float32))
    graph.node("MatMul", value, weights, name="embeddings")
    return graph.to_bytes(("chips", ["n", CHIP_PX, CHIP_PX, 3]), ("embeddings", ["n", 128]))


def _block(
    graph: Graph, layers: list[Layer], name: str, value: str, channels: int, size: int
) -> tuple[str, int, int]:
    """One residual block: two convolutions beside a shortcut."""
    first, first_affine = _take(layers, name, Convolution), _take(layers, name, Affine)
    _take(layers, name, Plain)
    second, second_affine = _take(layers, name, Convolution), _take(layers, name, Affine)
    branch = graph.node("Relu", graph.convolution(value, first, first_affine))
    branch = graph.convolution(branch, second, second_affine)
    if isinstance(layers[0], Pool):
        pool = _take(layers, name, Pool)
        value = graph.node("AveragePool", value, kernel_shape=pool.size, strides=pool.stride)
        out_channels = first.weights.shape[0]
        branch_size, pooled_size = (size - 3) // 2 + 1, size // 2
        # dlib adds tensors of different sizes by taking what is missing as zeros.
        value = _pad(graph, value, channels=out_channels - channels)
        branch = _pad(graph, branch, below_and_right=pooled_size - branch_size)
        channels, size = out_channels, pooled_size
    _take(layers, name, Plain)
    _take(layers, name, Plain)
    return graph.node("Relu", graph.node("Add", value, branch)), channels, size


def _pad(graph: Graph, value: str, channels: int = 0, below_and_right: int = 0) -> str:
    if not channels and not below_and_right:
        return value
    pads = np.array([0, 0, 0, 0, 0, channels, below_and_right, below_and_right], np.int64)
    return graph.node("Pad", value, graph.constant(pads))


def _take(layers: list[Layer], name: str, kind: type[L]) -> L:
    """The next layer, which must be of `kind`."""
    if not layers or not isinstance(layers[0], kind):
        raise MalformedSource(f"{name}: not the layers of the 29-layer face network")
    return cast(L, layers.pop(0))
