"""The hyperparameters are the specification's, and each says what is wrong with a bad value."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from spikehead.heads.decorrelated.parameters import (
    LATERAL_UNIT,
    MAX_INPUTS,
    TRACE_UNIT,
    UNIT,
    DecorrelatedParameters,
)


def test_defaults_are_those_of_the_specification() -> None:
    p = DecorrelatedParameters()
    assert (p.lam, p.scale, p.threshold, p.width) == (1.0, 4.0, 0.2, 2048)
    # lam * N * (10 / s) ** 2
    assert p.power(1280) == 8000
    assert DecorrelatedParameters(lam=0.1, scale=5.0).power(100) == pytest.approx(40)


def test_sums_are_exact_by_the_units() -> None:
    """See that no partial sum reaches 2**53, by the bounds that A between 0 and 1 gives."""
    longest = 10 * np.sqrt(MAX_INPUTS)  # of an example, and of a weight vector
    assert longest * longest * UNIT < 2**53  # weights times spikes
    assert longest * longest * UNIT * (1 + 1 / 2) < 2**53  # with half a threshold of factor 1
    assert longest * LATERAL_UNIT < 2**53  # lateral weights times spikes
    assert longest * TRACE_UNIT < 2**53  # traces times spikes
    assert TRACE_UNIT * TRACE_UNIT < 2**53  # products of traces, summed
    assert LATERAL_UNIT < TRACE_UNIT * TRACE_UNIT


@pytest.mark.parametrize("field", fields(DecorrelatedParameters), ids=lambda field: field.name)
def test_bad_values_are_refused(field: Any) -> None:
    about = DecorrelatedParameters.about()[field.name]
    low, high = about.low, about.high
    assert low <= field.default <= high
    for good in (low, high):
        value = getattr(DecorrelatedParameters(**{field.name: good}), field.name)
        assert value == good
        assert type(value) is type(field.default)
    bad = [low - 1, high * 2, float("nan"), "1", True, None]
    if isinstance(field.default, int):
        bad.append(1.5)
    for value in bad:
        with pytest.raises(ValueError, match=f"{field.name} must be a (whole )?number from"):
            DecorrelatedParameters(**{field.name: value})


def test_they_come_back_from_their_names() -> None:
    p = DecorrelatedParameters(lam=0.5, width=100)
    assert DecorrelatedParameters.from_dict(p.to_dict()) == p
    with pytest.raises(ValueError, match="lambda is not a hyperparameter; there are lam, scale"):
        DecorrelatedParameters.from_dict({"lambda": 1.0})
