"""The state: one table, over which growing, saving and restoring loop."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

import numpy as np
import psutil
import pytest

from spikehead.heads.decorrelated.cpu import CPUEngine
from spikehead.heads.decorrelated.network import STATE, Network
from spikehead.heads.decorrelated.parameters import (
    BLOCK,
    MAX_INPUTS,
    TRACE_UNIT,
    UNIT,
    DecorrelatedParameters,
)

P = DecorrelatedParameters()


def taught(n_inputs: int = 20, width: int = 2048, n: int = 50) -> Network:
    rng = np.random.default_rng(0)
    network = Network(DecorrelatedParameters(width=width), n_inputs, 3)
    counts = rng.integers(-10, 11, (n, n_inputs)).astype(np.int8)
    CPUEngine(network, 1).learn(counts, rng.integers(0, 3, n))
    return network


def assert_same(one: Network, other: Network) -> None:
    for variable in STATE:
        ours, theirs = getattr(one, variable.name), getattr(other, variable.name)
        assert ours.dtype == theirs.dtype == variable.dtype
        assert np.array_equal(ours, theirs), variable.name


def test_the_table_is_all_that_learning_changes() -> None:
    before = taught()
    after = copy.deepcopy(before)
    CPUEngine(after, 1).learn(np.ones((40, 20), np.int8), np.zeros(40, np.int64))
    for name, value in vars(before).items():
        same = np.array_equal(value, getattr(after, name)) if name != "parameters" else True
        assert same != (name in {variable.name for variable in STATE}), name
    new = Network(P, 20, 3)
    for variable in STATE:  # what a temperature begins with is in the rules
        began = variable.name in ("log_temperature", "slopes")
        assert getattr(new, variable.name).any() == began


@pytest.mark.parametrize("width", [2048, 7])
def test_a_state_comes_back(width: int) -> None:
    network = taught(width=width)
    state = network.state()
    again = Network(network.parameters, 20, 3)
    again.restore(state)
    assert_same(again, network)
    # Both are copies.
    state["weights"][:] = 0
    assert again.weights.any()
    assert network.weights.any()
    # One triangle of the symmetric matrices is enough.
    assert state["inhibition"].size == network.n_branches * (
        network.n_places * (network.n_places + 1) // 2
    )
    assert again.presentations == 50


def test_a_state_that_cannot_be_is_refused_and_changes_nothing() -> None:
    network, rng = taught(), np.random.default_rng(1)
    before = copy.deepcopy(network)

    def refused(name: str, value: Any) -> None:
        state = network.state()
        for other in state:  # what comes first is good, and other than what is there
            if state[other].dtype == np.float64 and state[other].ndim:
                state[other] = rng.permuted(state[other])
        state[name] = value
        with pytest.raises(ValueError, match=f"^{name} must be (whole numbers from|finite|from)"):
            network.restore(state)
        assert_same(network, before)

    for variable in STATE:
        value = network.state()[variable.name]
        refused(variable.name, None)
        refused(variable.name, value[..., None])
        other = np.float32 if variable.dtype == np.float64 else np.float64
        refused(variable.name, value.astype(other))
        low, high = variable.limits
        refused(variable.name, np.full_like(value, low - max(abs(low), 1)))
        if np.isfinite(high):
            refused(variable.name, np.full_like(value, high * 2 + 1))
        if variable.dtype == np.float64 and variable.whole:
            refused(variable.name, value + 0.5)
        if variable.dtype == np.float64:
            refused(variable.name, value * np.nan)


def test_consolidation_is_exact_and_rounded_once() -> None:
    """Follow it in Python's integers, for traces whose squares sum up to 1."""
    network = Network(P, 5)
    rng = np.random.default_rng(0)
    traces = rng.normal(size=(BLOCK, 5))
    traces *= TRACE_UNIT / np.sqrt((traces**2).sum(axis=0))
    network.traces[:, 0] = np.rint(traces)
    network.n_traces[...] = BLOCK
    whole = network.traces[:, 0].astype(int).tolist()
    network.hold(network.consolidated())
    for i in range(5):
        for j in range(5):
            products = sum(row[i] * row[j] for row in whole)
            assert int(network.inhibition[0, i, j]) == round(Fraction(products, 2**10))
    assert not network.traces.any()
    assert network.n_traces == 0


def test_new_columns_know_nothing_and_leave_the_others() -> None:
    network = taught()
    before = copy.deepcopy(network)
    network.add_columns(2)
    assert network.n_columns == 5
    for name in ("weights", "energies", "counts"):
        assert np.array_equal(getattr(network, name)[:3], getattr(before, name))
        assert not getattr(network, name)[3:].any()
    assert np.array_equal(network.inhibition, before.inhibition)


@pytest.mark.parametrize(("n_inputs", "width", "branches"), [(20, 20, 1), (21, 20, 2), (7, 1, 7)])
def test_every_input_has_one_place(n_inputs: int, width: int, branches: int) -> None:
    network = Network(DecorrelatedParameters(width=width), n_inputs)
    assert network.n_branches == branches
    assert network.n_places <= width
    real = network.places[network.places < n_inputs]
    assert sorted(real.tolist()) == list(range(n_inputs))
    values = np.arange(1, n_inputs + 1)[None]
    arranged = network.arranged(values)
    assert arranged.shape == (1, branches, network.n_places)
    assert arranged.sum() == values.sum()


def test_a_weight_map_is_in_the_order_of_the_inputs() -> None:
    network = Network(DecorrelatedParameters(width=7), 20, 1)
    example = np.arange(-9, 11).astype(np.int8)[None]
    CPUEngine(network, 1).learn(example, np.array([0]))
    weights = network.weight_map(0)
    # A first example leaves itself, on each branch in another measure.
    assert (np.sign(weights) == np.sign(example[0])).all()
    assert np.abs(weights - example[0]).max() <= 9
    assert weights.sum() == pytest.approx(network.weights.sum() / UNIT)


def test_too_many_inputs_are_refused() -> None:
    for n_inputs in (0, MAX_INPUTS + 1):
        with pytest.raises(ValueError, match="decorrelated columns take 1 to 32768 inputs, not"):
            Network(P, n_inputs)


def test_memory_that_is_too_small_names_the_width_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = psutil.virtual_memory()._replace(available=8 * 1000 * 150)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(MemoryError, match=r"among 1000 inputs with width 2048 .* a width of 150"):
        Network(P, 1000)
    assert Network(DecorrelatedParameters(width=125), 1000).n_branches == 8
