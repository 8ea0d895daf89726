"""ResNet-18 with squeeze-and-excitation (Farisi), the backbone for small devices.

The names of its parameters are those of torchvision's ResNet-18, but for the classifier's; so the
official state dict loads (`from_torchvision`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spikehead.backbones.backbone import Backbone, Stem

__all__ = ["ResNet18", "from_torchvision"]


class _SqueezeExcitation(nn.Module):
    """Reweight each channel by a gate computed from all channels' spatial means (Eqs. 1-3).

    Parameters
    ----------
    channels : int
    reduction : int
        How many times fewer units the hidden layer has.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, max(1, channels // reduction), bias=False)
        self.fc2 = nn.Linear(self.fc1.out_features, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` [batch, channels, height, width], every channel times its gate."""
        squeezed = x.mean((2, 3))
        gate = torch.sigmoid(self.fc2(torch.relu(self.fc1(squeezed))))
        return x * gate[:, :, None, None]


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions and squeeze-and-excitation, added to the input (Fig. 2)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, reduction: int | None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.se = _SqueezeExcitation(out_channels, reduction) if reduction else nn.Identity()
        self.downsample = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, out_channels, height / stride, width / stride]."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.se(self.bn2(self.conv2(y)))
        return torch.relu(y + self.downsample(x))


class ResNet18(Backbone):
    """ResNet-18, with or without squeeze-and-excitation in each of its eight residual blocks.

    Parameters
    ----------
    classes : int, default 1000
        Outputs of the classifier; with 0 there is none, and the output is the activations.
    reduction : int, optional
        How many times fewer hidden units than channels squeeze-and-excitation has. Default: there
        is no squeeze-and-excitation.
    stem : {"imagenet", "cifar"}, default "imagenet"
        A 7x7 convolution and a pooling, of stride 2 each; or a 3x3 convolution of stride 1.
    width : int, default 64
        Channels of the first stage; each of the three others has twice as many as the one before.

    References
    ----------
    Farisi, Z. SE-Pruned ResNet-18: Balancing Accuracy and Efficiency for Object Classification on
    Resource-Constrained Devices. Section III A, Figs. 1-3.
    He, K., et al. (2016). Deep Residual Learning for Image Recognition. CVPR. Table 1; Section 4.2.
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        reduction: int | None = None,
        stem: Stem = "imagenet",
        width: int = 64,
    ) -> None:
        super().__init__()
        if stem == "cifar":
            self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
            self.maxpool: nn.Module = nn.Identity()
        else:
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, 1, reduction)
        self.layer2 = _stage(width, 2 * width, 2, reduction)
        self.layer3 = _stage(2 * width, 4 * width, 2, reduction)
        self.layer4 = _stage(4 * width, 8 * width, 2, reduction)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.replace_head(classes)

    def feature_map(self, image: Tensor) -> Tensor:
        """Return the last features, [batch, activations, height, width]."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(image))))
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return features


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of torchvision's ResNet-18 under the names used here."""
    return {name.replace("fc.", "classifier.1."): value for name, value in state.items()}


def _stage(
    in_channels: int, out_channels: int, stride: int, reduction: int | None
) -> nn.Sequential:
    return nn.Sequential(
        _BasicBlock(in_channels, out_channels, stride, reduction),
        _BasicBlock(out_channels, out_channels, 1, reduction),
    )
