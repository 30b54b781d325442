"""From a fitted torch model to the ONNX file that the function loads, and the proof that
both give the same answers.

The graphs are built node by node: they are small, and no exporter's version can change them.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from contract.crops import CROP_PX
from recognition.alignment import CHIP_PX
from recognition.custom_model import FORMAT, CustomModel
from recognition.embedder import EMBEDDING_SIZE
from training.calibration import Calibration
from training.embedding_network import EmbeddingNetwork
from training.fine_tuning import FineTunedNetwork
from training.scratch import DEVIATION, MEAN, SHRINK, ScratchCommittee, ScratchNetwork, crops_of
from training.transfer import DistanceHead
from training.tree import ToolError

PARITY_TOLERANCE = 1e-4
_OPSET, _IR_VERSION = 17, 8


class ParityBroken(ToolError):
    """The exported model answers otherwise than the trained one: a bug, never deploy it."""


@dataclass(frozen=True)
class Parity:
    """Largest difference of any probability over `faces` faces."""

    faces: int
    largest_difference: float


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def first_columns(self, table: str, count: int, output: str) -> None:
        bounds = [self.constant(np.array([value], np.int64)) for value in (0, count, 1)]
        self.add("Slice", table, *bounds, output=output)


def export(
    model: DistanceHead | ScratchCommittee | FineTunedNetwork,
    labels: list[str],
    calibration: Calibration,
    properties: dict[str, str],
) -> bytes:
    """The model as `facelab.custom/1`: probabilities of the labels, thresholds, properties."""
    graph = _Graph()
    name, shape = "crop", [3, CROP_PX, CROP_PX]
    if isinstance(model, DistanceHead):
        name, shape = "embedding", [EMBEDDING_SIZE]
        everybody = graph.add("Softmax", _head(graph, model, name), axis=1)
    elif isinstance(model, FineTunedNetwork):
        logits = _head(graph, model.head, _embedding(graph, model.network))
        everybody = graph.add("Softmax", logits, axis=1)
    else:
        small = _small_crop(graph)
        answers = (_network(graph, member, small) for member in model.members)
        everybody = graph.add("Mean", *(graph.add("Softmax", one, axis=1) for one in answers))
    graph.first_columns(everybody, len(labels), "probabilities")
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "facelab-custom",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(labels)])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="facelab",
    )
    helper.set_model_props(
        proto,
        {
            "facelab.format": FORMAT,
            "facelab.labels": json.dumps(labels),
            "facelab.accept": str(calibration.accept),
            "facelab.candidate": str(calibration.candidate),
            "facelab.margin": str(calibration.margin),
            **properties,
        },
    )
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def _head(graph: _Graph, head: DistanceHead, embedding: str) -> str:
    with torch.no_grad():
        steepness = head.log_steepness.exp().item()
        centers, radius = head.centers.numpy().T, head.radius.numpy()
        unit = graph.add("LpNormalization", embedding, axis=1, p=2)
        turned = graph.add("MatMul", unit, graph.constant(head.turn.numpy()))
    length = graph.add("ReduceSumSquare", turned, axes=[1], keepdims=1)
    reach = np.float32(steepness) * (radius**2 - (centers**2).sum(0))
    towards = graph.add(
        "Gemm",
        turned,
        graph.constant(np.float32(2 * steepness) * centers),
        graph.constant(reach.astype(np.float32)),
    )
    away = graph.add("Mul", length, graph.constant(np.array(steepness, np.float32)))
    scores = graph.add("Sub", towards, away)
    # The column of nobody: a score of 0.
    return graph.add("Pad", scores, graph.constant(np.array([0, 0, 0, 1], np.int64)))


def _embedding(graph: _Graph, network: EmbeddingNetwork) -> str:
    """The crop made a chip again, and the embedding network's own nodes behind it."""
    size = graph.constant(np.array([CHIP_PX, CHIP_PX], np.int64))
    shape = graph.add("Shape", "crop")
    bounds = [graph.constant(np.array([value], np.int64)) for value in (0, 2)]
    whole = graph.add("Concat", graph.add("Slice", shape, *bounds), size, axis=0)
    chip = graph.add("Resize", "crop", "", "", whole, mode="linear")
    values = {network.picture: graph.add("Mul", chip, graph.constant(np.array(255, np.float32)))}
    for name, weight in network.weights.items():
        values[name] = graph.constant(weight.detach().numpy())
    output = ""
    for node in (*network.frozen_nodes, *network.stage_nodes):
        for name in node.input:
            if (pads := network.pads(name)) is not None:
                values[name] = graph.constant(np.array(pads, np.int64))
        told = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        output = graph.add(node.op_type, *(values[name] for name in node.input), **told)
        values[node.output[0]] = output
    return output


def _small_crop(graph: _Graph) -> str:
    sides = [SHRINK, SHRINK]
    small = graph.add("AveragePool", "crop", kernel_shape=sides, strides=sides)
    moved = graph.add("Sub", small, graph.constant(np.array(MEAN, np.float32)))
    return graph.add("Div", moved, graph.constant(np.array(DEVIATION, np.float32)))


def _network(graph: _Graph, network: ScratchNetwork, value: str) -> str:
    with torch.no_grad():
        for convolution, norm in zip(network.features[0::4], network.features[1::4], strict=True):
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = (convolution.weight * scale[:, None, None, None]).numpy()
            bias = (norm.bias - norm.running_mean * scale).numpy()
            value = graph.add(
                "Conv",
                value,
                graph.constant(weight),
                graph.constant(bias),
                pads=[1, 1, 1, 1],
                strides=list(convolution.stride),
            )
            value = graph.add("Relu", value)
            value = graph.add("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
        weight, bias = network.classify.weight.numpy().T, network.classify.bias.numpy()
    value = graph.add("Flatten", graph.add("GlobalAveragePool", value))
    return graph.add("Gemm", value, graph.constant(weight), graph.constant(bias))


def ms_per_face(exported: bytes, chips: Sequence[np.ndarray]) -> float:
    """Median milliseconds that the function's loader needs for one of `chips`, measured now."""
    loaded = CustomModel.from_bytes(exported)
    embedding, took = np.zeros(EMBEDDING_SIZE, np.float32), []
    for chip in chips:
        start = time.perf_counter()
        loaded.probabilities(embedding, chip)
        took.append((time.perf_counter() - start) * 1000.0)
    return statistics.median(took)


def check_parity(
    model: DistanceHead | ScratchCommittee | FineTunedNetwork,
    exported: bytes,
    seed: int,
    faces: int = 64,
    chips: Sequence[np.ndarray] = (),
) -> Parity:
    """Compare torch with what the function's own loader makes of `exported`, on `faces` random
    faces and on `chips`, uint8 RGB [150, 150, 3]. A network that knows faces takes noise for
    nobody whatever its weights are: it needs real ones.

    Raises
    ------
    ParityBroken
    """
    random = np.random.default_rng(seed)
    loaded = CustomModel.from_bytes(exported)
    noise = random.integers(0, 256, (faces, CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
    chips = [*chips, *noise]
    faces = len(chips)
    embeddings = random.normal(0, 0.04, (faces, EMBEDDING_SIZE)).astype(np.float32)
    if isinstance(model, DistanceHead):
        near = model.centers.detach().numpy()
        # Around the people, where probabilities are neither 0 nor 1.
        embeddings += near[random.integers(len(near), size=faces)]
        embeddings *= random.uniform(1.2, 1.7, (faces, 1)).astype(np.float32)
        inputs = torch.from_numpy(embeddings)
    else:
        inputs = crops_of(chips)
    with torch.no_grad():
        ours = model(inputs).exp().numpy()[:, :-1]
    theirs = np.stack(
        [loaded.probabilities(e, chip) for e, chip in zip(embeddings, chips, strict=True)]
    )
    difference = float(np.abs(ours - theirs).max())
    if not difference <= PARITY_TOLERANCE:
        raise ParityBroken(
            f"torch and the exported model differ by {difference:.2g} (at most "
            f"{PARITY_TOLERANCE}); nothing was written"
        )
    return Parity(faces, difference)
