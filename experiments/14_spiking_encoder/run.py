"""Learn with a spiking encoder and with the ordinary one that it was made of, side by side.

    python experiments/14_spiking_encoder/run.py DATA NAME BITS... [--encoder efficientnet_lite0]
        [--every 1] [--orders 5]

DATA holds folders NAME (``imagenette-300``, ``caltech-50``), each with ``train`` and ``test``, one
folder a class. Of both parts every N-th photo is taken. Both encoders see the same photos, and the
same head learns the training part from each, once, in the same orders; the ranges that photos
must show come from 32 of the training part, without their labels. For each number of bits a line of
JSON is added to ``results.jsonl`` beside this script, unless it stands there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead import DecorrelatedColumns
from spikehead.encoders import OnnxEncoder, SpikingEncoder, efficientnet_lite, open_encoder, record
from spikehead.encoders.spiking import SpikingNetwork, activity
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


def encoded(part: Part, encoders: list[OnnxEncoder | SpikingEncoder]) -> list[NDArray[np.float32]]:
    """Return what each encoder gives; the first one is the ordinary one."""
    blocks = []
    for start in range(0, len(part.paths), 64):
        pixels = part.pixels(encoders[0], slice(start, start + 64))
        blocks.append([encoder.encode(pixels) for encoder in encoders])
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


def spiking(network: SpikingNetwork) -> SpikingEncoder:
    """Return the encoder at work."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "encoder.safetensors"
        file.write_bytes(network.to_bytes())
        return SpikingEncoder(file)


def about(arguments: argparse.Namespace, bits: int, train: Part, test: Part) -> dict[str, Any]:
    """Return what a line of the record begins with, by which it is known."""
    return {
        "encoder": arguments.encoder.rpartition("/")[2],
        "data": arguments.name,
        "bits": bits,
        "train": len(train.paths),
        "test": len(test.paths),
    }


def recorded() -> list[dict[str, Any]]:
    """Return the lines of the record."""
    lines = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def measured(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield all that is measured, for each number of bits that the record has not."""
    plain = open_encoder(arguments.encoder)
    norms = record(arguments.encoder).norms
    train, test = (
        Part(arguments.data / arguments.name / part, arguments.every) for part in ("train", "test")
    )
    wanted = [about(arguments, bits, train, test) for bits in arguments.bits]
    wanted = [each for each in wanted if not any(each.items() <= x.items() for x in recorded())]
    if not wanted:
        return
    typical = None
    if norms is None:
        apart = slice(None, None, -(-len(train.paths) // TYPICAL))
        typical = train.pixels(plain, apart)
    encoders = [
        spiking(spike(plain, bits=each["bits"], norms=norms and norms(), photos=typical))
        for each in wanted
    ]
    (plain_train, *train_x), (plain_test, *test_x) = (
        encoded(part, [plain, *encoders]) for part in (train, test)
    )
    orders, apart = arguments.orders, slice(None, None, -(-len(test.paths) // MEASURED))
    ann = accuracies(plain_train, plain_test, train.labels, test.labels, orders)
    for found, encoder, x, z in zip(wanted, encoders, train_x, test_x, strict=True):
        found["cosine"] = cosine(z, plain_test)
        found["ann"] = ann
        found["spiking"] = accuracies(x, z, train.labels, test.labels, orders)
        if arguments.encoder == efficientnet_lite.LITE0.name:
            found["own_answer"] = agreement(z, plain_test)
        spent = activity.cost(encoder.network, encoder.codes(test.pixels(plain, apart)))
        yield found | {name: round(value, 3) for name, value in spent.items()}


def main() -> None:
    """Measure, and keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("name")
    parser.add_argument("bits", type=int, nargs="+")
    parser.add_argument("--encoder", default=efficientnet_lite.LITE0.name)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--orders", type=int, default=5)
    for found in measured(parser.parse_args()):
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
