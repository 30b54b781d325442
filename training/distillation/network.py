"""The student: a face of 40 px is enough for it, where its teacher wants one of 80."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

FIRST_CHANNELS, CHANNELS = 12, 24
# Together the layers see 47 px, a face and a little around it.
LAYERS = 5
MEAN, SCALE = 117.0, 64.0


class ProposalNetwork(nn.Module):
    """float32 RGB [n, 3, height, width] in 0..255 to logits [n, 1, height / 4, width / 4]:
    is there a face of about 40 px around (4 column, 4 row)?"""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(3, FIRST_CHANNELS, 3, stride=2, padding=1),
                nn.Conv2d(FIRST_CHANNELS, CHANNELS, 3, stride=2, padding=1),
                *(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(LAYERS)),
            ]
        )
        self.end = nn.Conv2d(CHANNELS, 1, 1)
        for layer in self.convolutions:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.end.bias, -4.0)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        value = (pictures - MEAN) / SCALE
        for layer in self.convolutions:
            value = functional.relu(layer(value))
        return self.end(value)


def fit(
    pictures: np.ndarray,
    goals: np.ndarray,
    epochs: int,
    seed: int,
    say: Callable[[str], None] = lambda text: None,
    batch_size: int = 32,
) -> ProposalNetwork:
    """Fit to uint8 [n, side, side, 3] and goals in [0, 1] [n, rows, columns], those of the
    student's cells from the second on (the teacher sees no nearer to the border)."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = ProposalNetwork()
    steps = epochs * -(-len(pictures) // batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    rows, columns = goals.shape[1:]
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(pictures), generator=generator).split(batch_size):
            index = batch.numpy()
            inputs = torch.from_numpy(pictures[index]).permute(0, 3, 1, 2).float()
            goal = torch.from_numpy(goals[index]).float()
            if torch.rand(1, generator=generator) < 0.5:
                # A scene seen in a mirror is another scene; the cells' places shift by a half.
                inputs, goal = inputs.flip(3), goal.flip(2)
            logits = network(inputs)[:, 0, 2 : 2 + rows, 2 : 2 + columns]
            # Few cells hold a face: without more weight, missing them would cost nothing.
            weight = 1 + 6 * goal
            loss = functional.binary_cross_entropy_with_logits(logits, goal, weight=weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(index)
        say(f"epoch {epoch + 1} of {epochs}: loss {total / len(pictures):.4f}")
    return network.eval()
