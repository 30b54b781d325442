"""InceptionResnetV1, the network of the report's custom model, with random weights.

Only its size matters here: 23 million weights and the multiplications of the original
(Szegedy et al., 2016, in the FaceNet variant), so that a forward pass costs what it did.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, size: Any, stride: int = 1, padding: Any = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
        nn.ReLU(),
    )


class Branches(nn.Module):
    """Runs its branches side by side and joins their channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, value: Tensor) -> Tensor:
        return torch.cat([branch(value) for branch in self.branches], 1)


class Residual(nn.Module):
    """Branches, mixed by a 1x1 convolution, scaled and added to what came in."""

    def __init__(self, branches: Branches, joined: int, channels: int, scale: float) -> None:
        super().__init__()
        self.branches, self.scale = branches, scale
        self.mix = nn.Conv2d(joined, channels, 1)

    def forward(self, value: Tensor) -> Tensor:
        return torch.relu(value + self.scale * self.mix(self.branches(value)))


def block35() -> Residual:
    return Residual(
        Branches(
            conv(256, 32, 1),
            nn.Sequential(conv(256, 32, 1), conv(32, 32, 3, padding=1)),
            nn.Sequential(conv(256, 32, 1), conv(32, 32, 3, padding=1), conv(32, 32, 3, padding=1)),
        ),
        96,
        256,
        0.17,
    )


def block17() -> Residual:
    narrow = nn.Sequential(
        conv(896, 128, 1),
        conv(128, 128, (1, 7), padding=(0, 3)),
        conv(128, 128, (7, 1), padding=(3, 0)),
    )
    return Residual(Branches(conv(896, 128, 1), narrow), 256, 896, 0.10)


def block8() -> Residual:
    narrow = nn.Sequential(
        conv(1792, 192, 1),
        conv(192, 192, (1, 3), padding=(0, 1)),
        conv(192, 192, (3, 1), padding=(1, 0)),
    )
    return Residual(Branches(conv(1792, 192, 1), narrow), 384, 1792, 0.20)


def inception_resnet(classes: int) -> nn.Sequential:
    """uint8-like pictures, float [n, 3, h, w], to [n, classes]; any size from 80 px."""
    reduction_a = Branches(
        conv(256, 384, 3, 2),
        nn.Sequential(conv(256, 192, 1), conv(192, 192, 3, padding=1), conv(192, 256, 3, 2)),
        nn.MaxPool2d(3, 2),
    )
    reduction_b = Branches(
        nn.Sequential(conv(896, 256, 1), conv(256, 384, 3, 2)),
        nn.Sequential(conv(896, 256, 1), conv(256, 256, 3, 2)),
        nn.Sequential(conv(896, 256, 1), conv(256, 256, 3, padding=1), conv(256, 256, 3, 2)),
        nn.MaxPool2d(3, 2),
    )
    return nn.Sequential(
        conv(3, 32, 3, 2),
        conv(32, 32, 3),
        conv(32, 64, 3, padding=1),
        nn.MaxPool2d(3, 2),
        conv(64, 80, 1),
        conv(80, 192, 3),
        conv(192, 256, 3, 2),
        *(block35() for _ in range(5)),
        reduction_a,
        *(block17() for _ in range(10)),
        reduction_b,
        *(block8() for _ in range(6)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1792, 512, bias=False),
        nn.BatchNorm1d(512, eps=1e-3),
        nn.Linear(512, classes),
    )
