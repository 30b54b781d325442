"""Teach the proposal network by the original detector, and write lambda/weights/proposals.onnx.

    training/distill_proposals.py --faces DIR --backgrounds DIR

FACES/<person>/<picture>, any people; BACKGROUNDS has pictures of other things. No labels are
needed: the original says where it sees a face in each made-up scene. How the committed file was
made is in training/README.md; after a change, `python -m weights digests` gives its new digest.

`--check` writes nothing: it says whether the same file comes out that lies at `--out`, and where it
does not (another processor may round otherwise), whether the network is as good on scenes that
neither learned from.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from recognition import RecognitionError, Recognizer, Settings
from recognition.pyramid import brightened
from recognition.runtime import open_session
from training.distillation.likeness import likeness
from training.distillation.network import MEAN, SCALE, ProposalNetwork, fit
from training.distillation.scenes import Material, gather, scene
from training.progress import progress
from training.tree import ToolError, complain, folder, written_whole
from weights.onnx_graph import Graph

ROOT = Path(__file__).resolve().parent.parent
_STUDENT_PX = 128
# How steeply the teacher's score becomes the goal: 0 is its own decision.
_STEEPNESS = 4.0
_UNSEEN_SCENES = 300


def lessons(
    material: Material, detector: Path, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scenes as the student sees them, uint8 [n, 128, 128, 3], and the teacher's opinion of
    every cell, in [0, 1] [n, 29, 29]."""
    teacher, random = open_session(detector), np.random.default_rng(seed)
    pictures = np.zeros((count, _STUDENT_PX, _STUDENT_PX, 3), np.uint8)
    goals = np.zeros((count, 29, 29), np.float32)
    for index in progress(range(count), "scenes"):
        picture = brightened(scene(material, random))
        scores = teacher.run(None, {"pictures": picture[None]})[0][0, 0]
        goals[index] = goal_of(scores)
        size = (_STUDENT_PX, _STUDENT_PX)
        pictures[index] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return pictures, goals


def goal_of(scores: np.ndarray) -> np.ndarray:
    """The teacher's peaks are one cell wide; one beside is near enough for a proposal."""
    widened = cv2.dilate(scores.astype(np.float32), np.ones((3, 3), np.uint8))
    return 1 / (1 + np.exp(-_STEEPNESS * widened))


def export(network: ProposalNetwork) -> bytes:
    """Input `pictures`: uint8 [n, height, width, 3], RGB, half the size the teacher would see.
    Output `scores`: float32 [n, 1, rows, columns], log-odds of a face of 40 px around
    (4 column - 1, 4 row - 1)."""
    graph = Graph("facelab_face_proposals")
    value = graph.node(
        "Sub", graph.rgb_picture("pictures"), graph.constant(np.array(MEAN, np.float32))
    )
    value = graph.node("Mul", value, graph.constant(np.array(1 / SCALE, np.float32)))

    def convolve(layer: torch.nn.Conv2d, value: str, name: str | None = None) -> str:
        assert layer.bias is not None  # noqa: S101  ours all have one
        return graph.node(
            "Conv",
            value,
            graph.constant(layer.weight.detach().numpy()),
            graph.constant(layer.bias.detach().numpy()),
            kernel_shape=layer.kernel_size,
            strides=layer.stride,
            pads=[*layer.padding, *layer.padding],
            name=name,
        )

    for layer in network.convolutions:
        value = graph.node("Relu", convolve(layer, value))
    convolve(network.end, value, "scores")
    return graph.to_bytes(
        ("pictures", ["n", "height", "width", 3]), ("scores", ["n", 1, "rows", "columns"])
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training/distill_proposals.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--faces", type=folder, required=True, help="a folder for each person")
    parser.add_argument("--backgrounds", type=folder, required=True, help="no people in them")
    parser.add_argument("--scenes", type=int, default=3000, help="default %(default)s")
    parser.add_argument("--epochs", type=int, default=9, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--out", type=Path, default=ROOT / "lambda" / "weights" / "proposals.onnx")
    parser.add_argument("--check", action="store_true", help="compare with --out, write nothing")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    # Sums in one order: the same seed gives the same file again.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        recognizer = Recognizer.load(
            options.models, Settings(smallest_face_px=60, max_level_px=100_000)
        )
        material = gather(recognizer, options.faces, options.backgrounds)
        if not material.heads or not material.backgrounds:
            raise ToolError(f"no face in {options.faces}, or no picture in {options.backgrounds}")
        pictures, goals = lessons(
            material, options.models / "detector.onnx", options.scenes, options.seed
        )
        made = export(fit(pictures, goals, options.epochs, options.seed, _say))
        if options.check:
            return _check(made, material, options)
        with written_whole(options.out) as part:
            part.write_bytes(made)
    except (ToolError, RecognitionError, OSError) as error:
        return complain(error)
    _say(f"{options.out}, {time.monotonic() - began:.0f} s")
    return 0


def _check(made: bytes, material: Material, options: argparse.Namespace) -> int:
    """0 where what was made is the file that is used, or as good."""
    if made == options.out.read_bytes():
        print(f"the same file as {options.out}")
        return 0
    unseen = lessons(material, options.models / "detector.onnx", _UNSEEN_SCENES, options.seed + 1)
    found = likeness(made, options.out, unseen)
    compared = "another file than" if found.is_as_good else "worse than, or unlike,"
    print(f"{compared} {options.out}: {found}")
    return 0 if found.is_as_good else 1


def _say(text: str) -> None:
    print(f"distill_proposals: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
