"""The equations of CoLaNET, one small function each.

Plain functions of numbers or NumPy arrays, which Numba can compile as well: the reference and the
fast engines call the same ones. Spike trains are bit masks: bit ``t`` is a spike at step ``t``.
Only operations that IEEE 754 defines exactly are used, so that every engine on every machine
gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from spikehead.heads.colanet.parameters import BASE_THRESHOLD, MEMORY, TAU, UNIT
from spikehead.randomness import mix

TIE = 1e-9
"""Below any difference between shares of votes; potentials decide within it."""

# ---------------------------------------------------------------- arithmetic


@register_jitable
def product(a: Any, b: Any) -> Any:
    """Return a product that is rounded before anything is added to it.

    Compilers for GPUs fuse multiplication and addition; `spikehead.heads.colanet.cuda` has
    another form of this function for them.
    """
    return a * b


@register_jitable
def nearest(x: Any) -> Any:
    """Return the nearest whole number; of two, the even one."""
    return np.rint(x)


# ---------------------------------------------------------------- the membrane


@register_jitable
def integrate(potential: Any, drive: Any) -> Any:
    """Return the potential after one step: leak by 1 / tau, add `drive`, not below zero.

    All in steps of 1 / `UNIT`; the leak is an integer division, hence exact (spec section 3).
    """
    return np.maximum(potential - potential // TAU + drive, 0)


@register_jitable
def threshold(excess: float, positive_weight: int) -> int:
    """Return the firing threshold of an L neuron, in steps of 1 / `UNIT` (spec section 3).

    Parameters
    ----------
    excess : float
        `threshold_excess`.
    positive_weight : int
        Sum of the neuron's positive weights, in steps of 1 / `UNIT`.
    """
    return int(BASE_THRESHOLD * UNIT + product(excess, positive_weight) + 0.5)


# ---------------------------------------------------------------- chance


@register_jitable
def noise(key: Any, moment: Any, amplitude: Any) -> Any:
    """Return uniform noise in [0, amplitude), in steps of 1 / `UNIT`.

    Parameters
    ----------
    key : uint32
        Hash of seed, member and neuron.
    moment : uint32
        Hash of presentation and step.
    amplitude : uint32
        Number of values that the noise can take.
    """
    return np.uint32(mix(key ^ moment) >> np.uint32(16)) * amplitude >> np.uint32(16)


# ---------------------------------------------------------------- spike trains as bit masks


@register_jitable
def recent(step: int) -> int:
    """Return the mask of the steps that are remembered at `step`: itself and `MEMORY` before."""
    return ((2 << step) - 1) & ~((1 << max(step - MEMORY, 0)) - 1)


@register_jitable
def first_spike(train: int) -> int:
    """Return the step of the first spike of a train that has one."""
    step = 0
    while not train >> step & 1:
        step += 1
    return step


@register_jitable
def tight_sequence_end(train: int) -> int:
    """Return the last step of the first tight spike sequence of a train that has one.

    A tight spike sequence is a run of spikes with gaps of at most `MEMORY` steps (spec section 4).
    """
    end = first_spike(train)
    step = end
    while train >> step:
        if train >> step & 1:
            if step - end > MEMORY:
                return end
            end = step
        step += 1
    return end


# ---------------------------------------------------------------- plasticity


@register_jitable
def weight(resource: Any, low: Any, span: Any) -> Any:
    """Return the weight that a synaptic resource gives, in steps of 1 / `UNIT` (spec section 4).

    Parameters
    ----------
    resource : float32
        Synaptic resource; a negative one counts as zero.
    low : float32
        Lowest weight, ``-min_weight``.
    span : float32
        ``max_weight + min_weight``.
    """
    held = np.maximum(resource, np.float32(0))
    return nearest((low + span * held / (span + held)) * np.float32(UNIT))


@register_jitable
def initial_resource(max_weight: float, min_weight: float) -> float:
    """Return the resource whose weight is zero, from which every synapse starts."""
    return min_weight * (max_weight + min_weight) / max_weight


@register_jitable
def plasticity(stability: float) -> float:
    """Return ``min(2 ** -stability, 1)``, by which every resource change is multiplied.

    The power is a Taylor series (error below 1e-9), since library powers differ between machines.
    """
    if stability <= 0:
        return 1.0
    whole = int(min(stability, 1000.0))
    exponent = -(min(stability, 1000.0) - whole) * 0.6931471805599453
    power = 1.0
    for n in range(11, 0, -1):
        power = 1.0 + product(power, exponent) / n
    for _ in range(whole):
        power *= 0.5
    return power


@register_jitable
def changed_stability(stability: float, change: float) -> float:
    """Return the stability after a change; one that is not positive can only grow."""
    if stability <= 0 and change < 0:
        return stability
    return stability + change


@register_jitable
def dopamine_stability(age: int) -> float:
    """Return the change of stability per unit of `r * d+`, `age` steps after the first spike."""
    return max(2.0 - abs(age - 10) / 10.0, -1.0)


@register_jitable
def renormalisation(change: float, n_active: int, n_synapses: int, n_silent: int) -> float:
    """Return what every synapse gives so that the neuron's total resource stays constant.

    Parameters
    ----------
    change : float
        Resource that an active synapse gains.
    n_active : int
        Connected synapses that were active.
    n_synapses : int
        Connected synapses.
    n_silent : int
        Unconnected synapses that give as well; -1 for no renormalisation.
    """
    if n_silent < 0:
        return 0.0
    return change * n_active / (n_synapses + n_silent)


# ---------------------------------------------------------------- the decision


@register_jitable
def score(share: Any, peak: Any) -> Any:
    """Return what decides between columns (spec section 5).

    Parameters
    ----------
    share : float64
        Mean over the members of the column's share in a member's OUT spikes.
    peak : float64
        Sum over the members of the highest potential over threshold. It decides between equal
        shares, in steps below any difference of shares.
    """
    return product(nearest(share / TIE), TIE) + product(peak / (1 + peak), TIE)
