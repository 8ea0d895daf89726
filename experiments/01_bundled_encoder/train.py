"""Train the encoder that comes with the package: a small EfficientNet on CIFAR-10.

    python train.py CIFAR10 RUN

CIFAR10 is a folder of zip files that hold CLASS/NAME.webp: any number of train*.zip and test.zip.
RUN gets the checkpoint, the log and the weights; started again, the training goes on from there.
The test images are touched once, after the last epoch.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from spikehead.backbones.data import Augmentation, ImageArrays
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


def read(archives: list[Path]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images [images, 32, 32, 3] and their class numbers, in the order of names."""
    images, names = [], []
    for archive in archives:
        with zipfile.ZipFile(archive) as opened:
            for member in sorted(opened.namelist()):
                if member.endswith(".webp"):
                    images.append(np.asarray(Image.open(io.BytesIO(opened.read(member)))))
                    names.append(member.split("/")[0])
    return np.stack(images), np.unique(names, return_inverse=True)[1]


def main() -> None:
    """Train, report each epoch, and test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    images, labels = read(sorted(options.cifar10.glob("train*.zip")))
    order = np.random.default_rng(0).permutation(len(images))
    held_out, kept = np.split(order, [VALIDATION_IMAGES])
    torch.manual_seed(0)
    model = train(
        EfficientNet(VARIANTS["efficientnet_cifar"], classes=10),
        ImageArrays(images[kept], labels[kept]),
        ImageArrays(images[held_out], labels[held_out]),
        RECIPE,
        options.run,
        device=options.device,
        report=lambda epoch: print(epoch, flush=True),
    )
    test = ImageArrays(*read([options.cifar10 / "test.zip"]))
    print("test loss and accuracy", *evaluate(model, test, device=options.device))


if __name__ == "__main__":
    main()
