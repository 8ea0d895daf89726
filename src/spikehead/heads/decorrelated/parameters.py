"""The hyperparameters of decorrelated columns, and the constants of their clock and arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from spikehead.coding import STEPS
from spikehead.heads.parameters import Hyperparameters, number

DISCHARGE_STEPS = 10
"""Steps after the input in which columns answer: a column spikes this often at most."""

BLOCK = 64
"""Lessons after which the lateral layer is consolidated; until then their traces are kept."""

UNIT = 2.0**30
"""Steps of weight, potential, excitation and energy in 1.0."""

TRACE_UNIT = 2.0**26
"""Steps of a trace in 1.0: the product of two has 52 fraction bits, and is at most 1."""

LATERAL_UNIT = 2.0**42
"""Steps of a lateral weight in 1.0."""

MAX_INPUTS = 2**15
"""Inputs at most, so that every sum is below 2**53: ``STEPS**2 * MAX_INPUTS * UNIT < 2**52``."""

RECORD = 4096
"""Own answers that are kept at most, evenly over the stream; an even number."""

FIRST_TEMPERATURE = 0.05
"""The temperature from which the first answers are read."""

MAX_LOG_TEMPERATURE = 7.0
"""The log of the temperature is this far from zero at most."""


@dataclass(frozen=True)
class DecorrelatedParameters(Hyperparameters):
    """Hyperparameters of decorrelated columns.

    Parameters
    ----------
    lam : float, default=1.0
        How slowly inputs come to inhibit each other, relative to the power of an example: the
        penalty of a ridge regression.
    scale : float, default=4.0
        How many root mean squares an activation has from which an input spikes at every step (s).
    threshold : float, default=0.2
        A column's threshold, relative to what its own examples excite (f).
    width : int, default=2048
        Inputs that can inhibit each other at most: where there are more, they lie on as many
        dendritic branches as are needed, drawn at random, and inhibit those of their branch only.
    horizon : int, default=0
        Examples of a class after which older ones are forgotten: a column's mean moves by no less
        than 1 / `horizon`, and lateral inhibition fades as fast as that many examples of every
        class come. For streams whose labels change their meaning; classes that stay away are
        forgotten with the rest, and such a head can neither be merged nor unlearn. 0: never.

    Raises
    ------
    ValueError
        If a value is outside its range; the sentence names it.
    """

    lam: float = number(1.0, 1e-3, 1e3, searched=(0.1, 10), log=True)
    scale: float = number(4.0, 0.1, 100, searched=(2, 8), log=True, paper="s")
    threshold: float = number(0.2, 1e-3, 1, searched=(0.05, 0.8), log=True, paper="f")
    width: int = number(2048, 1, MAX_INPUTS, log=True)
    horizon: int = number(0, 0, 2**31)

    def power(self, width: int) -> float:
        """Return what a branch's own energy is measured against (l0).

        With `lam` 1 it is the squared length of an example that is nowhere clipped.

        Parameters
        ----------
        width : int
            Inputs of a branch.
        """
        return self.lam * width * (STEPS / self.scale) ** 2
