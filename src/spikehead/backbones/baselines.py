"""The networks with which the papers compare.

Those that the EfficientNet paper scales take a width and a depth, with which channels and repeats
of their stages are multiplied.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from spikehead.backbones.backbone import Backbone, Stem
from spikehead.backbones.efficientnet import Conv2d, rounded_channels

__all__ = ["MobileNetV1", "MobileNetV2", "ResNet50", "ResNet152", "ShuffleNetV2"]


class _Convolution(nn.Sequential):
    """Convolution, batch normalisation, and an activation unless it is None."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.ReLU] | type[nn.ReLU6] | None = nn.ReLU,
    ) -> None:
        layers: list[nn.Module] = [
            Conv2d(
                in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if activation is not None:
            layers.append(activation(inplace=True))
        super().__init__(*layers)


class _Stages(Backbone):
    """Layers in a row."""

    def __init__(self, features: list[nn.Module], classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.replace_head(classes)

    def feature_map(self, image: Tensor) -> Tensor:
        """Return the last features, [batch, activations, height, width]."""
        features: Tensor = self.features(image)
        return features


class MobileNetV1(_Stages):
    """Depthwise separable convolutions in a row (Howard et al., 2017, Table 1).

    Parameters
    ----------
    width, depth : float, default 1
        Multipliers of channels and repeats.
    classes : int, default 1000
    """

    # channels, repeats, stride
    _STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))

    def __init__(self, width: float = 1.0, depth: float = 1.0, classes: int = 1000) -> None:
        channels = rounded_channels(32 * width)
        layers: list[nn.Module] = [_Convolution(3, channels, 3, 2)]
        for stage_channels, repeats, stride in self._STAGES:
            wide = rounded_channels(stage_channels * width)
            for repeat in range(math.ceil(repeats * depth)):
                layers += [
                    _Convolution(channels, channels, 3, 1 if repeat else stride, channels),
                    _Convolution(channels, wide, 1),
                ]
                channels = wide
        super().__init__(layers, classes)


class _InvertedResidual(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        inside = in_channels * expansion
        expand = [_Convolution(in_channels, inside, 1, activation=nn.ReLU6)]
        self.block = nn.Sequential(
            *(expand if expansion > 1 else []),
            _Convolution(inside, inside, 3, stride, inside, nn.ReLU6),
            _Convolution(inside, out_channels, 1, activation=None),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.residual else y


class MobileNetV2(_Stages):
    """Inverted residuals with linear bottlenecks (Sandler et al., 2018, Table 2).

    Parameters
    ----------
    width, depth : float, default 1
        Multipliers of channels and repeats; the last 1280 channels are never made fewer.
    classes : int, default 1000
    stem : {"imagenet", "cifar"}, default "imagenet"
        With "cifar" the first two halvings of the resolution are left out.
    """

    # expansion, channels, repeats, stride
    _STAGES = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(
        self,
        width: float = 1.0,
        depth: float = 1.0,
        classes: int = 1000,
        *,
        stem: Stem = "imagenet",
    ) -> None:
        small = stem == "cifar"
        channels = rounded_channels(32 * width)
        first = _Convolution(3, channels, 3, 1 if small else 2, activation=nn.ReLU6)
        layers: list[nn.Module] = [first]
        for stage, (expansion, stage_channels, repeats, stride) in enumerate(self._STAGES):
            wide = rounded_channels(stage_channels * width)
            for repeat in range(math.ceil(repeats * depth)):
                kept = repeat or (small and stage == 1)
                layers.append(_InvertedResidual(channels, wide, expansion, 1 if kept else stride))
                channels = wide
        last = rounded_channels(1280 * max(1.0, width))
        layers.append(_Convolution(channels, last, 1, activation=nn.ReLU6))
        super().__init__(layers, classes)


class _Bottleneck(nn.Module):
    def __init__(self, in_channels: int, inside: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * inside
        self.block = nn.Sequential(
            _Convolution(in_channels, inside, 1),
            _Convolution(inside, inside, 3, stride),
            _Convolution(inside, out_channels, 1, activation=None),
        )
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else _Convolution(in_channels, out_channels, 1, stride, activation=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.block(x) + self.shortcut(x))


class ResNet50(_Stages):
    """Residual bottlenecks (He et al., 2016, Table 1), strided in their 3x3 convolutions.

    Parameters
    ----------
    width, depth : float, default 1
        Multipliers of channels and repeats.
    classes : int, default 1000
    """

    # channels inside the bottlenecks, repeats, stride
    _STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))

    def __init__(self, width: float = 1.0, depth: float = 1.0, classes: int = 1000) -> None:
        channels = rounded_channels(64 * width)
        layers: list[nn.Module] = [_Convolution(3, channels, 7, 2), nn.MaxPool2d(3, 2, 1)]
        for stage_channels, repeats, stride in self._STAGES:
            inside = rounded_channels(stage_channels * width)
            for repeat in range(math.ceil(repeats * depth)):
                layers.append(_Bottleneck(channels, inside, 1 if repeat else stride))
                channels = 4 * inside
        super().__init__(layers, classes)


class ResNet152(ResNet50):
    """The deepest residual network of He et al. (2016), with which Table 4 compares latency."""

    _STAGES = ((64, 3, 1), (128, 8, 2), (256, 36, 2), (512, 3, 2))


class _ShuffleUnit(nn.Module):
    """Half of the channels pass, or, with stride 2, all go both ways; then both are shuffled."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.split = stride == 1
        self.block = nn.Sequential(
            _Convolution(half if self.split else in_channels, half, 1),
            _Convolution(half, half, 3, stride, half, activation=None),
            _Convolution(half, half, 1),
        )
        self.shortcut = (
            nn.Identity()
            if self.split
            else nn.Sequential(
                _Convolution(in_channels, in_channels, 3, stride, in_channels, activation=None),
                _Convolution(in_channels, half, 1),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        passing, changed = x.chunk(2, 1) if self.split else (x, x)
        both = torch.stack([self.shortcut(passing), self.block(changed)], 2)
        return both.flatten(1, 2)


class ShuffleNetV2(_Stages):
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
            [_Convolution(3, channels, 3)]
            if stem == "cifar"
            else [_Convolution(3, channels, 3, 2), nn.MaxPool2d(3, 2, 1)]
        )
        for repeats, wide in zip(self._REPEATS, self._CHANNELS[width], strict=True):
            for repeat in range(repeats):
                layers.append(_ShuffleUnit(channels, wide, 1 if repeat else 2))
                channels = wide
        layers.append(_Convolution(channels, 1024, 1))
        super().__init__(layers, classes)
