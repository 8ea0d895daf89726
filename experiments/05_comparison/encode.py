"""Encode MNIST, CIFAR-10, scikit-learn's digits and photos for `spikehead compare`.

    python experiments/05_comparison/encode.py MNIST CIFAR10 PHOTOS ENCODER.onnx FOLDER

MNIST holds the four gzipped IDX files, CIFAR10 zip archives ``train*.zip`` and ``test.zip``, PHOTOS
a folder ``train`` and a folder ``test``. ENCODER.onnx sees the photos and CIFAR-10; the bundled
encoder MNIST and the digits. FOLDER gets ``NAME-train.npz`` and ``NAME-test.npz``.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from spikehead.backbones.data import read_archives
from spikehead.encoders import Encoder, encode_photos, open_encoder
from spikehead.images import find_photos

SIZES = {"train": 8000, "test": 2000}


def encoded(encoder: Encoder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the activations of images, shape (n, side, side, 3)."""
    blocks = [images[start : start + 250] for start in range(0, len(images), 250)]
    rows = [
        encoder.encode(np.stack([encoder.preprocessing(Image.fromarray(i)) for i in block]))
        for block in blocks
    ]
    return np.concatenate(rows).clip(min=0)


def mnist(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images, shape (n, 28, 28), and digits."""
    name = {"train": "train", "test": "t10k"}[part]
    images = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, np.uint8, offset=8)


def rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey images as RGB."""
    return grey[..., None].repeat(3, axis=3)


def main() -> None:
    """Write every data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("mnist", "cifar10", "photos", "encoder", "folder"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    large, bundled = open_encoder(f"onnx:{options.encoder}"), open_encoder("bundled")
    options.folder.mkdir(exist_ok=True)

    def write(name: str, part: str, activations: Any, labels: Any) -> None:
        np.savez(options.folder / f"{name}-{part}.npz", X=np.float32(activations), y=labels)

    grey, digits = load_digits(return_X_y=True)
    images = rgb(np.uint8(np.round(grey * 255 / 16)).reshape(-1, 8, 8))
    order = np.random.RandomState(0).permutation(len(digits))
    for part, chosen in (("train", order[:1400]), ("test", order[1400:])):
        write("digits", part, encoded(bundled, images[chosen]), digits[chosen])
    for part, n in SIZES.items():
        pixels, labels = mnist(options.mnist, part)
        write("mnist-pixels", part, pixels[:n].reshape(n, -1) / 255, labels[:n])
        write("mnist", part, encoded(bundled, rgb(pixels[:n])), labels[:n])
        images, labels = read_archives(sorted(options.cifar10.glob(f"{part}*.zip"))[:1])[:2]
        chosen = np.random.RandomState(0).permutation(len(labels))[:n]
        write("cifar10", part, encoded(large, images[chosen]), labels[chosen])
        photos = find_photos(options.photos / part)
        batches = list(encode_photos([photo.path for photo in photos], large))
        labels = np.array([photos[i].label for batch in batches for i in batch.indices])
        activations = np.concatenate([batch.given.clip(min=0) for batch in batches])
        write("imagenette", part, activations, labels)


if __name__ == "__main__":
    main()
