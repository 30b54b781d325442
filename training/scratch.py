"""`--arch scratch`: two small convolutional networks on 160×160 crops; the course report had one.

They start from nothing, so they need many pictures of each person and still know less than
the transfer head. They are here to compare, and to learn from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from contract.crops import CROP_PX
from recognition.custom_model import crop_from_chip
from training.fitting import FitOptions, History, Labeled, fit
from training.made_up_faces import MadeUpPerson, another_look

# So many networks, each trained without other pictures: a threshold is read from what a network
# has not seen, and no picture is left unused.
MEMBERS = 2
CHANNELS = (16, 32, 64, 96, 128)
# Inputs are in [0, 1]; the graph itself normalizes, so training and inference can't differ.
MEAN, DEVIATION = 0.5, 0.25
# 80 pixels tell a few people apart as well as 160, in a quarter of the time.
SHRINK = 2
_DROPOUT = 0.3
# Nobody is many people: to tell them apart, the network must learn what faces differ by, and not
# only what these few people do. Those who are nobody to it are like none of its people.
MADE_UP_PEOPLE, _PICTURES_OF_EACH = 96, 2
_FACES_PER_EPOCH = 360
_NOBODY_SHARE = 0.35
_STRANGERS_FOR_EACH = 2
# A few seconds each; more is learned by heart.
EPOCHS_AT_MOST = 18
# Without progress, and how many epochs the learning rate then falls to nothing in: one that ends so
# may begin higher.
_PATIENCE, _COOL_DOWN, _FASTER = 5, 5, 3.0
# Of both networks together, of processor time: three minutes with what comes before and after.
SECONDS_AT_MOST = 150.0


class ScratchNetwork(nn.Module):
    """float32 crops [n, 3, 160, 160] in [0, 1] to log-probabilities [n, people + 1]; while it is
    trained [n, people + others], for it has to tell apart the `others` who are nobody."""

    def __init__(self, people: int, others: int = 1) -> None:
        super().__init__()
        self.people = people
        stages, before = [], 3
        for channels in CHANNELS:
            # The first halves it again: three quarters of the work would lie before its pool.
            stride = 2 if before == 3 else 1
            convolution = nn.Conv2d(before, channels, 3, stride, padding=1, bias=False)
            stages += [convolution, nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)]
            before = channels
        self.features = nn.Sequential(*stages)
        self.dropout = nn.Dropout(_DROPOUT)
        self.classify = nn.Linear(before, people + others)
        self.to(memory_format=torch.channels_last)  # a third less time

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        small = functional.avg_pool2d(crops.to(memory_format=torch.channels_last), SHRINK)
        features = self.features((small - MEAN) / DEVIATION).mean((2, 3))
        everybody = torch.log_softmax(self.classify(self.dropout(features)), dim=1)
        if self.training:
            return everybody
        nobody = everybody[:, self.people :].logsumexp(1, keepdim=True)
        return torch.cat([everybody[:, : self.people], nobody], dim=1)


class ScratchCommittee(nn.Module):
    """Networks that held out different pictures: float32 crops [n, 3, 160, 160] in [0, 1] to the
    logarithm of their mean probabilities [n, people + 1]. What one takes a stranger for, another
    seldom does."""

    def __init__(self, members: list[ScratchNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        answers = torch.stack([member(crops) for member in self.members])
        return answers.logsumexp(0) - math.log(len(self.members))


def crops_of(chips: list[np.ndarray]) -> torch.Tensor:
    """float32 [n, 3, 160, 160], exactly as inference makes them."""
    if not chips:
        return torch.zeros(0, 3, CROP_PX, CROP_PX)
    return torch.from_numpy(np.stack([crop_from_chip(chip) for chip in chips]))


def fit_scratch(
    train: tuple[list[np.ndarray], np.ndarray],
    validation: tuple[list[np.ndarray], np.ndarray],
    background: list[np.ndarray],
    people: int,
    options: FitOptions,
) -> tuple[ScratchNetwork, History]:
    """Fit a network on (chips uint8 [150, 150, 3], owners [n]), faces and their variations:
    every epoch sees as many of each person, drawn and made anew.

    Nobody is people made up of these, and those of `background`, chips of strangers, if any.
    Ends when held-out faces are told from strangers no better than before, at the latest after
    `EPOCHS_AT_MOST` or its share of `SECONDS_AT_MOST`, with the weights that told them best.
    """
    chips, owners = train
    born = np.random.default_rng([options.seed, 5])
    others = [MadeUpPerson.born(owners, len(chips[0]), born) for _ in range(MADE_UP_PEOPLE)]
    network = ScratchNetwork(people, len(others) + bool(background))

    def of_epoch(epoch: int) -> Labeled:
        random = np.random.default_rng([options.seed, 3, epoch])
        each = -(-_FACES_PER_EPOCH // people)
        rows = np.concatenate(
            [random.choice(np.flatnonzero(owners == person), each) for person in range(people)]
        )
        drawn = [another_look(chips, owners, int(row), random) for row in rows]
        for other in others:
            drawn += [other.picture(chips, owners, random) for _ in range(_PICTURES_OF_EACH)]
        classes = [owners[rows], np.repeat(np.arange(len(others)), _PICTURES_OF_EACH) + people]
        if background:
            strange = random.integers(len(background), size=round(_NOBODY_SHARE * len(rows)))
            themselves = np.arange(len(background))
            drawn += [another_look(background, themselves, int(row), random) for row in strange]
            classes.append(np.full(len(strange), people + len(others)))
        return Labeled(crops_of(drawn), torch.from_numpy(np.concatenate(classes).astype(int)))

    held_out = _held_out(validation, people, np.random.default_rng([options.seed, 4]))
    options = replace(
        options,
        epochs=min(options.epochs, EPOCHS_AT_MOST),
        learning_rate=options.learning_rate * _FASTER,
        patience=min(options.patience, _PATIENCE),
        cool_down=_COOL_DOWN,
        at_most_s=SECONDS_AT_MOST / MEMBERS,
    )
    with ThreadPoolExecutor(1) as helper:
        made_ahead = _ahead(of_epoch, options.epochs, helper)
        return network, fit(network, made_ahead, held_out, options, loss_of=mixed_up)


def _ahead(
    of_epoch: Callable[[int], Labeled], epochs: int, helper: ThreadPoolExecutor
) -> Callable[[int], Labeled]:
    """The same, the next epoch's faces made while the network learns from this one's: the making
    takes as long, and outside Python's lock."""
    made = {0: helper.submit(of_epoch, 0)}

    def next_epoch(epoch: int) -> Labeled:
        faces = made.pop(epoch).result()
        if epoch + 1 < epochs:
            made[epoch + 1] = helper.submit(of_epoch, epoch + 1)
        return faces

    return next_epoch


def strangers_of(
    chips: list[np.ndarray], owners: np.ndarray, count: int, random: np.random.Generator
) -> list[np.ndarray]:
    """Faces of so many made-up people, one of each, made of these."""
    side = len(chips[0]) if chips else 0
    people = (MadeUpPerson.born(owners, side, random) for _ in range(count if chips else 0))
    return [person.picture(chips, owners, random) for person in people]


def mixed_up(network: nn.Module, held_out: Labeled) -> float:
    """The share of pairs, of a stranger and one of the people in `held_out`, in which the stranger
    is as much like somebody as the other is like themselves.

    Not the mean loss: the few held-out faces are surest after some epochs, when strangers are not
    told apart yet.
    """
    with torch.no_grad():
        answer = torch.cat([network(part) for part in held_out.inputs.split(256)])[:, :-1]
    is_known = held_out.classes < answer.shape[1]
    own = answer[is_known, held_out.classes[is_known]]
    own = torch.where(answer[is_known].argmax(1) == held_out.classes[is_known], own, -math.inf)
    strange = answer[~is_known].max(1).values
    return float((strange[None] >= own[:, None]).float().mean())


def _held_out(
    validation: tuple[list[np.ndarray], np.ndarray], people: int, random: np.random.Generator
) -> Labeled:
    """The held-out faces, and as large a share of nobody made of them: weights that name
    everybody must not look best."""
    chips, owners = validation
    made_up = strangers_of(chips, owners, _STRANGERS_FOR_EACH * len(chips), random)
    classes = np.concatenate([owners, np.full(len(made_up), people)]).astype(int)
    return Labeled(crops_of([*chips, *made_up]), torch.from_numpy(classes))
