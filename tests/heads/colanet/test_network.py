"""A network's state: where it starts, which inputs a neuron sees, and how it grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters


def resource_of(weight: float, max_weight: float, min_weight: float) -> float:
    """Return the resource whose weight is `weight`: the specification's mapping, inverted."""
    span = max_weight + min_weight
    return span * (weight + min_weight) / (max_weight - weight)


def test_a_new_network_knows_nothing() -> None:
    network = Network(CoLaNETParameters(microcolumns=3), n_inputs=7, n_columns=4, n_members=2)
    assert (network.n_neurons, network.n_columns, network.presentations) == (12, 4, 0)
    assert network.resources.shape == (2, 12, 7)
    assert network.stability.tolist() == [[0.0] * 12] * 2
    assert not network.weights().any()
    assert (network.thresholds() == 34943).all()  # 8.531 in steps of 2**-12
    assert (network.synapses == np.arange(7)).all()


@pytest.mark.parametrize(
    ("n_members", "phases"),
    [(1, [0]), (2, [0, 5]), (4, [0, 2, 5, 7]), (10, list(range(10)))],
)
def test_phases_are_spread_over_the_members(n_members: int, phases: list[int]) -> None:
    assert Network(CoLaNETParameters(), 3, 1, n_members).phases.tolist() == phases


def test_synapses_are_drawn_without_replacement_in_order() -> None:
    network = Network(CoLaNETParameters(max_synapses=30), n_inputs=40, n_columns=50, n_members=3)
    assert network.synapses.shape == (3, 50, 30)
    assert (np.diff(network.synapses) > 0).all()
    assert network.synapses.min() >= 0
    assert network.synapses.max() < 40
    draws = {tuple(row) for row in network.synapses.reshape(-1, 30).tolist()}
    assert len(draws) == 150


def test_every_input_is_drawn_equally_often() -> None:
    n_draws, n_inputs, n_synapses = 4 * 500, 64, 16
    network = Network(CoLaNETParameters(max_synapses=n_synapses), n_inputs, 500, n_members=4)
    counts = np.bincount(network.synapses.ravel(), minlength=n_inputs)
    share = n_synapses / n_inputs
    variance = n_draws * share * (1 - share)
    assert ((counts - n_draws * share) ** 2 / variance).sum() < 125  # 63 degrees: 1 in 10**5
    # Two neurons share as many inputs as chance lets them.
    drawn = np.zeros((n_draws, n_inputs))
    np.put_along_axis(drawn, network.synapses.reshape(n_draws, -1), 1, axis=1)
    shared = (drawn[1:] * drawn[:-1]).sum(axis=1).mean()
    assert shared == pytest.approx(n_synapses * share, abs=0.25)


@given(
    pieces=st.lists(st.integers(0, 3), max_size=4),
    microcolumns=st.integers(1, 3),
    max_synapses=st.integers(1, 9),
    n_members=st.integers(1, 3),
)
@settings(max_examples=40)
def test_columns_added_in_pieces_are_those_added_at_once(
    pieces: list[int], microcolumns: int, max_synapses: int, n_members: int
) -> None:
    p = CoLaNETParameters(microcolumns=microcolumns, max_synapses=max_synapses)
    network = Network(p, n_inputs=6, n_members=n_members, seed=3)
    for piece in pieces:
        network.add_columns(piece)
    whole = Network(p, 6, sum(pieces), n_members, seed=3)
    for name in ("resources", "stability", "synapses"):
        assert (getattr(network, name) == getattr(whole, name)).all()
        assert getattr(network, name).dtype == getattr(whole, name).dtype
    assert (network.noise_keys() == whole.noise_keys()).all()


def test_adding_columns_keeps_what_was_learned() -> None:
    network = Network(CoLaNETParameters(), n_inputs=5, n_columns=2, n_members=2)
    network.resources[:] = np.arange(20).reshape(2, 2, 5)
    network.stability[:] = [[1, 2], [3, 4]]
    network.add_columns(1)
    assert (network.resources[:, :2].ravel() == np.arange(20)).all()
    assert network.stability.tolist() == [[1, 2, 0], [3, 4, 0]]
    assert not network.weights()[:, 2].any()


@pytest.mark.parametrize("name", ["resources", "stability"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda array: array[:, :-1],
        lambda array: array.astype(np.float64),
        lambda array: np.where(array >= 0, np.float32("nan"), array),
        lambda array: np.where(array >= 0, np.float32("inf"), array),
    ],
    ids=["shape", "type", "nan", "infinity"],
)
def test_a_state_of_another_network_is_refused(name: str, spoil: Any) -> None:
    network = Network(CoLaNETParameters(), n_inputs=5, n_columns=3, n_members=2)
    state = network.state() | {"presentations": 7, "resource_updates": 5}
    state[name] = spoil(state[name])
    with pytest.raises(ValueError, match=f"^{name} ") as error:
        network.restore(state)
    shape = "(2, 3, 5)" if name == "resources" else "(2, 3)"
    assert str(error.value) == f"{name} must be finite float32 values in the shape {shape}"
    assert (network.presentations, network.resource_updates) == (0, 0)


def test_seed_members_and_neurons_have_noise_of_their_own() -> None:
    p = CoLaNETParameters(max_synapses=5)
    one, other = Network(p, 20, 4, 3, seed=0), Network(p, 20, 4, 3, seed=1)
    assert np.unique([one.noise_keys(), other.noise_keys()]).size == 24
    assert (one.synapses != other.synapses).any()


def test_weights_and_thresholds_by_hand() -> None:
    p = CoLaNETParameters(max_weight=2.0, min_weight=1.0, threshold_excess=0.1)
    network = Network(p, n_inputs=4, n_columns=2, n_members=1)
    wanted = np.array([[1.0, 0.5, -0.5, -1.0], [1.5, 0.0, 0.0, 0.25]])
    network.resources[0] = resource_of(wanted, 2.0, 1.0)  # type: ignore[arg-type]
    assert (network.weights()[0] == wanted * 4096).all()
    # 8.531 + 0.1 * 1.5 = 8.681 and 8.531 + 0.1 * 1.75 = 8.706, times 4096.
    assert network.thresholds().tolist() == [[35557, 35660]]


def test_weight_map_puts_each_weight_at_its_input() -> None:
    p = CoLaNETParameters(max_weight=2.0, min_weight=1.0, microcolumns=2, max_synapses=2)
    network = Network(p, n_inputs=5, n_columns=2, n_members=2)
    network.synapses[1, 2:] = [[0, 3], [2, 4]]
    network.resources[1, 2:] = resource_of(np.array([[1.0, 0.5], [-0.5, 1.5]]), 2.0, 1.0)  # type: ignore[arg-type]
    assert network.weight_map(1, member=1).tolist() == [[1, 0, 0, 0.5, 0], [0, 0, -0.5, 0, 1.5]]
    assert not network.weight_map(0).any()


def test_a_network_that_could_overflow_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^max_synapses: ") as error:
        Network(CoLaNETParameters(max_synapses=10**6), n_inputs=100_000)
    assert str(error.value) == (
        "max_synapses: 100000 synapses of weights up to 1.65234 could overflow a 32-bit "
        "membrane; with these weights it can be at most 31730"
    )
    # 2**31 / (10 * 4096) / 1.65234 = 31,730: the ten steps of a membrane that leaks a ninth.
    assert Network(CoLaNETParameters(max_synapses=31_730), n_inputs=100_000).n_synapses == 31_730
