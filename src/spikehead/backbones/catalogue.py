"""The backbones by name."""

from __future__ import annotations

from functools import partial

from spikehead.backbones.backbone import Blueprint
from spikehead.backbones.baselines import MobileNetV2
from spikehead.backbones.efficientnet import VARIANTS, Architecture, EfficientNet
from spikehead.backbones.se_resnet import ResNet18

__all__ = ["BACKBONES", "REDUCTION", "network"]

REDUCTION = 16
"""Of squeeze-and-excitation (Hu et al., 2018, Section 6.1)."""


def _efficientnet(architecture: Architecture) -> Blueprint:
    return Blueprint(partial(EfficientNet, architecture), architecture.resolution)


BACKBONES: dict[str, Blueprint] = {
    **{name: _efficientnet(architecture) for name, architecture in VARIANTS.items()},
    "resnet18": Blueprint(ResNet18, 224),
    "se_resnet18": Blueprint(partial(ResNet18, reduction=REDUCTION), 224),
    "resnet18_cifar": Blueprint(partial(ResNet18, stem="cifar"), 32),
    "se_resnet18_cifar": Blueprint(partial(ResNet18, reduction=REDUCTION, stem="cifar"), 32),
    "mobilenet_v2": Blueprint(lambda classes: MobileNetV2(classes=classes), 224),
}
"""What can be trained and pruned, by name."""


def network(name: str) -> Blueprint:
    """Return a backbone by its name.

    Raises
    ------
    ValueError
        If there is no such backbone.
    """
    if name not in BACKBONES:
        raise ValueError(f"there is no backbone {name!r}: choose {', '.join(BACKBONES)}")
    return BACKBONES[name]
