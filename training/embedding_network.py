"""The converted embedding network in torch, read from its ONNX file, so that it can be trained
on and written back.

The nodes are run as they stand in the file: there is no second description of the network
that could differ from the one that inference runs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from recognition.alignment import CHIP_PX
from recognition.errors import ModelsMissing
from training.tree import ToolError

_PICTURE_NODES = ("Transpose", "Cast")


class NotTheEmbeddingNetwork(ToolError):
    """The ONNX file holds another network than `python -m weights build` writes."""


class EmbeddingNetwork(nn.Module):
    """RGB chips, float32 [n, 3, 150, 150] in 0..255, to embeddings [n, 128].

    `frozen` runs everything before the last residual stage (the last one that halves the
    picture), `stage` runs this stage and the projection; only the latter's weights train.
    """

    def __init__(self, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> None:
        super().__init__()
        self._picture, self._stage_input, self._output = _marks(nodes)
        body = [node for node in nodes if node.op_type not in _PICTURE_NODES]
        cut = next(i for i, node in enumerate(body) if self._stage_input in node.output) + 1
        self.frozen_nodes, self.stage_nodes = body[:cut], body[cut:]
        self._pads = {n: v.tolist() for n, v in constants.items() if v.dtype == np.int64}
        trained = {name for node in self.stage_nodes for name in node.input}
        self.weights = nn.ParameterDict(
            {
                name: nn.Parameter(torch.from_numpy(values.copy()), requires_grad=name in trained)
                for name, values in constants.items()
                if name not in self._pads
            }
        )

    @classmethod
    def from_file(cls, path: Path) -> EmbeddingNetwork:
        """Raises `ModelsMissing` without the file, `NotTheEmbeddingNetwork` for another one."""
        if not path.is_file():
            raise ModelsMissing(f"{path} is missing; run `make setup`")
        graph = onnx.load(path).graph
        constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        return cls(list(graph.node), constants)

    @property
    def picture(self) -> str:
        """The value in the nodes that stands for the float chips."""
        return self._picture

    def pads(self, name: str) -> list[int] | None:
        """The constant `name` if it tells a `Pad` node how far to pad."""
        return self._pads.get(name)

    def trained_weights(self) -> list[nn.Parameter]:
        return [weight for weight in self.weights.values() if weight.requires_grad]

    def frozen(self, chips: torch.Tensor) -> torch.Tensor:
        """Features [n, channels, height, width] that go into the stage."""
        with torch.no_grad():
            return self._run(self.frozen_nodes, self._picture, chips, self._stage_input)

    def stage(self, features: torch.Tensor) -> torch.Tensor:
        """Embeddings [n, 128]."""
        return self._run(self.stage_nodes, self._stage_input, features, self._output)

    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        return self.stage(self.frozen(chips))

    def _run(
        self, nodes: list[onnx.NodeProto], source: str, value: torch.Tensor, wanted: str
    ) -> torch.Tensor:
        values = {source: value}
        for node in nodes:
            inputs = [
                values[n] if n in values else self.weights[n]
                for n in node.input
                if n not in self._pads
            ]
            values[node.output[0]] = self._apply(node, inputs)
        return values[wanted]

    def _apply(self, node: onnx.NodeProto, inputs: list[torch.Tensor]) -> torch.Tensor:
        told = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        match node.op_type:
            case "Conv":
                return functional.conv2d(
                    *inputs, stride=tuple(told["strides"]), padding=tuple(told["pads"][:2])
                )
            case "Relu":
                return functional.relu(inputs[0])
            case "Add":
                return inputs[0] + inputs[1]
            case "MaxPool":
                return functional.max_pool2d(inputs[0], told["kernel_shape"], told["strides"])
            case "AveragePool":
                return functional.avg_pool2d(inputs[0], told["kernel_shape"], told["strides"])
            case "Pad":
                # ONNX: all that lies before, then all behind; torch: last axis first.
                pads = self._pads[node.input[1]]
                axes = len(pads) // 2
                pairs = [(pads[axis], pads[axis + axes]) for axis in reversed(range(axes))]
                return functional.pad(inputs[0], [side for pair in pairs for side in pair])
            case "GlobalAveragePool":
                return inputs[0].mean((2, 3), keepdim=True)
            case "Flatten":
                return inputs[0].flatten(1)
            case "MatMul":
                return inputs[0] @ inputs[1]
        raise NotTheEmbeddingNetwork(f"a node {node.op_type!r}; run `make setup` again")


def _marks(nodes: list[onnx.NodeProto]) -> tuple[str, str, str]:
    """The names of the float picture, of the last stage's input, and of the output."""
    casts = [node.output[0] for node in nodes if node.op_type == "Cast"]
    halvings = [node.input[0] for node in nodes if node.op_type == "AveragePool"]
    if len(casts) != 1 or not halvings or nodes[-1].op_type != "MatMul":
        raise NotTheEmbeddingNetwork("not dlib's face network; run `make setup` again")
    return casts[0], halvings[-1], nodes[-1].output[0]


def chips_of_crops(crops: torch.Tensor) -> torch.Tensor:
    """What the custom model's crops [n, 3, 160, 160] in [0, 1] are to this network.

    The way to 160 pixels and back blurs a little; the exported graph goes the same way.
    """
    return 255.0 * functional.interpolate(
        crops, size=(CHIP_PX, CHIP_PX), mode="bilinear", align_corners=False
    )
