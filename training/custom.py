"""Train the custom model: faces by person in, a calibrated classifier out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from recognition.embedder import Embedder, unit_length
from training.augment import augmented
from training.calibration import (
    OWN_STRANGERS_NAMED_IF_NEEDED,
    STRANGERS_NAMED_IF_NEEDED,
    Calibration,
    calibrate,
)
from training.dataset import split_validation
from training.embedding_network import EmbeddingNetwork
from training.faces import FaceSample
from training.fine_tuning import (
    FineTunedNetwork,
    embeddings_of,
    fit_fine_tuned,
    frozen_features,
)
from training.fitting import FitOptions, History, make_deterministic
from training.progress import progress
from training.scratch import (
    MEMBERS,
    ScratchCommittee,
    ScratchNetwork,
    crops_of,
    fit_scratch,
    strangers_of,
)
from training.strangers import Spread, made_up_strangers, other_pictures
from training.trained import Trained
from training.transfer import DistanceHead, centers_of, fit_head
from training.tree import ToolError

_VALIDATION_SHARE = 0.25
# Enough variations that one photo becomes a small film, few enough for a large dataset.
_VARIATIONS_OF_ALL, _VARIATIONS_AT_MOST = 1200, 48
_CALIBRATION_STRANGERS, _MIXED_STRANGERS = 4000, 400
_SAMPLE_CHIPS = 24
_EMBED_AT_ONCE = 16


class TooFewFaces(ToolError):
    """Nobody is left to train on after faces were searched for."""


@dataclass(frozen=True)
class FaceSet:
    """Faces with their variations: chips [n], embeddings of unit length [n, 128], owners [n]."""

    chips: list[np.ndarray]
    embeddings: np.ndarray
    owners: np.ndarray

    def __len__(self) -> int:
        return len(self.chips)


def train(
    embedder: Embedder | None,
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
        When there is no face in any picture.
    """
    labels = _with_faces(people)
    make_deterministic(options.seed)
    random = np.random.default_rng(options.seed)
    embedder = None if arch == "scratch" else embedder  # which looks at the crops alone
    fitted, trained_on, held_out = [], [], []
    for part in range(MEMBERS if arch == "scratch" else 1):
        train_samples, validated = _split_each(
            [people[person] for person in labels], validation_share, options.seed, part
        )
        variations = int(np.clip(_VARIATIONS_OF_ALL // len(train_samples), 2, _VARIATIONS_AT_MOST))
        sets = _Sets(
            _face_set(embedder, train_samples, variations, random),
            _face_set(embedder, validated, 3, random, "vary held-out faces"),
            _face_set(embedder, [(sample, 0) for sample in background], 3, random),
        )
        own_options = replace(options, seed=options.seed + part)
        fitted.append(_fit(arch, network, sets, len(labels), own_options))
        trained_on += train_samples
        held_out += validated
    calibration, confusion = _calibrated(fitted, _pictures(held_out), arch, random)
    members = [model for model, _, _ in fitted if isinstance(model, ScratchNetwork)]
    return Trained(
        model=ScratchCommittee(members) if members else fitted[0][0],
        labels=labels,
        histories=[history for _, history, _ in fitted],
        calibration=calibration,
        confusion=confusion,
        counts={
            "people": len(labels),
            "pictures_trained_on": _pictures(trained_on),
            "pictures_held_out": _pictures(held_out),
            "variations_of_each": variations,
            "background_pictures": len(background),
        },
        sample_chips=_some(fitted[0][2].train.chips),
    )


def _pictures(samples: list[tuple[FaceSample, int]]) -> int:
    return len({sample.picture.path for sample, _ in samples})


@dataclass(frozen=True)
class _Sets:
    train: FaceSet
    validation: FaceSet
    strange: FaceSet

    @property
    def strangers_to_fit(self) -> int:
        """So many of the first: calibration must not see strangers that the fit saw."""
        return (len(self.strange) // 2 // 4) * 4


_Fitted = tuple[DistanceHead | ScratchNetwork | FineTunedNetwork, History, _Sets]


def _some(chips: list[np.ndarray]) -> list[np.ndarray]:
    """A few of them, evenly."""
    return chips[:: max(1, len(chips) // _SAMPLE_CHIPS)][:_SAMPLE_CHIPS]


def _fit(
    arch: str,
    network: EmbeddingNetwork | None,
    sets: _Sets,
    people: int,
    options: FitOptions,
) -> _Fitted:
    """Fit on all but the strangers after the first ones; (model, history, the sets as the model's
    own network embeds them)."""
    train_set, validation_set, strange = sets.train, sets.validation, sets.strange
    strangers = sets.strangers_to_fit
    if network is not None:
        every = (train_set, validation_set, strange)
        parts = [frozen_features(network, one.chips, "frozen part") for one in every]
        fine_tuned, history = fit_fine_tuned(
            network,
            (parts[0], train_set.owners),
            (parts[1], validation_set.owners),
            parts[2][:strangers],
            people,
            options,
        )
        embedded = (
            replace(one, embeddings=embeddings_of(network, part))
            for one, part in zip(every, parts, strict=True)
        )
        return fine_tuned, history, _Sets(*embedded)
    if arch == "transfer":
        head, history = fit_head(
            (train_set.embeddings, train_set.owners),
            (validation_set.embeddings, validation_set.owners),
            strange.embeddings[:strangers],
            people,
            options,
        )
        return head, history, sets
    scratch, history = fit_scratch(
        (train_set.chips, train_set.owners),
        (validation_set.chips, validation_set.owners),
        strange.chips[:strangers],
        people,
        options,
    )
    return scratch, history, sets


def _calibrated(
    fitted: list[_Fitted], held_out: int, arch: str, random: np.random.Generator
) -> tuple[Calibration, np.ndarray]:
    """Thresholds from `held_out` pictures and the strangers that each fit did not see, and how
    these are confused with them."""
    scores = []
    for model, _, sets in fitted:
        half = sets.strangers_to_fit
        scores.append(
            _calibration_scores(
                # Of a fine-tuned network, the sets hold its own embeddings by now.
                model.head if isinstance(model, FineTunedNetwork) else model,
                sets.train,
                sets.validation,
                sets.strange.embeddings[half:],
                sets.strange.chips[half:],
                random,
            )
        )
    known, strange = zip(*scores, strict=True)
    probabilities, owners = (np.concatenate(parts) for parts in zip(*known, strict=True))
    nobody_at_all = np.concatenate(strange)
    calibration = calibrate(
        probabilities,
        owners,
        nobody_at_all,
        named_if_needed=(
            OWN_STRANGERS_NAMED_IF_NEEDED if arch == "scratch" else STRANGERS_NAMED_IF_NEEDED
        ),
        # Variations of a picture say little that the picture does not.
        pictures=held_out,
        # Strangers made of the people's own faces are not like real ones; made-up embeddings are.
        real_strangers=(len(sets.strange) - half) // 4 if arch == "scratch" else None,
    )
    return calibration, _confusion(probabilities, owners, nobody_at_all, calibration.accept)


def _with_faces(people: dict[str, list[FaceSample]]) -> list[str]:
    labels = sorted(person for person, samples in people.items() if samples)
    if not labels:
        raise TooFewFaces("no face was found in any picture; nothing to train on")
    return labels


def _split_each(
    people: list[list[FaceSample]], share: float, seed: int, part: int
) -> tuple[list[tuple[FaceSample, int]], list[tuple[FaceSample, int]]]:
    """Of each person: samples to train on, and held-out ones, with the person's number."""
    train_samples, held_out = [], []
    for owner, samples in enumerate(people):
        kept, validated = _split(samples, share, seed, part)
        train_samples += [(sample, owner) for sample in kept]
        held_out += [(sample, owner) for sample in validated]
    return train_samples, held_out


def _split(
    samples: list[FaceSample], share: float, seed: int, part: int
) -> tuple[list[FaceSample], list[FaceSample]]:
    by_path = {sample.picture.path: sample for sample in samples}
    parts = split_validation([sample.picture for sample in samples], share, seed, part)
    kept, held_out = ([by_path[picture.path] for picture in part] for part in parts)
    return kept, held_out


def _face_set(
    embedder: Embedder | None,
    samples: list[tuple[FaceSample, int]],
    variations: int,
    random: np.random.Generator,
    what: str = "vary faces",
) -> FaceSet:
    """Each sample as it is, followed by its variations. Without an embedder, these keep the
    embedding of the sample itself."""
    chips, owners = [], []
    for sample, owner in progress(samples, what):
        chips.append(sample.chip)
        chips += [augmented(sample.chip, random) for _ in range(variations)]
        owners += [owner] * (variations + 1)
    own = [sample.embedding for sample, _ in samples]
    embeddings = np.array(own, np.float32).reshape(-1, 128).repeat(variations + 1, axis=0)
    if embedder is not None and chips:
        parts = [chips[i : i + _EMBED_AT_ONCE] for i in range(0, len(chips), _EMBED_AT_ONCE)]
        # A session runs on one thread and leaves the others free.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = pool.map(lambda part: embedder.embed_all(np.array(part)), parts)
            embeddings = np.concatenate([*progress(made, "embed faces", total=len(parts))])
    return FaceSet(chips, unit_length(embeddings), np.array(owners, int))


def _calibration_scores(
    model: DistanceHead | ScratchNetwork,
    train_set: FaceSet,
    validation_set: FaceSet,
    strange: np.ndarray,
    strange_chips: list[np.ndarray],
    random: np.random.Generator,
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """((probabilities of known faces, owners), probabilities of strangers).

    Strangers are the background's, made-up ones, and to a head every person in turn: to a
    model without them, they would be strangers. (Not to the scratch network: where it gives
    its own person 0.99, what is left is rounding, and no threshold can be read from it.)
    """
    known = validation_set if len(validation_set) else train_set
    if isinstance(model, DistanceHead):
        spread = Spread()
        # Around where the people's faces lie, which is not where the fit has moved its centers.
        centers = centers_of(train_set.embeddings, train_set.owners, len(model.centers))
        made_up = made_up_strangers(centers, _CALIBRATION_STRANGERS, spread, random)
        faces = known.embeddings
        if known is train_set:
            faces = other_pictures(faces, spread, random)
        inputs = torch.from_numpy(faces)
        strangers = torch.from_numpy(np.concatenate([made_up, strange]))
        every_one = torch.from_numpy(np.concatenate([train_set.embeddings, known.embeddings]))
    else:
        # Of faces that the fit has not seen: what was made of the others it may know by heart.
        mixed = strangers_of(known.chips, known.owners, _MIXED_STRANGERS, random)
        inputs, strangers = crops_of(known.chips), crops_of([*mixed, *strange_chips])
    named, unknown = _probabilities(model, inputs), _probabilities(model, strangers)
    if isinstance(model, DistanceHead):
        owners = np.concatenate([train_set.owners, known.owners])
        unknown = np.concatenate([unknown, _left_out(_probabilities(model, every_one), owners)])
    return (named, known.owners), unknown


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
