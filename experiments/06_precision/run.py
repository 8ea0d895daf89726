"""A pretrained encoder in three precisions: activations, accuracy after the head, speed.

    python experiments/06_precision/run.py PHOTOS efficientnet_lite0
    python experiments/06_precision/run.py PHOTOS onnx:ENCODER.onnx

PHOTOS has a folder ``train`` and a folder ``test``, each with a sub-folder per class. The integers
are calibrated on some training photos. The error is the root mean square difference from the
activations of the encoder as it came, relative to their own root mean square, on the test photos.
The head, decorrelated columns, learns and answers with the encoder of the same precision: 1 and 5
photos of each class, which a seed draws, and all. "Change" counts test photos that get another
answer than with the encoder as it came, seed for seed, where all are learned. Speed: the encoders
take turns at the same pixels; medians.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead import DecorrelatedColumns
from spikehead.backbones.precision import halve, quantise
from spikehead.encoders import OnnxEncoder, encode_photos, open_encoder
from spikehead.images import Photo, find_photos, read_photo

CALIBRATION_PHOTOS = 256
SEEDS = 5
FEW = 1, 5
TURNS = 15
TIMED_PHOTOS = 32


def main() -> None:
    """Write the encoders and measure them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("encoder", help="as `spikehead learn --encoder` takes it")
    options = parser.parse_args()
    train, test = (find_photos(options.photos / part) for part in ("train", "test"))
    y, y_test = (np.array([photo.label for photo in photos]) for photos in (train, test))
    with tempfile.TemporaryDirectory() as folder:
        encoders = in_precisions(options.encoder, train, Path(folder))
        photos_a_second = speeds(list(encoders.values()), test)
        exact: NDArray[np.float32] | None = None
        expected: NDArray[Any] | None = None
        for (name, encoder), speed in zip(encoders.items(), photos_a_second, strict=True):
            X, X_test = activations(train, encoder), activations(test, encoder)
            exact = X_test if exact is None else exact
            answers = DecorrelatedColumns().fit(X, y).predict(X_test)
            expected = answers if expected is None else expected
            error = np.sqrt(np.mean((X_test - exact) ** 2) / np.mean(exact**2))
            size = encoder.files["encoder"].stat().st_size / 1e6
            few = [few_of(X, y, X_test, y_test, n) for n in FEW]
            told = "".join(f"{n} a class {mean:.1%}, " for n, mean in zip(FEW, few, strict=True))
            print(
                f"{name}: {size:.1f} MB, {speed:.0f} photos/s, error {error:.2%}, accuracy: {told}"
                f"all {np.mean(answers == y_test):.2%}, change {np.mean(answers != expected):.2%}",
                flush=True,
            )


def in_precisions(name: str, train: list[Photo], folder: Path) -> dict[str, OnnxEncoder]:
    """Return the encoder in each precision; preprocessing is that of the original."""
    exact = open_encoder(name)
    assert isinstance(exact, OnnxEncoder)
    original = exact.files["encoder"]
    half, integer = folder / "float16.onnx", folder / "int8.onnx"
    for file in (half, integer):
        shutil.copyfile(original, file)
    halve(half)
    chosen = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_PHOTOS]
    quantise(integer, pixels([train[i] for i in chosen], exact))
    preprocessing = exact.preprocessing
    return {
        "as it came": exact,
        "float16 weights": OnnxEncoder(half, preprocessing=preprocessing),
        "int8": OnnxEncoder(integer, preprocessing=preprocessing),
    }


def pixels(photos: list[Photo], encoder: OnnxEncoder) -> NDArray[np.float32]:
    """Return the photos as the encoder takes them."""
    return np.stack([encoder.preprocessing(read_photo(photo.path)) for photo in photos])


def activations(photos: list[Photo], encoder: OnnxEncoder) -> NDArray[np.float32]:
    """Return the activations of all photos, none of which may be damaged."""
    batches = encode_photos([photo.path for photo in photos], encoder)
    return np.concatenate([batch.given for batch in batches])


def few_of(
    X: NDArray[np.float32],
    y: NDArray[Any],
    X_test: NDArray[np.float32],
    y_test: NDArray[Any],
    n: int,
) -> float:
    """Return the accuracy after so many photos of each class, the mean over the seeds."""
    found = []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(X))
        chosen = np.concatenate([order[y[order] == label][:n] for label in np.unique(y)])
        head = DecorrelatedColumns().fit(X[chosen], y[chosen])
        found.append(np.mean(head.predict(X_test) == y_test))
    return float(np.mean(found))


def speeds(encoders: list[OnnxEncoder], photos: list[Photo]) -> NDArray[np.float64]:
    """Return the photos per second of each encoder, taking turns."""
    batch = pixels(photos[:TIMED_PHOTOS], encoders[0])
    seconds = np.empty((TURNS, len(encoders)))
    for turn in range(TURNS):
        for i, encoder in enumerate(encoders):
            start = perf_counter()
            encoder.encode(batch)
            seconds[turn, i] = perf_counter() - start
    return TIMED_PHOTOS / np.median(seconds, axis=0)


if __name__ == "__main__":
    main()
