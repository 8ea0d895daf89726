"""Heads are merged into the one that saw both streams, and lessons are taken back."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikehead.heads.decorrelated.cpu import CPUEngine
from spikehead.heads.decorrelated.network import STATE, Network
from spikehead.heads.decorrelated.parameters import UNIT, DecorrelatedParameters
from spikehead.heads.decorrelated.revision import Sums, joined, merged, unlearn

P = DecorrelatedParameters()


def stream(
    seed: int, n: int, n_inputs: int = 30, n_columns: int = 4
) -> tuple[NDArray[np.int8], NDArray[Any]]:
    """Return examples of classes that overlap."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(2, 3, (n_columns, n_inputs))
    labels = rng.integers(0, n_columns, n)
    counts = np.rint(centres[labels] + rng.normal(0, 3, (n, n_inputs))).clip(-10, 10)
    counts[~counts.any(axis=1), 0] = 1
    return counts.astype(np.int8), labels


def taught(counts: NDArray[np.int8], labels: Any, n_columns: int = 4, p: Any = P) -> Network:
    network = Network(p, counts.shape[1], n_columns)
    CPUEngine(network, 1).learn(counts, labels)
    return network


def assert_same(one: Network, other: Network) -> None:
    for variable in (one for one in STATE if not one.optional):  # own answers are another matter
        ours, theirs = getattr(one, variable.name), getattr(other, variable.name)
        assert np.array_equal(ours, theirs), variable.name


def assert_alike(one: Network, other: Network, tolerance: float = 3e-6) -> None:
    """See that two networks answer alike, and hold the same sums."""
    assert np.array_equal(one.counts, other.counts)
    assert one.weights / UNIT == pytest.approx(other.weights / UNIT, abs=tolerance)
    assert one.energies / UNIT == pytest.approx(other.energies / UNIT, abs=tolerance)
    ours, theirs = Sums.of(one), Sums.of(other)
    assert np.array_equal(ours.products, theirs.products)
    assert np.array_equal(ours.totals, theirs.totals)
    new = stream(99, 200, one.n_inputs)[0]
    answers = [CPUEngine(network, 1).respond(new, cosines=True) for network in (one, other)]
    assert answers[0].cosines == pytest.approx(answers[1].cosines, abs=tolerance)


# ---------------------------------------------------------------- sums


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 400),
    width=st.sampled_from([2048, 30, 13]),
    lam=st.sampled_from([0.1, 1.0, 10.0]),
)
@settings(max_examples=25, deadline=None)
def test_sums_come_back_exactly(seed: int, n: int, width: int, lam: float) -> None:
    counts, labels = stream(seed, n)
    p = DecorrelatedParameters(lam=lam, width=width)
    network = taught(counts, labels, p=p)
    sums = Sums.of(network)
    k = network.arranged(counts).astype(np.float64)
    assert (sums.products == np.einsum("nbi,nbj->bij", k, k)).all()
    for column in range(4):
        assert (sums.totals[column] == k[labels == column].sum(axis=0)).all()
        assert sums.counts[column] == (labels == column).sum()
    again = sums.network(p, 30)
    assert_alike(again, network, 1e-5)
    assert np.array_equal(again.inhibition, again.inhibition.transpose(0, 2, 1))
    # A network that has been made from sums gives them back, and is valid.
    again.restore(again.state())
    assert np.array_equal(Sums.of(again).products, sums.products)


# ---------------------------------------------------------------- merging


@pytest.mark.parametrize("n_shards", [2, 5])
def test_merged_heads_are_the_one_that_saw_all(n_shards: int) -> None:
    counts, labels = stream(0, 700)
    whole = taught(counts, labels)
    shards = [taught(counts[i::n_shards], labels[i::n_shards]) for i in range(n_shards)]
    before = copy.deepcopy(shards)
    one = shards[0]
    for shard in shards[1:]:
        one = merged(one, shard, np.arange(4))
    assert_alike(one, whole)
    for shard, was in zip(shards, before, strict=True):
        assert_same(shard, was)
    # To the bit it is the one that follows from the sums, in whatever way the stream was cut.
    assert_same(one, Sums.of(whole).network(P, 30))
    # And it goes on learning.
    more, its = stream(5, 100)
    for network in (one, whole):
        CPUEngine(network, 1).learn(more, its)
    assert_alike(one, whole)


def test_columns_are_matched_as_told() -> None:
    counts, labels = stream(0, 300, n_columns=5)
    whole = taught(counts, labels, 5)
    first, second = np.flatnonzero(labels < 3), np.flatnonzero(labels > 0)
    second = np.setdiff1d(second, first[::2])
    first = first[::2]
    rest = np.setdiff1d(np.arange(300), np.concatenate([first, second]))
    one = taught(counts[np.concatenate([first, rest])], labels[np.concatenate([first, rest])], 3)
    # The other head has met classes 4, 2, 1 and 3, in this order.
    order = np.array([4, 2, 1, 3])
    other = taught(counts[second], np.argsort(order)[labels[second] - 1], 4)
    assert_alike(merged(one, other, order), whole)


def test_merging_with_an_untaught_head_changes_nothing() -> None:
    counts, labels = stream(0, 100)
    one = taught(counts, labels)
    both = merged(one, Network(P, 30), np.empty(0, np.int64))
    assert_alike(both, one)
    assert_alike(merged(Network(P, 30), one, np.arange(4)), one)


def test_heads_that_differ_are_refused() -> None:
    one = Network(P, 30, 2)
    columns = np.arange(2)
    with pytest.raises(ValueError, match="heads of 30 and of 31 inputs cannot be merged"):
        merged(one, Network(P, 31, 2), columns)
    for name, value in (("lam", 2.0), ("scale", 5.0), ("width", 10), ("threshold", 0.3)):
        with pytest.raises(ValueError, match=f"heads with {name} .* cannot be merged"):
            merged(one, Network(DecorrelatedParameters(**{name: value}), 30, 2), columns)
    for wrong in (np.array([0]), np.array([1, 1]), np.array([0, -1])):
        with pytest.raises(ValueError, match="columns must be 2 different ones"):
            merged(one, Network(P, 30, 2), wrong)


# ---------------------------------------------------------------- classes


@pytest.mark.parametrize("width", [2048, 11])
def test_two_classes_become_what_one_would_have_been(width: int) -> None:
    """The truth is batch algebra in float64: A of all examples, and the mean of both classes'."""
    counts, labels = stream(0, 500)
    p = DecorrelatedParameters(width=width)
    network = taught(counts, labels, p=p)
    before = copy.deepcopy(network)
    whole = joined(network, 3, 1)
    assert_same(network, before)
    k = network.arranged(counts).astype(np.float64)
    A = np.linalg.inv(np.eye(k.shape[2]) + np.einsum("nbi,nbj->bij", k, k) / network.power)
    mean = k[(labels == 1) | (labels == 3)].mean(axis=0)
    w = np.einsum("bij,bj->bi", A, mean)
    assert whole.weights[1] / UNIT == pytest.approx(w, abs=3e-6)
    assert whole.energies[1] / UNIT == pytest.approx((w * mean).sum(), abs=3e-6)
    assert_alike(whole, taught(counts, np.where(labels == 3, 1, labels), 3, p))
    # The others are what they were, to the bit.
    assert np.array_equal(whole.weights[[0, 2]], before.weights[[0, 2]])
    assert np.array_equal(whole.inhibition, before.inhibition)
    # A class that has learned nothing adds nothing.
    blank = network.grown(1)
    assert_alike(joined(blank, 4, 1), network)
    assert_alike(joined(blank, 3, 4), taught(counts, labels, p=p))


# ---------------------------------------------------------------- taking back


@pytest.mark.parametrize("width", [2048, 11])
def test_what_is_taken_back_was_never_there(width: int) -> None:
    counts, labels = stream(0, 500)
    p = DecorrelatedParameters(width=width)
    network = taught(counts, labels, p=p)
    order = np.random.default_rng(0).permutation(500)
    for some in np.split(order[:200], [1, 120]):
        unlearn(network, counts[some], labels[some])
    kept = order[200:]
    assert_alike(network, taught(counts[kept], labels[kept], p=p), 2e-5)


def test_everything_can_be_taken_back() -> None:
    counts, labels = stream(0, 60)
    network = taught(counts, labels)
    unlearn(network, counts, labels)
    assert network.presentations == 0
    assert not network.weights.any()
    assert not network.energies.any()
    assert not Sums.of(network).products.any()


def test_twenty_rounds_of_taking_fifty_back_and_learning_them_again() -> None:
    counts, labels = stream(0, 400)
    network = taught(counts, labels)
    before = copy.deepcopy(network)
    rng = np.random.default_rng(0)
    for _ in range(20):
        chosen = rng.permutation(400)[:50]
        unlearn(network, counts[chosen], labels[chosen])
        CPUEngine(network, 1).learn(counts[chosen], labels[chosen])
    assert_alike(network, before, 2e-5)


def test_a_class_can_be_taken_back_to_nothing() -> None:
    counts, labels = stream(0, 100)
    network = taught(counts, labels)
    unlearn(network, counts[labels == 2], labels[labels == 2])
    rest = labels != 2
    assert not network.weights[2].any()
    assert network.counts[2] == 0
    assert_alike(network, taught(counts[rest], labels[rest]), 2e-5)


def test_what_cannot_have_been_learned_is_refused_and_changes_nothing() -> None:
    network = taught(np.array([[5, -3, 0, 8]], np.int8), np.array([0]), 2)
    before = copy.deepcopy(network)
    other = np.array([10, 10, 10, -10], np.int8)
    unlike = np.array([1, 1, 1, 0], np.int8)
    for example, label in ((other, 0), (unlike, 0), (np.array([5, -3, 0, 8], np.int8), 1)):
        with pytest.raises(ValueError, match="cannot be taken back, since this head cannot have"):
            unlearn(network, example[None], np.array([label]))
        assert_same(network, before)
    with pytest.raises(ValueError, match="has no spikes"):
        unlearn(network, np.zeros((1, 4), np.int8), np.array([0]))
    with pytest.raises(ValueError, match="one of 2 columns, not 2"):
        unlearn(network, other[None], np.array([2]))
    learned = np.array([[5, -3, 0, 8], [10, 10, 10, -10]], np.int8)
    with pytest.raises(ValueError, match="cannot be taken back"):  # all or none
        unlearn(network, learned, np.array([0, 0]))
    assert_same(network, before)


def test_an_example_that_was_never_taught_is_found_while_directions_are_left() -> None:
    counts, labels = stream(0, 60, n_inputs=80)
    network = taught(counts[:50], labels[:50])
    before = copy.deepcopy(network)
    for index in range(50, 60):
        with pytest.raises(ValueError, match="cannot be taken back, since this head cannot have"):
            unlearn(network, counts[index][None], labels[index][None])
    assert_same(network, before)
    unlearn(network, counts[:50], labels[:50])
    assert network.presentations == 0


def test_the_only_example_of_a_class_is_known() -> None:
    counts, labels = stream(0, 3000)
    late = np.append(labels, 4)
    network = taught(np.append(counts, counts[:1] // 2, axis=0), late, 5)
    CPUEngine(network, 1).learn(*stream(1, 3000))
    before = copy.deepcopy(network)
    with pytest.raises(ValueError, match="cannot be taken back, since this head cannot have"):
        unlearn(network, counts[1:2], np.array([4]))
    assert_same(network, before)
    unlearn(network, counts[:1] // 2, np.array([4]))
    assert network.counts[4] == 0


def test_a_head_that_forgets_is_neither_merged_nor_does_it_take_back() -> None:
    counts, labels = stream(0, 50)
    network = taught(counts, labels, p=DecorrelatedParameters(horizon=5))
    before = copy.deepcopy(network)
    for attempt in (
        lambda: merged(network, before, np.arange(4)),
        lambda: unlearn(network, counts[:1], labels[:1]),
        lambda: joined(network, 0, 1),
    ):
        with pytest.raises(ValueError, match="a head with a horizon, here 5, has forgotten"):
            attempt()
    assert_same(network, before)
