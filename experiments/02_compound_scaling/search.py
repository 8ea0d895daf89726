"""Search alpha, beta and gamma (Section 4, step 1) by training at a small scale on CIFAR-10.

    python search.py CIFAR10 RUN                                          # minutes on a CPU
    python search.py CIFAR10 RUN --images 45000 --epochs 60 --step 0.05 --device cuda  # in earnest

Every candidate that doubles the cost of a small EfficientNet is trained alike and judged by the
same 2,000 held-out training images. CIFAR10 is a folder of train*.zip; RUN keeps each candidate's
training, so that a search that was stopped goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from spikehead.backbones.data import ImageArrays, read_archives
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.scaling import (
    Blueprint,
    Ratios,
    Scale,
    constrained_ratios,
    multiply_adds,
    search_ratios,
)
from spikehead.backbones.training import Recipe, evaluate, train

VALIDATION_IMAGES = 2000


def baseline(scale: Scale) -> Blueprint:
    """Return the scaled network; the unscaled one is half as wide as the bundled encoder."""
    small = VARIANTS["efficientnet_cifar"]
    resolution = round(small.resolution * scale.resolution)
    scaled = replace(small, width=0.5 * scale.width, depth=scale.depth, resolution=resolution)
    return Blueprint(partial(EfficientNet, scaled), resolution)


def resized(images: np.ndarray, labels: np.ndarray, side: int) -> ImageArrays:
    """Return images enlarged to `side`."""
    enlarged = [np.asarray(Image.fromarray(image).resize((side, side))) for image in images]
    return ImageArrays(np.stack(enlarged), labels)


def main() -> None:
    """Search, and print each candidate as a row of a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--step", type=float, default=0.2)
    parser.add_argument("--tolerance", type=float, default=0.1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    images, labels, classes = read_archives(sorted(options.cifar10.glob("train*.zip")))
    order = np.random.default_rng(0).permutation(len(images))
    held_out, kept = np.split(order, [VALIDATION_IMAGES])
    kept = kept[: options.images]
    recipe = Recipe(
        epochs=options.epochs,
        batch_size=64,
        optimizer="sgd",
        learning_rate=0.4,
        schedule="cosine",
        warmup_epochs=0.5,
        weight_decay=5e-4,
        average_decay=0.95,
        precision="bfloat16",
    )

    def accuracy(network: Blueprint) -> float:
        torch.manual_seed(0)
        model = network.make(len(classes))
        architecture = model.architecture
        name = f"w{architecture.width:.3f}-d{architecture.depth:.2f}-r{network.resolution}"
        validation = resized(images[held_out], labels[held_out], network.resolution)
        training = resized(images[kept], labels[kept], network.resolution)
        folder = options.run / name
        average = train(model, training, validation, recipe, folder, device=options.device)
        return evaluate(average, validation, device=options.device)[1]

    def report(ratios: Ratios, reached: float) -> None:
        cost = multiply_adds(baseline(ratios.scale(1)), len(classes)) / 1e6
        print(
            f"| {ratios.alpha:g} | {ratios.beta:g} | {ratios.gamma:g} | {ratios.growth:.2f} "
            f"| {cost:.1f} | {100 * reached:.1f} % |",
            flush=True,
        )

    unscaled = multiply_adds(baseline(Scale()), len(classes)) / 1e6
    print(
        f"{options.images} images, {options.epochs} epochs; unscaled: {unscaled:.1f}M multiply-adds"
    )
    print("\n| alpha | beta | gamma | growth | multiply-adds, M | accuracy |")
    print("|---|---|---|---|---|---|")
    candidates = constrained_ratios(tolerance=options.tolerance, step=options.step)
    best, reached = search_ratios(baseline, accuracy, candidates, report=report)
    print(f"\nBest: {best}, {100 * reached:.1f} %")


if __name__ == "__main__":
    main()
