"""Train the custom model on a folder per person and write it as one ONNX file.

    training/train_face_recognition.py --data DIR --epochs 60

DIR/<person>/[<session>/]<picture>, as `pictures.py` collects them. Faces are found, aligned
and embedded by the same code that the function runs. With folders for sessions, whole
sessions are held out for validation. `--background` takes pictures of people who must stay
unknown; without it strangers are made up. The result, with curves, a confusion matrix and
a model card, lies in `--out`; `make deploy-model` makes it live.

`--fine-tune` trains the embedding network's last stage too, ten times slower than the head.
It has a price: a file of 23 MB instead of some ten KB, and this network run once more for
each face, on top of the one that the online model needs (figures in training/README.md).
With few photos of each person, or without `--background`, the plain head is the better choice.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recognition.embedder import Embedder
from recognition.errors import RecognitionError
from recognition.loading import load_recognizer
from recognition.recognizer import Recognizer
from training.card import ModelCost, write_card
from training.checking import Findings, check, refuse_contradictions
from training.custom import train
from training.dataset import DatasetPicture, read_picture, read_tree
from training.embedding_network import EmbeddingNetwork
from training.export import Parity, check_parity, export, ms_per_face
from training.face_cache import FaceCache
from training.faces import FaceSample, FaceSamples, find_faces
from training.fitting import FitOptions
from training.plots import plot_confusion, plot_curves
from training.trained import STRANGER, Trained
from training.tree import ToolError, complain, folder, pictures_below

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = ("transfer", "scratch")
FINE_TUNED = "transfer-fine-tuned"


def write(trained: Trained, out: Path, arch: str, options: FitOptions) -> tuple[Path, Parity]:
    """Write `custom.onnx` and what explains it into `out`; the model comes last.

    Raises
    ------
    ParityBroken
        When the exported model is not the trained one; nothing is written then.
    """
    created = _now().isoformat(timespec="seconds")
    summary = {**trained.counts, "arch": arch, "seed": options.seed, "created": created}
    exported = export(
        trained.model,
        trained.labels,
        trained.calibration,
        {
            "facelab.created": created,
            "facelab.arch": arch,
            "facelab.training": json.dumps(summary),
        },
    )
    parity = check_parity(trained.model, exported, options.seed, chips=trained.sample_chips)
    out.mkdir(parents=True, exist_ok=True)
    plot_curves(trained.history, out / "curves.png")
    plot_confusion(
        trained.confusion_rows, trained.confusion_columns, trained.confusion, out / "confusion.png"
    )
    cost = ModelCost(len(exported), ms_per_face(exported, trained.sample_chips))
    write_card(trained, arch, options, created, parity, cost, out / "model-card.md")
    path = out / "custom.onnx"
    path.write_bytes(exported)
    return path, parity


def _now() -> datetime:
    """The time, or what `SOURCE_DATE_EPOCH` asks for: builds can then be repeated bit by bit."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)


def report_faces(faces: FaceSamples, recognizer: Recognizer) -> None:
    """One line for each picture that gave no usable face."""
    for path, reason in faces.unreadable.items():
        print(f"  unreadable: {path}: {reason}", file=sys.stderr)
    for picture in faces.without_face:
        degrees = recognizer.turned_by(read_picture(picture.path))
        hint = "" if degrees is None else f" (turn it by {degrees} degrees clockwise)"
        print(f"  no face found: {picture.path}{hint}", file=sys.stderr)
    for picture in faces.several_faces:
        print(f"  several faces, the main one is taken: {picture.path}", file=sys.stderr)


def background_pictures(tree: Path) -> list[DatasetPicture]:
    """Every picture below `tree`, whoever it shows."""
    return [
        DatasetPicture(path, STRANGER, None, path.stem, is_noisy_copy=False)
        for path in pictures_below(tree)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facelab train",
        description=inspect.cleandoc(__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=folder, required=True, help="a folder for each person")
    parser.add_argument("--epochs", type=int, default=60, help="at most; default %(default)s")
    parser.add_argument(
        "--arch", choices=ARCHITECTURES, default="transfer", help="default %(default)s"
    )
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="with transfer: train the embedding network's last stage too; costs a file of 23 MB "
        "and a second run of this network for each face; for few photos choose the plain head",
    )
    parser.add_argument("--background", type=Path, help="pictures of strangers, any folders")
    parser.add_argument(
        "--trust-data",
        action="store_true",
        help="train although a folder seems mixed, or two to show one person (twins)",
    )
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--batch-size", type=int, default=32, help="default %(default)s")
    parser.add_argument("--lr", type=float, default=1e-3, help="Adam's; default %(default)s")
    parser.add_argument(
        "--patience",
        type=int,
        default=15,
        help="epochs without progress (scratch: 5 at most); default %(default)s",
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "training", help="default: out/training"
    )
    parser.add_argument(
        "--models", type=Path, default=ROOT / "build" / "models", help="default: build/models/"
    )
    parser.add_argument("--json", action="store_true", help="JSON, and nothing else on stdout")
    return parser


def read_faces(
    options: argparse.Namespace, recognizer: Recognizer
) -> tuple[dict[str, list[FaceSample]], list[FaceSample], Findings]:
    """Faces by person id, those of strangers, and what is doubtful about them, which is told.

    Raises
    ------
    ToolError
        When `--data` has no folders with pictures, or they contradict each other and nobody said
        `--trust-data`.
    """
    tree = read_tree(options.data)
    cache = FaceCache(options.models)
    cache.drop_old()
    faces = find_faces(
        recognizer, [p for person in tree.values() for p in person], "find faces", cache
    )
    report_faces(faces, recognizer)
    background = FaceSamples()
    if options.background:
        pictures = background_pictures(options.background)
        background = find_faces(recognizer, pictures, "find strangers' faces", cache)
    people: dict[str, list[FaceSample]] = {person: [] for person in tree}
    for sample in faces.samples:
        people[sample.picture.person_id].append(sample)
    findings = check(people, background.samples)
    for line in findings.doubts:
        print(f"train_face_recognition: careful: {line}", file=sys.stderr)
    if options.trust_data:
        for line in findings.contradictions:
            print(f"train_face_recognition: trusted: {line}", file=sys.stderr)
    else:
        refuse_contradictions(findings)
    return people, background.samples, findings


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train and write; what came of it.

    Raises
    ------
    ToolError
        When the pictures do not do.
    RecognitionError
        When the networks can't be used.
    """
    fit_options = FitOptions(
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.lr,
        patience=options.patience,
        seed=options.seed,
    )
    recognizer = load_recognizer(options.models)
    people, strangers, findings = read_faces(options, recognizer)
    weights = options.models / "embedding.onnx"
    trained = train(
        Embedder(weights),
        people,
        strangers,
        fit_options,
        options.arch,
        network=EmbeddingNetwork.from_file(weights) if options.fine_tune else None,
    )
    arch = FINE_TUNED if options.fine_tune else options.arch
    path, parity = write(trained, options.out, arch, fit_options)
    return {
        "model": str(path),
        "people": trained.labels,
        "left_out": sorted(set(people) - set(trained.labels)),
        "epochs": len(trained.history),
        "best_epoch": trained.history.best_epoch + 1,
        "epochs_of_each": [str(history) for history in trained.histories],
        "accept": trained.calibration.accept,
        "known_named": trained.calibration.known_named,
        "strangers_named": trained.calibration.strangers_named,
        "parity": parity.largest_difference,
        "contradictions": findings.contradictions,
        "doubts": findings.doubts,
        "warnings": trained.calibration.warnings,
    }


def in_words(summary: dict[str, Any]) -> str:
    """The summary for people."""
    path = Path(summary["model"])
    lines = [
        f"{len(summary['people'])} people, epochs: {'; '.join(summary['epochs_of_each'])}",
        *(
            [f"left out, without a face: {', '.join(summary['left_out'])}"]
            if summary["left_out"]
            else []
        ),
        f"accept from {summary['accept']:.2f}: {summary['known_named']:.1%} of "
        f"known faces named, {summary['strangers_named']:.2%} of strangers",
        *(f"careful: {line}" for line in summary["warnings"]),
        f"{path} ({path.stat().st_size / 1024:.0f} KB); its card lies beside",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.fine_tune and options.arch != "transfer":
        parser.error("--fine-tune goes with --arch transfer only")
    if options.fine_tune and not options.background:
        print(
            "train_face_recognition: without --background nothing shows where the changed "
            "network puts strangers; measure before you deploy, or train the plain head",
            file=sys.stderr,
        )
    try:
        summary = run(options)
    except (ToolError, RecognitionError) as error:
        return complain(error)
    print(json.dumps(summary) if options.json else in_words(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
