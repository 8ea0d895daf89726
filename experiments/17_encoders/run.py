"""How good a head gets behind each encoder.

    python experiments/17_encoders/run.py DATA FILE.json ENCODER ...

DATA holds folders ``imagenette-300`` and ``caltech-50`` (each with ``train`` and ``test``, one
folder a class) and ``cifar10`` (zip archives ``train*.zip`` and ``test.zip``; 1,000 photos of the
first one and 1,000 of the test part are drawn). ENCODER is a name as `spikehead
encoder list` has it; with ``,float16`` or ``,int8`` behind it, its ONNX file in that precision,
where integers are calibrated on 256 training photos of imagenette-300. Results are added to FILE,
and an encoder that is in it already is left out; `table.py` makes the table of the documentation
of it.

The head is that of decorrelated columns with its defaults, one pass. Accuracies are in percent, on
the test part, which chooses nothing: of three orders of all training photos, and of 20 draws of 1
and of 5 training photos a class; beside them the nearest cosine to a class mean, on the same draws.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from spikehead import DecorrelatedColumns
from spikehead.backbones.precision import halve, quantise
from spikehead.encoders import Encoder, OnnxEncoder, encode_photos, open_encoder
from spikehead.images import find_photos, read_photo

ORDERS, DRAWS = 3, 20
FEW = (1, 5)
ARCHIVED = 1000
CALIBRATION_PHOTOS = 256
PHOTOS = ("imagenette-300", "caltech-50")

Source = tuple[list[Any], list[str]]
"""Photos, as paths or contents, and their classes."""

Answer = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]
"""From activations, their classes, and activations that are asked, to classes."""


def main() -> None:
    """Measure the encoders, and keep each one's results when it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("encoders", nargs="+", metavar="ENCODER")
    options = parser.parse_args()
    results = json.loads(options.file.read_text()) if options.file.exists() else {}
    sources = {name: folders(options.data / name) for name in PHOTOS}
    sources["cifar10"] = archives(options.data / "cifar10")
    for named in options.encoders:
        name = named.removeprefix("onnx:")
        name = Path(name).name.replace(".onnx", "") if name != named else name
        if name in results:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            encoder = opened(named, sources["imagenette-300"]["train"], Path(temporary))
            sizes = [file.stat().st_size for file in encoder.files.values()]
            results[name] = {"activations": encoder.n_activations, "bytes": sum(sizes)}
            for data, parts in sources.items():
                train, test = (encoded(*parts[part], encoder) for part in ("train", "test"))
                results[name][data] = measured(*train, *test)
                print(name, data, results[name][data], flush=True)
        options.file.write_text(json.dumps(results, indent=1) + "\n")


def folders(folder: Path) -> dict[str, Source]:
    """Return the training and the test part of a data set in folders."""
    parts = {part: find_photos(folder / part) for part in ("train", "test")}
    return {
        part: ([photo.path for photo in photos], [photo.label for photo in photos])
        for part, photos in parts.items()
    }


def archives(folder: Path) -> dict[str, Source]:
    """Return some photos of the first training archive, and of the test archive."""
    found = {}
    for part in ("train", "test"):
        with zipfile.ZipFile(sorted(folder.glob(f"{part}*.zip"))[0]) as archive:
            names = [name for name in archive.namelist() if name.endswith(".webp")]
            order = np.random.default_rng(0).permutation(len(names))[:ARCHIVED]
            chosen = [names[i] for i in order]
            found[part] = (
                [archive.read(name) for name in chosen],
                [name.split("/")[-2] for name in chosen],
            )
    return found


def opened(named: str, calibration: Source, folder: Path) -> Encoder:
    """Return an encoder, in the precision that its name asks for."""
    name, _, precision = named.partition(",")
    encoder = open_encoder(name)
    if not precision:
        return encoder
    file = folder / "encoder.onnx"
    shutil.copyfile(encoder.files["encoder"], file)
    if precision == "float16":
        halve(file)
    else:
        photos = np.random.default_rng(0).permutation(len(calibration[0]))[:CALIBRATION_PHOTOS]
        pixels = [encoder.preprocessing(read_photo(calibration[0][i])) for i in photos]
        quantise(file, np.stack(pixels))
    return OnnxEncoder(file, preprocessing=encoder.preprocessing)


def encoded(
    photos: list[Any], labels: list[str], encoder: Encoder
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return the activations of photos, none of which may be damaged, and their classes."""
    batches = encode_photos(photos, encoder)
    return np.concatenate([batch.given for batch in batches]), np.array(labels)


def measured(
    X: NDArray[np.float32], y: NDArray[Any], X_test: NDArray[np.float32], y_test: NDArray[Any]
) -> dict[str, Any]:
    """Return the accuracies, each with its standard deviation."""

    def accuracies(answer: Answer, draws: list[NDArray[np.intp]]) -> list[float]:
        found = [100 * np.mean(answer(X[one], y[one], X_test) == y_test) for one in draws]
        return [round(float(np.mean(found)), 2), round(float(np.std(found, ddof=1)), 2)]

    orders = [np.random.RandomState(seed).permutation(len(y)) for seed in range(ORDERS)]
    results: dict[str, Any] = {
        "train": len(y),
        "test": len(y_test),
        "all": accuracies(of_the_head, orders),
    }
    for n in FEW:
        draws = [few(y, n, np.random.default_rng([n, seed])) for seed in range(DRAWS)]
        results[f"{n} a class"] = accuracies(of_the_head, draws)
        results[f"{n} a class, cosine mean"] = accuracies(of_the_cosine, draws)
    return results


def of_the_head(X: NDArray[Any], y: NDArray[Any], asked: NDArray[Any]) -> NDArray[Any]:
    """Return the answers of decorrelated columns."""
    return np.asarray(DecorrelatedColumns().fit(X, y).predict(asked))


def of_the_cosine(X: NDArray[Any], y: NDArray[Any], asked: NDArray[Any]) -> NDArray[Any]:
    """Return the class whose mean has the largest cosine, as unit vectors have a mean."""
    classes = np.unique(y)
    unit, of_asked = normalize(X), normalize(asked)
    means = normalize([unit[y == one].mean(axis=0) for one in classes])
    return np.asarray(classes[(of_asked @ means.T).argmax(axis=1)])


def few(y: NDArray[Any], n: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Draw n examples of each class."""
    return np.concatenate(
        [random.permutation(np.flatnonzero(y == one))[:n] for one in np.unique(y)]
    )


if __name__ == "__main__":
    main()
