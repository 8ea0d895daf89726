"""The equations of decorrelated columns, one small function each.

Plain functions of numbers or NumPy arrays, which Numba can compile as well: the reference and the
fast engine call the same ones. What they take and give are whole numbers, in the steps of 1 / unit
that `parameters` lists, held in float64: below 2**53 their sums are exact in any order, so that
matrices can be multiplied by any number of threads. Whatever is divided is rounded to the nearest
whole number at once (specification, section 4).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from spikehead.heads.decorrelated.parameters import (
    BLOCK,
    LATERAL_UNIT,
    MAX_LOG_TEMPERATURE,
    RECORD,
    TRACE_UNIT,
    UNIT,
)

TRACES_TO_LATERAL = TRACE_UNIT * TRACE_UNIT / LATERAL_UNIT
"""What the product of two traces is divided by to be a lateral weight."""

TIE = 1e-6
"""Part of a spike that what is left of a potential can decide: less than any whole one."""

NEVER = -1e300
"""What counts as left of the potential of a column that has learned nothing."""


@register_jitable
def nearest(x: Any) -> Any:
    """Return the nearest whole number; of two, the even one."""
    return np.rint(x)


# ---------------------------------------------------------------- the lateral layer


@register_jitable
def recalled(trace: Any, overlap: Any) -> Any:
    """Return how much an earlier lesson of the block inhibits an input, before consolidation.

    Parameters
    ----------
    trace : float
        What the input keeps of that lesson.
    overlap : float
        Traces of all inputs of the branch times their spikes of now, summed, in steps of
        1 / `TRACE_UNIT`: how much what is heard now resembles the lesson.

    Returns
    -------
    float
        In steps of 1 / `LATERAL_UNIT`.
    """
    return nearest(trace * overlap / TRACES_TO_LATERAL)


@register_jitable
def excitation(drive: Any) -> Any:
    """Return what lateral inhibition leaves of an input's spikes.

    Parameters
    ----------
    drive : float
        The input's own spikes less its inhibition, in steps of 1 / `LATERAL_UNIT`.
    """
    return nearest(drive / (LATERAL_UNIT / UNIT))


@register_jitable
def rate(power: float, energy: Any) -> Any:
    """Return the rate at which a branch learns an example: the number that all its synapses hear.

    Parameters
    ----------
    power : float
        That of `DecorrelatedParameters.power` (l0).
    energy : float
        Excitation times spikes, summed over the branch (e): how much of the example is new.
    """
    return 1.0 / (power + energy / UNIT)


@register_jitable
def trace(excited: Any, root: Any) -> Any:
    """Return what an input keeps of a lesson.

    Parameters
    ----------
    excited : float
        Its excitation.
    root : float
        Square root of the rate: two inputs come to inhibit each other by the product of their
        traces.
    """
    return nearest(excited * root / (UNIT / TRACE_UNIT))


@register_jitable
def consolidated(inhibition: Any, products: Any) -> Any:
    """Return how much an input inhibits another when a block of lessons is consolidated.

    Parameters
    ----------
    inhibition : float
        Before.
    products : float
        Products of the traces of both inputs, summed over the lessons.
    """
    return inhibition + nearest(products / TRACES_TO_LATERAL)


@register_jitable
def faded(inhibition: Any, left: float) -> Any:
    """Return what is left of inhibition where there is a horizon (specification, section 7).

    Parameters
    ----------
    inhibition : float
        Before.
    left : float
        That of `fading`.
    """
    return nearest(inhibition * left)


@register_jitable
def fading(counts: Any, horizon: int) -> float:
    """Return what a block of lessons leaves of earlier inhibition; 1 where there is no horizon.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_columns,)
        Examples that each column has learned.
    horizon : int
        `DecorrelatedParameters.horizon`.
    """
    within = horizon * np.count_nonzero(counts)
    left = 1.0
    for _ in range(BLOCK if within > 0 else 0):
        left *= 1.0 - 1.0 / within
    return left


# ---------------------------------------------------------------- columns


@register_jitable
def depressed(value: Any, heard: Any, step: Any) -> Any:
    """Return weights, or an energy, after anti-Hebbian depression by the neuron's own potential.

    Parameters
    ----------
    value : float
        Weights, or the neuron's energy, before.
    heard : float
        For weights the excitation of their inputs, for the energy the branch's potential.
    step : float
        The branch's rate times its potential.
    """
    return value - nearest(step * heard)


@register_jitable
def left(heard: Any, gain: Any) -> Any:
    """Return what is left of an excitation, potential or energy once the example is learned.

    Parameters
    ----------
    heard : float
        What it was before.
    gain : float
        The branch's power times its rate (l0 eta).
    """
    return nearest(heard * gain)


@register_jitable
def remembered(count: float, horizon: int) -> float:
    """Return of how many examples a column holds the mean.

    Parameters
    ----------
    count : float
        Examples of the class, this one among them.
    horizon : int
        `DecorrelatedParameters.horizon`.
    """
    return min(count, float(horizon)) if horizon > 0 else count


@register_jitable
def moved(weight: Any, target: Any, count: Any) -> Any:
    """Return weights that dopamine has moved towards an example, ever more slowly.

    Parameters
    ----------
    weight : float
        Before.
    target : float
        What is left of the excitation (`left`).
    count : float
        That of `remembered`.
    """
    return weight + nearest((target - weight) / count)


@register_jitable
def moved_energy(energy: Any, shared: Any, own: Any, count: Any) -> Any:
    """Return the energy of a neuron whose weights were moved: ``w`` times the class's mean.

    Parameters
    ----------
    energy : float
        Before.
    shared, own : float
        What is left of the neuron's potential and of the example's energy (`left`).
    count : float
        That of `remembered`.
    """
    change = 2.0 * (count - 1.0) * (shared - energy) + (own - energy)
    return energy + nearest(change / (count * count))


# ---------------------------------------------------------------- the answer


@register_jitable
def tone(energies: Any, counts: Any) -> float:
    """Return what all thresholds share: the mean root of the energy of columns that have learned.

    Parameters
    ----------
    energies : ndarray of float64, shape (n_columns,)
        Their energies.
    counts : ndarray, shape (n_columns,)
        Examples that each has learned.
    """
    total, known = 0.0, 0
    for column in range(len(energies)):
        if counts[column] > 0:
            total += np.sqrt(max(energies[column], 0.0))
            known += 1
    return total / max(known, 1)


@register_jitable
def half_threshold(factor: float, energy: Any, shared: float) -> Any:
    """Return half of a neuron's threshold, from which its potential starts; at least one step.

    Parameters
    ----------
    factor : float
        `DecorrelatedParameters.threshold`.
    energy : float
        The neuron's energy.
    shared : float
        That of `tone`.
    """
    return max(nearest(factor / 2.0 * np.sqrt(max(energy, 0.0)) * shared), 1.0)


@register_jitable
def score(spikes: Any, residual: Any) -> Any:
    """Return a column's score: its OUT spikes; among equal ones, what is left decides.

    Parameters
    ----------
    spikes : int
        Its OUT spikes.
    residual : float
        What is left of the potential, above where it started, over the threshold.
    """
    left = np.maximum(residual, NEVER)
    return spikes + (left / (np.abs(left) + 1) + 1) * TIE / 2


@register_jitable
def cosine(potential: Any, energy: Any, example: Any) -> Any:
    """Return how alike an example and a class are, from -1 to 1, as the lateral layer sees them.

    Parameters
    ----------
    potential : float
        The neuron's potential at the end of the input, without that from which it started.
    energy : float
        The neuron's energy.
    example : float
        The example's energy.
    """
    size = np.sqrt(max(energy, 0.0)) * np.sqrt(max(example, 0.0))
    return potential / size if size > 0 else 0.0


# ---------------------------------------------------------------- what it makes of its own answers


@register_jitable
def rounded(value: float) -> float:
    """Return a number in steps in which the last bits of no library's exponential count."""
    return float(nearest(value * 2.0**20)) / 2.0**20


@register_jitable
def familiarity(cosines: Any) -> float:
    """Return how familiar an example is, from 0 to 1: the cosine of the class most like it.

    Parameters
    ----------
    cosines : ndarray of float64, shape (n_columns,)
        That of `cosine`; minus infinity where a column has learned nothing.
    """
    highest = 0.0
    for alike in cosines:
        highest = max(highest, alike)
    return min(highest, 1.0)


@register_jitable
def expected(cosines: Any, column: int, temperature: float) -> tuple[float, float]:
    """Return how likely a class is, and the cosine that is to be expected of the right one.

    Parameters
    ----------
    cosines : ndarray of float64, shape (n_columns,)
        As for `familiarity`.
    column : int
        The column of the class; it has learned something.
    temperature : float
        What cosines are divided by before the softmax (T).
    """
    highest = cosines[column]
    for alike in cosines:
        highest = max(highest, alike)
    total = mean = 0.0
    for alike in cosines:
        if alike > NEVER:
            likely = math.exp((alike - highest) / temperature)
            total += likely
            mean += likely * alike
    return math.exp((cosines[column] - highest) / temperature) / total, mean / total


@register_jitable
def tempered(log_temperature: float, slopes: float, slope: float) -> tuple[float, float]:
    """Return the log of the temperature after an answer, and the sum of squared slopes.

    A step of Adagrad (Duchi et al., 2011) on the log loss of the answer.

    Parameters
    ----------
    log_temperature, slopes : float
        Before.
    slope : float
        That of the loss by the log of the temperature.
    """
    slopes += rounded(slope * slope)
    changed = log_temperature - rounded(0.5 * slope / math.sqrt(slopes))
    return min(max(changed, -MAX_LOG_TEMPERATURE), MAX_LOG_TEMPERATURE), slopes


@register_jitable
def spacing(n: int) -> int:
    """Return of how many answers, of `n` in all, one is kept: a power of two."""
    apart = 1
    while n > apart * RECORD:
        apart *= 2
    return apart


@register_jitable
def note(
    cosines: Any,
    column: int,
    familiarities: Any,
    chances: Any,
    answered: Any,
    log_temperature: Any,
    slopes: Any,
) -> None:
    """Learn what can be learned from an answer to an example of a known class.

    Parameters
    ----------
    cosines : ndarray of float64, shape (n_columns,)
        As for `familiarity`, from before the example was learned. Where its class was not known,
        nothing is noted.
    column : int
        The column of its class.
    familiarities, chances, answered, log_temperature, slopes : ndarray
        Those of `Network`; changed in place.
    """
    if not cosines[column] > NEVER:
        return
    temperature, n = math.exp(log_temperature[()]), int(answered[()])
    chance, mean = expected(cosines, column, temperature)
    slope = (cosines[column] - mean) / temperature
    log_temperature[()], slopes[()] = tempered(log_temperature[()], slopes[()], slope)
    apart = spacing(n + 1)
    if apart > spacing(n):  # the record is full: every other answer makes room
        for kept in (familiarities, chances):
            kept[: RECORD // 2] = kept[::2].copy()
            kept[RECORD // 2 :] = 0
    if n % apart == 0:
        familiarities[n // apart] = familiarity(cosines)
        chances[n // apart] = chance
    answered[()] = n + 1
