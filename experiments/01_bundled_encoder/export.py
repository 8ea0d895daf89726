"""Write the trained encoder as the ONNX file that comes with the package.

    python export.py CIFAR10 RUN/weights.pt BUNDLED/efficientnet_cifar.onnx

BUNDLED is src/spikehead/encoders/bundled; the JSON file gets there too.

The activations are those of the last MBConv stage, rectified, at each of its 4 x 4 places: 2,048.
Unlike their mean over the places they still tell where something is, on which objects that are
not of the classes of CIFAR-10, digits above all, depend.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spikehead.backbones.data import ImageArrays, normalised, read_archives
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.export import export
from spikehead.backbones.weights import load_state
from spikehead.images import Preprocessing

SATURATION_PERCENTILE = 99.5
CALIBRATION_IMAGES = 2000


class PlacedActivations(nn.Module):
    """The activations of an EfficientNet's last stage at each place, [batch, channels * places]."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.stages = network.features[:-1]

    def forward(self, image: Tensor) -> Tensor:
        """Return the activations of images [batch, 3, R, R]."""
        return self.stages(image).relu().flatten(1)


def main() -> None:
    """Export, and say how large the error and the file are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()

    network = EfficientNet(VARIANTS["efficientnet_cifar"], classes=10)
    network.load_state_dict(load_state(options.weights))
    encoder = PlacedActivations(network).eval()

    images, labels, _ = read_archives([next(options.cifar10.glob("train*.zip"))])
    chosen = ImageArrays(images, labels).batch(np.arange(CALIBRATION_IMAGES), None)
    pixels = normalised(torch.from_numpy(np.ascontiguousarray(chosen)).float() / 255)
    with torch.inference_mode():
        activations = encoder(pixels)
    saturation = float(np.percentile(activations[activations > 0].numpy(), SATURATION_PERCENTILE))
    error = export(
        encoder,
        options.file,
        Preprocessing(resize=32, crop=32),
        precision="float16",
        calibration=pixels.numpy(),
        saturation=round(saturation, 4),
    )
    size = options.file.stat().st_size
    print(f"{options.file.name}: {size:,} bytes, error {error:.1e}, saturation {saturation:.4f}")


if __name__ == "__main__":
    main()
