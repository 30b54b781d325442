"""A network of dlib's `dnn` module, read into plain layers, input side first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from weights.dlib_stream import DlibStream

# How deep a layer sits decides what dlib writes first: version numbers, outermost first.
_TAG_OR_SKIP, _ADD_LAYER, _INNERMOST = 1, 2, 3
_MAX_LAYERS = 1000


@dataclass(frozen=True)
class Convolution:
    weights: np.ndarray  # float64 [out, in, height, width]
    bias: np.ndarray  # float64 [out]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class Affine:
    """Per channel `x * gamma + beta`; also what a trained batch normalization is."""

    gamma: np.ndarray
    beta: np.ndarray


@dataclass(frozen=True)
class Pool:
    kind: str  # "max_pool_2" or "avg_pool_2"
    size: tuple[int, int]  # 0 means the whole picture
    stride: tuple[int, int]


@dataclass(frozen=True)
class Dense:
    weights: np.ndarray  # float32 [in, out], no bias


@dataclass(frozen=True)
class Plain:
    """A layer without parameters: `relu_`, `relu_2`, `add_prev_`."""

    kind: str


Layer = Convolution | Affine | Pool | Dense | Plain


@dataclass(frozen=True)
class Network:
    """`mean` is the RGB mean that the input layer subtracts before it divides by 256."""

    mean: tuple[float, float, float]
    layers: tuple[Layer, ...]


def read_metric_network(stream: DlibStream) -> Network:
    """The embedding network: loss_metric_2 over a picture of fixed size."""
    stream.expect(1, "network version")
    if stream.text() != "loss_metric_2":
        raise stream.fail("not a metric network")
    stream.floatings(2)  # margin and distance threshold, for training only
    return _read_layers(stream, fixed_input=True)


def read_detector_network(stream: DlibStream) -> Network:
    """The mmod detector: loss_mmod_ over an image pyramid."""
    stream.expect(1, "network version")
    if stream.text() != "loss_mmod_":
        raise stream.fail("not an mmod network")
    stream.expect(1, "options version")
    stream.integers(2)  # window, 80 x 80
    stream.floatings(7)  # losses and overlap limits; the detector's settings restate these
    return _read_layers(stream, fixed_input=False)


def _read_layers(stream: DlibStream, *, fixed_input: bool) -> Network:
    nesting: list[int] = []
    while not nesting or nesting[-1] != _INNERMOST:
        nesting.append(stream.integer())
        if nesting[-1] not in (_TAG_OR_SKIP, _ADD_LAYER, _INNERMOST) or len(nesting) > _MAX_LAYERS:
            raise stream.fail(f"layer version {nesting[-1]}")
    stream.text()  # name of the input layer
    red, green, blue = stream.floatings(3)
    if fixed_input:
        stream.integers(2)  # 150 x 150
    layers = []
    for version in reversed(nesting):
        if version == _TAG_OR_SKIP:
            continue
        layers.append(_read_layer(stream))
        for _ in range(3):
            stream.boolean()  # training flags
        for _ in range(3):
            stream.tensor()  # gradients and cached output
        if version == _INNERMOST:
            stream.integer()  # sample expansion factor
    stream.finish()
    return Network((red, green, blue), tuple(layers))


def _read_layer(stream: DlibStream) -> Layer:
    kind = stream.text()
    match kind:
        case "con_4" | "con_5":
            return _read_convolution(stream, kind)
        case "affine_":
            values = stream.tensor().ravel().astype(np.float64)
            stream.alias(), stream.alias(), stream.integer()
            return Affine(*np.split(values, 2))
        case "bn_con2":
            return _read_batch_norm(stream)
        case "max_pool_2" | "avg_pool_2":
            sizes = stream.integers(6)
            if sizes[4:] != [0, 0]:
                raise stream.fail("a padded pool")
            return Pool(kind, (sizes[0], sizes[1]), (sizes[2], sizes[3]))
        case "fc_2":
            outputs, inputs = stream.integers(2)
            values = stream.tensor()
            stream.alias(), stream.alias()
            stream.integer()  # bias mode
            stream.floatings(4)
            if values.size != inputs * outputs:
                raise stream.fail("a dense layer with a bias")
            return Dense(values.reshape(inputs, outputs))
        case "relu_2":
            stream.boolean()  # disabled
            return Plain(kind)
        case "relu_" | "add_prev_":
            return Plain(kind)
        case _:
            raise stream.fail(f"unknown layer {kind!r}")


def _read_convolution(stream: DlibStream, kind: str) -> Convolution:
    values = stream.tensor().ravel().astype(np.float64)
    _, _, _, stride_y, stride_x, padding_y, padding_x = stream.integers(7)
    shape, _bias_shape = stream.alias(), stream.alias()
    stream.floatings(4)  # learning rate and weight decay multipliers
    if kind == "con_5":
        stream.boolean()  # use_bias
    count = math.prod(shape)
    bias = values[count:] if values.size > count else np.zeros(shape[0])
    return Convolution(
        values[:count].reshape(shape), bias, (stride_y, stride_x), (padding_y, padding_x)
    )


def _read_batch_norm(stream: DlibStream) -> Affine:
    gamma, beta = np.split(stream.tensor().ravel().astype(np.float64), 2)
    stream.alias(), stream.alias()
    stream.tensor(), stream.tensor()  # statistics of the last batch
    mean = stream.tensor().ravel().astype(np.float64)
    variance = stream.tensor().ravel().astype(np.float64)
    stream.integers(2)  # update counter and window
    stream.floatings(4)
    epsilon = stream.floating()
    gamma = gamma / np.sqrt(variance + epsilon)
    return Affine(gamma, beta - gamma * mean)
