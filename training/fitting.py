"""Fitting a torch model: batches, Adam, early stopping, the same result for the same seed."""

from __future__ import annotations

import copy
import math
import random as python_random
import time
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
    before the fit stops: a loss that creeps down for ever is no progress. In `cool_down` further
    epochs the learning rate then falls to nothing. `at_most_s` of processor time bounds the whole,
    cool-down included, to an epoch: a busy machine makes no worse model. A fit that it ends is not
    repeated by its seed."""

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int = 15
    least_gain: float = 0.01
    seed: int = 0
    cool_down: int = 0
    at_most_s: float = math.inf


@dataclass
class History:
    """One value an epoch, from the first; `best_epoch` is the one whose weights are kept, and
    `ended` says why there was none after it, of `at_most` so many. Where nothing was held out,
    `validation` is a fixed set of variations of the training faces, and `held_out` is False."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    best_epoch: int = 0
    held_out: bool = True
    ended: str = ""
    at_most: int = 0

    def __len__(self) -> int:
        return len(self.train_loss)

    def __str__(self) -> str:
        return f"{len(self)} of at most {self.at_most}, best {self.best_epoch + 1}: {self.ended}"


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


class _Ending:
    """When a fit ends, and how fast it learns until then."""

    def __init__(self, options: FitOptions, clock: Callable[[], float]) -> None:
        self._options, self._clock = options, clock
        self._began = clock()
        self._best, self._best_epoch = math.inf, 0
        self._cooling_from: int | None = None
        self.why = ""

    @property
    def may_keep(self) -> bool:
        """Whether an epoch's weights may be the ones that are kept: where the learning rate falls,
        what it comes to is better than whatever a few held-out examples liked on the way."""
        return not self._options.cool_down or self._cooling_from is not None

    def rate(self, epoch: int) -> float:
        """The share of the learning rate that this epoch has."""
        if self._cooling_from is None:
            return 1.0
        done = (epoch - self._cooling_from + 0.5) / self._options.cool_down
        return (1 + math.cos(math.pi * done)) / 2

    def is_over(self, epoch: int, loss: float) -> bool:
        """Whether `epoch`, which came to that loss, was the last one."""
        options = self._options
        if loss < self._best * (1 - options.least_gain):
            self._best, self._best_epoch = loss, epoch
        if self._cooling_from is None:
            self.why = self._reason(epoch)
            self._cooling_from = epoch + 1 if self.why else None
        if self._cooling_from is None:
            return False
        return epoch + 1 >= min(options.epochs, self._cooling_from + options.cool_down)

    def _reason(self, epoch: int) -> str:
        """Why it is time to come to an end; nothing while it is not."""
        options, spent_s = self._options, self._clock() - self._began
        if epoch - self._best_epoch >= options.patience:
            return f"no progress after epoch {self._best_epoch + 1}"
        if epoch + 1 + options.cool_down >= options.epochs:
            return "all epochs"
        if spent_s / (epoch + 1) * (epoch + 2 + options.cool_down) > options.at_most_s:
            return f"the time was over, {options.at_most_s:g} s"
        return ""


def fit(
    model: nn.Module,
    train_of_epoch: Callable[[int], Labeled],
    validation: Labeled,
    options: FitOptions,
    penalty: Callable[[], torch.Tensor] | None = None,
    groups: list[dict[str, Any]] | None = None,
    loss_of: Callable[[nn.Module, Labeled], float] | None = None,
    clock: Callable[[], float] = time.process_time,
) -> History:
    """Train `model` (inputs to log-probabilities [n, classes]); it ends with its best weights, of
    equally good ones the last; of the cool-down's where there is one.

    `train_of_epoch` gives each epoch's examples, so that augmentation can be fresh. Without
    validation examples the training loss decides about early stopping; with them `loss_of`, where
    another measure than their mean loss does. `groups` are Adam's parameter groups where not
    everything is trained, or not at one rate.
    """
    optimizer = torch.optim.Adam(groups or model.parameters(), lr=options.learning_rate)
    ending = _Ending(options, clock)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, ending.rate)
    generator = torch.Generator().manual_seed(options.seed)
    history, best_loss, best_weights = History(at_most=options.epochs), math.inf, None
    for epoch in progress(range(options.epochs), "train", total=options.epochs):
        loss, accuracy = _one_epoch(
            model, train_of_epoch(epoch), optimizer, options.batch_size, generator, penalty
        )
        history.train_loss.append(loss)
        history.train_accuracy.append(accuracy)
        deciding = loss
        if len(validation):
            deciding, accuracy = evaluate(model, validation)
            history.validation_loss.append(deciding)
            history.validation_accuracy.append(accuracy)
            deciding = loss_of(model, validation) if loss_of else deciding
        if ending.may_keep and deciding <= best_loss:
            best_loss, history.best_epoch = deciding, epoch
            best_weights = copy.deepcopy(model.state_dict())
        if ending.is_over(epoch, deciding):
            break
        schedule.step()
    history.ended = ending.why
    if best_weights is not None:
        model.load_state_dict(best_weights)
    model.eval()
    return history


def _one_epoch(
    model: nn.Module,
    train: Labeled,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    generator: torch.Generator,
    penalty: Callable[[], torch.Tensor] | None,
) -> tuple[float, float]:
    """(mean loss, accuracy) while `model` learned from each example once."""
    model.train()
    losses, right = 0.0, 0
    for batch in torch.randperm(len(train), generator=generator).split(batch_size):
        inputs, classes = train.inputs[batch], train.classes[batch]
        answer = model(inputs)
        loss = nn.functional.nll_loss(answer, classes)
        optimizer.zero_grad()
        (loss + penalty() if penalty else loss).backward()
        optimizer.step()
        losses += loss.item() * len(batch)
        right += int((answer.argmax(1) == classes).sum())
    return losses / len(train), right / len(train)


def evaluate(model: nn.Module, examples: Labeled) -> tuple[float, float]:
    """(mean loss, accuracy) of `model` on `examples`."""
    model.eval()
    with torch.no_grad():
        answer = torch.cat([model(part) for part in examples.inputs.split(256)])
    loss = nn.functional.nll_loss(answer, examples.classes).item()
    return loss, (answer.argmax(1) == examples.classes).float().mean().item()
