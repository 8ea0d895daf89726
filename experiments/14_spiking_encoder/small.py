"""Train the small network that CoLaNET's inventor converts, with the project's own trainer.

    python experiments/14_spiking_encoder/small.py CIFAR10 RUN

CIFAR10 is a folder of zip files that hold CLASS/NAME.webp: any number of train*.zip and test.zip.
RUN gets the checkpoint, the log and the weights; started again, the training goes on from there.
Written is ``small.onnx``, the encoder alone, beside the weights. The test images are touched once,
after the last epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spikehead.backbones.backbone import Backbone
from spikehead.backbones.data import ImageArrays, read_archives
from spikehead.backbones.export import export
from spikehead.backbones.training import Recipe, evaluate, train
from spikehead.images import Preprocessing

VALIDATION_IMAGES = 5000
PREPROCESSING = Preprocessing(resize=32, crop=32)
RECIPE = Recipe(
    epochs=18,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.2,
    schedule="cosine",
    warmup_epochs=1.0,
    weight_decay=1e-4,
    average_decay=0.998,
)


class Small(Backbone):
    """Five 3x3 convolutions without padding: 16 16 pool 32 32 pool 40, and the mean over the map.

    Once batch normalisation is folded into the convolutions it has 28,626 parameters.

    Parameters
    ----------
    classes : int, default 10
        Outputs of the classifier; with 0 there is none, and the output is the activations.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 16),
            *_convolution(16, 16),
            nn.AvgPool2d(2),
            *_convolution(16, 32),
            *_convolution(32, 32),
            nn.AvgPool2d(2),
            *_convolution(32, 40),
        )
        self.replace_head(classes)

    def feature_map(self, image: Tensor) -> Tensor:
        """Return the last features, [batch, 40, 3, 3]."""
        features: Tensor = self.features(image)
        return features


def _convolution(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, 3, bias=False)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU()


def read_training(cifar10: Path) -> tuple[ImageArrays, ImageArrays]:
    """Return 45,000 images to train on, and 5,000 to choose by."""
    images, labels, _ = read_archives(sorted(cifar10.glob("train*.zip")))
    order = np.random.default_rng(0).permutation(len(images))
    held_out, kept = np.split(order, [VALIDATION_IMAGES])
    return ImageArrays(images[kept], labels[kept]), ImageArrays(images[held_out], labels[held_out])


def read_test(cifar10: Path) -> ImageArrays:
    """Return the 10,000 test images."""
    return ImageArrays(*read_archives([cifar10 / "test.zip"])[:2])


def main() -> None:
    """Train, report each epoch, write, and test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = train(
        Small(),
        *read_training(options.cifar10),
        RECIPE,
        options.run,
        report=lambda epoch: print(epoch, flush=True),
    )
    print("test loss and accuracy", *evaluate(model, read_test(options.cifar10)))
    model.replace_head(0)
    export(model, options.run / "small.onnx", PREPROCESSING)


if __name__ == "__main__":
    main()
