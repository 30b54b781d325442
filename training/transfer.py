"""`--arch transfer`: a trained head on the embedding network that inference runs anyway.

The head keeps a center for each person in a learned turn and stretch of the embedding space,
and compares distances to a radius: far from all centers the remaining probability belongs to
nobody. So "unknown" is a part of the model, and not only a threshold behind it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.fitting import FitOptions, History, Labeled, fit
from training.strangers import Spread, made_up_strangers, other_pictures

EMBEDDING_SIZE = 128
# Where the fit starts: the distance at which one person's embeddings, at unit length, end.
_RADIUS = 0.385
_STEEPNESS = 40.0
# Few pictures must not bend the space that three million faces have shaped.
_STIFFNESS = 2.0
_STRANGERS_PER_FACE = 1.0


class DistanceHead(nn.Module):
    """float32 embeddings [n, 128] to log-probabilities [n, people + 1]; the last is nobody.

    Embeddings are scaled to unit length first, here and in the exported graph; `centers` lie
    among such ones.
    """

    def __init__(self, centers: np.ndarray) -> None:
        super().__init__()
        size = centers.shape[1]
        self.turn = nn.Parameter(torch.eye(size))
        self.centers = nn.Parameter(torch.tensor(centers, dtype=torch.float32))
        self.radius = nn.Parameter(torch.full((len(centers),), _RADIUS))
        self.log_steepness = nn.Parameter(torch.tensor(float(np.log(_STEEPNESS))))

    def scores(self, embeddings: torch.Tensor) -> torch.Tensor:
        """[n, people]: above 0 inside a person's radius, below outside."""
        turned = functional.normalize(embeddings, dim=1) @ self.turn
        # |a - b|² written out, as the exported graph computes it.
        squared = (
            (turned**2).sum(1, keepdim=True)
            - 2.0 * turned @ self.centers.T
            + (self.centers**2).sum(1)
        )
        return self.log_steepness.exp() * (self.radius**2 - squared)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        scores = self.scores(embeddings)
        nobody = torch.zeros(len(scores), 1)
        return torch.log_softmax(torch.cat([scores, nobody], dim=1), dim=1)

    def stiffness(self) -> torch.Tensor:
        return _STIFFNESS * ((self.turn - torch.eye(len(self.turn))) ** 2).sum()


def centers_of(embeddings: np.ndarray, owners: np.ndarray, people: int) -> np.ndarray:
    """[people, 128]: a mean without the worst quarter, so that one wrong picture does not count."""
    centers = []
    for person in range(people):
        own = embeddings[owners == person]
        median = np.median(own, axis=0)
        distance = np.linalg.norm(own - median, axis=1)
        kept = np.argsort(distance, kind="stable")[: max(1, int(np.ceil(0.75 * len(own))))]
        centers.append(own[kept].mean(0))
    return np.array(centers, np.float32)


def fit_head(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    background: np.ndarray,
    people: int,
    options: FitOptions,
    spread: Spread | None = None,
) -> tuple[DistanceHead, History]:
    """Fit a head on (embeddings of unit length [n, 128], owners [n]), with strangers made up
    and given.

    `background` [m, 128] holds faces of real strangers, if there are any.
    """
    spread = spread or Spread()
    embeddings, owners = train
    head = DistanceHead(centers_of(embeddings, owners, people))
    start = head.centers.detach().numpy().copy()

    def examples(part: tuple[np.ndarray, np.ndarray], random: np.random.Generator) -> Labeled:
        faces, persons = part
        moved = other_pictures(faces, spread, random)
        count = max(1, round(_STRANGERS_PER_FACE * len(faces)))
        nobody = made_up_strangers(start, count, spread, random)
        if len(background):
            nobody[: count // 2] = background[random.integers(len(background), size=count // 2)]
        return Labeled(
            torch.from_numpy(np.concatenate([moved, nobody])),
            torch.from_numpy(np.concatenate([persons, np.full(len(nobody), people)]).astype(int)),
        )

    def of_epoch(epoch: int) -> Labeled:
        return examples(train, np.random.default_rng([options.seed, 1, epoch]))

    # With fresh variations an epoch's loss is partly luck: fixed ones tell which is best.
    is_held_out = len(validation[0]) > 0
    fixed = examples(validation if is_held_out else train, np.random.default_rng([options.seed, 2]))
    history = fit(head, of_epoch, fixed, options, head.stiffness)
    history.held_out = is_held_out
    return head, history
