"""The networks of Tables I and II for images of 32 x 32, and at which scale they are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from shufflenet import ShuffleNetV2

from spikehead.backbones.backbone import Backbone
from spikehead.backbones.baselines import MobileNetV2
from spikehead.backbones.catalogue import REDUCTION
from spikehead.backbones.data import ImageArrays, read_archives
from spikehead.backbones.efficientnet import B0, EfficientNet
from spikehead.backbones.se_resnet import ResNet18
from spikehead.backbones.training import Recipe

CLASSES = 10
RESOLUTION = 32
VALIDATION_IMAGES = 5000


@dataclass(frozen=True)
class Scale:
    """How wide the networks are, and how long they are trained and, once pruned, fine-tuned."""

    width: float
    epochs: int
    fine_tuning_epochs: int

    def networks(self) -> dict[str, Callable[[], Backbone]]:
        """Return what makes each network."""
        channels = round(64 * self.width)
        b0 = replace(B0, width=self.width, stem_stride=1, resolution=RESOLUTION)
        return {
            "resnet18": lambda: ResNet18(CLASSES, stem="cifar", width=channels),
            "se_resnet18": lambda: ResNet18(
                CLASSES, reduction=REDUCTION, stem="cifar", width=channels
            ),
            "mobilenet_v2": lambda: MobileNetV2(self.width, classes=CLASSES, stem="cifar"),
            "shufflenet_v2": lambda: ShuffleNetV2(self.width, CLASSES, stem="cifar"),
            "efficientnet_b0": lambda: EfficientNet(b0, CLASSES),
        }

    @property
    def training(self) -> Recipe:
        """The recipe of every network; the L1 penalty is the paper's Equation 4."""
        return Recipe(
            epochs=self.epochs,
            batch_size=128,
            optimizer="sgd",
            learning_rate=0.2,
            schedule="cosine",
            warmup_epochs=1.0,
            weight_decay=5e-4,
            label_smoothing=0.05,
            l1=1e-5,
            average_decay=0.998,
            precision="bfloat16",
        )

    @property
    def fine_tuning(self) -> Recipe:
        """The recipe after pruning, and of a dense network that is trained as long."""
        return replace(
            self.training,
            epochs=self.fine_tuning_epochs,
            learning_rate=0.08,
            warmup_epochs=0.1,
        )


SCALES = {
    "full": Scale(width=1.0, epochs=100, fine_tuning_epochs=20),
    "small": Scale(width=0.5, epochs=4, fine_tuning_epochs=2),
}
"""The paper's networks and 20 epochs of fine-tuning; and what two processor cores can do."""


def read_training(cifar10: Path) -> tuple[ImageArrays, ImageArrays]:
    """Return 45,000 images to train on, and 5,000 to choose by."""
    images, labels, _ = read_archives(sorted(cifar10.glob("train*.zip")))
    held_out, kept = np.split(
        np.random.default_rng(0).permutation(len(images)), [VALIDATION_IMAGES]
    )
    return ImageArrays(images[kept], labels[kept]), ImageArrays(images[held_out], labels[held_out])


def read_test(cifar10: Path) -> ImageArrays:
    """Return the 10,000 test images."""
    images, labels, _ = read_archives([cifar10 / "test.zip"])
    return ImageArrays(images, labels)
