"""The fast engine gives the spikes and synapses of the reference, bit for bit."""

from __future__ import annotations

import copy
import signal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikehead.heads.decorrelated import cpu, reference
from spikehead.heads.decorrelated.cpu import CPUEngine, Response
from spikehead.heads.decorrelated.network import STATE, Network
from spikehead.heads.decorrelated.parameters import BLOCK, DecorrelatedParameters

parameters = st.builds(
    DecorrelatedParameters,
    lam=st.sampled_from([0.001, 0.3, 1.0, 30.0]),
    threshold=st.sampled_from([0.001, 0.05, 0.2, 1.0]),
    width=st.integers(1, 40),
    horizon=st.sampled_from([0, 0, 1, 20]),
)


def examples(
    rng: np.random.Generator, n: int, n_inputs: int, kind: str = "signed"
) -> NDArray[np.int8]:
    """Return spike counts of which none is without spikes."""
    low, density = {"signed": (-10, 0.8), "clipped": (0, 0.3), "saturated": (10, 1.0)}[kind]
    counts = rng.integers(low, 11, (n, n_inputs)) * (rng.random((n, n_inputs)) < density)
    counts[~counts.any(axis=1), 0] = 7
    return counts.astype(np.int8)


def assert_same_state(one: Network, other: Network) -> None:
    for variable in STATE:
        ours, theirs = getattr(one, variable.name), getattr(other, variable.name)
        assert np.array_equal(ours, theirs), variable.name


def assert_recorded(response: Response, happened: list[reference.Presentation]) -> None:
    assert response.cosines is not None
    assert len(response.spikes) == len(happened)
    for index, now in enumerate(happened):
        assert (response.spikes[index] == now.spikes.sum(axis=0)).all()
        assert (response.residuals[index] == now.residuals).all()
        assert (response.cosines[index] == now.cosines).all()


@given(
    p=parameters,
    kind=st.sampled_from(["signed", "clipped", "saturated"]),
    n_inputs=st.integers(1, 60),
    n_columns=st.integers(1, 5),
    n=st.integers(1, 2 * BLOCK + 5),
    n_threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
@example(DecorrelatedParameters(), "saturated", 1, 1, BLOCK, 2, 0)
@example(DecorrelatedParameters(width=130, horizon=9), "signed", 300, 2, BLOCK + 1, 2, 0)
def test_it_learns_and_answers_as_the_reference(
    p: DecorrelatedParameters,
    kind: str,
    n_inputs: int,
    n_columns: int,
    n: int,
    n_threads: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    counts = examples(rng, n, n_inputs, kind)
    labels = rng.integers(0, n_columns, n)
    slow = Network(p, n_inputs, n_columns)
    fast = copy.deepcopy(slow)
    engine = CPUEngine(fast, n_threads)
    assert_recorded(engine.learn(counts, labels), reference.run(slow, counts, labels))
    assert_same_state(fast, slow)
    for part in (counts[:9], counts[:1], np.zeros_like(counts[:2])):
        happened = reference.run(slow, part)
        answered = engine.respond(part, cosines=True)
        assert_recorded(answered, happened)
        cheap = engine.respond(part)
        assert cheap.cosines is None
        assert (cheap.spikes == answered.spikes).all()
        assert (cheap.residuals == answered.residuals).all()
    assert_same_state(fast, slow)


def test_such_networks_do_everything_there_is_to_do() -> None:
    """See that the property above meets what could differ."""
    rng = np.random.default_rng(0)
    network = Network(DecorrelatedParameters(width=20), 30, 3)
    happened = reference.run(network, examples(rng, 70, 30), rng.integers(0, 3, 70))
    spikes = np.array([now.spikes.sum(axis=0) for now in happened])
    assert network.n_branches == 2
    assert set(range(4)) <= set(spikes.ravel().tolist())
    assert network.inhibition.any()
    assert network.n_traces == 70 % BLOCK
    assert any(now.lesson is not None and now.lesson.depression.any() for now in happened)


@given(
    cuts=st.lists(st.integers(0, 100), max_size=6),
    n_threads=st.integers(1, 4),
    pause=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_neither_cuts_nor_threads_nor_saving_matter(
    cuts: list[int], n_threads: int, pause: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    counts, labels = examples(rng, 100, 25), rng.integers(0, 4, 100)
    whole = Network(DecorrelatedParameters(width=13), 25, 4)
    expected = CPUEngine(whole, 1).learn(counts, labels)
    network = Network(whole.parameters, 25, 4)
    found = []
    edges = [0, *sorted(cuts), 100]
    for number, (start, end) in enumerate(pairwise(edges)):
        if number == pause:
            again = Network(whole.parameters, 25, 4)
            again.restore(network.state())
            network = again
        engine = CPUEngine(network, n_threads)
        found.append(engine.learn(counts[start:end], labels[start:end]))
        engine.respond(counts[:3], cosines=True)
    assert_same_state(network, whole)
    for name in Response._fields:
        parts = np.concatenate([getattr(response, name) for response in found])
        assert np.array_equal(parts, getattr(expected, name))


def test_columns_can_be_added_between_calls() -> None:
    rng = np.random.default_rng(0)
    counts, labels = examples(rng, 60, 20), rng.integers(0, 2, 60)
    labels[40:] = rng.integers(0, 4, 20)
    whole = Network(DecorrelatedParameters(), 20, 4)
    CPUEngine(whole, 2).learn(counts, labels)
    growing = Network(DecorrelatedParameters(), 20)
    engine = CPUEngine(growing, 2)
    assert engine.respond(counts).spikes.shape == (60, 0)
    growing.add_columns(2)
    engine.learn(counts[:40], labels[:40])
    growing.add_columns(2)
    engine.learn(counts[40:], labels[40:])
    assert_same_state(growing, whole)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interruption_leaves_whole_lessons(
    n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    counts, labels = examples(rng, 5 * BLOCK, 20), rng.integers(0, 3, 5 * BLOCK)
    network = Network(DecorrelatedParameters(), 20, 3)
    # One thread is in compiled code all the time, which signals wait for.
    name = "_learn_block" if n_threads == 1 else "_settle"
    work, blocks = getattr(cpu, name), iter(range(5))

    def work_and_interrupt(*arguments: Any) -> None:
        work(*arguments)
        if next(blocks) == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cpu, name, work_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        CPUEngine(network, n_threads).learn(counts, labels)
    assert network.presentations == 2 * BLOCK
    whole = Network(network.parameters, 20, 3)
    reference.run(whole, counts[: 2 * BLOCK], labels[: 2 * BLOCK])
    assert_same_state(network, whole)


# ---------------------------------------------------------------- what is refused


def test_what_cannot_be_learned_is_refused_and_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    network = Network(DecorrelatedParameters(), 20, 3)
    engine = CPUEngine(network, 1)
    counts, labels = examples(rng, 40, 20), rng.integers(0, 3, 40)
    engine.learn(counts, labels)
    before = copy.deepcopy(network)

    def refused(sentence: str, counts: Any, labels: Any) -> None:
        with pytest.raises(ValueError, match=sentence):
            engine.learn(counts, labels)
        assert_same_state(network, before)

    silent = counts.copy()
    silent[17] = 0
    refused("example 17 has no spikes, since its activations are all zero", silent, labels)
    for wrong in (counts[:, :-1], counts[0], counts.astype(float), counts.astype(np.int16)):
        refused(r"spike counts must be int8 in the shape \(n, 20\), not", wrong, labels)
    for count in (11, -11, -128):
        refused(f"from -10 to 10, not {count}", np.full_like(counts, count), labels)
    for wrong in (labels[:-1], labels[:, None], labels.astype(float), labels > 0):
        refused("labels must be one whole number for each of the 40 examples", counts, wrong)
    for label in (3, -1):
        refused(f"one of 3 columns, not {label}", counts, np.full_like(labels, label))


def test_what_cannot_be_answered_is_refused() -> None:
    engine = CPUEngine(Network(DecorrelatedParameters(), 20, 3))
    with pytest.raises(ValueError, match=r"spike counts must be int8 in the shape \(n, 20\)"):
        engine.respond(np.zeros((2, 21), np.int8))
    with pytest.raises(ValueError, match="from -10 to 10, not 12"):
        engine.respond(np.full((2, 20), 12, np.int8))


def test_an_empty_stream_changes_nothing() -> None:
    network = Network(DecorrelatedParameters(), 20, 3)
    engine = CPUEngine(network)
    nothing = np.zeros((0, 20), np.int8)
    assert engine.learn(nothing, np.zeros(0, np.int64)).spikes.shape == (0, 3)
    assert engine.respond(nothing, cosines=True).residuals.shape == (0, 3)
    assert network.presentations == 0


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, True, "2"])
def test_a_bad_number_of_threads_is_refused(n_threads: Any) -> None:
    with pytest.raises(ValueError, match="n_threads must be a whole number from 1, or None"):
        CPUEngine(Network(DecorrelatedParameters(), 20), n_threads)
