"""Measure the encoder that comes with the package, as it comes: the ONNX file.

    python measure.py CIFAR10 ENCODER.onnx

Prints how well the spiking head learns scikit-learn's digits, which the encoder never saw, in one
pass: through the encoder and from their pixels alone, on the same splits. The hyperparameters of
either head come from the same random search within the training digits of split 0. Then the
accuracy of a linear classifier on the activations of CIFAR-10.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from spikehead.backbones.data import read_archives
from spikehead.encoders import OnnxEncoder
from spikehead.heads.colanet.classifier import CoLaNETClassifier

SPLITS = 5

DRAWS = 60


def activations(encoder: OnnxEncoder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the activations of images [images, R, R, 3]."""
    blocks = np.array_split(images, -(-len(images) // 1000))
    return np.concatenate(
        [
            encoder.encode(np.stack([encoder.preprocessing(Image.fromarray(i)) for i in block]))
            for block in blocks
        ]
    )


def linear_probe(
    train: tuple[NDArray[np.float32], NDArray[np.int64]],
    test: tuple[NDArray[np.float32], NDArray[np.int64]],
    epochs: int = 20,
) -> float:
    """Return the test accuracy of a linear classifier trained on activations."""
    torch.manual_seed(0)
    scale = float(train[0].std())
    inputs, labels = torch.from_numpy(train[0] / scale), torch.from_numpy(train[1])
    layer = torch.nn.Linear(inputs.shape[1], int(labels.max()) + 1)
    optimizer = torch.optim.AdamW(layer.parameters(), 1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels)).split(256):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()
        schedule.step()
    with torch.inference_mode():
        predicted = layer(torch.from_numpy(test[0] / scale)).argmax(1).numpy()
    return float((predicted == test[1]).mean())


def tuned(x: NDArray[np.float32], y: NDArray[np.int64], saturation: float) -> dict[str, Any]:
    """Return the best of `DRAWS` random hyperparameters, judged on three random quarters of x."""
    random = np.random.default_rng(0)
    quarters = [
        train_test_split(x, y, test_size=0.25, stratify=y, random_state=i) for i in range(3)
    ]
    best: tuple[float, dict[str, Any]] = (-1.0, {})
    for _ in range(DRAWS):
        drawn = {
            "potentiation": float(np.exp(random.uniform(np.log(0.15), np.log(1.2)))),
            "relative_depression": float(random.uniform(0.4, 1.2)),
            "stability_rate": float(np.exp(random.uniform(np.log(0.01), np.log(0.1)))),
            "max_weight": float(random.uniform(0.5, 1.5)),
            "min_weight": float(random.uniform(1.0, 3.0)),
            "microcolumns": int(random.integers(3, 16)),
            "threshold_excess": float(np.exp(random.uniform(np.log(0.01), np.log(0.25)))),
            "silent_synapses": int(np.exp(random.uniform(np.log(20), np.log(1000)))),
            "stochastic_stimulation": float(random.uniform(0.01, 0.15)),
            "saturation": saturation * float(random.uniform(0.3, 1.1)),
        }
        accuracy = sum(
            CoLaNETClassifier(**drawn).fit(parts[0], parts[2]).score(parts[1], parts[3])
            for parts in quarters
        )
        best = max(best, (accuracy, drawn), key=lambda pair: pair[0])
    return best[1]


def digit_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the digits, 8 x 8, and their classes."""
    grey, labels = load_digits(return_X_y=True)
    pixels = np.round(grey * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
    return pixels.repeat(3, axis=3), labels


def main() -> None:
    """Print both measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("encoder", type=Path)
    options = parser.parse_args()
    encoder = OnnxEncoder(options.encoder)

    digits, labels = digit_images()
    pixels = digits[..., 0].reshape(-1, 64) / np.float32(255)
    inputs = {
        "encoder": (activations(encoder, digits), encoder.saturation),
        "pixels": (pixels, 1.0),
    }
    found = {}
    print("| digits through | " + " | ".join(f"split {i}" for i in range(SPLITS)) + " | mean |")
    print("|" + "---|" * (SPLITS + 2))
    for name, (x, saturation) in inputs.items():
        accuracies = []
        for split in range(SPLITS):
            parts = train_test_split(x, labels, test_size=0.2, stratify=labels, random_state=split)
            if split == 0:
                found[name] = tuned(parts[0], parts[2], saturation)
            head = CoLaNETClassifier(**found[name]).fit(parts[0], parts[2])
            accuracies.append(100 * head.score(parts[1], parts[3]))
        row = " | ".join(f"{accuracy:.1f} %" for accuracy in accuracies)
        print(f"| {name} | {row} | {np.mean(accuracies):.1f} % |", flush=True)
    for name, values in found.items():
        print(f"\n{name}: " + ", ".join(f"{key} {value:.6g}" for key, value in values.items()))

    parts = [sorted(options.cifar10.glob("train*.zip")), [options.cifar10 / "test.zip"]]
    train, test = (read_archives(part)[:2] for part in parts)
    accuracy = linear_probe(
        (activations(encoder, train[0]), train[1]), (activations(encoder, test[0]), test[1])
    )
    print(f"\nCIFAR-10, linear classifier on the activations: {100 * accuracy:.1f} %")


if __name__ == "__main__":
    main()
