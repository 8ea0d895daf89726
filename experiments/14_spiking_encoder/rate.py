"""Run encoders as plain integrate-and-fire neurons, a rate code: the baseline.

    python experiments/14_spiking_encoder/rate.py DATA CIFAR10 RUN

DATA holds ``imagenette-300``; CIFAR10 and RUN are those of `small.py`. Weights and ranges are those
of the few-spikes networks at K = 8. A neuron adds up what it hears at each step, starts at half of
its threshold, sends at most one spike a step, with a sign where it stands for negative values, and
loses a threshold with it; pixels are constant currents. A spike stands for the top of the neuron's
range, over the steps. What is printed stands in ``rate.txt``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from layers import Converted, accuracy, pixels
from numpy.typing import NDArray
from run import MEASURED, Part, agreement, cosine, spiking
from small import read_test, read_training
from torch import Tensor, nn

from spikehead.encoders import SpikingEncoder, efficientnet_lite, open_encoder
from spikehead.encoders.spiking import activity
from spikehead.encoders.spiking.conversion import spike
from spikehead.encoders.spiking.network import SpikingNetwork, Sums, Synapses

STEPS = (32, 128)
LITE_PHOTOS, SMALL_IMAGES = 40, 2000
BLOCK = 20


class RateCode:
    """A few-spikes network of sums alone, with plain integrate-and-fire neurons in its place."""

    def __init__(self, network: SpikingNetwork) -> None:
        self._network = network
        sums = [layer for layer in network.layers if isinstance(layer, Sums)]
        self._weights = {
            layer.name: [self._whole(each, self._unit(layer)) for each in layer.synapses]
            for layer in sums
        }
        *self._hidden, self._last = sums

    @staticmethod
    def _whole(synapses: Synapses, unit: NDArray[np.int64]) -> Tensor:
        """Return weights for a convolution of numbers, in units of the layer's own numbers."""
        weights = np.ldexp(synapses.weights.astype(np.float64), -unit[:, None, None, None])
        whole = np.broadcast_to(weights, (*weights.shape[:2], *synapses.window.kernel))
        return torch.from_numpy(whole.astype(np.float32))

    def _unit(self, layer: Sums) -> NDArray[np.int64]:
        if layer is self._network.last:
            return np.full_like(layer.shift, self._network.exponent)
        return layer.shift

    def _bias(self, layer: Sums) -> Tensor:
        # Half of the threshold is in the bias for rounding, but for the last layer.
        half = 0 if layer is self._network.last else np.int64(1) << layer.shift >> 1
        bias = np.ldexp((layer.bias - half).astype(np.float64), -self._unit(layer))
        return torch.from_numpy(bias.astype(np.float32))[:, None, None]

    def _drive(self, layer: Sums, sent: dict[str, Tensor]) -> Tensor:
        """Return what membranes hear at a step."""
        total = self._bias(layer)
        for synapses, weights in zip(layer.synapses, self._weights[layer.name], strict=True):
            top, left, bottom, right = synapses.window.pads
            heard = nn.functional.pad(sent[synapses.source], (left, right, top, bottom))
            strides, groups = synapses.window.strides, synapses.groups
            total = total + nn.functional.conv2d(heard, weights, stride=strides, groups=groups)
        return total

    @torch.inference_mode()
    def run(
        self, codes: NDArray[np.int32]
    ) -> tuple[dict[int, NDArray[np.float32]], dict[int, float]]:
        """Return activations, and spikes a neuron, once some steps are over."""
        tops = {layer.name: max(layer.high, -layer.low) for layer in self._hidden}
        n_neurons = sum(layer.n_neurons for layer in self._hidden)
        sent = {self._network.pixels.name: torch.from_numpy(codes).float()}
        levels: dict[str, Tensor] = {}
        total, spikes = torch.zeros(()), 0.0
        activations, counts = {}, {}
        for step in range(1, max(STEPS) + 1):
            for layer in self._hidden:
                drive = self._drive(layer, sent) / tops[layer.name]
                level = levels.get(layer.name, torch.tensor(0.5)) + drive
                fired = (level >= 1).float()
                if layer.low < 0:
                    fired -= (level <= -1).float()
                levels[layer.name] = level - fired
                sent[layer.name] = fired * tops[layer.name]
                spikes += float(fired.abs().sum())
            total = total + self._drive(self._last, sent)
            if step in STEPS:
                activations[step] = (total / step).flatten(1).numpy()
                counts[step] = spikes / len(codes) / n_neurons
        return activations, counts

    def encode(
        self, codes: NDArray[np.int32]
    ) -> tuple[dict[int, NDArray[np.float32]], dict[int, float]]:
        """Return the same as `run`, of photos in blocks."""
        found = [self.run(codes[start : start + BLOCK]) for start in range(0, len(codes), BLOCK)]
        return (
            {step: np.concatenate([of[step] for of, _ in found]) for step in STEPS},
            {step: float(np.mean([of[step] for _, of in found])) for step in STEPS},
        )


def compare(
    name: str, few: SpikingEncoder, shown: NDArray[np.float32], judged: Callable[[Any], str]
) -> None:
    """Print how both kinds of neurons do on some photos."""
    activations, codes = few.encode(shown), few.codes(shown)
    spent = activity.cost(few.network, codes[:MEASURED])["spikes_a_neuron"]
    print(f"{name}, few spikes, K = 8: {judged(activations)}, spikes a neuron {spent:.1f}")
    found, counts = RateCode(few.network).encode(codes)
    for steps in STEPS:
        print(
            f"{name}, integrate and fire, T = {steps}: {judged(found[steps])}, "
            f"spikes a neuron {counts[steps]:.1f}",
            flush=True,
        )


def lite(data: Path) -> None:
    """Compare on some test photos and EfficientNet-Lite0."""
    plain = open_encoder(efficientnet_lite.LITE0.name)
    part = Part(data / "imagenette-300" / "test", 1)
    part.paths = part.paths[:: len(part.paths) // LITE_PHOTOS][:LITE_PHOTOS]
    shown = part.pixels(plain, slice(None))
    few = spiking(spike(plain, norms=efficientnet_lite.LITE0.norms()))
    expected = plain.encode(shown)
    compare(
        f"efficientnet_lite0, {len(shown)} photos",
        few,
        shown,
        lambda given: (
            f"cosine {cosine(given, expected):.4f}, "
            f"own answer the same {agreement(given, expected):.1f}"
        ),
    )


def small(cifar10: Path, run: Path) -> None:
    """Compare on some test images and the small network."""
    converted, test = Converted(run, 8, read_training(cifar10)[0]), read_test(cifar10)
    apart = np.arange(0, len(test.labels), len(test.labels) // SMALL_IMAGES)
    compare(
        f"small, {len(apart)} images",
        converted.spiking,
        pixels(test, apart),
        lambda given: f"own classifier {accuracy(converted.own(given), test.labels[apart]):.2f}",
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    small(options.cifar10, options.run)
    lite(options.data)


if __name__ == "__main__":
    main()
