"""Writing an ONNX graph node by node, the same bytes on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from weights.dlib_network import Affine, Convolution

OPSET = 17
IR_VERSION = 8  # read by every onnxruntime since 1.10
PIXEL_SCALE = 256.0


class Graph:
    """A graph under construction. Methods return the name of the value they make."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def rgb_picture(self, name: str) -> str:
        """The graph's input, uint8 [n, height, width, 3], as float [n, 3, height, width]."""
        planes = self.node("Transpose", name, perm=[0, 3, 1, 2])
        return self.node("Cast", planes, to=TensorProto.FLOAT)

    def convolution(
        self,
        value: str,
        convolution: Convolution,
        affine: Affine | None = None,
        mean: tuple[float, float, float] | None = None,
    ) -> str:
        """A convolution with the affine layer after it, and the input's normalization
        `(x - mean) / 256` before it, folded in. The latter is exact without padding only.
        """
        weights, bias = convolution.weights, convolution.bias
        if affine is not None:
            weights = weights * affine.gamma[:, None, None, None]
            bias = bias * affine.gamma + affine.beta
        if mean is not None:
            if convolution.padding != (0, 0):
                raise ValueError("the mean can't be folded into a padded convolution")
            # fsum: the same last bit whatever vector unit numpy would have added with.
            shift = [
                math.fsum((kernel * np.array(mean)[:, None, None]).ravel()) for kernel in weights
            ]
            bias = bias - np.array(shift) / PIXEL_SCALE
            weights = weights / PIXEL_SCALE
        padding_y, padding_x = convolution.padding
        return self.node(
            "Conv",
            value,
            self.constant(weights.astype(np.float32)),
            self.constant(bias.astype(np.float32)),
            kernel_shape=weights.shape[2:],
            strides=convolution.stride,
            pads=[padding_y, padding_x, padding_y, padding_x],
        )

    def single_channel_convolution(self, value: str, convolution: Convolution) -> str:
        """The same as `convolution`, for one output channel and zero padding that keeps the
        size. As a transposed convolution with the kernel turned around: onnxruntime computes
        eight channels of a convolution even where only one is wanted (6 ms of 30 here).
        """
        padding_y, padding_x = convolution.padding
        rows, columns = convolution.weights.shape[2:]
        if convolution.stride != (1, 1) or (2 * padding_y + 1, 2 * padding_x + 1) != (
            rows,
            columns,
        ):
            raise ValueError("only a convolution that keeps the size can be turned around")
        turned = convolution.weights[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        return self.node(
            "ConvTranspose",
            value,
            self.constant(turned.astype(np.float32)),
            self.constant(convolution.bias.astype(np.float32)),
            kernel_shape=(rows, columns),
            pads=[padding_y, padding_x, padding_y, padding_x],
        )

    def to_bytes(
        self,
        picture: tuple[str, Sequence[str | int]],
        output: tuple[str, Sequence[str | int]],
    ) -> bytes:
        """The checked model; `picture` and `output` are names with their shapes."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(picture[0], TensorProto.UINT8, list(picture[1]))],
            [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, list(output[1]))],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="facelab",
        )
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)
