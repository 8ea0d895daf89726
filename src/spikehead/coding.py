"""Activations -> spike counts -> spike trains.

A coding is an object: it knows how strong activations are (saturation, or the example itself),
counts and rounds, and says what it loses. The functions beside it are its parts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from spikehead.compilation import compiled
from spikehead.randomness import counted, keys, mix
from spikehead.state import Stateful

STEPS = 10
"""Presentation steps: how long an example spikes (specification, section 1)."""

_BERNOULLI = 3  # what the random key is for
_NAN = "activations must be numbers, and some are NaN"

AUTO_PERCENTILE = 99.5
"""Percentile of the first positive activations that a saturation is which fits them."""

MAX_CLIPPED = 0.25
"""Share of activations (`CodedShares.clipped`) above which a coding warns that it is lost: networks
that end in SiLU lose a tenth, embeddings of either sign half."""

ALMOST_ALL = 0.98
"""Share of the inputs that never spike, or spike at every step, above which a coding warns."""


@register_jitable
def rounded(spikes: Any) -> Any:
    """Return how often an input spikes that should spike so often: a whole number to `STEPS`.

    ``floor(min(max(x, 0), STEPS) + 1/2)`` (hybrid paper, section 4.2). NaN counts as zero.
    """
    return np.floor(np.fmin(np.fmax(spikes, 0.0), 1.0 * STEPS) + 0.5)


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
    return np.asarray(rounded(scaled), np.uint8)


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


def coded_shares(activations: NDArray[Any], counts: NDArray[Any]) -> CodedShares:
    """Return how much of some activations is clipped, too weak to spike, and at its full rate.

    Parameters
    ----------
    activations : ndarray of float, shape (n_presentations, n_inputs)
        What the encoder gives, of either sign. Of none at all, every share is zero.
    counts : ndarray of int, shape (n_presentations, n_inputs)
        How often each input spikes then.
    """
    if not activations.size:
        return CodedShares()
    strongest = np.abs(activations).max(axis=1, keepdims=True)
    # Relative to the strongest, so that no square overflows or vanishes.
    powers = (activations / np.where(strongest > 0, strongest, 1)).astype(np.float64) ** 2
    clipped = np.where(activations < 0, powers, 0).sum(axis=1) / np.maximum(powers.sum(axis=1), 1)
    return CodedShares(
        float(clipped.mean()), float((counts == 0).mean()), float((np.abs(counts) == STEPS).mean())
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
        Number of the first presentation; chances depend on a presentation's number.
    """
    return _by_chance(activations, saturation, seed, counted(first, len(activations)))


def _by_chance(
    activations: NDArray[Any], saturation: float, seed: int, numbers: NDArray[np.int64]
) -> SpikeTrains:
    probability = np.clip(np.asarray(activations, np.float64) / saturation, 0, 1)
    if np.isnan(probability).any():
        raise ValueError(_NAN)
    n, n_inputs = activations.shape
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


def signed_counts(activations: NDArray[Any], scale: float) -> NDArray[np.int8]:
    """Return how often each input spikes, with the sign of its activation.

    An example is measured by its own root mean square ``rms``, so that nothing depends on other
    examples: ``sign(x) * floor(min(STEPS |x| / (scale * rms), STEPS) + 1/2)`` (specification,
    section 1). Every machine gives the same counts.

    Parameters
    ----------
    activations : ndarray of float, shape (n_examples, n_inputs)
        Finite numbers of any sign and scale.
    scale : float
        How many times the root mean square an activation is from which an input spikes at every
        step.

    Returns
    -------
    ndarray of int8, shape (n_examples, n_inputs)
        From ``-STEPS`` to `STEPS`; an example whose activations are all zero has no spikes.

    Raises
    ------
    ValueError
        If an activation is NaN or infinite.
    """
    finite = np.isfinite(activations)
    if not finite.all():
        example, place = np.argwhere(~finite)[0]
        raise ValueError(
            f"example {example} has the activation {activations[example, place]} at input {place}; "
            "every activation must be finite"
        )
    if activations.dtype != np.float32:  # of which the compiled function takes no copy either
        activations = activations.astype(np.float64, copy=False)
    counts = np.empty(activations.shape, np.int8)
    _count_signed(activations, scale, counts)
    return counts


def push_pull(counts: NDArray[np.int8]) -> NDArray[np.int8]:
    """Spread the spikes of one example evenly over its presentation.

    Parameters
    ----------
    counts : ndarray of int8, shape (n_inputs,)
        Those of `signed_counts`.

    Returns
    -------
    ndarray of int8, shape (STEPS, n_inputs)
        1 where the input's on line spikes, -1 where its off line does, else 0.
    """
    return np.asarray(even_spread(np.abs(counts)) * np.sign(counts), np.int8)


class Coding(Stateful, ABC):
    """How activations become spikes, with the state that it takes.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.

    Attributes
    ----------
    events : bool
        Whether it takes rasters of spikes, and not activations.
    graph : str
        ONNX operators that find the `counts` of `activations`, with the values of `constants`;
        nothing where that cannot be.
    """

    events: ClassVar[bool] = False
    graph: str = ""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self._start()

    @abstractmethod
    def spike_counts(self, X: Any) -> NDArray[Any]:
        """Return how often each input spikes for examples that are to be answered.

        Parameters
        ----------
        X : array or sparse matrix
            Examples, such as it takes.
        """

    @abstractmethod
    def to_answer(self, X: Any) -> Any:
        """Return examples that are to be answered as the head hears them; nothing changes.

        Parameters
        ----------
        X : array or sparse matrix
            Examples, such as it takes.
        """

    def to_learn(self, X: Any, first: int) -> Any:  # noqa: ARG002
        """Return examples that are to be learned as the head hears them; the coding adapts to them.

        Parameters
        ----------
        X : array or sparse matrix
            Examples, in the order in which they are learned.
        first : int
            Number of the first one in the life of the head, from 1.
        """
        return self.to_answer(X)

    def fitting_saturation(self, X: Any) -> float:  # noqa: ARG002
        """Return a saturation that fits some examples."""
        return 1.0

    def shares(self, given: NDArray[Any]) -> CodedShares:
        """Return how much of some activations is heard, whatever sign they have."""
        return coded_shares(given, self.spike_counts(given))

    def losses(self, shares: CodedShares, source: str) -> str:  # noqa: ARG002
        """Return a sentence about what is not heard of what a source gives, or nothing."""
        return ""

    def constants(self) -> dict[str, NDArray[Any]]:
        """Return what the operators of `graph` need, by name."""
        return {}


class Even(Coding):
    """Rate coding: spikes spread evenly over a presentation (specification, section 1).

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    saturation : float
        Activation from which an input spikes at every step.
    seed : int, default=0
        Decides what is left to chance: here nothing is.
    """

    graph = """
    single = Cast <to = 1> (activations)
    precise = Cast <to = 11> (single)
    scaled = Mul (precise, scale)
    clipped = Clip (scaled, no_spikes, most_spikes)
    raised = Add (clipped, half)
    counts = Floor (raised)
    """

    def __init__(self, n_inputs: int, saturation: float, *, seed: int = 0) -> None:
        self.saturation = saturation
        self.seed = seed
        super().__init__(n_inputs)

    def spike_counts(self, X: Any) -> NDArray[np.uint8]:
        """Return how often each input spikes for activations that are to be answered."""
        return spike_counts(dense(X), self.saturation)

    def to_answer(self, X: Any) -> SpikeTrains:
        """Return the spike trains of activations."""
        return even_trains(dense(X), self.saturation)

    def fitting_saturation(self, X: Any) -> float:
        """Return the `AUTO_PERCENTILE` of the positive activations; 1 if none is."""
        values = X.data if sparse.issparse(X) else X
        positive = values[values > 0].astype(np.float64)
        return float(np.percentile(positive, AUTO_PERCENTILE)) if positive.size else 1.0

    def losses(self, shares: CodedShares, source: str) -> str:
        """Return a sentence about what is not heard of what a source gives, or nothing."""
        if shares.clipped > MAX_CLIPPED:
            return (
                f"{shares.clipped:.0%} of what {source} gives (of its sum of squares) is "
                "negative and counts as zero: take its activations before the layer that centres "
                "them, or an encoder that ends in ReLU"
            )
        if shares.silent > ALMOST_ALL:
            return (
                f"{shares.silent:.1%} of what {source} gives is too weak for a single "
                f"spike: make the model anew with a saturation far below {self.saturation:.4g}, or "
                "see that the encoder gives activations above zero"
            )
        if shares.full > ALMOST_ALL:
            return (
                f"{shares.full:.1%} of what {source} gives is above the saturation, and "
                f"so all alike: make the model anew with a saturation far above "
                f"{self.saturation:.4g}"
            )
        return ""

    def constants(self) -> dict[str, NDArray[Any]]:
        """Return what the operators of `graph` need, by name."""
        return {
            "scale": np.array(STEPS / self.saturation),
            "no_spikes": np.array(0.0),
            "most_spikes": np.array(float(STEPS)),
            "half": np.array(0.5),
        }


class Bernoulli(Even):
    """Rate coding by chance (hybrid paper, section 3.1); it has the saturation of `Even`.

    The seed and the number of a presentation decide its spikes; what is only answered has number 0.
    """

    graph = ""

    def to_answer(self, X: Any) -> SpikeTrains:
        """Return the spike trains of activations that are to be answered."""
        numbers = np.zeros(X.shape[0], np.int64)
        return _by_chance(dense(X), self.saturation, self.seed, numbers)

    def to_learn(self, X: Any, first: int) -> SpikeTrains:
        """Return the spike trains of activations that are to be learned."""
        return bernoulli_trains(dense(X), self.saturation, seed=self.seed, first=first)


class Events(Coding):
    """Spikes as they are, from a spiking sensor or another network.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    saturation, seed
        As of `Even`; without effect.
    """

    events = True

    def __init__(self, n_inputs: int, saturation: float = 1.0, *, seed: int = 0) -> None:  # noqa: ARG002
        super().__init__(n_inputs)

    def spike_counts(self, X: Any) -> NDArray[np.uint8]:
        """Return how often each input spikes, shape (n_presentations, n_inputs)."""
        return np.asarray(np.asarray(X).sum(axis=1), np.uint8)

    def to_answer(self, X: Any) -> SpikeTrains:
        """Return rasters of shape (n_presentations, STEPS, n_inputs) as spike trains."""
        return event_trains(X)


class Signed(Coding):
    """Signed spike counts: an example is measured by its own root mean square.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    scale : float
        How many root mean squares an activation has from which an input spikes at every step.
    """

    # A running sum adds up in order, as `signed_counts` does; squares of float32 need no scaling.
    graph = """
    single = Cast <to = 1> (activations)
    precise = Cast <to = 11> (single)
    size = Abs (precise)
    square = Mul (size, size)
    running = CumSum (square, inputs_axis)
    power = Gather <axis = 1> (running, last_input)
    mean = Div (power, n_inputs)
    root = Sqrt (mean)
    saturation = Mul (scale, root)
    gain_of_any = Div (most_spikes, saturation)
    is_any = Greater (power, no_spikes)
    gain = Where (is_any, gain_of_any, no_spikes)
    scaled = Mul (size, gain)
    clipped = Min (scaled, most_spikes)
    raised = Add (clipped, half)
    spikes_of_either = Floor (raised)
    sign = Sign (precise)
    counts = Mul (sign, spikes_of_either)
    """

    def __init__(self, n_inputs: int, scale: float) -> None:
        self.scale = scale
        super().__init__(n_inputs)

    def spike_counts(self, X: Any) -> NDArray[np.int8]:
        """Return how often each input spikes, with the sign of its activation."""
        return signed_counts(dense(X), self.scale)

    def to_answer(self, X: Any) -> NDArray[np.int8]:
        """Return the signed counts."""
        return self.spike_counts(X)

    def shares(self, given: NDArray[Any]) -> CodedShares:
        """Return how much of some activations is heard; either sign is."""
        return super().shares(given)._replace(clipped=0.0)

    def constants(self) -> dict[str, NDArray[Any]]:
        """Return what the operators of `graph` need, by name."""
        return {
            "inputs_axis": np.array(1),
            "last_input": np.array([self.n_inputs - 1]),
            "n_inputs": np.array(float(self.n_inputs)),
            "scale": np.array(float(self.scale)),
            "no_spikes": np.array(0.0),
            "most_spikes": np.array(float(STEPS)),
            "half": np.array(0.5),
        }


CODINGS: dict[str, type[Even | Events]] = {"even": Even, "bernoulli": Bernoulli, "events": Events}
"""The codings that give spike trains, by name."""


def dense(X: Any) -> NDArray[Any]:
    """Return examples as an array, sparse or not."""
    return np.asarray(X.toarray() if sparse.issparse(X) else X)


# [phase, count - 1]
_EVEN_PATTERNS = np.array(
    [(1 << np.arange(STEPS)) @ even_spread(range(1, STEPS + 1), phase) for phase in range(STEPS)],
    np.int32,
)


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
            counts[p, i] = np.uint8(rounded(scaled))
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


@compiled
def _count_signed(activations: Any, scale: float, counts: Any) -> None:
    n_inputs = activations.shape[1]
    size = np.empty(n_inputs)
    for example in range(len(activations)):
        x = activations[example]
        largest = 0.0
        for place in range(n_inputs):
            size[place] = abs(x[place])
            largest = max(largest, size[place])
        # Squares must neither overflow nor vanish; powers of two, in two parts since one could
        # overflow itself, change no digit.
        exponent = -math.frexp(largest)[1]
        first, second = math.ldexp(1.0, exponent // 2), math.ldexp(1.0, exponent - exponent // 2)
        power = 0.0
        for place in range(n_inputs):
            size[place] *= first
            size[place] *= second
        for place in range(n_inputs):  # in this order, since another one rounds otherwise
            power += size[place] * size[place]
        gain = STEPS / (scale * math.sqrt(power / n_inputs)) if power > 0 else 0.0
        for place in range(n_inputs):
            spikes = np.int8(rounded(size[place] * gain))
            counts[example, place] = spikes if x[place] >= 0 else -spikes
