"""Learn with a spiking encoder and with the ordinary one that it was made of, side by side.

    python experiments/14_spiking_encoder/run.py DATA NAME BITS [--encoder efficientnet_lite0]
        [--every 1] [--orders 5]

DATA holds folders NAME (``imagenette-300``, ``caltech-50``), each with ``train`` and ``test``, one
folder a class. Of both parts every N-th photo is taken. Both encoders see the same photos, and the
same head learns the training part from each, once, in the same orders; the ranges that photos
must show come from 32 of the training part, without their labels. A line of JSON is added to
``results.jsonl`` beside this script.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead import DecorrelatedColumns
from spikehead.encoders import OnnxEncoder, SpikingEncoder, efficientnet_lite, open_encoder, record
from spikehead.encoders.spiking import activity
from spikehead.encoders.spiking.conversion import spike
from spikehead.images import find_photos, read_photo

RESULTS = Path(__file__).with_name("results.jsonl")
TYPICAL = 32
MEASURED = 20
"""Photos whose spikes are counted."""


class Part:
    """Photos of a data set, read and prepared in blocks."""

    def __init__(self, folder: Path, every: int) -> None:
        photos = find_photos(folder)[::every]
        self.paths = [photo.path for photo in photos]
        self.labels = np.array([photo.label for photo in photos])

    def pixels(self, encoder: OnnxEncoder, places: slice) -> NDArray[np.float32]:
        """Return some of them as an encoder takes them."""
        return np.stack([encoder.preprocessing(read_photo(path)) for path in self.paths[places]])


def encoded(part: Part, plain: OnnxEncoder, spiking: SpikingEncoder) -> list[NDArray[np.float32]]:
    """Return what both encoders give."""
    blocks = []
    for start in range(0, len(part.paths), 64):
        pixels = part.pixels(plain, slice(start, start + 64))
        blocks.append((plain.encode(pixels), spiking.encode(pixels)))
    return [np.concatenate(each) for each in zip(*blocks, strict=True)]


def accuracies(train: Any, test: Any, y: NDArray[Any], answers: NDArray[Any], orders: int) -> Any:
    """Return how many of the test part are right, in percent, for each order of the training."""
    found = []
    for seed in range(orders):
        order = np.random.default_rng(seed).permutation(len(y))
        head = DecorrelatedColumns().fit(train[order], y[order])
        found.append(round(100 * float(np.mean(head.predict(test) == answers)), 2))
    return found


def cosine(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Return the mean cosine of what two encoders give for the same photo."""
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return round(float(np.mean((x * y).sum(axis=1) / lengths)), 5)


def agreement(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Return how often EfficientNet-Lite0's own classifier gives both the same answer."""
    weights = efficientnet_lite.LITE0._read_published()
    answers = [(z @ weights["_fc.weight"].T + weights["_fc.bias"]).argmax(axis=1) for z in (x, y)]
    return round(100 * float(np.mean(answers[0] == answers[1])), 2)


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return all that is measured."""
    plain = open_encoder(arguments.encoder)
    norms = record(arguments.encoder).norms
    train, test = (
        Part(arguments.data / arguments.name / part, arguments.every) for part in ("train", "test")
    )
    typical = None
    if norms is None:
        apart = slice(None, None, -(-len(train.paths) // TYPICAL))
        typical = train.pixels(plain, apart)
    network = spike(plain, bits=arguments.bits, norms=norms and norms(), photos=typical)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "encoder.safetensors"
        file.write_bytes(network.to_bytes())
        spiking = SpikingEncoder(file)
    (plain_train, train_x), (plain_test, test_x) = (
        encoded(part, plain, spiking) for part in (train, test)
    )
    found: dict[str, Any] = {
        "encoder": arguments.encoder.rpartition("/")[2],
        "data": arguments.name,
        "bits": arguments.bits,
        "train": len(train.paths),
        "test": len(test.paths),
        "cosine": cosine(test_x, plain_test),
    }
    for name, x, z in (("ann", plain_train, plain_test), ("spiking", train_x, test_x)):
        found[name] = accuracies(x, z, train.labels, test.labels, arguments.orders)
    if arguments.encoder == efficientnet_lite.LITE0.name:
        found["own_answer"] = agreement(test_x, plain_test)
    apart = slice(None, None, -(-len(test.paths) // MEASURED))
    spent = activity.cost(network, spiking.codes(test.pixels(plain, apart)))
    return found | {name: round(value, 3) for name, value in spent.items()}


def main() -> None:
    """Measure, and keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("name")
    parser.add_argument("bits", type=int)
    parser.add_argument("--encoder", default=efficientnet_lite.LITE0.name)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--orders", type=int, default=5)
    found = json.dumps(measured(parser.parse_args()))
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"{found}\n")
    print(found)


if __name__ == "__main__":
    main()
