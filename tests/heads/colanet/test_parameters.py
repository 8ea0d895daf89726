"""The hyperparameters are the paper's, and each says what is wrong with a bad value."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikehead.coding import STEPS
from spikehead.heads.colanet import parameters
from spikehead.heads.colanet.parameters import CoLaNETParameters


def test_defaults_are_table_1_of_the_paper() -> None:
    p = CoLaNETParameters()
    assert p.potentiation == 0.0986409
    assert p.relative_depression == 0.504279665
    assert p.stability_rate == 0.0644199
    assert p.max_weight == 1.18684
    assert p.min_weight == 1.65234
    assert p.microcolumns == 1
    assert p.threshold_excess == 0.0019573
    assert p.silent_synapses == 1222
    assert p.saturation == 2.07474
    assert p.max_synapses == 1000


def test_clock_is_that_of_the_paper() -> None:
    assert STEPS == 10
    assert parameters.ALL_STEPS == 15
    assert parameters.LABEL_STEP == 11 - 1
    assert parameters.DOPAMINE_STEP == 14 - 1
    assert parameters.BASE_THRESHOLD == 8.531
    assert parameters.TAU == 9


def test_they_come_back_from_a_dictionary() -> None:
    p = CoLaNETParameters(microcolumns=3, silent_synapses=-1)
    assert CoLaNETParameters.from_dict(p.to_dict()) == p
    with pytest.raises(ValueError, match=r"^dwpos ") as error:
        CoLaNETParameters.from_dict({"potentiation": 1.0, "dwpos": 1.0})
    assert str(error.value) == (
        "dwpos is not a hyperparameter; there are potentiation, relative_depression, "
        "stability_rate, max_weight, min_weight, microcolumns, threshold_excess, "
        "silent_synapses, saturation, stochastic_stimulation, max_synapses"
    )


def test_they_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CoLaNETParameters().saturation = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("potentiation", -0.1, "a number from 0 to 1000"),
        ("potentiation", float("nan"), "a number from 0 to 1000"),
        ("potentiation", "0.1", "a number from 0 to 1000"),
        ("relative_depression", 1001, "a number from 0 to 1000"),
        ("stability_rate", float("inf"), "a number from 0 to 1000"),
        ("max_weight", 0.0, "a number from 0.001 to 7.99"),
        ("max_weight", 8.0, "a number from 0.001 to 7.99"),
        ("min_weight", -1.0, "a number from 0 to 7.99"),
        ("min_weight", None, "a number from 0 to 7.99"),
        ("microcolumns", 0, "a whole number from 1 to 1000"),
        ("microcolumns", 1.5, "a whole number from 1 to 1000"),
        ("microcolumns", True, "a whole number from 1 to 1000"),
        ("threshold_excess", 1.1, "a number from 0 to 1"),
        ("silent_synapses", -2, "a whole number from -1 to 1e+06"),
        ("saturation", 0, "a number from 1e-09 to 1e+09"),
        ("stochastic_stimulation", 8.1, "a number from 0 to 8"),
        ("max_synapses", 0, "a whole number from 1 to 1e+06"),
        ("max_synapses", 2_000_000, "a whole number from 1 to 1e+06"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} ") as error:
        CoLaNETParameters(**{name: value})
    assert str(error.value) == f"{name} must be {said}, not {value!r}"


def test_zero_silent_synapses_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^silent_synapses ") as error:
        CoLaNETParameters(silent_synapses=0)
    assert str(error.value) == (
        "silent_synapses must be positive, or -1 for no renormalisation, not 0"
    )


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float32, np.float64, int, float])
def test_numbers_of_every_kind_are_taken(kind: Any) -> None:
    p = CoLaNETParameters(microcolumns=kind(3), saturation=kind(2))
    assert (type(p.microcolumns), p.microcolumns) == (int, 3)
    assert (type(p.saturation), p.saturation) == (float, 2.0)


def test_noise_counts_the_values_below_the_bound() -> None:
    # In steps of 2**-12, [0, 0.5) holds 2048 values and [0, 0) none.
    assert CoLaNETParameters(stochastic_stimulation=0.5).noise == 2048
    assert CoLaNETParameters(stochastic_stimulation=0.0).noise == 0


@given(max_weight=st.floats(1e-3, 7.99), min_weight=st.floats(0, 7.99), stimulation=st.floats(0, 8))
def test_what_could_overflow_is_refused_and_nothing_else_close_to_it(
    max_weight: float, min_weight: float, stimulation: float
) -> None:
    p = CoLaNETParameters(
        max_weight=max_weight, min_weight=min_weight, stochastic_stimulation=stimulation
    )
    strongest = max(max_weight, min_weight)
    refused = 10**9
    with pytest.raises(ValueError, match=r"^max_synapses: ") as error:
        p.check_overflow(refused)
    most = int(str(error.value).rsplit(" ", 1)[1])
    assert str(error.value) == (
        f"max_synapses: {refused} synapses of weights up to {strongest:g} could overflow a "
        f"32-bit membrane; with these weights it can be at most {most}"
    )
    p.check_overflow(most)
    with pytest.raises(ValueError, match=r"^max_synapses: "):
        p.check_overflow(most + 1)
    # The worst case, step by step: every synapse at its strongest, and the noise at its highest.
    drive = most * round(strongest * 4096) + p.noise
    potential = highest = 0
    for _ in range(10):
        potential = potential - potential // 9 + drive
        highest = max(highest, potential)
    assert highest < 2**31
    assert highest > 2**31 / 2
