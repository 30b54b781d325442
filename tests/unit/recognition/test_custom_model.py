"""The custom model's file format: what is accepted works, what is not has a reason."""

from __future__ import annotations

import json
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recognition import CustomModel, CustomModelUnusable
from recognition.custom_model import crop_from_chip
from tests.conftest import wait_until

PROPERTIES = {
    "facelab.format": "facelab.custom/1",
    "facelab.labels": json.dumps(["ada", "bob", "cy"]),
    "facelab.accept": "0.8",
    "facelab.candidate": "0.5",
    "facelab.margin": "0.2",
}
WEIGHTS = np.random.default_rng(5).normal(0, 1, (128, 3)).astype(np.float32)


def model_bytes(
    weights: np.ndarray = WEIGHTS,
    last: str = "Softmax",
    input_name: str = "embedding",
    output_name: str = "probabilities",
    **changes: str | None,
) -> bytes:
    properties = {**PROPERTIES, **{f"facelab.{name}": value for name, value in changes.items()}}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", [input_name, "weights"], ["logits"]),
            helper.make_node(last, ["logits"], [output_name]),
        ],
        "custom",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["n", len(weights)])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for name, value in properties.items():
        if value is not None:
            model.metadata_props.add(key=name, value=value)
    return model.SerializeToString()


def crop_model_bytes() -> bytes:
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["crop"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["mean"]),
            helper.make_node("Softmax", ["mean"], ["probabilities"]),
        ],
        "custom",
        [helper.make_tensor_value_info("crop", TensorProto.FLOAT, ["n", 3, 160, 160])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for name, value in PROPERTIES.items():
        model.metadata_props.add(key=name, value=value)
    return model.SerializeToString()


def test_embedding_model_answers():
    model = CustomModel.from_bytes(model_bytes())
    assert model.takes == "embedding"
    assert model.labels == ("ada", "bob", "cy")
    assert model.thresholds.accept == 0.8
    probe = np.random.default_rng(1).normal(0, 0.1, 128).astype(np.float32)
    logits = probe @ WEIGHTS
    expected = np.exp(logits) / np.exp(logits).sum()
    assert model.probabilities(probe, None) == pytest.approx(expected, abs=1e-5)


def test_crop_model_sees_rgb_in_0_to_1():
    model = CustomModel.from_bytes(crop_model_bytes())
    chip = np.zeros((150, 150, 3), np.uint8)
    chip[..., 0] = 255
    answer = model.probabilities(np.zeros(128, np.float32), chip)
    expected = np.exp([1.0, 0.0, 0.0]) / np.exp([1.0, 0.0, 0.0]).sum()
    assert answer == pytest.approx(expected, abs=1e-4)


def test_crop_of_a_wrong_shape_is_a_bug_not_a_resize():
    with pytest.raises(ValueError, match="150x150"):
        crop_from_chip(np.zeros((160, 160, 3), np.uint8))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"text", "not an ONNX model"),
        (model_bytes()[:-200], "facelab.|not an ONNX model"),
        (model_bytes(format="facelab.custom/9"), "format"),
        (model_bytes(labels=None), "missing"),
        (model_bytes(labels="ada,bob,cy"), "malformed"),
        (model_bytes(labels='["ada", "ada", "cy"]'), "distinct"),
        (model_bytes(labels='["ada", "bob"]'), "3 probabilities for 2 labels"),
        (model_bytes(labels='{"ada": 1}'), "not a list"),
        (model_bytes(labels='["\\ud800", "bob", "cy"]'), "not a list of distinct person ids"),
        (model_bytes(labels="[" * 100_000), "malformed"),
        (model_bytes(accept="high"), "malformed"),
        (model_bytes(accept="0.4"), "candidate <= accept"),
        (model_bytes(accept="nan"), "candidate <= accept"),
        (model_bytes(margin=None), "missing"),
        (model_bytes(input_name="pixels"), "exactly one of"),
        (model_bytes(output_name="logits2"), "probabilities"),
        (model_bytes(WEIGHTS[:64]), r"expected float \[n, 128\]"),
        (model_bytes(last="Identity", weights=WEIGHTS + np.inf), "no row of"),
        (model_bytes(last="Exp"), "no row of"),
    ],
)
def test_what_is_not_usable_says_why(data, reason):
    with pytest.raises(CustomModelUnusable, match=reason) as caught:
        CustomModel.from_bytes(data)
    assert "\n" not in str(caught.value)


def looping_model_bytes() -> bytes:
    """A graph that is right in every way and never ends."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["go_on_out"]),
            helper.make_node("Softmax", ["state"], ["state_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["n", 3]),
        ],
        [
            helper.make_tensor_value_info("go_on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_out", TensorProto.FLOAT, ["n", 3]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["embedding", "weights"], ["logits"]),
            helper.make_node("Loop", ["turns", "yes", "logits"], ["probabilities"], body=body),
        ],
        "custom",
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 128])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [
            numpy_helper.from_array(WEIGHTS, "weights"),
            numpy_helper.from_array(np.array(2**62), "turns"),
            numpy_helper.from_array(np.array(True), "yes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for name, value in PROPERTIES.items():
        model.metadata_props.add(key=name, value=value)
    return model.SerializeToString()


def test_a_model_that_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr("recognition.custom_model._TRIAL_S", 0.5)
    with pytest.raises(CustomModelUnusable, match=r"took over 0\.5 s"):
        CustomModel.from_bytes(looping_model_bytes())


def test_a_model_that_ended_is_waited_for_no_longer(monkeypatch):
    monkeypatch.setattr("recognition.custom_model._TRIAL_S", 60)
    CustomModel.from_bytes(model_bytes())
    alarms = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    wait_until(lambda: not any(one.is_alive() for one in alarms), 10, "the alarm's end")


def test_an_output_of_no_columns_is_refused_and_no_index_error():
    model = onnx.load_from_string(model_bytes())
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    with pytest.raises(CustomModelUnusable):
        CustomModel.from_bytes(model.SerializeToString())


def test_model_that_points_to_a_file_outside_is_refused(tmp_path):
    """External data could read any file of the function."""
    (tmp_path / "secret").write_bytes(bytes(128 * 3 * 4))
    model = onnx.load_from_string(model_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(tmp_path / "secret"))
    with pytest.raises(CustomModelUnusable):
        CustomModel.from_bytes(model.SerializeToString())
