"""dlib's mmod face detector (max-margin object detection, a plain CNN) as ONNX."""

from __future__ import annotations

from weights.dlib_network import Affine, Convolution, Plain, read_detector_network
from weights.dlib_stream import DlibStream
from weights.errors import MalformedSource
from weights.onnx_graph import Graph


def convert(data: bytes, name: str) -> bytes:
    """The `.dat` file's bytes as an ONNX model for one pyramid level.

    Input `pictures`: uint8 [n, height, width, 3], RGB. Output `scores`: float32
    [n, 1, rows, columns]: how much the 80x80 window around (8 column + 14, 8 row + 14)
    looks like a face; above 0 is dlib's own decision.

    Raises
    ------
    MalformedSource
    """
    network = read_detector_network(DlibStream(data, name))
    layers = list(network.layers)
    graph = Graph("dlib_mmod_face_detector")
    value = graph.rgb_picture("pictures")
    mean: tuple[float, float, float] | None = network.mean
    while len(layers) > 1:
        convolution, affine, relu = layers[:3]
        if not (
            isinstance(convolution, Convolution)
            and isinstance(affine, Affine)
            and isinstance(relu, Plain)
        ):
            raise MalformedSource(f"{name}: not the layers of the mmod face detector")
        value = graph.node("Relu", graph.convolution(value, convolution, affine, mean))
        mean = None
        del layers[:3]
    if not isinstance(layers[0], Convolution):
        raise MalformedSource(f"{name}: the detector does not end in a convolution")
    scores = graph.single_channel_convolution(value, layers[0])
    graph.node("Identity", scores, name="scores")
    return graph.to_bytes(
        ("pictures", ["n", "height", "width", 3]), ("scores", ["n", 1, "rows", "columns"])
    )
