"""Train a network of Tables I and II on CIFAR-10, and go on with it.

    python train.py CIFAR10 RUNS NETWORK [--then structured|unstructured|longer] [--scale small]

CIFAR10 is a folder of zip files that hold CLASS/NAME.webp: any number of train*.zip and test.zip.
RUNS/NETWORK gets checkpoints, logs and weights; started again, the training goes on from there.
With --then the trained network is pruned and fine-tuned, or, for a fair comparison, fine-tuned as
long without being pruned. The test images are not touched.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from networks import SCALES, read_training

from spikehead.backbones.pruning import Plan, prune
from spikehead.backbones.training import train

# A convolution takes 8 or 16 channels at a time, so a network that loses few channels is hardly
# faster: 40 % of it go, where 30 % would do for its size.
REDUCTION = {"structured": 0.4, "unstructured": 0.3}


def main() -> None:
    """Train, and report each epoch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("network", choices=SCALES["full"].networks())
    parser.add_argument("--then", choices=("structured", "unstructured", "longer"))
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    scale = SCALES[options.scale]
    folder = options.runs / options.network
    images, validation = read_training(options.cifar10)

    def report(row: object) -> None:
        print(row, flush=True)

    torch.manual_seed(0)
    model = train(
        scale.networks()[options.network](),
        images,
        validation,
        scale.training,
        folder / "training",
        device=options.device,
        report=report,
    )
    if options.then == "longer":
        train(
            model,
            images,
            validation,
            scale.fine_tuning,
            folder / "longer",
            device=options.device,
            report=report,
        )
    elif options.then:
        prune(
            model,
            images,
            validation,
            Plan(options.then, REDUCTION[options.then], fine_tuning=scale.fine_tuning),
            folder / options.then,
            device=options.device,
            report_candidate=report,
            report_epoch=report,
        )


if __name__ == "__main__":
    main()
