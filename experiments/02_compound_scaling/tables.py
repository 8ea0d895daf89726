"""Print the parameter and FLOP columns of Tables 2 and 3 of the EfficientNet paper.

    python tables.py > tables.md

FLOPS are multiply-adds, as in the paper. Nothing is trained: accuracies need ImageNet.
"""

from __future__ import annotations

from functools import partial

from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.scaling import (
    BASELINES,
    Blueprint,
    Ratios,
    Scale,
    multiply_adds,
    parameters,
)

# Published parameters (millions) and FLOPS (billions).
TABLE_2 = {
    "efficientnet_b0": (5.3, 0.39),
    "efficientnet_b1": (7.8, 0.70),
    "efficientnet_b2": (9.2, 1.0),
    "efficientnet_b3": (12, 1.8),
    "efficientnet_b4": (19, 4.2),
    "efficientnet_b5": (30, 9.9),
    "efficientnet_b6": (43, 19),
    "efficientnet_b7": (66, 37),
}

# The paper's "r = 1.3" is taken as 288 pixels, which every stride divides; see the notes.
NEAR_1_3 = 288 / 224

TABLE_3 = {
    "mobilenet_v1": [
        ("baseline", Scale(), 0.6),
        ("width 2", Scale(width=2), 2.2),
        ("resolution 2", Scale(resolution=2), 2.2),
        ("compound: d 1.4, w 1.2, 288 px", Scale(1.4, 1.2, NEAR_1_3), 2.3),
        ("compound: d 1.4, w 1.2, 291 px", Scale(1.4, 1.2, 1.3), 2.3),
    ],
    "mobilenet_v2": [
        ("baseline", Scale(), 0.3),
        ("depth 4", Scale(depth=4), 1.2),
        ("width 2", Scale(width=2), 1.1),
        ("resolution 2", Scale(resolution=2), 1.2),
        ("compound: d 1.4, w 1.2, 288 px", Scale(1.4, 1.2, NEAR_1_3), 1.3),
    ],
    "resnet_50": [
        ("baseline", Scale(), 4.1),
        ("depth 4", Scale(depth=4), 16.2),
        ("width 2", Scale(width=2), 14.7),
        ("resolution 2", Scale(resolution=2), 16.4),
        ("compound: phi 2", Ratios().scale(2), 16.7),
    ],
}

NOTES = """\
Deviation: from the published figure; a figure inside the rounding of the published one counts as 0.

- **B4 and B5.** The layers and parameters agree; the published FLOPS are lower than these layers
  need at 380 and 456 pixels. Other implementations of the same networks count as here (torchvision
  states 4.39 and 10.27).
- **MobileNetV1, resolution 2.** Four times the baseline's 0.569 is 2.28; the published figure seems
  to be cut off, not rounded.
- **MobileNetV1, compound.** 1.3 x 224 is 291 pixels, on which strided layers round up to 146, 73,
  37, 19 and 10. At 288 pixels (1.286), which every stride divides, the published figure is met.
- **MobileNetV2 and ResNet-50, compound.** The paper does not give their coefficients. With those of
  MobileNetV1 and, for ResNet-50, of EfficientNet-B0 at phi = 2 (d 1.44, w 1.21, r 1.32) the
  published figures are met.
- **ResNet-50, depth 4 and width 2.** The published figures are those computed here, interchanged:
  width 2 needs 16.1 and depth 4 needs 14.6 billion. Twice the width multiplies all layers but the
  first and the last by four, which only 16.2 is near to.
"""


def deviation(computed: float, published: float) -> str:
    """Return by how much a figure differs from a rounded one, in percent."""
    digits = len(f"{published:g}".partition(".")[2])
    if round(computed, digits) == published:
        return "0 %"
    return f"{100 * (computed / published - 1):+.1f} %"


def main() -> None:
    """Print both tables and the notes."""
    print("## Table 2\n")
    print("| network | parameters, M | published | | FLOPS, B | published | |")
    print("|---|---|---|---|---|---|---|")
    for name, (published_parameters, published_flops) in TABLE_2.items():
        architecture = VARIANTS[name]
        network = Blueprint(partial(EfficientNet, architecture), architecture.resolution)
        millions, billions = parameters(network) / 1e6, multiply_adds(network) / 1e9
        print(
            f"| {name} | {millions:.2f} | {published_parameters:g} "
            f"| {deviation(millions, published_parameters)} | {billions:.3f} "
            f"| {published_flops:g} | {deviation(billions, published_flops)} |"
        )
    print("\n## Table 3\n")
    print("| network | scaled by | pixels | parameters, M | FLOPS, B | published | |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in TABLE_3.items():
        for title, scale, published in rows:
            network = BASELINES[name](scale)
            millions, billions = parameters(network) / 1e6, multiply_adds(network) / 1e9
            print(
                f"| {name} | {title} | {network.resolution} | {millions:.2f} | {billions:.3f} "
                f"| {published:g} | {deviation(billions, published)} |"
            )
    print(f"\n{NOTES}", end="")


if __name__ == "__main__":
    main()
