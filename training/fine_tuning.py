"""`--arch transfer --fine-tune`: the embedding network's last residual stage and projection
are trained together with the head, the stage ten times slower.

The rest of the network is frozen, so its features are computed once for each variation.
Strangers are made up as embeddings, as for the plain head, but nothing tells where the
changed network puts the faces of people it never saw. So every face, strangers' too, is held
near its old embedding, and pictures of real strangers (`background`) matter more here than there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from recognition.alignment import CHIP_PX
from training.embedding_network import EmbeddingNetwork, chips_of_crops
from training.fitting import FitOptions, History, Labeled, fit
from training.progress import progress
from training.scratch import crops_of
from training.strangers import Spread, made_up_strangers, other_pictures
from training.transfer import DistanceHead, centers_of

STAGE_RATE = 0.1  # of the head's learning rate
# Weight of the squared distance between a face's old and new embedding, at unit length.
_HOLD = 10.0
_FACES_PER_EPOCH = 600
_BATCH = 32
_NO_FACE = -1


class FineTunedNetwork(nn.Module):
    """float32 crops [n, 3, 160, 160] in [0, 1] to log-probabilities [n, people + 1]."""

    def __init__(self, network: EmbeddingNetwork, head: DistanceHead) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return self.head(self.network(chips_of_crops(crops)))


@dataclass(frozen=True)
class _Moved:
    """Embeddings to be: the face at `rows` [n] of a table of features, moved by `offsets`
    [n, 128]. In the row `_NO_FACE` the offset is a made-up stranger's embedding itself."""

    rows: torch.Tensor
    offsets: torch.Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: torch.Tensor) -> _Moved:
        return _Moved(self.rows[chosen], self.offsets[chosen])

    def split(self, size: int) -> list[_Moved]:
        parts = zip(self.rows.split(size), self.offsets.split(size), strict=True)
        return [_Moved(*part) for part in parts]


class _StageAndHead(nn.Module):
    """What is trained, on a table of frozen `features` and their embeddings from `before`."""

    def __init__(
        self,
        network: EmbeddingNetwork,
        head: DistanceHead,
        features: torch.Tensor,
        before: torch.Tensor,
    ) -> None:
        super().__init__()
        self.network, self.head = network, head
        self._features, self._before = features, before
        self._moved = torch.zeros(())

    def forward(self, examples: _Moved) -> torch.Tensor:
        is_face = examples.rows != _NO_FACE
        rows = examples.rows[is_face]
        embeddings = examples.offsets
        self._moved = torch.zeros(())
        if len(rows):
            faces = functional.normalize(self.network.stage(self._features[rows]), dim=1)
            self._moved = ((faces - self._before[rows]) ** 2).sum(1).mean()
            places = is_face.nonzero(as_tuple=True)
            embeddings = embeddings.index_put(places, embeddings[is_face] + faces)
        return self.head(embeddings)

    def penalty(self) -> torch.Tensor:
        """Of the last batch: how far the head has bent, and the stage has moved faces."""
        return self.head.stiffness() + _HOLD * self._moved


def frozen_features(network: EmbeddingNetwork, chips: list[np.ndarray], what: str) -> torch.Tensor:
    """[n, channels, height, width] of uint8 RGB chips, by the way that inference goes."""
    parts = [
        network.frozen(chips_of_crops(crops_of(chips[start : start + _BATCH])))
        for start in progress(range(0, len(chips), _BATCH), what)
    ]
    return torch.cat(parts) if parts else network.frozen(torch.zeros(0, 3, CHIP_PX, CHIP_PX))


def embeddings_of(network: EmbeddingNetwork, features: torch.Tensor) -> np.ndarray:
    """float32 [n, 128] of unit length, by the stage as it is now."""
    with torch.no_grad():
        raw = torch.cat([network.stage(part) for part in features.split(256)])
        return functional.normalize(raw, dim=1).numpy()


def fit_fine_tuned(
    network: EmbeddingNetwork,
    train: tuple[torch.Tensor, np.ndarray],
    validation: tuple[torch.Tensor, np.ndarray],
    background: torch.Tensor,
    people: int,
    options: FitOptions,
    spread: Spread | None = None,
) -> tuple[FineTunedNetwork, History]:
    """Fit a head and `network`'s last stage, which is changed in place, on (frozen features,
    owners [n]); `background` holds features of real strangers, if there are any."""
    spread = spread or Spread()
    features = torch.cat([train[0], validation[0], background])
    before = embeddings_of(network, features)
    trained, held_out = len(train[0]), len(validation[0])
    head = DistanceHead(centers_of(before[:trained], train[1], people))
    start = head.centers.detach().numpy().copy()
    strange_rows = np.arange(trained + held_out, len(features))
    owners = np.concatenate([train[1], validation[1], np.full(len(strange_rows), people)])

    def examples(rows: np.ndarray, random: np.random.Generator) -> Labeled:
        moves = other_pictures(np.zeros((len(rows), 128), np.float32), spread, random)
        made_up = made_up_strangers(start, len(rows), spread, random)
        no_face = np.full(len(made_up), _NO_FACE)
        if len(strange_rows):
            half = len(made_up) // 2
            no_face[:half] = random.choice(strange_rows, half)
            made_up[:half] = 0.0
        classes = np.concatenate([owners[rows], np.full(len(made_up), people)])
        return Labeled(
            _Moved(
                torch.from_numpy(np.concatenate([rows, no_face])),
                torch.from_numpy(np.concatenate([moves, made_up])),
            ),
            torch.from_numpy(classes.astype(int)),
        )

    def of_epoch(epoch: int) -> Labeled:
        random = np.random.default_rng([options.seed, 4, epoch])
        return examples(random.permutation(trained)[:_FACES_PER_EPOCH], random)

    fixed_rows = np.arange(trained, trained + held_out) if held_out else np.arange(trained)
    fixed_random = np.random.default_rng([options.seed, 5])
    fixed = examples(fixed_random.permutation(fixed_rows)[:_FACES_PER_EPOCH], fixed_random)
    model = _StageAndHead(network, head, features, torch.from_numpy(before))
    groups: list[dict[str, Any]] = [
        {"params": list(head.parameters())},
        {"params": network.trained_weights(), "lr": options.learning_rate * STAGE_RATE},
    ]
    history = fit(model, of_epoch, fixed, options, model.penalty, groups)
    history.held_out = held_out > 0
    return FineTunedNetwork(network, head), history
