"""Both heads with parts of their rules left out, as learners of the benchmark."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.coding import signed_counts
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters
from spikehead.heads.registry import new_head

P = DecorrelatedParameters()


class Columns:
    """Decorrelated columns in float64, on one branch; with nothing left out it answers as they do.

    Parameters
    ----------
    lateral : bool, default=True
        Whether inputs come to inhibit each other.
    depression : bool, default=True
        Whether neurons are depressed by their own potential.
    energy : bool, default=True
        Whether columns are compared by cosines, and not by potentials.
    rate : float, default=0.0
        The least share of the way that dopamine moves a column; that of a mean is 1/n.
    """

    def __init__(
        self,
        _: int = 0,
        *,
        lateral: bool = True,
        depression: bool = True,
        energy: bool = True,
        rate: float = 0.0,
    ) -> None:
        self.lateral = lateral
        self.depression = depression
        self.energy = energy
        self.rate = rate

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Columns:
        """Learn the next examples, in their order; `classes` are all that there will be."""
        K = signed_counts(np.asarray(X), P.scale).astype(float)
        if not hasattr(self, "classes"):
            self.classes = np.unique(y if classes is None else classes)
            self.counts = np.zeros(len(self.classes))
            self.weights = np.zeros((len(self.classes), K.shape[1]))
            self.metric = np.eye(K.shape[1])
        labels = np.searchsorted(self.classes, y)
        heard = K.any(axis=1)
        traces = np.zeros_like(K)  # of these lessons; together they become inhibition at the end
        for i, (k, x, label) in enumerate(
            zip(K[heard], K[heard] @ self.metric, labels[heard], strict=True)
        ):
            traces[i] = self._learn(k, x - (traces[:i] @ k) @ traces[:i], label)
        self.metric -= traces.T @ traces
        self._energies = None
        return self

    def _learn(self, k: NDArray[Any], x: NDArray[Any], label: int) -> NDArray[Any]:
        """Learn counts `k`, of which inhibition leaves `x`; return what inputs keep of them."""
        power = P.power(len(k))
        eta = 1 / (power + k @ x)
        if self.depression:
            self.weights -= np.outer(eta * (self.weights @ k), x)
        self.counts[label] += 1
        share = max(self.rate, 1 / self.counts[label])
        self.weights[label] += share * (power * eta * x - self.weights[label])
        return np.sqrt(eta) * x if self.lateral else np.zeros_like(x)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each example."""
        return np.asarray(self.classes[self._cosines(X).argmax(axis=1)])

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how familiar each example is."""
        return np.asarray(self._cosines(X).max(axis=1))

    def _cosines(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how alike examples and classes are, in the metric of the lateral layer."""
        K = signed_counts(np.asarray(X), P.scale).astype(float)
        own = np.einsum("ei,ei->e", K @ self.metric, K).clip(1e-30)
        found = K @ self.weights.T / np.sqrt(np.outer(own, self._column_energies()))
        found[:, self.counts == 0] = -np.inf
        return np.asarray(found)

    def _column_energies(self) -> NDArray[np.float64]:
        """Return that of the weights themselves: with parts left out the rule's own is not it."""
        if not self.energy:
            return np.ones(len(self.classes))
        if self._energies is None:
            apart = np.linalg.solve(self.metric, self.weights.T)
            self._energies = np.einsum("ci,ic->c", self.weights, apart).clip(1e-30)
        return self._energies


class Head:
    """A head of spikehead with other options, in one thread.

    Parameters
    ----------
    name : str
        As of `new_head`.
    seed : int
        Decides what is drawn by lot.
    **options
        Of the estimator.
    """

    def __init__(self, name: str, seed: int, **options: Any) -> None:
        self.head = new_head(name, encoder_saturation="auto", seed=seed, n_threads=1, **options)

    def partial_fit(self, X: NDArray[Any], y: ArrayLike, classes: ArrayLike | None = None) -> Head:
        """Learn the next examples."""
        self.head.partial_fit(self.head.heard(X), y, classes=classes)
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the class of each example."""
        return np.asarray(self.head.predict(self.head.heard(X)))

    def score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return how familiar each example is."""
        return np.asarray(self.head.score_samples(self.head.heard(X)))


without_lateral = partial(Columns, lateral=False)
without_depression = partial(Columns, depression=False)
without_either = partial(Columns, lateral=False, depression=False)
with_a_fixed_rate = partial(Columns, rate=0.1)
without_energy = partial(Columns, energy=False)
with_branches = partial(Head, "decorrelated", width=256)

paper_without_depression = partial(Head, "paper", relative_depression=0.0)
paper_without_renormalisation = partial(Head, "paper", silent_synapses=-1)
paper_without_stability = partial(Head, "paper", stability_rate=0.0)
paper_without_rising_threshold = partial(Head, "paper", threshold_excess=0.0)
paper_without_noise = partial(Head, "paper", stochastic_stimulation=0.0)
paper_alone = partial(Head, "paper", members=1)
