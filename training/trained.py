"""What a training run hands on: to the export, to the pictures and to the model card."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.calibration import Calibration
from training.fine_tuning import FineTunedNetwork
from training.fitting import History
from training.scratch import ScratchCommittee
from training.transfer import DistanceHead

UNKNOWN, STRANGER = "unknown", "stranger"


@dataclass(frozen=True)
class Trained:
    """A model with everything that its card tells.

    `histories` has one of each network. `sample_chips` are a few of the faces, uint8 RGB
    [150, 150, 3], to try an export on.
    """

    model: DistanceHead | ScratchCommittee | FineTunedNetwork
    labels: list[str]
    histories: list[History]
    calibration: Calibration
    confusion: np.ndarray
    counts: dict[str, int]
    sample_chips: list[np.ndarray] = field(default_factory=list)

    @property
    def history(self) -> History:
        """The first network's."""
        return self.histories[0]

    @property
    def confusion_rows(self) -> list[str]:
        return [*self.labels, STRANGER]

    @property
    def confusion_columns(self) -> list[str]:
        return [*self.labels, UNKNOWN]
