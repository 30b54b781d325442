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
import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from recognition.embedder import Embedder
from recognition.errors import RecognitionError
from recognition.loading import load_recognizer
from training.augment import augmented
from training.calibration import calibrate
from training.card import Cost, write_card
from training.dataset import SUFFIXES, Picture, read_tree, split_validation
from training.embedding_network import EmbeddingNetwork
from training.export import Parity, check_parity, export, ms_per_face
from training.faces import Faces, FaceSample, find_faces
from training.fine_tuning import (
    FineTunedNetwork,
    embeddings_of,
    fit_fine_tuned,
    frozen_features,
)
from training.fitting import FitOptions, make_deterministic
from training.plots import plot_confusion, plot_curves
from training.progress import progress
from training.scratch import ScratchNetwork, crops_of, fit_scratch, nobody
from training.strangers import Spread, made_up_strangers, other_pictures
from training.trained import STRANGER, Trained
from training.transfer import DistanceHead, centres_of, fit_head
from training.tree import ToolError, folder, pictures_below

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = ("transfer", "scratch")
FINE_TUNED = "transfer-fine-tuned"
_VALIDATION_SHARE = 0.25
# Enough variations that one photo becomes a small film, few enough for a large dataset.
_VARIATIONS_OF_ALL, _VARIATIONS_AT_MOST = 2400, 48
_CALIBRATION_STRANGERS = 4000
_SAMPLE_CHIPS = 24


class TooFewFaces(ToolError):
    """Nobody is left to train on after faces were searched for."""


@dataclass(frozen=True)
class FaceSet:
    """Faces with their variations: chips [n], embeddings [n, 128], owners [n]."""

    chips: list[np.ndarray]
    embeddings: np.ndarray
    owners: np.ndarray

    def __len__(self) -> int:
        return len(self.chips)


def train(
    embedder: Embedder,
    people: dict[str, list[FaceSample]],
    background: list[FaceSample],
    options: FitOptions,
    arch: str = "transfer",
    validation_share: float = _VALIDATION_SHARE,
    network: EmbeddingNetwork | None = None,
) -> Trained:
    """Train on faces by person id; `background` are strangers' faces. With a `network`, the
    head is trained together with its last stage, which is changed in place.

    Raises
    ------
    TooFewFaces
    """
    labels = sorted(person for person, samples in people.items() if samples)
    if not labels:
        raise TooFewFaces("no face was found in any picture; nothing to train on")
    make_deterministic(options.seed)
    random = np.random.default_rng(options.seed)
    train_samples, held_out = [], []
    for owner, person in enumerate(labels):
        kept, validated = _split(people[person], validation_share, options.seed)
        train_samples += [(sample, owner) for sample in kept]
        held_out += [(sample, owner) for sample in validated]
    variations = int(np.clip(_VARIATIONS_OF_ALL // len(train_samples), 2, _VARIATIONS_AT_MOST))
    train_set = _face_set(embedder, train_samples, variations, random)
    validation_set = _face_set(embedder, held_out, 3, random, "vary held-out faces")
    strange = _face_set(embedder, [(sample, 0) for sample in background], 3, random)
    # Calibration must not see the strangers that the fit saw.
    half = (len(strange) // 2 // 4) * 4
    if network is not None:
        sets = (train_set, validation_set, strange)
        parts = [frozen_features(network, one.chips, "frozen part") for one in sets]
        model, history = fit_fine_tuned(
            network,
            (parts[0], train_set.owners),
            (parts[1], validation_set.owners),
            parts[2][:half],
            len(labels),
            options,
        )
        train_set, validation_set, strange = (
            replace(one, embeddings=embeddings_of(network, part))
            for one, part in zip(sets, parts, strict=True)
        )
    elif arch == "transfer":
        model, history = fit_head(
            (train_set.embeddings, train_set.owners),
            (validation_set.embeddings, validation_set.owners),
            strange.embeddings[:half],
            len(labels),
            options,
        )
    else:
        model, history = fit_scratch(
            (train_set.chips[:: variations + 1], train_set.owners[:: variations + 1]),
            (validation_set.chips, validation_set.owners),
            strange.chips[:half],
            len(labels),
            options,
        )
    known, nobody_at_all = _calibration_scores(
        # Of a fine-tuned network, the sets hold its own embeddings by now.
        model.head if isinstance(model, FineTunedNetwork) else model,
        train_set,
        validation_set,
        strange.embeddings[half:],
        strange.chips[half:],
        random,
    )
    probabilities, owners = known
    calibration = calibrate(probabilities, owners, nobody_at_all)
    return Trained(
        model=model,
        labels=labels,
        history=history,
        calibration=calibration,
        confusion=_confusion(probabilities, owners, nobody_at_all, calibration.accept),
        counts={
            "people": len(labels),
            "pictures_trained_on": len(train_samples),
            "pictures_held_out": len(held_out),
            "variations_of_each": variations,
            "background_pictures": len(background),
        },
        sample_chips=train_set.chips[:: max(1, len(train_set) // _SAMPLE_CHIPS)][:_SAMPLE_CHIPS],
    )


def _split(
    samples: list[FaceSample], share: float, seed: int
) -> tuple[list[FaceSample], list[FaceSample]]:
    by_path = {sample.picture.path: sample for sample in samples}
    parts = split_validation([sample.picture for sample in samples], share, seed)
    kept, held_out = ([by_path[picture.path] for picture in part] for part in parts)
    return kept, held_out


def _face_set(
    embedder: Embedder,
    samples: list[tuple[FaceSample, int]],
    variations: int,
    random: np.random.Generator,
    what: str = "vary faces",
) -> FaceSet:
    """Each sample as it is, followed by its variations."""
    chips, embeddings, owners = [], [], []
    for sample, owner in progress(samples, what):
        chips.append(sample.chip)
        embeddings.append(sample.embedding)
        for _ in range(variations):
            chips.append(augmented(sample.chip, random))
            embeddings.append(embedder.embed(chips[-1]))
        owners += [owner] * (variations + 1)
    return FaceSet(chips, np.array(embeddings, np.float32).reshape(-1, 128), np.array(owners, int))


def _calibration_scores(
    model: DistanceHead | ScratchNetwork,
    train_set: FaceSet,
    validation_set: FaceSet,
    strange: np.ndarray,
    strange_chips: list[np.ndarray],
    random: np.random.Generator,
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """((probabilities of known faces, owners), probabilities of strangers).

    Strangers are the background's, made-up ones, and every person in turn: to a model
    without them, they would be strangers.
    """
    known = validation_set if len(validation_set) else train_set
    if isinstance(model, DistanceHead):
        spread = Spread()
        # Around where the people's faces lie, which is not where the fit has moved its centres.
        centres = centres_of(train_set.embeddings, train_set.owners, len(model.centres))
        made_up = made_up_strangers(centres, _CALIBRATION_STRANGERS, spread, random)
        faces = known.embeddings
        if known is train_set:
            faces = other_pictures(faces, spread, random)
        inputs = torch.from_numpy(faces)
        strangers = torch.from_numpy(np.concatenate([made_up, strange]))
        every_one = torch.from_numpy(np.concatenate([train_set.embeddings, known.embeddings]))
    else:
        made_up = [nobody(train_set.chips, train_set.owners, random) for _ in range(200)]
        inputs, every_one = crops_of(known.chips), crops_of(known.chips)
        strangers = crops_of([*made_up, *strange_chips])
    probabilities = _probabilities(model, inputs)
    left_out = _left_out(
        _probabilities(model, every_one),
        np.concatenate([train_set.owners, known.owners])
        if isinstance(model, DistanceHead)
        else known.owners,
    )
    return (probabilities, known.owners), np.concatenate(
        [_probabilities(model, strangers), left_out]
    )


def _probabilities(model: torch.nn.Module, inputs: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        answers = [model(part).exp().numpy() for part in inputs.split(256)]
    return np.concatenate(answers)[:, :-1]


def _left_out(probabilities: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """What the model would say to each face if its person's column did not exist."""
    if probabilities.shape[1] < 2:
        return np.zeros((0, probabilities.shape[1]))
    rows = np.arange(len(owners))
    rest = np.maximum(1.0 - probabilities[rows, owners], 1e-9)
    others = probabilities / rest[:, None]
    others[rows, owners] = 0.0
    # Where the person had all of the probability, what is left is rounding.
    return others[rest > 1e-4]


def _confusion(
    known: np.ndarray, owners: np.ndarray, strangers: np.ndarray, accept: float
) -> np.ndarray:
    """Counts [people + strangers, people + unknown] of single faces."""
    people = known.shape[1]
    counts = np.zeros((people + 1, people + 1), int)
    for probabilities, rows in ((known, owners), (strangers, np.full(len(strangers), people))):
        named = np.where(probabilities.max(1) >= accept, probabilities.argmax(1), people)
        np.add.at(counts, (rows, named), 1)
    return counts


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
    cost = Cost(len(exported), ms_per_face(exported, trained.sample_chips))
    write_card(trained, arch, options, created, parity, cost, out / "model-card.md")
    path = out / "custom.onnx"
    path.write_bytes(exported)
    return path, parity


def _now() -> datetime:
    """The time, or what `SOURCE_DATE_EPOCH` asks for: builds can then be repeated bit by bit."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)


def report_faces(faces: Faces) -> None:
    """One line for each picture that gave no usable face."""
    for path, reason in faces.unreadable.items():
        print(f"  unreadable: {path}: {reason}", file=sys.stderr)
    for picture in faces.without_face:
        print(f"  no face found: {picture.path}", file=sys.stderr)
    for picture in faces.several_faces:
        print(f"  several faces, the main one is taken: {picture.path}", file=sys.stderr)


def background_pictures(tree: Path) -> list[Picture]:
    """Every picture below `tree`, whoever it shows."""
    return [
        Picture(path, STRANGER, None, path.stem, is_noisy_copy=False)
        for path in pictures_below(tree, SUFFIXES)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="training/train_face_recognition.py",
        description=__doc__,
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
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--batch-size", type=int, default=32, help="default %(default)s")
    parser.add_argument("--lr", type=float, default=1e-3, help="Adam's; default %(default)s")
    parser.add_argument(
        "--patience", type=int, default=15, help="epochs without progress; default %(default)s"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "training", help="default: out/training"
    )
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    return parser


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
    fit_options = FitOptions(
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.lr,
        patience=options.patience,
        seed=options.seed,
    )
    try:
        recognizer = load_recognizer(options.models)
        tree = read_tree(options.data)
        faces = find_faces(
            recognizer, [p for person in tree.values() for p in person], "find faces"
        )
        report_faces(faces)
        people: dict[str, list[FaceSample]] = {person: [] for person in tree}
        for sample in faces.samples:
            people[sample.picture.person_id].append(sample)
        background = Faces()
        if options.background:
            background = find_faces(
                recognizer, background_pictures(options.background), "find strangers' faces"
            )
        weights = options.models / "embedding.onnx"
        network = EmbeddingNetwork.from_file(weights) if options.fine_tune else None
        trained = train(
            Embedder(weights),
            people,
            background.samples,
            fit_options,
            options.arch,
            network=network,
        )
        arch = FINE_TUNED if options.fine_tune else options.arch
        path, parity = write(trained, options.out, arch, fit_options)
    except (ToolError, RecognitionError) as error:
        print(f"train_face_recognition: {error}", file=sys.stderr)
        return 2
    left_out = sorted(set(tree) - set(trained.labels))
    summary = {
        "model": str(path),
        "people": trained.labels,
        "left_out": left_out,
        "epochs": len(trained.history),
        "best_epoch": trained.history.best_epoch + 1,
        "accept": trained.calibration.accept,
        "known_named": trained.calibration.known_named,
        "strangers_named": trained.calibration.strangers_named,
        "parity": parity.largest_difference,
    }
    if options.json:
        print(json.dumps(summary))
        return 0
    print(
        f"{len(trained.labels)} people, {summary['epochs']} epochs (best {summary['best_epoch']})"
    )
    if left_out:
        print(f"left out, without a face: {', '.join(left_out)}")
    print(
        f"accept from {trained.calibration.accept:.2f}: {trained.calibration.known_named:.1%} of "
        f"known faces named, {trained.calibration.strangers_named:.2%} of strangers"
    )
    print(f"{path} ({path.stat().st_size / 1024:.0f} KB); its card lies beside")
    return 0


if __name__ == "__main__":
    sys.exit(main())
