"""A head of another package: as small as one can be that learns, grows, and is saved.

Inputs that are active together inhibit each other; each class has one neuron, whose weights follow
the mean of its examples. It reads activations as they are, and answers with a single spike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikehead.coding import Coding, dense
from spikehead.heads.classifiers import SpikingClassifier
from spikehead.heads.head import ColumnarNetwork
from spikehead.heads.parameters import Hyperparameters, number
from spikehead.state import Variable

UNIT = 2**16
LARGEST = 2**24 - 1  # weights of 24 bits


@dataclass(frozen=True)
class SkeletonParameters(Hyperparameters):
    rate: float = number(0.5, 0.0, 1.0)


class Network(ColumnarNetwork):
    variables = (
        Variable("lateral", np.int32, ("n_inputs", "n_inputs"), (0, LARGEST), symmetric=True),
        Variable("weights", np.int32, ("n_columns", "n_inputs"), (-LARGEST, LARGEST)),
        Variable("counts", np.int64, ("n_columns",), (0, 2**53)),
        Variable("energies", np.float64, ("n_columns",), (0, 1e30), initial=lambda *_: 1.0),
        Variable("presentations", int),
    )

    def __init__(self, parameters: SkeletonParameters, n_inputs: int, n_columns: int) -> None:
        self.parameters = parameters
        super().__init__(n_inputs, n_columns)

    def learn(self, X, columns):
        """Learn examples in whole numbers: a state is the same wherever a stream is cut."""
        answers = np.empty((len(X), self.n_columns))
        for place, (x, column) in enumerate(zip(X, columns, strict=True)):
            answers[place] = self.respond(x[None])[0]
            heard = np.rint(self.parameters.rate * x * UNIT).astype(np.int64)
            products = np.outer(heard, heard) // UNIT // 1000
            self.lateral[:] = np.minimum(self.lateral + products, LARGEST)
            self.counts[column] += 1
            step = (heard - self.weights[column]) // self.counts[column]
            self.weights[column] = np.clip(self.weights[column] + step, -LARGEST, LARGEST)
            self.energies[column] = np.linalg.norm(self.weights[column])
            self.presentations += 1
        return answers

    def respond(self, X):
        return np.maximum(X @ self.weights.T, 0) / np.maximum(self.energies, 1)


class AsItIs(Coding):
    def spike_counts(self, X):
        return (dense(X) > 0).astype(np.uint8)

    def to_answer(self, X):
        return dense(X)


class Skeleton(SpikingClassifier):
    title = "a walking skeleton"
    hyperparameters = SkeletonParameters
    grow = True

    def __init__(self, *, rate: float = SkeletonParameters.rate, n_threads: int | None = None):
        self.rate = rate
        self.n_threads = n_threads

    def _new_network(self, n_inputs, n_columns):
        return Network(SkeletonParameters(rate=self.rate), n_inputs, n_columns)

    def _new_coding(self, network):
        return AsItIs(network.n_inputs)

    def _teach(self, coded, columns):
        scores = self.network_.learn(coded, columns)
        return scores, np.full(len(scores), np.nan)

    def _ask(self, coded):
        return self.network_.respond(coded)

    def _spikes(self, coded):
        scores = self._ask(coded)
        return (scores == scores.max(axis=1, keepdims=True))[:, None, None]
