"""Activations -> spike counts -> spike trains: even spread, Bernoulli, and native events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.compilation import compiled
from spikehead.randomness import counted, keys, mix

STEPS = 10
"""Presentation steps: how long an example spikes (specification, section 1)."""

_BERNOULLI = 3  # what the random key is for
_NAN = "activations must be numbers, and some are NaN"

STRONGEST = 1e300
"""No power or ratio of powers is above, so that gains are finite."""


@dataclass(frozen=True)
class SpikeTrains:
    """The spikes of many presentations, as engines read them: inputs grouped by their pattern.

    Attributes
    ----------
    inputs : ndarray of int32
        Spiking inputs, group after group, presentation after presentation.
    offsets : ndarray of int64, shape (n_presentations, n_groups + 1)
        Where each group of a presentation starts in `inputs`; the last column is its end.
    patterns : ndarray of int32, shape (STEPS, n_groups)
        The steps at which a group's inputs spike, as a bit mask (bit ``t``: step ``t``), for each
        phase of the even spread; equal rows where the phase does not matter.
    n_inputs : int
        Number of inputs, spiking or not.
    """

    inputs: NDArray[np.int32]
    offsets: NDArray[np.int64]
    patterns: NDArray[np.int32]
    n_inputs: int

    def __len__(self) -> int:
        """Return the number of presentations."""
        return len(self.offsets)

    def raster(self, presentation: int, phase: int = 0) -> NDArray[np.bool_]:
        """Return the spikes of one presentation, shape (STEPS, n_inputs)."""
        masks = np.zeros(self.n_inputs, np.int32)
        bounds = self.offsets[presentation]
        for group, pattern in enumerate(self.patterns[phase]):
            masks[self.inputs[bounds[group] : bounds[group + 1]]] |= pattern
        return (masks >> np.arange(STEPS)[:, None] & 1).astype(bool)


def gains(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each input's activations are multiplied by where inputs are homeostatic.

    The square root of how strong inputs are over how strong this one is, both as root mean
    squares: a gain goes half of the way, in logarithms, to making all inputs equally strong.

    Parameters
    ----------
    power : ndarray of float64, shape (n_inputs,)
        Sum of the squares of each input's activations so far.

    Returns
    -------
    ndarray of float64, shape (n_inputs,)
        Zero for inputs that were never active.
    """
    found = np.empty(len(power))
    _find_gains(np.ascontiguousarray(power, np.float64), found)
    return found


def adapt(activations: NDArray[Any], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply a stream of activations by gains that go on adapting.

    Parameters
    ----------
    activations : ndarray of float, shape (n_presentations, n_inputs)
        Not negative.
    power : ndarray of float64, shape (n_inputs,)
        As of `gains`; each presentation adds to it before it is multiplied.

    Raises
    ------
    ValueError
        If an activation is not finite, or there are not as many as inputs.
    """
    if activations.ndim != 2 or activations.shape[1:] != power.shape:
        raise ValueError(
            f"activations must have the shape (n_presentations, {len(power)}), not "
            f"{activations.shape}"
        )
    if not np.isfinite(activations).all():
        raise ValueError("activations must be finite, and some are NaN or infinity")
    amplified = np.empty(activations.shape)
    _adapt(activations, power, amplified)
    return amplified


def spike_counts(activations: ArrayLike, saturation: float) -> NDArray[np.uint8]:
    """Return how often each input spikes in a presentation.

    Zero for activations up to zero, `STEPS` from `saturation` on, and in between
    ``STEPS * activation / saturation``, rounded half up (hybrid paper, section 4.2).

    Parameters
    ----------
    activations : array of float, any shape
        Activations of the encoder.
    saturation : float
        Activation from which an input spikes at every step.

    Returns
    -------
    ndarray of uint8
        Counts from 0 to `STEPS`, in the shape of `activations`.
    """
    scaled = np.asarray(activations, np.float64) * (STEPS / saturation)
    if np.isnan(scaled).any():
        raise ValueError(_NAN)
    return np.floor(np.clip(scaled, 0, STEPS) + 0.5).astype(np.uint8)


class CodedShares(NamedTuple):
    """How much of some activations their spikes tell; each is a mean over the presentations.

    Attributes
    ----------
    clipped : float
        Share of the sum of squares that is lost because negative activations count as zero: half
        of what tells examples apart where both signs are alike.
    silent : float
        Share of the inputs that do not spike.
    full : float
        Share of the inputs that spike at every step.
    """

    clipped: float = 0.0
    silent: float = 0.0
    full: float = 0.0


def coded_shares(activations: NDArray[Any], counts: NDArray[np.uint8]) -> CodedShares:
    """Return how much of some activations is clipped, too weak to spike, and at its full rate.

    Parameters
    ----------
    activations : ndarray of float, shape (n_presentations, n_inputs)
        What the encoder gives, of either sign. Of none at all, every share is zero.
    counts : ndarray of uint8, shape (n_presentations, n_inputs)
        How often each input spikes then.
    """
    if not activations.size:
        return CodedShares()
    strongest = np.abs(activations).max(axis=1, keepdims=True)
    # Relative to the strongest, so that no square overflows or vanishes.
    powers = (activations / np.where(strongest > 0, strongest, 1)).astype(np.float64) ** 2
    clipped = np.where(activations < 0, powers, 0).sum(axis=1) / np.maximum(powers.sum(axis=1), 1)
    return CodedShares(
        float(clipped.mean()), float((counts == 0).mean()), float((counts == STEPS).mean())
    )


def even_spread(counts: ArrayLike, phase: int = 0) -> NDArray[np.bool_]:
    """Spread spikes evenly over a presentation.

    An accumulator starts at ``phase / STEPS`` and grows by ``count / STEPS`` each step; where it
    reaches 1 there is a spike, and 1 is taken off.

    Parameters
    ----------
    counts : array of int, shape (n_inputs,)
        Spikes of each input, 0 to `STEPS`.
    phase : int, default=0
        From 0 to ``STEPS - 1``. Finer phases would change nothing.

    Returns
    -------
    ndarray of bool, shape (STEPS, n_inputs)
    """
    counts = np.asarray(counts, np.int64)
    level = np.full(counts.shape, phase)
    spikes = np.zeros((STEPS, *counts.shape), bool)
    for step in range(STEPS):
        level += counts
        spikes[step] = level >= STEPS
        level -= STEPS * spikes[step]
    return spikes


def even_trains(activations: NDArray[Any], saturation: float) -> SpikeTrains:
    """Rate-code activations by even spread.

    Parameters
    ----------
    activations : ndarray of float, shape (n_presentations, n_inputs)
        Activations of the encoder.
    saturation : float
        Activation from which an input spikes at every step.
    """
    if activations.ndim != 2:
        raise ValueError(
            f"activations must have the shape (n_presentations, n_inputs), not {activations.shape}"
        )
    inputs, offsets, valid = _grouped_by_count(activations, STEPS / saturation)
    if not valid:
        raise ValueError(_NAN)
    return SpikeTrains(inputs, offsets, _EVEN_PATTERNS, activations.shape[1])


def bernoulli_trains(
    activations: NDArray[Any],
    saturation: float,
    *,
    seed: int = 0,
    first: int = 0,
    advance: bool = True,
) -> SpikeTrains:
    """Rate-code activations by chance (hybrid paper, section 3.1).

    At each step an input spikes with probability ``min(activation / saturation, 1)``.

    Parameters
    ----------
    activations : ndarray of float, shape (n_presentations, n_inputs)
        Activations of the encoder.
    saturation : float
        Activation from which an input spikes at every step.
    seed : int, default=0
        From 0 to 2**32 - 1.
    first : int, default=0
        Number of the first presentation, on which its chances depend.
    advance : bool, default=True
        Number the others on from there; otherwise all have the same number.
    """
    probability = np.clip(np.asarray(activations, np.float64) / saturation, 0, 1)
    if np.isnan(probability).any():
        raise ValueError(_NAN)
    n = len(activations)
    numbers = counted(first, n) if advance else counted(first, 1).repeat(n)
    n_inputs = activations.shape[1]
    lots = keys(seed, _BERNOULLI, np.arange(STEPS)[:, None], np.arange(n_inputs))
    chances = np.empty((n, STEPS, n_inputs), bool)
    for presentation, number in enumerate(keys(numbers)):
        # 2**-32 steps: a probability of 1 is above every hash, one of 0 above none.
        chances[presentation] = mix(lots ^ number) < probability[presentation] * 2.0**32
    return event_trains(chances)


def event_trains(rasters: NDArray[np.bool_]) -> SpikeTrains:
    """Take spikes as they are, from a spiking sensor or another network.

    Parameters
    ----------
    rasters : ndarray of bool, shape (n_presentations, STEPS, n_inputs)
        Where there is a spike.
    """
    n_presentations, _, n_inputs = rasters.shape
    counts = np.count_nonzero(rasters, axis=2).ravel()
    ends = np.cumsum(counts).reshape(n_presentations, STEPS)
    offsets = np.concatenate([ends[:, :1] - counts.reshape(ends.shape)[:, :1], ends], axis=1)
    inputs = np.nonzero(rasters)[2].astype(np.int32)
    patterns = np.broadcast_to(np.int32(1) << np.arange(STEPS, dtype=np.int32), (STEPS, STEPS))
    return SpikeTrains(inputs, offsets.astype(np.int64), np.ascontiguousarray(patterns), n_inputs)


def raster(events: ArrayLike, n_inputs: int) -> NDArray[np.bool_]:
    """Turn one presentation's events into a raster.

    Parameters
    ----------
    events : array of int, shape (n_events, 2)
        Step (from 0) and input of each spike.
    n_inputs : int
        Number of inputs.

    Returns
    -------
    ndarray of bool, shape (STEPS, n_inputs)

    Raises
    ------
    ValueError
        If an event lies outside the presentation or the inputs.
    """
    events = np.asarray(events, np.int64).reshape(-1, 2)
    outside = ((events < 0) | (events >= (STEPS, n_inputs))).any(axis=1)
    if outside.any():
        step, number = events[outside][0]
        raise ValueError(
            f"event (step {step}, input {number}) lies outside the {STEPS} steps and "
            f"{n_inputs} inputs"
        )
    spikes = np.zeros((STEPS, n_inputs), bool)
    spikes[tuple(events.T)] = True
    return spikes


# [phase, count - 1]
_EVEN_PATTERNS = np.array(
    [(1 << np.arange(STEPS)) @ even_spread(range(1, STEPS + 1), phase) for phase in range(STEPS)],
    np.int32,
)


@compiled
def _find_gains(power: Any, gains: Any) -> None:
    total = 0.0
    for i in range(len(power)):
        total += power[i]
    mean = total / len(power)
    for i in range(len(power)):
        ratio = min(mean / power[i], STRONGEST) if power[i] > 0 else 0.0
        gains[i] = np.sqrt(np.sqrt(ratio))


@compiled
def _adapt(activations: Any, power: Any, amplified: Any) -> None:
    for p in range(len(activations)):
        for i in range(len(power)):
            activation = np.float64(activations[p, i])
            power[i] = min(power[i] + activation * activation, STRONGEST)
        _find_gains(power, amplified[p])
        for i in range(len(power)):
            amplified[p, i] *= np.float64(activations[p, i])


@compiled
def _grouped_by_count(
    activations: NDArray[Any], scale: float
) -> tuple[NDArray[np.int32], NDArray[np.int64], bool]:
    """Sort each presentation's spiking inputs by their spike count; tell if all are numbers."""
    n_presentations, n_inputs = activations.shape
    counts = np.empty((n_presentations, n_inputs), np.uint8)
    offsets = np.zeros((n_presentations, STEPS + 1), np.int64)
    total = 0
    valid = True
    for p in range(n_presentations):
        for i in range(n_inputs):
            scaled = np.float64(activations[p, i]) * scale
            valid &= not np.isnan(scaled)
            # In this order, NaN counts as zero: a count is a place in memory.
            counts[p, i] = np.uint8(min(max(0.0, scaled), float(STEPS)) + 0.5)
        for i in range(n_inputs):
            offsets[p, counts[p, i]] += 1
        offsets[p, 0] = total
        for k in range(STEPS):
            offsets[p, k + 1] += offsets[p, k]
        total = offsets[p, STEPS]
    inputs = np.empty(total, np.int32)
    nexts = np.empty(STEPS + 1, np.int64)
    for p in range(n_presentations):
        for k in range(STEPS):
            nexts[k + 1] = offsets[p, k]
        for i in range(n_inputs):
            k = counts[p, i]
            if k > 0:
                inputs[nexts[k]] = i
                nexts[k] += 1
    return inputs, offsets, valid
