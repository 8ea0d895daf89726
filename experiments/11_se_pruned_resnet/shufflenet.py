"""ShuffleNetV2, with which the paper compares."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from spikehead.backbones.backbone import Stem
from spikehead.backbones.baselines import Convolution, Stages


class _ShuffleUnit(nn.Module):
    """Half of the channels pass, or, with stride 2, all go both ways; then both are shuffled."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.split = stride == 1
        self.block = nn.Sequential(
            Convolution(half if self.split else in_channels, half, 1),
            Convolution(half, half, 3, stride, half, activation=None),
            Convolution(half, half, 1),
        )
        self.shortcut = (
            nn.Identity()
            if self.split
            else nn.Sequential(
                Convolution(in_channels, in_channels, 3, stride, in_channels, activation=None),
                Convolution(in_channels, half, 1),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        passing, changed = x.chunk(2, 1) if self.split else (x, x)
        both = torch.stack([self.shortcut(passing), self.block(changed)], 2)
        return both.flatten(1, 2)


class ShuffleNetV2(Stages):
    """Shuffle units in a row (Ma et al., 2018, Table 5).

    Parameters
    ----------
    width : {0.5, 1.0}, default 1.0
        Of the networks in the table.
    classes : int, default 1000
    stem : {"imagenet", "cifar"}, default "imagenet"
        With "cifar" the first two halvings of the resolution are left out.
    """

    # repeats of the stages, and their channels by width
    _REPEATS = (4, 8, 4)
    _CHANNELS: ClassVar = {0.5: (48, 96, 192), 1.0: (116, 232, 464)}

    def __init__(self, width: float = 1.0, classes: int = 1000, *, stem: Stem = "imagenet") -> None:
        channels = 24
        layers: list[nn.Module] = (
            [Convolution(3, channels, 3)]
            if stem == "cifar"
            else [Convolution(3, channels, 3, 2), nn.MaxPool2d(3, 2, 1)]
        )
        for repeats, wide in zip(self._REPEATS, self._CHANNELS[width], strict=True):
            for repeat in range(repeats):
                layers.append(_ShuffleUnit(channels, wide, 1 if repeat else 2))
                channels = wide
        layers.append(Convolution(channels, 1024, 1))
        super().__init__(layers, classes)
