"""The classifiers that are compared, and what each keeps and computes.

A package adds one by an entry point of the group ``spikehead.learners``: its name, and where a
callable is that takes a seed and returns an estimator with ``partial_fit(X, y, classes)`` and
``predict(X)``, as in ``my_learner = "package:MyLearner"``. With ``score_samples(X)``, which is
higher the more familiar an example is, it is also asked what it does not know.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from operator import attrgetter
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, PassiveAggressiveClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from spikehead.evaluation.energy import measure_energy
from spikehead.evaluation.examples import Examples
from spikehead.evaluation.rivals import (
    CosineClassMean,
    KernelLDA,
    NearestClassMean,
    Prototypes,
    RandomProjectionRidge,
    SingleLayerANN,
    Standardised,
    StoredNeighbours,
    StreamingLDA,
    StreamingRidge,
)
from spikehead.heads.classifiers import SpikingClassifier
from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import head_class, kind_of, new_head

GROUP = "spikehead.learners"

BATCH = 32
"""Examples that a stream brings at a time, as `spikehead learn` hands them to the head."""


@dataclass(frozen=True)
class Method:
    """A classifier that takes part.

    Attributes
    ----------
    name : str
        What it is.
    make : callable
        Takes a seed; returns the estimator.
    state : callable
        Takes the estimator after learning; returns the arrays that it must keep to go on learning
        and to answer; of an offline method, to answer.
    operations : callable
        Takes the estimator and examples; returns how much it computes to answer one, and to learn
        one: multiplications, or of a spiking head what `energy.OperationCounts` counts. Of an
        offline method, to answer only. None where the head does not tell.
    offline : bool, default=False
        Whether it needs all examples at once, or several times: no rival, but what is possible.
    seeded : bool, default=True
        Whether the order or the seed changes the result, so that more than one run makes sense.
    hears : callable, optional
        Takes activations of either sign; returns those that are learned and answered. Default: all.
    """

    name: str
    make: Callable[[int], Any]
    state: Callable[[Any], Sequence[NDArray[Any]]]
    operations: Callable[[Any, NDArray[np.float32]], tuple[float | None, float | None]]
    offline: bool = False
    seeded: bool = True
    hears: Callable[[NDArray[np.float32]], NDArray[np.float32]] = np.asarray

    def heard(self, examples: Examples) -> Examples:
        """Return what the method hears of examples."""
        return Examples(self.hears(examples.X), examples.y)


def spiking(
    name: str, head: str, parameters: Hyperparameters | None = None, **options: Any
) -> Method:
    """Return a spiking head as a method.

    Parameters
    ----------
    name : str
        What the table calls it.
    head : str
        As of `spikehead.heads.registry.new_head`.
    parameters : Hyperparameters, optional
        Default: those that the head's name stands for.
    **options
        As `SpikingClassifier.for_features` takes them, but the seed.
    """

    def make(seed: int) -> SpikingClassifier:
        return new_head(head, parameters, seed=seed, **options)

    def state(head: SpikingClassifier) -> Sequence[NDArray[Any]]:
        arrays = [value for value in head.state().values() if isinstance(value, np.ndarray)]
        return [array for array in arrays if array.any()]  # the others are of rules not in use

    return Method(name, make, state, _operations, hears=head_class(kind_of(head)).heard)


def from_outside() -> list[Method]:
    """Return the learners that other packages bring, and River's where it is installed."""
    found = [_plain(one.name, one.load()) for one in metadata.entry_points(group=GROUP)]
    if util.find_spec("river"):
        from spikehead.evaluation.river import LEARNERS

        found += [_plain(f"River: {name}", make) for name, make in LEARNERS.items()]
    return found


def _plain(name: str, make: Callable[[int], Any]) -> Method:
    """Describe a learner of which no more is known than how to make it."""

    def state(learned: Any) -> Sequence[NDArray[Any]]:
        return [np.frombuffer(pickle.dumps(learned), np.uint8)]

    return Method(name, make, state, lambda *_: (None, None))


def others() -> list[Method]:
    """Return the methods to compare with: those that learn in one pass, then the offline ones.

    Their settings are the defaults of their papers or libraries, or are chosen on the training part
    by the method itself.
    """

    def method(
        name: str,
        make: Callable[[int], Any],
        weights: str,
        more: str = "",
        learning: Callable[[int, int], int] | None = None,
        **how: Any,
    ) -> Method:
        """Describe a method.

        By the arrays that an answer needs, those that learning adds, and the multiplications to
        learn an example, given the numbers of activations and classes.
        """

        def operations(learned: Any, X: NDArray[np.float32]) -> tuple[float, float | None]:
            answer = float(sum(array.size for array in _arrays(learned, weights)))
            return answer, learning and float(learning(X.shape[1], len(learned.classes_)))

        return Method(
            name, make, lambda learned: _arrays(learned, f"{weights} {more}"), operations, **how
        )

    n_projections = RandomProjectionRidge().n_projections
    return [
        method(
            "nearest class mean",
            lambda _: NearestClassMean(),
            "means_",
            "counts_",
            lambda inputs, _: inputs,
        ),
        method(
            "cosine class mean",
            lambda _: CosineClassMean(),
            "means_",
            "counts_",
            lambda inputs, _: 2 * inputs,
        ),
        method(
            "streaming LDA",
            lambda _: StreamingLDA(),
            "means_",
            "counts_ scatter_",
            lambda inputs, _: 2 * inputs + inputs**2,
        ),
        method(
            "ridge regression",
            lambda _: StreamingRidge(),
            "coef_",
            "counts_ sums_ gram_",
            lambda inputs, _: inputs**2,
        ),
        method(
            "random projection + ridge",
            lambda seed: RandomProjectionRidge(random_state=seed),
            "projection_ coef_",
            "counts_ sums_ gram_",
            lambda inputs, _: inputs * n_projections + n_projections**2,
        ),
        method(
            "kernel LDA",
            lambda seed: KernelLDA(random_state=seed),
            "projection_ means_",
            "counts_ scatter_",
            lambda inputs, _: inputs * n_projections + n_projections**2,
        ),
        method(
            "prototypes (CLP-SNN)",
            lambda _: Prototypes(),
            "prototypes_",
            learning=lambda inputs, _: 4 * inputs,  # once it has found the winner, as in an answer
        ),
        method(
            "SGD, logistic loss",
            lambda seed: Standardised(
                SGDClassifier(loss="log_loss", shuffle=False, random_state=seed)
            ),
            "linear_.coef_",
            "linear_.intercept_ scaler_.mean_ scaler_.var_",
            lambda inputs, classes: 2 * inputs + 2 * inputs * classes,
        ),
        method(
            "passive-aggressive",
            _passive_aggressive,
            "linear_.coef_",
            "linear_.intercept_ scaler_.mean_ scaler_.var_",
            lambda inputs, classes: 2 * inputs + 2 * inputs * classes,
        ),
        method(
            "5 nearest neighbours",
            lambda _: StoredNeighbours(),
            "examples_",
            learning=lambda *_: 0,
        ),
        method(
            "Gaussian naive Bayes",
            lambda _: GaussianNB(),
            "theta_ var_",
            "class_count_",
            lambda inputs, _: 2 * inputs,
        ),
        *(
            method(
                f"ANN, {epochs} epoch{'s' * (epochs > 1)}",
                lambda seed, epochs=epochs: SingleLayerANN(epochs, random_state=seed),  # type: ignore[misc]
                "coefs_",
                "intercepts_",
                offline=True,
            )
            for epochs in (1, 12)
        ),
        method(
            "logistic regression",
            lambda _: _LinearProbe(),
            "weights_",
            offline=True,
            seeded=False,
        ),
    ]


def learn_stream(estimator: Any, stream: Examples, classes: NDArray[Any]) -> None:
    """Let an estimator learn examples in order, `BATCH` at a time.

    Parameters
    ----------
    estimator : estimator
        With scikit-learn's ``partial_fit``.
    stream : Examples
        What to learn.
    classes : ndarray of str
        All classes, also those that come later.
    """
    for start in range(0, len(stream), BATCH):
        batch = stream[start : start + BATCH]
        estimator.partial_fit(batch.X, batch.y, classes=classes)


def accuracy(estimator: Any, examples: Examples) -> float:
    """Return the fraction of examples that an estimator has right; NaN of none."""
    if not len(examples):
        return float("nan")
    with np.errstate(divide="ignore"):  # naive Bayes takes log(0), the prior of a class to come
        return float((estimator.predict(examples.X) == examples.y).mean())


def _operations(
    head: SpikingClassifier, X: NDArray[np.float32]
) -> tuple[float | None, float | None]:
    """Return how many operations a spiking head takes for an answer, and for a lesson."""
    energy = measure_energy(head, X)
    if not energy.answering.counts:  # it does not tell
        return None, None
    return energy.answering.operations, energy.learning.operations


def _passive_aggressive(seed: int) -> Standardised:
    """Return the first form of Crammer et al. (2006), as scikit-learn has it under two names."""
    if parse_version(sklearn.__version__) < parse_version("1.8"):
        return Standardised(PassiveAggressiveClassifier(shuffle=False, random_state=seed))
    return Standardised(
        SGDClassifier(
            loss="hinge",
            penalty=None,
            learning_rate="pa1",
            eta0=1.0,
            shuffle=False,
            random_state=seed,
        )
    )


class _LinearProbe:
    """Logistic regression on standardised activations; its penalty chosen by cross-validation."""

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> None:
        folds = min(5, int(np.unique(y, return_counts=True)[1].min()))
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        grid = {"logisticregression__C": np.logspace(-4, 0, 5)}
        parts = StratifiedKFold(folds, shuffle=True, random_state=0)
        self._probe = GridSearchCV(probe, grid, cv=parts).fit(X, y).best_estimator_
        self.weights_ = self._probe[-1].coef_

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self._probe.predict(X))


def _arrays(estimator: Any, names: str) -> list[NDArray[Any]]:
    """Return the arrays of an estimator by name, also those in lists."""
    found = []
    for value in (attrgetter(name)(estimator) for name in names.split()):
        found += value if isinstance(value, list) else [value]
    return found
