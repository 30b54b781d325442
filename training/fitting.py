"""Fitting a torch model: batches, Adam, early stopping, the same result for the same seed."""

from __future__ import annotations

import copy
import random as python_random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from training.progress import progress


@dataclass(frozen=True)
class FitOptions:
    """`patience` counts epochs without a validation loss better by at least `least_gain` of it
    before the fit stops: a loss that creeps down for ever is no progress. `anneals`: the learning
    rate falls to nothing over the epochs, and where it ends are the weights that are kept; there
    is no patience then."""

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int = 15
    least_gain: float = 0.01
    seed: int = 0
    anneals: bool = False


@dataclass
class History:
    """One value an epoch, from the first; `best_epoch` is the one whose weights are kept. Where
    nothing was held out, `validation` is a fixed set of variations of the training faces, and
    `held_out` is False."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    best_epoch: int = 0
    held_out: bool = True

    def __len__(self) -> int:
        return len(self.train_loss)


class Inputs(Protocol):
    """What `fit` asks of a model's inputs; a tensor does, and so may what stands for one."""

    def __getitem__(self, chosen: torch.Tensor) -> Any: ...
    def split(self, size: int) -> Sequence[Any]: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Labeled:
    """Inputs [n, …] and the class of each; the class after the last person means nobody."""

    inputs: torch.Tensor | Inputs
    classes: torch.Tensor

    def __len__(self) -> int:
        return len(self.inputs)


def make_deterministic(seed: int) -> None:
    """The same numbers on every run on one machine; one thread keeps sums in order."""
    python_random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def fit(
    model: nn.Module,
    train_of_epoch: Callable[[int], Labeled],
    validation: Labeled,
    options: FitOptions,
    penalty: Callable[[], torch.Tensor] | None = None,
    groups: list[dict[str, Any]] | None = None,
) -> History:
    """Train `model` (inputs to log-probabilities [n, classes]); it ends with its best weights, or
    with its last where the learning rate anneals.

    `train_of_epoch` gives each epoch's examples, so that augmentation can be fresh. Without
    validation examples the training loss decides about early stopping. `groups` are Adam's
    parameter groups where not everything is trained, or not at one rate.
    """
    optimizer = torch.optim.Adam(groups or model.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, options.epochs))
    generator = torch.Generator().manual_seed(options.seed)
    history, best_loss, best_weights = History(), float("inf"), None
    progress_loss, progress_epoch = float("inf"), 0
    for epoch in progress(range(options.epochs), "train", total=options.epochs):
        train = train_of_epoch(epoch)
        model.train()
        losses, right = 0.0, 0
        for batch in torch.randperm(len(train), generator=generator).split(options.batch_size):
            inputs, classes = train.inputs[batch], train.classes[batch]
            answer = model(inputs)
            loss = nn.functional.nll_loss(answer, classes)
            optimizer.zero_grad()
            (loss + penalty() if penalty else loss).backward()
            optimizer.step()
            losses += loss.item() * len(batch)
            right += int((answer.argmax(1) == classes).sum())
        if options.anneals:
            schedule.step()
        history.train_loss.append(losses / len(train))
        history.train_accuracy.append(right / len(train))
        deciding = history.train_loss[-1]
        if len(validation):
            deciding, accuracy = evaluate(model, validation)
            history.validation_loss.append(deciding)
            history.validation_accuracy.append(accuracy)
        if deciding < best_loss or options.anneals:
            best_loss, history.best_epoch = deciding, epoch
            best_weights = copy.deepcopy(model.state_dict())
        if deciding < progress_loss * (1 - options.least_gain):
            progress_loss, progress_epoch = deciding, epoch
        elif epoch - progress_epoch >= options.patience and not options.anneals:
            break
    if best_weights is not None:
        model.load_state_dict(best_weights)
    model.eval()
    return history


def evaluate(model: nn.Module, examples: Labeled) -> tuple[float, float]:
    """(mean loss, accuracy) of `model` on `examples`."""
    model.eval()
    with torch.no_grad():
        answer = torch.cat([model(part) for part in examples.inputs.split(256)])
    loss = nn.functional.nll_loss(answer, examples.classes).item()
    return loss, (answer.argmax(1) == examples.classes).float().mean().item()
