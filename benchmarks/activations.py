"""Activations as hard to learn as real ones, and their statistics; used by the benchmarks.

The synthetic ones are sparse mixtures: a class mixes a few of 48 shared parts, an example mixes
in parts that have nothing to do with its class, and every input has noise of its own. Square
root, scale and offset were chosen so that the spike counts are distributed as those of an
EfficientNetV2-B0 on Imagenette (1,280 inputs, saturation 2.07474):

    count      0     1     2     3     4      5      6      7      8      9     10
    real    .773  .106  .054  .030  .017  .0094  .0052  .0028  .0015  .0008  .0010
    here    .773  .102  .058  .031  .017  .0088  .0048  .0026  .0015  .0009  .0013

With 1,536 inputs and 64 classes about 1.9 columns of a member fire in a presentation (real: 1.4
of 10), and 93 % of the test examples are right after 5,000 training examples with 3 members: far
from easy. `python benchmarks/activations.py` prints these statistics; `--activations FILE.npz`
takes real activations instead (arrays `activations` and `labels`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tables import show

from spikehead import CoLaNETParameters
from spikehead.coding import STEPS, spike_counts

PARTS = 48


def synthetic(
    n_examples: int, n_inputs: int = 1536, n_classes: int = 64, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return activations, shape (n_examples, n_inputs), and their classes."""
    rng = np.random.default_rng(seed)
    parts = rng.gamma(0.35, size=(PARTS, n_inputs)).astype(np.float32)
    classes = rng.dirichlet(np.full(PARTS, 0.08), n_classes)
    labels = rng.integers(n_classes, size=n_examples, dtype=np.int32)
    activations = np.empty((n_examples, n_inputs), np.float32)
    for start in range(0, n_examples, 2048):
        batch = slice(start, start + 2048)
        of_class = classes[labels[batch]]
        mixture = of_class * rng.gamma(3, 1 / 3, of_class.shape)
        mixture += 0.4 * rng.dirichlet(np.full(PARTS, 0.1), len(of_class))
        drive = mixture.astype(np.float32) @ parts
        drive *= rng.standard_gamma(4, drive.shape, np.float32) / 4
        activations[batch] = np.maximum(1.5 * np.sqrt(drive) - 1.1, 0)
    return activations, labels


def load(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the real activations of a file, and their classes numbered from 0."""
    with np.load(path) as file:
        labels = np.unique(file["labels"], return_inverse=True)[1]
        return file["activations"].astype(np.float32), labels.astype(np.int32)


def add_arguments(parser: argparse.ArgumentParser, n_train: int, n_test: int) -> None:
    """Add the options that say which activations to take."""
    parser.add_argument("--train", type=int, default=n_train, help="training presentations")
    parser.add_argument("--test", type=int, default=n_test, help="test presentations")
    parser.add_argument("--inputs", type=int, default=1536)
    parser.add_argument("--classes", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--activations", type=Path, help="real ones: .npz, shuffled by --seed")
    parser.add_argument("--json", type=Path, help="also write the results to this file")


def chosen(options: argparse.Namespace) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return ``train + test`` activations and their classes, as the options say."""
    n_examples = options.train + options.test
    if options.activations is None:
        return synthetic(n_examples, options.inputs, options.classes, options.seed)
    activations, labels = load(options.activations)
    if len(labels) < n_examples:
        raise SystemExit(f"{options.activations} holds {len(labels)} examples, not {n_examples}")
    order = np.random.default_rng(options.seed).permutation(len(labels))[:n_examples]
    return activations[order], labels[order]


def statistics(activations: NDArray[Any], saturation: float) -> dict[str, Any]:
    """Return the share of inputs that spike, and that of each spike count."""
    counts = spike_counts(activations[:5000], saturation)
    shares = np.bincount(counts.ravel(), minlength=STEPS + 1) / counts.size
    return {
        "active inputs": f"{1 - shares[0]:.1%}",
        "share of counts 0 to 10": " ".join(f"{share:.4f}" for share in shares),
    }


def main() -> None:
    """Print the statistics of the activations."""
    parser = argparse.ArgumentParser(description="Statistics of the benchmarks' activations.")
    add_arguments(parser, 5000, 1000)
    options = parser.parse_args()
    activations, _ = chosen(options)
    found = statistics(activations, CoLaNETParameters.saturation)
    show("Activations", [found], options.json)


if __name__ == "__main__":
    main()
