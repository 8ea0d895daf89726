"""Activations of any sign and scale -> signed spike counts -> push-pull spikes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, even_spread
from spikehead.compilation import compiled


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
    _count(activations, scale, counts)
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


@compiled
def _count(activations: Any, scale: float, counts: Any) -> None:
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
            spikes = np.int8(min(size[place] * gain, 1.0 * STEPS) + 0.5)  # towards zero: floor
            counts[example, place] = spikes if x[place] >= 0 else -spikes
