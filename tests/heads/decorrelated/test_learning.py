"""What the rule promises, against batch algebra in float64 and on streams of several kinds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikehead.coding import signed_counts
from spikehead.heads.decorrelated.cpu import CPUEngine, Response
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import UNIT, DecorrelatedParameters

P = DecorrelatedParameters()


class Batch(NamedTuple):
    """The state after a stream, from all its examples at once."""

    A: NDArray[np.float64]
    w: NDArray[np.float64]
    q: NDArray[np.float64]

    @classmethod
    def of(cls, counts: NDArray[Any], labels: NDArray[Any], n_columns: int, l0: float) -> Batch:
        k = counts.astype(np.float64)
        A = np.linalg.inv(np.eye(k.shape[1]) + k.T @ k / l0)
        means = np.array(
            [
                k[labels == c].mean(axis=0) if (labels == c).any() else k[0] * 0
                for c in range(n_columns)
            ]
        )
        w = means @ A
        return cls(A, w, (means * w).sum(axis=1))

    def cosines(self, counts: NDArray[Any]) -> NDArray[np.float64]:
        k = counts.astype(np.float64)
        energies = np.einsum("ni,ij,nj->n", k, self.A, k)
        return np.asarray(k @ self.w.T / np.sqrt(self.q) / np.sqrt(energies)[:, None])


def taught(counts: NDArray[np.int8], labels: NDArray[Any], n: int, p: Any = P) -> Network:
    network = Network(p, counts.shape[1], n)
    CPUEngine(network, 1).learn(counts, labels)
    return network


def features(
    seed: int, n: int, n_inputs: int = 24, n_columns: int = 4
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return examples of classes that overlap in a few strong directions."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(n_columns, n_inputs))
    shared = np.random.default_rng(2).normal(size=(3, n_inputs))
    labels = rng.integers(0, n_columns, n)
    X = centres[labels] + 2 * rng.normal(size=(n, 3)) @ shared
    return X + rng.normal(size=(n, n_inputs)), labels


def winners(answer: Response) -> NDArray[np.intp]:
    return np.asarray((answer.spikes + answer.residuals).argmax(axis=1))


def accuracy(network: Network, counts: NDArray[np.int8], labels: NDArray[Any]) -> float:
    return float(np.mean(winners(CPUEngine(network, 1).respond(counts)) == labels))


# ---------------------------------------------------------------- batch algebra


@given(
    seed=st.integers(0, 2**32 - 1),
    n_inputs=st.integers(1, 80),
    n=st.integers(1, 300),
    lam=st.sampled_from([0.1, 1.0, 10.0]),
    density=st.sampled_from([0.1, 0.5, 1.0]),
    signed=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_the_state_is_that_of_batch_algebra(
    seed: int, n_inputs: int, n: int, lam: float, density: float, signed: bool
) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(-10 if signed else 0, 11, (n, n_inputs))
    counts = (counts * (rng.random((n, n_inputs)) < density)).astype(np.int8)
    counts[~counts.any(axis=1), 0] = 3
    labels = rng.integers(0, 3, n)
    network = taught(counts, labels, 3, DecorrelatedParameters(lam=lam))
    batch = Batch.of(counts, labels, 3, network.power)
    assert network.lateral()[0] == pytest.approx(batch.A, abs=3e-7)
    assert network.weights[:, 0] / UNIT == pytest.approx(batch.w, abs=1e-5)
    assert network.energies / UNIT == pytest.approx(batch.q, abs=1e-4)
    assert network.counts.tolist() == [(labels == c).sum() for c in range(3)]


def test_branches_are_networks_of_their_own_that_share_a_neuron() -> None:
    X, labels = features(0, 200, 24)
    counts = signed_counts(X, 4.0)
    network = taught(counts, labels, 4, DecorrelatedParameters(width=8))
    assert network.n_branches == 3
    total = np.zeros(4)
    for branch in range(3):
        part = network.arranged(counts)[:, branch]
        batch = Batch.of(part, labels, 4, 6.25 * 8)
        assert network.lateral()[branch] == pytest.approx(batch.A, abs=3e-7)
        assert network.weights[:, branch] / UNIT == pytest.approx(batch.w, abs=1e-5)
        total += batch.q
    assert network.energies / UNIT == pytest.approx(total, abs=1e-4)


def test_answers_are_those_of_batch_algebra() -> None:
    X, labels = features(0, 500)
    counts = signed_counts(X, 4.0)
    network = taught(counts[:300], labels[:300], 4)
    batch = Batch.of(counts[:300], labels[:300], 4, network.power)
    answer = CPUEngine(network, 1).respond(counts[300:], cosines=True)
    cosines = batch.cosines(counts[300:])
    assert answer.cosines == pytest.approx(cosines, abs=1e-5)
    # The most spikes and potential are the largest cosine: thresholds differ, cosines decide.
    assert (winners(answer) == cosines.argmax(axis=1)).all()
    responses = counts[300:] @ batch.w.T
    thresholds = 0.2 * np.sqrt(batch.q) * np.sqrt(batch.q).mean()
    rounded = np.floor(responses / thresholds + 0.5).clip(0, 10)
    assert (answer.spikes == rounded).mean() > 0.999
    assert answer.spikes + answer.residuals == pytest.approx(responses / thresholds, abs=1e-4)


def test_what_it_answers_before_a_lesson_is_what_it_would_have_answered() -> None:
    X, labels = features(0, 40)
    counts = signed_counts(X, 4.0)
    network = Network(P, 24, 4)
    engine = CPUEngine(network, 1)
    for example, label in zip(counts, labels, strict=True):
        asked = engine.respond(example[None], cosines=True)
        learned = engine.learn(example[None], np.array([label]))
        for one, other in zip(asked, learned, strict=True):
            assert np.array_equal(one, other)


# ---------------------------------------------------------------- what it does not depend on


def test_the_order_does_not_matter() -> None:
    X, labels = features(0, 600)
    counts = signed_counts(X[:400], 4.0)
    new = signed_counts(X[400:], 4.0)
    rng = np.random.default_rng(0)
    orders = [np.arange(400), rng.permutation(400), np.argsort(labels[:400], kind="stable")]
    networks = [taught(counts[order], labels[order], 4) for order in orders]
    first = CPUEngine(networks[0], 1).respond(new, cosines=True)
    for network in networks[1:]:
        assert network.lateral() == pytest.approx(networks[0].lateral(), abs=1e-7)
        assert network.weights / UNIT == pytest.approx(networks[0].weights / UNIT, abs=1e-6)
        answer = CPUEngine(network, 1).respond(new, cosines=True)
        assert answer.cosines == pytest.approx(first.cosines, abs=1e-6)
        assert (winners(answer) == winners(first)).all()


@given(
    exponent=st.integers(-40, 40),
    flips=st.lists(st.booleans(), min_size=24, max_size=24),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=15, deadline=None)
def test_neither_scale_nor_signs_nor_the_order_of_inputs_matter(
    exponent: int, flips: list[bool], seed: int
) -> None:
    X, labels = features(3, 90)
    changed = np.ldexp(X * np.where(flips, -1, 1), exponent)
    changed = changed[:, np.random.default_rng(seed).permutation(24)]
    answers = []
    for values in (X, changed):
        counts = signed_counts(values, 4.0)
        answers.append(CPUEngine(taught(counts[:60], labels[:60], 4), 1).respond(counts[60:]))
    # Their sums are exact, so the answers are the same to the bit - but for the rotation that the
    # order of squares is.
    assert (winners(answers[0]) == winners(answers[1])).mean() > 0.99


def test_a_rotation_of_the_features_hardly_matters() -> None:
    X, labels = features(0, 1200)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(24, 24)))[0]
    found = []
    for values in (X, X @ rotation):
        counts = signed_counts(values, 4.0)
        network = taught(counts[:400], labels[:400], 4)
        found.append(accuracy(network, counts[400:], labels[400:]))
    assert abs(found[0] - found[1]) < 0.03
    assert min(found) > 0.85


# ---------------------------------------------------------------- few examples, late classes


def test_one_example_a_class_is_its_cosine() -> None:
    X, labels = features(0, 400)
    counts = signed_counts(X, 4.0)
    chosen = [int(np.flatnonzero(labels == c)[0]) for c in range(4)]
    # With hardly any inhibition it is plainly so, for one example or the mean of many.
    for part in (chosen, list(range(200))):
        plain = taught(counts[part], labels[part], 4, DecorrelatedParameters(lam=1000.0))
        answer = CPUEngine(plain, 1).respond(counts[200:], cosines=True)
        k = counts.astype(np.float64)
        means = np.array([k[part][labels[part] == c].mean(axis=0) for c in range(4)])
        norms = np.linalg.norm(k[200:], axis=1)[:, None] * np.linalg.norm(means, axis=1)
        cosines = k[200:] @ means.T / norms
        tolerance = 0.02 if part is chosen else 0.3
        assert answer.cosines == pytest.approx(cosines, abs=tolerance)
    # A first example of a class is like itself, whatever else was learned.
    network = taught(counts[:200], labels[:200], 5)
    CPUEngine(network, 1).learn(counts[200:201], np.array([4]))
    answer = CPUEngine(network, 1).respond(counts[200:201], cosines=True)
    assert answer.cosines is not None
    assert answer.cosines[0, 4] == pytest.approx(1, abs=1e-6)
    assert winners(answer).tolist() == [4]


def test_a_column_that_has_learned_nothing_never_answers() -> None:
    X, labels = features(0, 60)
    counts = signed_counts(X, 4.0)
    network = taught(counts[labels < 2], labels[labels < 2], 4)
    answer = CPUEngine(network, 1).respond(counts, cosines=True)
    assert answer.cosines is not None
    assert not answer.spikes[:, 2:].any()
    assert (answer.residuals[:, 2:] == -np.inf).all()
    assert (answer.cosines[:, 2:] == -np.inf).all()
    assert winners(answer).max() == 1


def test_opposite_examples_leave_a_column_that_is_silent() -> None:
    # Its mean is zero: no weights, no energy, and no division by either.
    example = np.array([[5, -3, 0, 8]], np.int8)
    network = taught(np.concatenate([example, -example]), np.zeros(2, np.int64), 1)
    answer = CPUEngine(network, 1).respond(example, cosines=True)
    assert answer.cosines is not None
    assert np.isfinite(answer.residuals).all()
    assert abs(answer.cosines).max() <= 1


def test_a_late_class_leaves_the_means_of_the_others() -> None:
    X, labels = features(0, 500, n_columns=5)
    counts = signed_counts(X, 4.0)
    early, late = np.flatnonzero(labels < 4), np.flatnonzero(labels == 4)
    network = taught(counts[early], labels[early], 5)
    means = network.weights[:4, 0] @ np.linalg.inv(network.lateral()[0]) / UNIT
    CPUEngine(network, 1).learn(counts[late], labels[late])
    after = network.weights[:4, 0] @ np.linalg.inv(network.lateral()[0]) / UNIT
    assert after == pytest.approx(means, abs=1e-4)
    mixed = taught(counts, labels, 5)
    assert network.weights / UNIT == pytest.approx(mixed.weights / UNIT, abs=1e-6)


def test_it_learns_where_a_class_mean_does_not() -> None:
    X, labels = features(0, 1200)
    counts = signed_counts(X, 4.0)
    network = taught(counts[:600], labels[:600], 4)
    means = np.array([counts[:600][labels[:600] == c].mean(axis=0) for c in range(4)])
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    baseline = np.mean((counts[600:] @ unit.T).argmax(axis=1) == labels[600:])
    assert accuracy(network, counts[600:], labels[600:]) > baseline + 0.2


# ---------------------------------------------------------------- a horizon


def test_with_a_horizon_labels_may_change_their_meaning() -> None:
    X, labels = features(0, 1400)
    counts = signed_counts(X, 4.0)
    meant = np.where(np.arange(1400) < 1000, labels, (labels + 1) % 4)
    found = {}
    for horizon in (0, 50):
        p = DecorrelatedParameters(horizon=horizon)
        network = taught(counts[:1100], meant[:1100], 4, p)
        found[horizon] = accuracy(network, counts[1100:], meant[1100:])
        steady = taught(counts[:1100], labels[:1100], 4, p)
        assert accuracy(steady, counts[1100:], labels[1100:]) > 0.75
    assert found[50] > found[0] + 0.4


@given(seed=st.integers(0, 2**32 - 1), horizon=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_cosines_are_cosines_whatever_was_forgotten(seed: int, horizon: int) -> None:
    X, labels = features(seed, 300)
    network = taught(signed_counts(X, 4.0), labels, 4, DecorrelatedParameters(horizon=horizon))
    answer = CPUEngine(network, 1).respond(
        signed_counts(features(seed + 1, 50)[0], 4.0), cosines=True
    )
    assert answer.cosines is not None
    assert network.energies.min() > 0
    assert abs(answer.cosines).max() <= 1 + 1e-6


# ---------------------------------------------------------------- a long stream


def test_a_long_stream_does_not_drift() -> None:
    """See ``experiments/16_decorrelated/drift.py`` for a million presentations."""
    rng = np.random.default_rng(0)
    X, labels = features(0, 2000)
    counts = signed_counts(X, 4.0)
    network = Network(P, 24, 4)
    engine = CPUEngine(network)
    times = np.zeros(2000)
    for _ in range(20):
        part = rng.integers(0, 2000, 2000)
        engine.learn(counts[part], labels[part])
        times += np.bincount(part, minlength=2000)
    k = counts.astype(np.float64)
    A = np.linalg.inv(np.eye(24) + (k * times[:, None]).T @ k / network.power)
    weights = times * (labels == np.arange(4)[:, None])
    w = (weights @ k / weights.sum(axis=1)[:, None]) @ A
    assert network.lateral()[0] == pytest.approx(A, rel=1e-4, abs=1e-8)
    assert network.weights[:, 0] / UNIT == pytest.approx(w, rel=1e-3, abs=1e-7)
    answer = CPUEngine(network).respond(counts)
    assert (winners(answer) == (k @ w.T / np.sqrt(network.energies)).argmax(axis=1)).all()
