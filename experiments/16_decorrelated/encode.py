"""Encode every data set once, for the scripts beside this one.

    python experiments/16_decorrelated/encode.py DATA FOLDER [NAME ...]

DATA holds folders ``imagenette-300`` and ``caltech-50`` (each with ``train`` and ``test``, one
folder a class; ``caltech-50`` also with ``unknown``, photos of no class), ``cifar10`` (zip archives
``train*.zip`` and ``test.zip``), ``mnist`` (the four gzipped IDX files) and
``encoders/efficientnetv2_b0.onnx``, which sees the photos; the bundled encoder sees MNIST and
scikit-learn's digits. FOLDER gets ``NAME-train.npz`` and ``NAME-test.npz`` with the arrays ``X``,
activations as the encoder gives them, and ``y``, names of classes; what lies there already is kept.
Of photos there is ``NAME-signed`` as well: the mean of the last residual stream, 192 channels that
no rectifier has seen, as embeddings of today's networks are.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from spikehead.backbones.data import read_archives
from spikehead.encoders import open_encoder
from spikehead.images import find_photos, named_photos, read_photo

Arrays = dict[str, NDArray[Any]]


class Photos:
    """EfficientNetV2-B0 up to its activations, and up to the last residual stream."""

    def __init__(self, path: Path) -> None:
        encoder = open_encoder(f"onnx:{path}")
        self.preprocessing = encoder.preprocessing
        model = onnx.load(path)
        convolution = [node for node in model.graph.node if node.op_type == "Conv"][-1]
        self.outputs = model.graph.output[0].name, convolution.input[0]
        model.graph.output.append(onnx.ValueInfoProto(name=self.outputs[1]))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        self.input = model.graph.input[0].name

    def encode(self, images: Iterable[Image.Image]) -> Arrays:
        """Return activations and signed embeddings, a row for each image."""
        rows = []
        for image in images:
            pixels = self.preprocessing(image)[None]
            activations, stream = self.session.run(self.outputs, {self.input: pixels})
            rows.append((activations[0], stream[0].mean(axis=(1, 2))))
        return dict(zip(("", "-signed"), map(np.stack, zip(*rows, strict=True)), strict=True))


def bundled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the bundled encoder's activations of grey images, shape (n, side, side)."""
    encoder = open_encoder("bundled")
    rgb = images[..., None].repeat(3, axis=3)
    blocks = [rgb[start : start + 250] for start in range(0, len(rgb), 250)]
    return np.concatenate(
        [
            encoder.encode(np.stack([encoder.preprocessing(Image.fromarray(i)) for i in block]))
            for block in blocks
        ]
    )


def digits(part: str) -> Iterable[tuple[str, Any, Any]]:
    """Yield scikit-learn's digits: 1,400 of an order that seed 0 draws, or the others."""
    grey, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(labels))
    chosen = order[:1400] if part == "train" else order[1400:]
    images = np.uint8(np.round(grey[chosen] * 255 / 16)).reshape(-1, 8, 8)
    yield "digits", bundled(images), labels[chosen]
    yield "digits-pixels", grey[chosen], labels[chosen]


def mnist(folder: Path, part: str) -> Iterable[tuple[str, Any, Any]]:
    """Yield MNIST."""
    name = {"train": "train", "test": "t10k"}[part]
    pixels = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    images = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28)
    y = np.frombuffer(labels, np.uint8, offset=8)
    yield "mnist-pixels", images.reshape(len(images), -1), y
    yield "mnist", bundled(images), y


def folders(name: str, folder: Path, encoder: Photos) -> Iterable[tuple[str, Any, Any]]:
    """Yield a data set of photos in folders."""
    if folder.name == "unknown":
        paths, labels = named_photos([folder])[0], []
    else:
        photos = find_photos(folder)
        paths, labels = [photo.path for photo in photos], [photo.label for photo in photos]
    found = encoder.encode(map(read_photo, paths))
    for kind, X in found.items():
        yield name + kind, X, labels or [""] * len(paths)


def cifar10(folder: Path, part: str, encoder: Photos) -> Iterable[tuple[str, Any, Any]]:
    """Yield CIFAR-10."""
    images, columns, classes = read_archives(sorted(folder.glob(f"{part}*.zip")))
    found = encoder.encode(map(Image.fromarray, images))
    for kind, X in found.items():
        yield f"cifar10{kind}", X, np.array(classes)[columns]


def main() -> None:
    """Write what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    data: Path = options.data
    encoder = Photos(data / "encoders" / "efficientnetv2_b0.onnx")
    sources: dict[str, Callable[[str], Iterable[tuple[str, Any, Any]]]] = {
        "digits": digits,
        "imagenette-300": lambda part: folders(
            "imagenette-300", data / "imagenette-300" / part, encoder
        ),
        "caltech-50": lambda part: folders("caltech-50", data / "caltech-50" / part, encoder),
        "mnist": lambda part: mnist(data / "mnist", part),
        "cifar10": lambda part: cifar10(data / "cifar10", part, encoder),
    }
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.names or sources:
        for part in ("test", "train", *(["unknown"] if name == "caltech-50" else [])):
            if (options.folder / f"{name}-{part}.npz").exists():
                continue
            for one, X, y in sources[name](part):
                path = options.folder / f"{one}-{part}.npz"
                np.savez(path, X=np.asarray(X, np.float32), y=np.asarray(y).astype(str))
                print(path, np.shape(X), flush=True)


if __name__ == "__main__":
    main()
