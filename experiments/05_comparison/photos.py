"""Write the data sets of the comparison as folders of photos, one sub-folder a class.

    python experiments/05_comparison/photos.py digits OUTPUT
    python experiments/05_comparison/photos.py mnist OUTPUT MNIST-FOLDER
    python experiments/05_comparison/photos.py cifar10 OUTPUT TRAIN.zip TEST.zip

Digits are scikit-learn's, for both parts. MNIST-FOLDER holds the four files in the IDX format,
gzipped; a zip of CIFAR-10 holds ``CLASS/NAME.webp``. As many images are written as ``--train`` and
``--test`` say, the first ones of a shuffled order.
"""

from __future__ import annotations

import argparse
import gzip
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from spikehead.images import split


def digits(part: str) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Return a part of scikit-learn's digits, 8 x 8, and their names."""
    pixels, labels = load_digits(return_X_y=True)
    chosen = split(labels.astype(str))[part == "test"]
    return np.uint8(pixels[chosen].reshape(-1, 8, 8) * 255 / 16), labels[chosen].astype(str)


def mnist(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Return a part of MNIST, 28 x 28, and the digits."""
    name = {"train": "train", "test": "t10k"}[part]
    images = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, np.uint8, offset=8).astype(str)


def first(n_images: int, n: int | None) -> NDArray[np.intp]:
    """Return the first places of a shuffled order."""
    return np.random.RandomState(0).permutation(n_images)[:n]


def main() -> None:
    """Write one data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=("digits", "mnist", "cifar10"))
    parser.add_argument("output", type=Path)
    parser.add_argument("sources", type=Path, nargs="*")
    parser.add_argument("--train", type=int, help="training images; default: all")
    parser.add_argument("--test", type=int, help="test images; default: all")
    options = parser.parse_args()
    for place, (part, n) in enumerate({"train": options.train, "test": options.test}.items()):
        output = options.output / part
        if options.data == "cifar10":
            with zipfile.ZipFile(options.sources[place]) as archive:
                names = sorted(name for name in archive.namelist() if name.endswith(".webp"))
                archive.extractall(output, [names[i] for i in first(len(names), n)])
            continue
        images, labels = (
            mnist(options.sources[0], part) if options.data == "mnist" else digits(part)
        )
        for i in first(len(labels), n):
            (output / labels[i]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[i]).save(output / labels[i] / f"{i:05}.png")


if __name__ == "__main__":
    main()
