"""Train the encoder that comes with the package: a small EfficientNet on CIFAR-10.

    python train.py CIFAR10 RUN

CIFAR10 is a folder of zip files that hold CLASS/NAME.webp: any number of train*.zip and test.zip.
RUN gets the checkpoint, the log and the weights; started again, the training goes on from there.
The test images are touched once, after the last epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from spikehead.backbones.data import Augmentation, ImageArrays, read_archives
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.training import Recipe, evaluate, train

VALIDATION_IMAGES = 5000
RECIPE = Recipe(
    epochs=18,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.2,
    schedule="cosine",
    warmup_epochs=1.0,
    weight_decay=5e-4,
    label_smoothing=0.05,
    average_decay=0.998,
    precision="bfloat16",
    augmentation=Augmentation(grey=0.15, invert=0.1, erase=0.2, jitter=0.25),
)


def main() -> None:
    """Train, report each epoch, and test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    images, labels, classes = read_archives(sorted(options.cifar10.glob("train*.zip")))
    order = np.random.default_rng(0).permutation(len(images))
    held_out, kept = np.split(order, [VALIDATION_IMAGES])
    torch.manual_seed(0)
    model = train(
        EfficientNet(VARIANTS["efficientnet_cifar"], len(classes)),
        ImageArrays(images[kept], labels[kept]),
        ImageArrays(images[held_out], labels[held_out]),
        RECIPE,
        options.run,
        device=options.device,
        report=lambda epoch: print(epoch, flush=True),
    )
    test_images, test_labels, _ = read_archives([options.cifar10 / "test.zip"])
    test = ImageArrays(test_images, test_labels)
    print("test loss and accuracy", *evaluate(model, test, device=options.device))


if __name__ == "__main__":
    main()
