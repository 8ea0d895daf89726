"""Compound scaling (Tan and Le, 2019, Section 3.3): any baseline, by phi or within a budget."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from spikehead.backbones.backbone import Blueprint
from spikehead.backbones.baselines import MobileNetV1, MobileNetV2, ResNet50
from spikehead.backbones.costs import count_multiply_adds, count_parameters
from spikehead.backbones.efficientnet import B0, EfficientNet

__all__ = [
    "BASELINES",
    "Blueprint",
    "Ratios",
    "Scale",
    "constrained_ratios",
    "latency",
    "multiply_adds",
    "parameters",
    "scale_to_budget",
    "search_ratios",
]


@dataclass(frozen=True)
class Scale:
    """What depth, width and resolution of a baseline are multiplied with.

    Parameters
    ----------
    depth, width, resolution : float, default 1
        d, w and r of Equation 1.
    """

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0


@dataclass(frozen=True)
class Ratios:
    """Equation 2: how a doubling of the cost is divided; found for EfficientNet-B0 by default.

    Parameters
    ----------
    alpha, beta, gamma : float
        Factors of depth, width and resolution for phi = 1, each at least 1.
    """

    alpha: float = 1.2
    beta: float = 1.1
    gamma: float = 1.15

    @property
    def growth(self) -> float:
        """Factor of the multiply-adds for phi = 1: alpha * beta**2 * gamma**2, about 2."""
        return self.alpha * self.beta**2 * self.gamma**2

    def scale(self, phi: float) -> Scale:
        """Return alpha**phi, beta**phi and gamma**phi."""
        return Scale(self.alpha**phi, self.beta**phi, self.gamma**phi)


def _efficientnet(scale: Scale) -> Blueprint:
    resolution = round(B0.resolution * scale.resolution)
    scaled = replace(B0, width=scale.width, depth=scale.depth, resolution=resolution)
    return Blueprint(lambda classes: EfficientNet(scaled, classes), resolution)


def _plain(
    network: type[MobileNetV1] | type[MobileNetV2] | type[ResNet50],
) -> Callable[[Scale], Blueprint]:
    def scaled(scale: Scale) -> Blueprint:
        return Blueprint(
            lambda classes: network(scale.width, scale.depth, classes),
            round(224 * scale.resolution),
        )

    return scaled


BASELINES: dict[str, Callable[[Scale], Blueprint]] = {
    "efficientnet_b0": _efficientnet,
    "mobilenet_v1": _plain(MobileNetV1),
    "mobilenet_v2": _plain(MobileNetV2),
    "resnet_50": _plain(ResNet50),
}
"""What can be scaled, by name: from a `Scale` to the scaled `Blueprint`."""


def parameters(network: Blueprint, classes: int = 1000) -> int:
    """Return the number of weights and biases of a network."""
    with torch.device("meta"):
        return count_parameters(network.make(classes))


def multiply_adds(network: Blueprint, classes: int = 1000) -> int:
    """Return the multiply-adds of one image, as `count_multiply_adds` counts them."""
    with torch.device("meta"):
        return count_multiply_adds(network.make(classes), network.resolution)


def latency(network: Blueprint, classes: int = 1000, *, runs: int = 20) -> float:
    """Return the seconds for one image on one core: the mean of `runs`, as for Table 4."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        module = network.make(classes).eval()
        image = torch.randn(1, 3, network.resolution, network.resolution)
        with torch.inference_mode():
            module(image)
            started = time.perf_counter()
            for _ in range(runs):
                module(image)
        return (time.perf_counter() - started) / runs
    finally:
        torch.set_num_threads(threads)


def scale_to_budget(
    baseline: Callable[[Scale], Blueprint],
    measure: Callable[[Blueprint], float],
    budget: float,
    ratios: Ratios | None = None,
) -> tuple[float, Scale]:
    """Return the largest phi, and its scale, with which a network stays within a budget.

    Parameters
    ----------
    baseline : callable
        One of `BASELINES`.
    measure : callable
        `multiply_adds`, `parameters`, `latency`, or any cost that grows with the network.
    budget : float
        In the unit of `measure`.
    ratios : Ratios, optional
        Default: those of the paper.

    Returns
    -------
    phi : float
        In steps of 1/64; negative where the baseline itself is over the budget.
    scale : Scale

    Raises
    ------
    ValueError
        If no network from phi -8 to 16 is within the budget.
    """
    ratios = ratios or Ratios()
    steps = range(-8 * 64, 16 * 64 + 1)

    def within(step: int) -> bool:
        return measure(baseline(ratios.scale(step / 64))) <= budget

    if not within(steps[0]):
        raise ValueError(f"the budget {budget:g} is too small for any scale: give a larger one")
    low, high = 0, len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if within(steps[middle]) else (low, middle)
    phi = steps[low] / 64
    return phi, ratios.scale(phi)


def constrained_ratios(
    growth: float = 2.0, *, tolerance: float = 0.05, step: float = 0.05
) -> Iterator[Ratios]:
    """Yield every alpha, beta and gamma on a grid that meet the constraint of Equation 2.

    Parameters
    ----------
    growth : float, default 2
        What alpha * beta**2 * gamma**2 shall be.
    tolerance : float, default 0.05
        By which share it may differ.
    step : float, default 0.05
        Of the grid, which begins at 1.
    """
    largest = growth * (1 + tolerance)
    values = [1 + step * i for i in range(math.floor((largest - 1) / step) + 1)]
    for alpha, beta, gamma in itertools.product(values, repeat=3):
        ratios = Ratios(round(alpha, 10), round(beta, 10), round(gamma, 10))
        if abs(ratios.growth / growth - 1) <= tolerance:
            yield ratios


def search_ratios(
    baseline: Callable[[Scale], Blueprint],
    accuracy: Callable[[Blueprint], float],
    candidates: Iterable[Ratios],
    *,
    report: Callable[[Ratios, float], None] | None = None,
) -> tuple[Ratios, float]:
    """Return the best alpha, beta and gamma at phi = 1, and their accuracy (Section 4, step 1).

    Parameters
    ----------
    baseline : callable
        One of `BASELINES`.
    accuracy : callable
        Trains a network and returns its accuracy on validation images.
    candidates : iterable of Ratios
        For example `constrained_ratios()`.
    report : callable, optional
        Called with each candidate and its accuracy.

    Raises
    ------
    ValueError
        If there are no candidates.
    """
    best: tuple[Ratios, float] | None = None
    for ratios in candidates:
        reached = accuracy(baseline(ratios.scale(1)))
        if report:
            report(ratios, reached)
        if best is None or reached > best[1]:
            best = ratios, reached
    if best is None:
        raise ValueError("there are no candidates to search: widen the tolerance or the grid")
    return best
