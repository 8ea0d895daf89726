"""What to learn next: the choice against the equations, read naively."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.heads.decorrelated.cpu import CPUEngine
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters
from spikehead.heads.decorrelated.selection import CANDIDATES, POOL, most_instructive


def taught(seed: int, width: int, n_pool: int) -> tuple[Network, list[Any], NDArray[np.int8]]:
    """Return a network, the examples that it has learned, and a pool."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 4, (4, 20))
    labels = rng.integers(0, 4, 30 + n_pool)
    counts = np.rint(centres[labels] + rng.normal(0, 3, (30 + n_pool, 20))).clip(-10, 10)
    counts = counts.astype(np.int8)
    network = Network(DecorrelatedParameters(width=width), 20, 4)
    CPUEngine(network, 1).learn(counts[:30], labels[:30])
    return network, [counts[:30], labels[:30]], counts[30:]


def naive(network: Network, learned: list[Any], pool: NDArray[np.int8], n: int) -> list[int]:
    """Choose by batch algebra: each candidate is learned in a layer that is inverted anew."""
    counts, labels = learned
    parts = [network.arranged(k).astype(float).transpose(1, 0, 2) for k in (counts, pool)]
    identity = np.eye(network.n_places)
    branches = [(one, own, []) for one, own in zip(*parts, strict=True)]

    def layer(before: Any, more: list[Any]) -> Any:
        rows = np.vstack([before, *more])
        return np.linalg.inv(identity + rows.T @ rows / network.power)

    margins = np.zeros((4, len(pool)))
    energies = np.zeros(4)
    for one, own, _ in branches:
        for column in range(4):
            mean = one[labels == column].mean(axis=0)
            margins[column] += own @ layer(one, []) @ mean
            energies[column] += mean @ layer(one, []) @ mean
    ranked = np.sort(margins / np.sqrt(energies)[:, None], axis=0)
    unsure = np.argsort(ranked[-1] - ranked[-2], kind="stable")[: CANDIDATES * n]
    heard = np.arange(min(POOL, len(pool))) * len(pool) // min(POOL, len(pool))
    chosen: list[int] = []
    for _ in range(n):
        layers = [layer(one, more) for one, _, more in branches]
        falls = []
        for candidate in unsure:
            fall = 0.0
            for (one, own, more), now in zip(branches, layers, strict=True):
                then = layer(one, [*more, own[candidate]])
                fall += sum(k @ (now - then) @ k for k in own[heard])
            falls.append(fall if candidate not in chosen else -np.inf)
        chosen.append(int(unsure[np.argmax(falls)]))
        for _, own, more in branches:
            more.append(own[chosen[-1]])
    return chosen


@pytest.mark.parametrize(("width", "n_pool"), [(2048, 90), (10, 35)])
def test_the_choice_is_that_of_the_equations(width: int, n_pool: int) -> None:
    network, learned, pool = taught(0, width, n_pool)
    before = network.state()
    assert most_instructive(network, pool, 4).tolist() == naive(network, learned, pool, 4)
    for name, value in network.state().items():
        assert np.array_equal(value, before[name]), name


def test_what_is_alike_is_not_taken_twice() -> None:
    network, _, pool = taught(1, 2048, 40)
    first = most_instructive(network, pool, 1)
    twice = np.concatenate([pool, pool[first], pool[first]])
    assert twice[most_instructive(network, twice, 5)].tolist() != twice[[first[0]] * 5].tolist()
    chosen = most_instructive(network, pool, 40)
    assert sorted(chosen.tolist()) == list(range(40))


def test_a_classifier_suggests() -> None:
    X = np.random.default_rng(0).normal(size=(30, 6))
    head = DecorrelatedColumns().partial_fit(X[:4], ["a", "b", "a", "b"])
    pool = np.vstack([np.zeros(6), X[4:]])
    chosen = head.suggest(pool, 100)
    assert sorted(chosen.tolist()) == list(range(1, 27))  # what it does not hear teaches nothing
    assert head.suggest(pool, 3).tolist() == head.suggest(7 * pool, 3).tolist()
    assert len(DecorrelatedColumns().partial_fit(X[:1], ["a"]).suggest(pool, 2)) == 2
    assert len(head.suggest(pool[:1], 2)) == 0
    with pytest.raises(ValueError, match="n must be a whole number from 1, not 0"):
        head.suggest(pool, 0)
    with pytest.raises(ValueError, match="that needs decorrelated columns"):
        CoLaNETClassifier(members=1).fit(abs(X[:4]), ["a", "b", "a", "b"]).suggest(abs(X), 2)
