"""The networks that the EfficientNet paper scales beside its own.

They take a width and a depth, with which channels and repeats of their stages are multiplied.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from spikehead.backbones.backbone import Backbone, Stem
from spikehead.backbones.efficientnet import Conv2d, rounded_channels

__all__ = ["Convolution", "MobileNetV1", "MobileNetV2", "ResNet50", "Stages"]


class Convolution(nn.Sequential):
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


class Stages(Backbone):
    """Layers in a row."""

    def __init__(self, features: list[nn.Module], classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.replace_head(classes)

    def feature_map(self, image: Tensor) -> Tensor:
        """Return the last features, [batch, activations, height, width]."""
        features: Tensor = self.features(image)
        return features


class MobileNetV1(Stages):
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
        layers: list[nn.Module] = [Convolution(3, channels, 3, 2)]
        for stage_channels, repeats, stride in self._STAGES:
            wide = rounded_channels(stage_channels * width)
            for repeat in range(math.ceil(repeats * depth)):
                layers += [
                    Convolution(channels, channels, 3, 1 if repeat else stride, channels),
                    Convolution(channels, wide, 1),
                ]
                channels = wide
        super().__init__(layers, classes)


class _InvertedResidual(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        inside = in_channels * expansion
        expand = [Convolution(in_channels, inside, 1, activation=nn.ReLU6)]
        self.block = nn.Sequential(
            *(expand if expansion > 1 else []),
            Convolution(inside, inside, 3, stride, inside, nn.ReLU6),
            Convolution(inside, out_channels, 1, activation=None),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.residual else y


class MobileNetV2(Stages):
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
        first = Convolution(3, channels, 3, 1 if small else 2, activation=nn.ReLU6)
        layers: list[nn.Module] = [first]
        for stage, (expansion, stage_channels, repeats, stride) in enumerate(self._STAGES):
            wide = rounded_channels(stage_channels * width)
            for repeat in range(math.ceil(repeats * depth)):
                kept = repeat or (small and stage == 1)
                layers.append(_InvertedResidual(channels, wide, expansion, 1 if kept else stride))
                channels = wide
        last = rounded_channels(1280 * max(1.0, width))
        layers.append(Convolution(channels, last, 1, activation=nn.ReLU6))
        super().__init__(layers, classes)


class _Bottleneck(nn.Module):
    def __init__(self, in_channels: int, inside: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * inside
        self.block = nn.Sequential(
            Convolution(in_channels, inside, 1),
            Convolution(inside, inside, 3, stride),
            Convolution(inside, out_channels, 1, activation=None),
        )
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else Convolution(in_channels, out_channels, 1, stride, activation=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.block(x) + self.shortcut(x))


class ResNet50(Stages):
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
        layers: list[nn.Module] = [Convolution(3, channels, 7, 2), nn.MaxPool2d(3, 2, 1)]
        for stage_channels, repeats, stride in self._STAGES:
            inside = rounded_channels(stage_channels * width)
            for repeat in range(math.ceil(repeats * depth)):
                layers.append(_Bottleneck(channels, inside, 1 if repeat else stride))
                channels = 4 * inside
        super().__init__(layers, classes)
