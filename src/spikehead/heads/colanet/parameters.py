"""The hyperparameters of CoLaNET and the constants of its clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spikehead.coding import STEPS
from spikehead.heads.parameters import Hyperparameters, number

SILENT_STEPS = 5
"""Steps without input at the end of a presentation."""

ALL_STEPS = STEPS + SILENT_STEPS
"""All steps of a presentation."""

LABEL_STEP = 10
"""Step of the label's spike, counted from 0: the 11th (the hybrid paper, section 3.1)."""

DOPAMINE_STEP = 13
"""Step of the dopamine spike, counted from 0: three steps after the label."""

MEMORY = 10
"""Steps over which a spike is remembered: gaps in a tight sequence, blocking, dopamine, gating."""

TAU = 9
"""Membrane time constant in steps."""

UNIT = 4096
"""Steps of weight and potential in 1.0: every membrane is an integer multiple of 2**-12."""

BASE_THRESHOLD = 8.531
"""Threshold of an L neuron without positive weights."""


@dataclass(frozen=True)
class CoLaNETParameters(Hyperparameters):
    """Hyperparameters of one CoLaNET network; the defaults are Table 1 of the hybrid paper.

    The ranges in which they are searched are the published ones (specification, section 6).

    Parameters
    ----------
    potentiation : float, default=0.0986409
        Resource that dopamine adds to a recently active synapse (DWPOS).
    relative_depression : float, default=0.504279665
        Resource that an unforced firing takes, as a fraction of `potentiation` (RELDWNEG).
    stability_rate : float, default=0.0644199
        Change of stability per unit of resource change (STABILITYRESOURCECHANGERATIO).
    max_weight : float, default=1.18684
        Upper bound of a weight, never reached (MAXWEIGHT).
    min_weight : float, default=1.65234
        Magnitude of the lowest weight: weights start from ``-min_weight`` (MINWEIGHT).
    microcolumns : int, default=1
        L neurons in a column (NLEARNINGGROUPS).
    threshold_excess : float, default=0.0019573
        Threshold added per unit of positive weight (WTHREXCESS).
    silent_synapses : int, default=1222
        Unconnected synapses that share in renormalisation; -1 turns it off (NSILENTSYNAPSES).
    saturation : float, default=2.07474
        Activation from which an input spikes at every step (SATURATION).
    stochastic_stimulation : float, default=0.016
        Upper bound of the uniform noise that each L neuron receives at each step. Table 1 does
        not give it; the default is the value that the specification reports for MNIST.
    max_synapses : int, default=1000
        Plastic synapses of an L neuron at most; drawn at random where there are more inputs.

    Raises
    ------
    ValueError
        If a value is outside its range; the sentence names it.
    """

    potentiation: float = number(0.0986409, 0, 1e3, searched=(0.003, 1), log=True, paper="DWPOS")
    relative_depression: float = number(0.504279665, 0, 1e3, searched=(0.3, 1.3), paper="RELDWNEG")
    stability_rate: float = number(
        0.0644199, 0, 1e3, searched=(0.0003, 1), log=True, paper="STABILITYRESOURCECHANGERATIO"
    )
    # Weights are below 8 = 2**15 / UNIT, so that they fit into 16 bits.
    max_weight: float = number(1.18684, 1e-3, 7.99, searched=(0.03, 3), log=True, paper="MAXWEIGHT")
    min_weight: float = number(1.65234, 0, 7.99, searched=(0.003, 3), log=True, paper="MINWEIGHT")
    microcolumns: int = number(1, 1, 1000, searched=(1, 30), paper="NLEARNINGGROUPS")
    threshold_excess: float = number(
        0.0019573, 0, 1, searched=(0.001, 0.3), log=True, paper="WTHREXCESS"
    )
    silent_synapses: int = number(
        1222, -1, 10**6, searched=(1, 3000), log=True, paper="NSILENTSYNAPSES"
    )
    # Searched, too, but between percentiles of the activations.
    saturation: float = number(2.07474, 1e-9, 1e9, log=True, paper="SATURATION")
    stochastic_stimulation: float = number(0.016, 0, 8, log=True)
    max_synapses: int = number(1000, 1, 10**6, log=True)

    def __post_init__(self) -> None:
        """Check every value against its range."""
        super().__post_init__()
        if self.silent_synapses == 0:
            raise ValueError(
                "silent_synapses must be positive, or -1 for no renormalisation, not 0"
            )

    @property
    def noise(self) -> int:
        """Number of values that the noise of a step can take, in steps of 1 / `UNIT`."""
        return round(self.stochastic_stimulation * UNIT)

    def check_overflow(self, n_synapses: int) -> None:
        """Refuse a network whose integer membranes could overflow.

        Parameters
        ----------
        n_synapses : int
            Plastic synapses of an L neuron.

        Raises
        ------
        ValueError
            If `n_synapses` spikes at once, step after step, could exceed 32 bits.
        """
        strongest = max(self.max_weight, self.min_weight)
        limit = (2**31 - 1) / (TAU + 1) / UNIT
        if n_synapses * strongest + self.stochastic_stimulation > limit:
            most = math.floor((limit - self.stochastic_stimulation) / strongest)
            raise ValueError(
                f"max_synapses: {n_synapses} synapses of weights up to {strongest:g} could "
                f"overflow a 32-bit membrane; with these weights it can be at most {most}"
            )
