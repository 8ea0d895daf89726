"""Turn the small network into spikes, layer by layer from its end to the pixels.

    python experiments/14_spiking_encoder/layers.py CIFAR10 RUN [--bits 8] [--part validation]
        [--orders 5]

CIFAR10 and RUN are those of `small.py`. At each stage what comes before is the ordinary network,
what comes after it spikes, up to the head, which learns the 45,000 training images online, in one
pass. `validation` is the part to choose by; `test` is for what was chosen. Each stage adds a line
of JSON to ``layers.jsonl`` beside this script, and those that stand there are not measured again.
The table of what stands there is printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from run import spiking
from small import read_test, read_training

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.backbones.data import ImageArrays, normalised
from spikehead.encoders import OnnxEncoder
from spikehead.encoders.spiking.conversion import spike
from spikehead.encoders.spiking.fast import FastEngine
from spikehead.encoders.spiking.network import Pixels, SpikingNetwork
from spikehead.heads.classifiers import SpikingClassifier

RESULTS = Path(__file__).with_name("layers.jsonl")
TYPICAL = 32
BLOCK = 500
STAGES = ("none", "pool", "conv5", "pool2", "conv4", "conv3", "pool1", "conv2", "conv1")
"""The first layer that spikes: those after it do, too, and the head always does."""

PUBLISHED = {"pool": 79.53, "conv5": 78.91, "pool2": 77.36, "conv4": 73.20, "conv3": 65.34}
HEADS: dict[str, type[SpikingClassifier]] = {
    "decorrelated": DecorrelatedColumns,
    "colanet": CoLaNETClassifier,
}


@dataclass(frozen=True)
class Stage:
    """A network of which only the end spikes.

    Attributes
    ----------
    source : str
        The value of the ordinary network that the first spiking layer hears.
    """

    network: SpikingNetwork
    source: str

    def heard(self, values: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return the numbers that stand for values of the ordinary network."""
        first = self.network.pixels
        numbers = np.floor(values / first.step[:, None, None] + 0.5)
        return np.clip(numbers, first.low, first.high).astype(np.int32)


def stages(network: SpikingNetwork) -> Iterator[Stage]:
    """Yield what is left of a network without its first layers, the shortest first."""
    for place in range(len(network.layers) - 2, 0, -1):
        layer = network.layers[place]
        none = np.zeros(layer.shape[0], np.int64)
        first = Pixels(layer.name, layer.shape, layer.bits, layer.low, layer.high, layer.step, none)
        rest = SpikingNetwork(
            (first, *network.layers[place + 1 :]), network.exponent, network.about
        )
        yield Stage(rest, layer.name)


class Ordinary:
    """The ordinary network, which tells what its layers give."""

    def __init__(self, file: Path, names: list[str]) -> None:
        model = onnx.load(file)
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        self._names = ["activations", *names]
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return what they give for images, by name."""
        found = self._session.run(self._names, {"image": pixels})
        return dict(zip(self._names, found, strict=True))


def pixels(images: ImageArrays, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return images as the network takes them."""
    return normalised(torch.from_numpy(images.batch(places, None)).float() / 255).numpy()


class Converted:
    """The small network, and what it is with more and more of it spiking."""

    def __init__(self, run: Path, bits: int, training: ImageArrays) -> None:
        encoder = OnnxEncoder(run / "small.onnx")
        apart = np.arange(0, len(training.labels), -(-len(training.labels) // TYPICAL))
        self.network = spike(encoder, bits=bits, photos=pixels(training, apart))
        self._engines = [
            (stage, FastEngine(stage.network, n_threads=1)) for stage in stages(self.network)
        ]
        self.spiking = spiking(self.network)
        self._ordinary = Ordinary(run / "small.onnx", [stage.source for stage, _ in self._engines])
        self._classifier = torch.load(run / "weights.pt", weights_only=True)

    def own(self, activations: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the answers of the network's own classifier, which does not spike."""
        weight, bias = (self._classifier[f"classifier.1.{name}"] for name in ("weight", "bias"))
        return np.asarray((activations @ weight.numpy().T + bias.numpy()).argmax(axis=1))

    def activations(self, images: ImageArrays) -> list[NDArray[np.float32]]:
        """Return those that each stage gives; of all the last begins with the pixels."""
        blocks = []
        for start in range(0, len(images.labels), BLOCK):
            places = np.arange(start, min(start + BLOCK, len(images.labels)))
            shown = pixels(images, places)
            values = self._ordinary(shown)
            found = [values["activations"]]
            for stage, engine in self._engines:
                rows = map(engine.membranes, stage.heard(values[stage.source]))
                found.append(stage.network.decoded(np.array(list(rows))))
            blocks.append([*found, self.spiking.encode(shown)])
        return [np.concatenate(each) for each in zip(*blocks, strict=True)]

    def likeness(self, images: ImageArrays) -> list[float]:
        """Return the cosine of each layer's values with the ordinary ones, all of it spiking."""
        shown = pixels(images, np.arange(min(BLOCK, len(images.labels))))
        values = self._ordinary(shown)
        engine = FastEngine(self.network, watched=True)
        sent = [engine.sent(codes) for codes in self.spiking.codes(shown)]
        found = []
        for layer in self.network.layers[1:]:
            name, step = layer.name, layer.step[:, None, None]
            if layer is self.network.last:
                name, step = "activations", np.float64(2.0**-self.network.exponent)
            ours = np.array([each[layer.name] * step for each in sent]).ravel()
            theirs = values[name].ravel().astype(np.float64)
            found.append(float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)))
        return found[::-1]


def accuracy(answers: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return how many are right, in percent."""
    return round(100 * float(np.mean(answers == labels)), 2)


def learned(
    kind: str, train: NDArray[Any], y: NDArray[Any], test: NDArray[Any], orders: int
) -> list[NDArray[Any]]:
    """Return a head's answers after one pass, for each order of the training."""
    options = {"saturation": "auto"} if kind == "colanet" else {}
    answers = []
    for seed in range(orders):
        order = np.random.default_rng(seed).permutation(len(y))
        answers.append(HEADS[kind](**options).fit(train[order], y[order]).predict(test))
    return answers


def recorded() -> dict[tuple[str, int, str], dict[str, Any]]:
    """Return the lines of the record, by part, bits and stage."""
    lines = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    return {(x["part"], x["bits"], x["stage"]): x for x in map(json.loads, lines)}


def measure(options: argparse.Namespace) -> None:
    """Measure all stages that the record has not."""
    training, judging = read_training(options.cifar10)
    if options.part == "test":
        judging = read_test(options.cifar10)
    converted = Converted(options.run, options.bits, training)
    kept = options.run / f"training-{options.bits}.npy"
    if not kept.exists():
        np.save(kept, converted.activations(training))
    train, test = np.load(kept), converted.activations(judging)
    cosines = [1.0, *converted.likeness(judging)]
    for place, stage in enumerate(STAGES):
        if (options.part, options.bits, stage) in recorded():
            continue
        found: dict[str, Any] = {"part": options.part, "bits": options.bits, "stage": stage}
        for kind in HEADS:
            answers = learned(kind, train[place], training.labels, test[place], options.orders)
            found[kind] = [accuracy(each, judging.labels) for each in answers]
        found["own"] = accuracy(converted.own(test[place]), judging.labels)
        found["cosine"] = round(cosines[place], 5)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(found)}\n")


def show(part: str, bits: int) -> None:
    """Print a part's table."""
    names = ("spiking from", *HEADS, "own classifier", "published", "cosine of the layer")
    rows = [names, ["---"] * len(names)]
    for (of_part, of_bits, stage), found in recorded().items():
        if (of_part, of_bits) == (part, bits):
            heads = [f"{np.mean(found[kind]):.2f}" for kind in HEADS]
            published = f"{PUBLISHED[stage]:.2f}" if stage in PUBLISHED else ""
            rows.append([stage, *heads, f"{found['own']:.2f}", published, f"{found['cosine']:.4f}"])
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    """Measure, and show the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--orders", type=int, default=5)
    options = parser.parse_args()
    measure(options)
    show(options.part, options.bits)


if __name__ == "__main__":
    main()
