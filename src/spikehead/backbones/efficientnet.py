"""EfficientNet (Tan and Le, 2019): one stage table, scaled in width, depth and resolution.

The module tree and the names of its parameters are those of torchvision, so that the state dicts
of the PyTorch repository load strictly; `from_timm` translates those of timm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from spikehead.backbones.backbone import Backbone

__all__ = [
    "B0",
    "VARIANTS",
    "Architecture",
    "EfficientNet",
    "Stage",
    "from_timm",
    "rounded_channels",
]


@dataclass(frozen=True)
class Stage:
    """A row of the stage table (Table 1 of the paper): equal MBConv blocks in a row.

    Parameters
    ----------
    expansion : int
        How many times wider than its input a block is inside.
    kernel : int
        Size of the depthwise convolution.
    stride : int
        Stride of the first block; the others have 1.
    channels : int
        Output channels.
    repeats : int
        Number of blocks.
    """

    expansion: int
    kernel: int
    stride: int
    channels: int
    repeats: int


@dataclass(frozen=True)
class Architecture:
    """Everything that determines an EfficientNet but its weights and its number of classes.

    Parameters
    ----------
    stages : tuple of Stage
        The baseline's stage table, before scaling.
    width, depth : float
        Multipliers of channels and repeats.
    resolution : int
        Side of the square input image, in pixels.
    stem_channels : int
        Output channels of the first convolution, before scaling.
    stem_stride : int
        Stride of the first convolution.
    dropout : float
        Dropout rate before the classifier.
    stochastic_depth : float
        Drop probability that the last block would have; a block's rises linearly from 0.
    norm_eps, norm_momentum : float
        Batch normalisation's epsilon and momentum (torch's convention: the weight of the new).
    """

    stages: tuple[Stage, ...]
    width: float = 1.0
    depth: float = 1.0
    resolution: int = 224
    stem_channels: int = 32
    stem_stride: int = 2
    dropout: float = 0.2
    stochastic_depth: float = 0.2
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1

    def scaled_stages(self) -> tuple[Stage, ...]:
        """Return the stage table with channels and repeats scaled and rounded."""
        return tuple(
            replace(
                stage,
                channels=rounded_channels(stage.channels * self.width),
                repeats=math.ceil(stage.repeats * self.depth),
            )
            for stage in self.stages
        )


B0 = Architecture(
    stages=(
        Stage(expansion=1, kernel=3, stride=1, channels=16, repeats=1),
        Stage(expansion=6, kernel=3, stride=2, channels=24, repeats=2),
        Stage(expansion=6, kernel=5, stride=2, channels=40, repeats=2),
        Stage(expansion=6, kernel=3, stride=2, channels=80, repeats=3),
        Stage(expansion=6, kernel=5, stride=1, channels=112, repeats=3),
        Stage(expansion=6, kernel=5, stride=2, channels=192, repeats=4),
        Stage(expansion=6, kernel=3, stride=1, channels=320, repeats=1),
    )
)

# torchvision's B5 to B7 keep the batch norm's settings of the original TensorFlow weights.
_B0_TENSORFLOW = replace(B0, norm_eps=1e-3, norm_momentum=0.01)

VARIANTS: dict[str, Architecture] = {
    "efficientnet_b0": B0,
    "efficientnet_b1": replace(B0, width=1.0, depth=1.1, resolution=240),
    "efficientnet_b2": replace(B0, width=1.1, depth=1.2, resolution=260, dropout=0.3),
    "efficientnet_b3": replace(B0, width=1.2, depth=1.4, resolution=300, dropout=0.3),
    "efficientnet_b4": replace(B0, width=1.4, depth=1.8, resolution=380, dropout=0.4),
    "efficientnet_b5": replace(_B0_TENSORFLOW, width=1.6, depth=2.2, resolution=456, dropout=0.4),
    "efficientnet_b6": replace(_B0_TENSORFLOW, width=1.8, depth=2.6, resolution=528, dropout=0.5),
    "efficientnet_b7": replace(_B0_TENSORFLOW, width=2.0, depth=3.1, resolution=600, dropout=0.5),
}

# The encoder that comes with the package: few and narrow stages for images of 32 x 32.
VARIANTS["efficientnet_cifar"] = Architecture(
    stages=(
        Stage(expansion=1, kernel=3, stride=2, channels=32, repeats=1),
        Stage(expansion=3, kernel=3, stride=1, channels=32, repeats=1),
        Stage(expansion=4, kernel=3, stride=2, channels=64, repeats=3),
        Stage(expansion=4, kernel=3, stride=2, channels=128, repeats=3),
    ),
    resolution=32,
    stem_channels=16,
    stem_stride=1,
    dropout=0.0,
    stochastic_depth=0.0,
)


def rounded_channels(channels: float, divisor: int = 8) -> int:
    """Return `channels` rounded to a multiple of `divisor`, never under 90 % of it."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class Conv2d(nn.Conv2d):
    """A convolution whose training in bfloat16 on a CPU is not held up by its strides."""

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, out_channels, height / stride, width / stride]."""
        stride = self.stride[0]
        if not (self.training and stride > 1 and self.groups > 1 and x.dtype == torch.bfloat16):
            return super().forward(x)
        # oneDNN's backward pass of strided depthwise convolutions is ten times slower than that
        # of all positions, of which we then keep every `stride`-th.
        y = nn.functional.conv2d(x, self.weight, None, 1, self.padding, groups=self.groups)
        return y[:, :, ::stride, ::stride].contiguous(memory_format=torch.channels_last)


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch normalisation and, unless `activation` is off, SiLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        *,
        activation: bool = True,
        architecture: Architecture,
    ) -> None:
        layers: list[nn.Module] = [
            Conv2d(
                in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels, architecture.norm_eps, architecture.norm_momentum),
        ]
        if activation:
            layers.append(nn.SiLU(inplace=True))
        super().__init__(*layers)


class SqueezeExcitation(nn.Module):
    """Reweight each channel by a gate computed from all channels' spatial means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` [batch, channels, height, width], every channel times its gate."""
        mean = x.mean((2, 3), keepdim=True)
        gate: Tensor = self.fc2(nn.functional.silu(self.fc1(mean))).sigmoid()
        return x * gate


class StochasticDepth(nn.Module):
    """In training, drop the residual branch of each image with probability `p`."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with some images zeroed and the others scaled to keep the mean."""
        if not self.training or self.p == 0.0:
            return x
        kept = torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device) >= self.p
        return x * kept / (1.0 - self.p)

    def extra_repr(self) -> str:
        """Return what `repr` shows of this layer."""
        return f"p={self.p:.3g}"


class MBConv(nn.Module):
    """Mobile inverted bottleneck: expand, depthwise, squeeze-and-excitation, project."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stage: Stage,
        stride: int,
        drop: float,
        architecture: Architecture,
    ) -> None:
        super().__init__()
        inside = in_channels * stage.expansion
        layers: list[nn.Module] = []
        if inside != in_channels:
            layers.append(ConvNormActivation(in_channels, inside, 1, architecture=architecture))
        layers += [
            ConvNormActivation(
                inside, inside, stage.kernel, stride, inside, architecture=architecture
            ),
            SqueezeExcitation(inside, max(1, in_channels // 4)),
            ConvNormActivation(
                inside, out_channels, 1, activation=False, architecture=architecture
            ),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, out_channels, height / stride, width / stride]."""
        y: Tensor = self.block(x)
        return x + self.stochastic_depth(y) if self.residual else y


class EfficientNet(Backbone):
    """An EfficientNet classifier, or, with `classes=0`, the encoder without its head.

    Parameters
    ----------
    architecture : Architecture
        Its shape, for example ``VARIANTS["efficientnet_b3"]``.
    classes : int, default 1000
        Outputs of the classifier; with 0 there is none, and the output is the activations.

    References
    ----------
    Tan, M., Le, Q. V. (2019). EfficientNet: Rethinking Model Scaling for Convolutional Neural
    Networks. ICML. Table 1; Section 4.
    """

    def __init__(self, architecture: Architecture, classes: int = 1000) -> None:
        super().__init__(architecture.dropout)
        self.architecture = architecture
        stages = architecture.scaled_stages()
        channels = rounded_channels(architecture.stem_channels * architecture.width)
        features: list[nn.Module] = [
            ConvNormActivation(3, channels, 3, architecture.stem_stride, architecture=architecture)
        ]
        drop_step = architecture.stochastic_depth / sum(stage.repeats for stage in stages)
        block = 0
        for stage in stages:
            blocks: list[nn.Module] = []
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                drop = drop_step * block
                blocks.append(MBConv(channels, stage.channels, stage, stride, drop, architecture))
                channels = stage.channels
                block += 1
            features.append(nn.Sequential(*blocks))
        features.append(ConvNormActivation(channels, 4 * channels, 1, architecture=architecture))
        self.features = nn.Sequential(*features)
        self.features.apply(_initialise)
        self.replace_head(classes)

    def replace_head(self, classes: int) -> None:
        """Put a new classifier of `classes` outputs in place, or, with 0, none."""
        super().replace_head(classes)
        self.classifier.apply(_initialise)

    def feature_map(self, image: Tensor) -> Tensor:
        """Return the last features, [batch, activations, height, width]."""
        features: Tensor = self.features(image)
        return features


def from_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of a timm EfficientNet under the names used here.

    Parameters
    ----------
    state : mapping of str to Tensor
        Of any timm model whose name starts with ``efficientnet_b``.

    Raises
    ------
    ValueError
        If a name is not one of an EfficientNet's in timm.
    """
    last = 2 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    return {_name_from_timm(name, last): value for name, value in state.items()}


def _name_from_timm(name: str, last: int) -> str:
    """Return torchvision's name of timm's `name`; `last` is the number of the 1x1 head layer."""
    outside = {
        "conv_stem": "features.0.0",
        "bn1": "features.0.1",
        "conv_head": f"features.{last}.0",
        "bn2": f"features.{last}.1",
        "classifier": "classifier.1",
    }
    inside = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)", name)
    layer, _, parameter = name.rpartition(".")
    if inside is None:
        if layer not in outside:
            raise ValueError(f"{name!r} is not the name of an EfficientNet parameter in timm.")
        return f"{outside[layer]}.{parameter}"
    stage, block, layer, parameter = inside.groups()
    # Without expansion, as in the first stage, the depthwise convolution comes first.
    layers = (
        {"conv_dw": "0.0", "bn1": "0.1", "se.conv_reduce": "1.fc1", "se.conv_expand": "1.fc2"}
        | {"conv_pw": "2.0", "bn2": "2.1"}
        if stage == "0"
        else {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1"}
        | {"se.conv_reduce": "2.fc1", "se.conv_expand": "2.fc2", "conv_pwl": "3.0", "bn3": "3.1"}
    )
    return f"features.{int(stage) + 1}.{block}.block.{layers[layer]}.{parameter}"


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        bound = 1.0 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)
