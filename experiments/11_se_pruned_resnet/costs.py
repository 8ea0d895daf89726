"""Parameters and multiply-adds of the networks of Tables I and II, beside those that they state.

    python costs.py

At 224 x 224, with 1000 classes, as the paper's figures for ResNet-18 are.
"""

from __future__ import annotations

import torch
from shufflenet import ShuffleNetV2

from spikehead.backbones.baselines import MobileNetV2
from spikehead.backbones.costs import count_multiply_adds, count_parameters
from spikehead.backbones.efficientnet import B0, EfficientNet
from spikehead.backbones.se_resnet import ResNet18

# What makes the network, and the paper's millions of parameters and billions of FLOPs.
NETWORKS = {
    "ResNet-18": (ResNet18, 11.7, 1.81),
    "SE-ResNet-18, r = 2": (lambda: ResNet18(reduction=2), 12.3, 1.98),
    "SE-ResNet-18, r = 4": (lambda: ResNet18(reduction=4), 12.3, 1.98),
    "SE-ResNet-18, r = 8": (lambda: ResNet18(reduction=8), 12.3, 1.98),
    "SE-ResNet-18, r = 16": (lambda: ResNet18(reduction=16), 12.3, 1.98),
    "MobileNetV2": (MobileNetV2, 2.2, 1.32),
    "ShuffleNetV2": (ShuffleNetV2, 2.2, 0.30),
    "EfficientNet-B0": (lambda: EfficientNet(B0), 5.3, 0.14),
}


def main() -> None:
    """Count and print."""
    print("| network | parameters | paper | multiply-adds | paper |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (make, parameters, multiply_adds) in NETWORKS.items():
        with torch.device("meta"):
            model = make()
        print(
            f"| {name} | {count_parameters(model) / 1e6:.2f} M | {parameters} M "
            f"| {count_multiply_adds(model, 224) / 1e9:.3f} G | {multiply_adds} G |"
        )


if __name__ == "__main__":
    main()
