"""`--arch scratch`: a small convolutional network on 160×160 crops, as the course report did.

It starts from nothing, so it needs many pictures of each person and still knows less than
the transfer head. It is here to compare, and to learn from.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import nn

from recognition.custom_model import crop_from_chip
from training.fitting import FitOptions, History, Labeled, fit

CHANNELS = (16, 32, 64, 96, 128)
# Inputs are in [0, 1]; the graph itself normalizes, so training and inference can't differ.
MEAN, DEVIATION = 0.5, 0.25
_DROPOUT = 0.3
_FACES_PER_EPOCH = 480
_NOBODY_SHARE = 0.35
# Progress after this many epochs, or none: a loss that creeps is memory, not knowledge.
PATIENCE, _LEAST_GAIN = 6, 0.03


class ScratchNetwork(nn.Module):
    """float32 crops [n, 3, 160, 160] in [0, 1] to log-probabilities [n, people + 1]."""

    def __init__(self, people: int) -> None:
        super().__init__()
        stages, before = [], 3
        for channels in CHANNELS:
            # The first halves the crop: three quarters of the work would lie before its pool.
            stride = 2 if before == 3 else 1
            convolution = nn.Conv2d(before, channels, 3, stride, padding=1, bias=False)
            stages += [convolution, nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)]
            before = channels
        self.features = nn.Sequential(*stages)
        self.dropout = nn.Dropout(_DROPOUT)
        self.classify = nn.Linear(before, people + 1)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        features = self.features((crops - MEAN) / DEVIATION).mean((2, 3))
        return torch.log_softmax(self.classify(self.dropout(features)), dim=1)


def nobody(chips: list[np.ndarray], owners: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A face that is nobody's, made of the faces of two people, or of one turned over."""
    first = int(random.integers(len(chips)))
    others = np.flatnonzero(owners != owners[first])
    if not len(others) or random.random() < 0.2:
        return np.ascontiguousarray(chips[first][::-1])
    second = chips[int(others[random.integers(len(others))])]
    side = len(second)
    seam = random.uniform(0.35, 0.65) * side
    softness = random.uniform(0.05, 0.2) * side
    mask = 1 / (1 + np.exp(-(np.arange(side) - seam) / softness))
    mask = mask[:, None, None] if random.random() < 0.5 else mask[None, :, None]
    mixed = chips[first] * mask + second * (1 - mask)
    return cv2.GaussianBlur(np.clip(np.rint(mixed), 0, 255).astype(np.uint8), (3, 3), 0)


def crops_of(chips: list[np.ndarray]) -> torch.Tensor:
    """float32 [n, 3, 160, 160], exactly as inference makes them."""
    if not chips:
        return torch.zeros(0, 3, 160, 160)
    return torch.from_numpy(np.stack([crop_from_chip(chip) for chip in chips]))


def fit_scratch(
    train: tuple[list[np.ndarray], np.ndarray],
    validation: tuple[list[np.ndarray], np.ndarray],
    background: list[np.ndarray],
    people: int,
    options: FitOptions,
) -> tuple[ScratchNetwork, History]:
    """Fit a network on (chips uint8 [150, 150, 3], owners [n]), faces and their variations:
    every epoch sees as many of each person, drawn anew.

    `background` holds chips of strangers, if there are any; half of "nobody" is made of them.
    Stops after `PATIENCE` epochs without progress, or earlier if the options say so.
    """
    chips, owners = train
    network = ScratchNetwork(people)

    def stranger(random: np.random.Generator) -> np.ndarray:
        if background and random.random() < 0.5:
            return background[int(random.integers(len(background)))]
        return nobody(chips, owners, random)

    def of_epoch(epoch: int) -> Labeled:
        random = np.random.default_rng([options.seed, 3, epoch])
        each = -(-_FACES_PER_EPOCH // people)
        rows = np.concatenate(
            [random.choice(np.flatnonzero(owners == person), each) for person in range(people)]
        )
        count = round(_NOBODY_SHARE * len(rows))
        drawn = [chips[row] for row in rows] + [stranger(random) for _ in range(count)]
        classes = np.concatenate([owners[rows], np.full(count, people)])
        return Labeled(crops_of(drawn), torch.from_numpy(classes.astype(int)))

    held_out = Labeled(crops_of(validation[0]), torch.from_numpy(np.asarray(validation[1], int)))
    options = replace(options, patience=min(options.patience, PATIENCE), least_gain=_LEAST_GAIN)
    return network, fit(network, of_epoch, held_out, options)
