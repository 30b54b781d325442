"""Curves and confusion matrices as PNG."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from training.fitting import History

mpl.use("Agg")
from matplotlib import pyplot as plt

_BLUE, _ORANGE = "#2563eb", "#ea580c"
# Without it each file would carry the version of the library and differ from machine to machine.
_PLAIN = {"Software": None}


def plot_curves(history: History, path: Path) -> None:
    """Loss and accuracy by epoch, of training and validation."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    second = "validation" if history.held_out else "fixed variations"
    pairs = (
        (left, "loss", history.train_loss, history.validation_loss),
        (right, "accuracy", history.train_accuracy, history.validation_accuracy),
    )
    for axes, title, train, validation in pairs:
        epochs = range(1, len(train) + 1)
        axes.plot(epochs, train, color=_BLUE, label="train")
        if validation:
            axes.plot(epochs, validation, color=_ORANGE, label=second)
        axes.axvline(history.best_epoch + 1, color="0.6", linestyle=":", label="kept")
        axes.set(title=title, xlabel="epoch")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata=_PLAIN)
    plt.close(figure)


def plot_confusion(rows: list[str], columns: list[str], counts: np.ndarray, path: Path) -> None:
    """Counts [rows, columns] as a heat map, each row by its own total."""
    totals = np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(16.0, 2.5 + 0.45 * max(len(rows), len(columns)))
    figure, axes = plt.subplots(figsize=(side + 1, side), layout="constrained")
    axes.imshow(counts / totals, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="named", ylabel="is")
    if len(rows) <= 30:
        for row, column in np.argwhere(counts > 0):
            share = counts[row, column] / totals[row, 0]
            color = "white" if share > 0.5 else "black"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=color)
    figure.savefig(path, dpi=110, metadata=_PLAIN)
    plt.close(figure)
