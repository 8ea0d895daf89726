"""Leave-one-out in closed form, against batch algebra over the other examples."""

from __future__ import annotations

import numpy as np
import pytest

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.coding import signed_counts


@pytest.mark.parametrize("width", [2048, 9])
def test_it_is_what_the_others_give(width: int) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 25))
    labels = np.append(rng.integers(0, 3, 80), 3)  # the last class has one example
    X = centres[labels] + rng.normal(size=(81, 25))
    names = np.array(["d", "a", "c", "b"])[labels]
    head = DecorrelatedColumns(width=width).partial_fit(X, names)
    network, counts = head.network_, signed_counts(X, head.scale)
    found = head.leave_one_out(X, names)
    spikes = network.arranged(counts).astype(float).transpose(1, 0, 2)
    for example in range(81):
        rest = np.delete(np.arange(81), example)
        layers = [
            np.linalg.inv(np.eye(network.n_places) + k[rest].T @ k[rest] / network.power)
            for k in spikes
        ]
        k = spikes[:, example]
        energy = sum(one @ layer @ one for one, layer in zip(k, layers, strict=True))
        for place, name in enumerate("abcd"):
            own = rest[names[rest] == name]
            if not len(own):
                assert np.isnan(found[example, place])
                continue
            means = spikes[:, own].mean(axis=1)
            heard, size = (
                sum(
                    one @ layer @ mean for one, layer, mean in zip(left, layers, means, strict=True)
                )
                for left in (k, means)
            )
            assert found[example, place] == pytest.approx(heard / np.sqrt(size * energy), abs=1e-6)
    assert np.isnan(found).sum() == 1


def test_what_cannot_be_told() -> None:
    X, y = np.random.default_rng(0).normal(size=(6, 5)), list("aabbcc")
    head = DecorrelatedColumns().partial_fit(X, y).add_classes(["d"])
    found = head.leave_one_out(np.vstack([X, np.zeros(5)]), [*y, "a"])
    assert np.isneginf(found[:6, 3]).all()
    assert np.isnan(found[6, 0])
    with pytest.raises(ValueError, match="there is no class 'e'"):
        head.leave_one_out(X[:1], ["e"])
    with pytest.raises(ValueError, match="a head with a horizon, here 5"):
        DecorrelatedColumns(horizon=5).fit(X, y).leave_one_out(X, y)
    with pytest.raises(ValueError, match="depends on the order of the others: that needs decorrel"):
        CoLaNETClassifier(members=1).fit(abs(X), y).leave_one_out(abs(X), y)
