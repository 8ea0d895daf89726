"""The spiking head against other classifiers, on the same activations in the same order."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spikehead.coding import spike_counts
from spikehead.colanet.classifier import CoLaNETClassifier
from spikehead.colanet.parameters import CoLaNETParameters
from spikehead.evaluation import energy
from spikehead.evaluation.baselines import (
    NearestClassMean,
    RandomProjectionRidge,
    SingleLayerANN,
    StandardisedSGD,
    StoredNeighbours,
    StreamingLDA,
    StreamingRidge,
)

__all__ = ["Examples", "Method", "Result", "colanet", "compare", "others", "read_examples"]

BATCH = 32
"""Examples that a stream brings at a time, as `spikehead learn` hands them to the head."""

TASKS = 5
"""Parts into which the classes are divided to measure forgetting."""


@dataclass(frozen=True)
class Examples:
    """Activations and their labels.

    Attributes
    ----------
    X : ndarray of float32, shape (n_examples, n_activations)
        Activations; not negative.
    y : ndarray of str, shape (n_examples,)
        Labels.
    """

    X: NDArray[np.float32]
    y: NDArray[Any]

    def __getitem__(self, chosen: Any) -> Examples:
        """Return some of the examples."""
        return Examples(self.X[chosen], self.y[chosen])


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
        one: multiplications, or of the spiking head the operations that `energy.Work` lists. Of an
        offline method, to answer only.
    offline : bool, default=False
        Whether it needs all examples at once, or several times: no rival, but what is possible.
    seeded : bool, default=True
        Whether the order or the seed changes the result, so that more than one run makes sense.
    """

    name: str
    make: Callable[[int], Any]
    state: Callable[[Any], Sequence[NDArray[Any]]]
    operations: Callable[[Any, NDArray[np.float32]], tuple[float, float | None]]
    offline: bool = False
    seeded: bool = True


@dataclass
class Result:
    """How a method did; lists have an entry for each seed.

    Attributes
    ----------
    name : str
        The method.
    offline : bool
        Whether it saw all examples at once, or several times.
    accuracies : list of float
        On the test part, after a shuffled stream.
    incremental_accuracies : list of float
        On the test part, after a stream in which the classes come one part after the other.
    forgetting : list of float
        In that stream: by how much the accuracy on a part's classes fell from its best to the end,
        averaged over the parts but the last (Chaudhry et al., 2018).
    learn_seconds, predict_seconds : list of float
        Time per example, to learn (with what must be solved before the first answer) and to answer.
    state_bytes : int
        Size of what must be kept.
    operations : float
        Multiplications of an answer; of the spiking head all its operations.
    learn_operations : float or None
        Those of learning an example, without what must be solved before the first answer; None of
        an offline method.
    """

    name: str
    offline: bool
    accuracies: list[float] = field(default_factory=list)
    incremental_accuracies: list[float] = field(default_factory=list)
    forgetting: list[float] = field(default_factory=list)
    learn_seconds: list[float] = field(default_factory=list)
    predict_seconds: list[float] = field(default_factory=list)
    state_bytes: int = 0
    operations: float = 0.0
    learn_operations: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)


def read_examples(path: str | Path) -> Examples:
    """Read activations from an .npz file with the arrays ``X`` and ``y``.

    Negative activations count as zero, for every method, as in an encoder of spikehead.

    Parameters
    ----------
    path : str or Path
        Its ``X`` has the shape (n_examples, n_activations), its ``y`` (n_examples,).

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, or does not hold that.
    """
    advice = "write it with np.savez(file, X=activations, y=labels)"
    try:
        with Path(path).open("rb") as file, np.load(file) as arrays:
            X, y = np.asarray(arrays["X"]), np.asarray(arrays["y"])
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist: {advice}") from None
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]}; {advice}") from None
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile):
        raise ValueError(
            f"{path} is not an .npz file of activations and labels: {advice}"
        ) from None
    if X.ndim != 2 or X.dtype.kind not in "fiu" or 0 in X.shape or y.shape != (len(X),):
        raise ValueError(
            f"{path}: X has the shape {X.shape} and y {y.shape}; X must be numbers in the shape "
            "(examples, activations), with one label in y for each example"
        )
    if not np.isfinite(X).all():
        raise ValueError(f"{path}: X holds NaN or infinity; every activation must be finite")
    return Examples(X.astype(np.float32).clip(min=0), y.astype(str))


def colanet(
    name: str, parameters: CoLaNETParameters, *, members: int = 15, n_threads: int | None = None
) -> Method:
    """Return the spiking head as a method.

    Parameters
    ----------
    name : str
        What the table calls it.
    parameters : CoLaNETParameters
        Its hyperparameters.
    members : int, default=15
        Networks in the ensemble.
    n_threads : int, optional
        Default: as many as this process may use.
    """

    def make(seed: int) -> CoLaNETClassifier:
        return CoLaNETClassifier(
            **parameters.to_dict(), members=members, random_state=seed, n_threads=n_threads
        )

    def state(head: CoLaNETClassifier) -> list[NDArray[Any]]:
        # Synapses follow from the seed.
        return [head.network_.resources, head.network_.stability]

    def operations(head: CoLaNETClassifier, X: NDArray[np.float32]) -> tuple[float, float]:
        counts = spike_counts(X, parameters.saturation)
        return (
            energy.answering(head.network_, counts).operations,
            energy.learning(head.network_, counts).operations,
        )

    return Method(name, make, state, operations)


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
        **how: bool,
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
            "SGD, logistic loss",
            lambda seed: StandardisedSGD(random_state=seed),
            "sgd_.coef_",
            "sgd_.intercept_ scaler_.mean_ scaler_.var_",
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


def compare(
    train: Examples,
    test: Examples,
    methods: Sequence[Method],
    *,
    seeds: int = 5,
    on_run: Callable[[str, int, int], None] | None = None,
) -> list[Result]:
    """Let methods learn the same examples in the same order, and measure each on the test part.

    A seed decides the order of the stream and, in methods that use chance, their chance. Every
    example is learned once, in batches of `BATCH`; only offline methods get them all at once. Those
    that learn a stream also learn one in which the classes come in `TASKS` parts, one after the
    other.

    Parameters
    ----------
    train, test : Examples
        The examples to learn, and those to be measured on.
    methods : sequence of Method
        Who takes part.
    seeds : int, default=5
        How often, each time in another order.
    on_run : callable, optional
        Called before each run with the method's name, the runs done and all runs.

    Returns
    -------
    list of Result
        In the order of the methods.

    Raises
    ------
    ValueError
        If there are fewer than two classes, a class has fewer than two training examples, or a
        test example is of another class.
    """
    _check(train, test)
    results = []
    total = sum(seeds if method.seeded else 1 for method in methods)
    done = 0
    for method in methods:
        result = Result(method.name, method.offline)
        if not method.offline:  # untimed: what is compiled or loaded once is no cost of learning
            _accuracy(_learned(method, 0, train[: 2 * BATCH], np.unique(train.y)), test[:1])
        for seed in range(seeds if method.seeded else 1):
            if on_run:
                on_run(method.name, done, total)
            _measure(result, method, seed, train, test)
            done += 1
        results.append(result)
    return results


def _check(train: Examples, test: Examples) -> None:
    if train.X.shape[1] != test.X.shape[1]:
        raise ValueError(
            f"the training part has {train.X.shape[1]} activations and the test part "
            f"{test.X.shape[1]}: both must come from one encoder"
        )
    classes, counts = np.unique(train.y, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"there is only one class, {classes[0]}: a comparison needs at least two")
    if counts.min() < 2:
        raise ValueError(
            f"class {classes[counts.argmin()]} has one training example: give at least two of each"
        )
    unknown = np.setdiff1d(test.y, classes)
    if unknown.size:
        raise ValueError(
            f"class {unknown[0]} is in the test part only: give training examples of it, or leave "
            "it out"
        )


def _measure(result: Result, method: Method, seed: int, train: Examples, test: Examples) -> None:
    """Run a method once, or twice if it can also be measured class after class."""
    stream = train[np.random.RandomState(seed).permutation(len(train.y))]
    classes = np.unique(train.y)
    started = time.perf_counter()
    learned = _learned(method, seed, stream, classes)
    _accuracy(learned, test[:1])
    settled = time.perf_counter()
    result.accuracies.append(_accuracy(learned, test))
    answered = time.perf_counter()
    result.learn_seconds.append((settled - started) / len(train.y))
    result.predict_seconds.append((answered - settled) / len(test.y))
    result.state_bytes = sum(array.nbytes for array in method.state(learned))
    result.operations, result.learn_operations = method.operations(learned, test.X)
    if method.offline:
        return
    accuracy, forgetting = _class_after_class(method, seed, stream, test)
    result.incremental_accuracies.append(accuracy)
    if forgetting is not None:
        result.forgetting.append(forgetting)


def _learned(method: Method, seed: int, stream: Examples, classes: NDArray[Any]) -> Any:
    """Return a new estimator after it has learned a stream."""
    estimator = method.make(seed)
    if method.offline:
        estimator.fit(stream.X, stream.y)
    else:
        _stream_by(estimator, stream, classes)
    return estimator


def _stream_by(estimator: Any, stream: Examples, classes: NDArray[Any]) -> None:
    for start in range(0, len(stream.y), BATCH):
        batch = stream[start : start + BATCH]
        estimator.partial_fit(batch.X, batch.y, classes=classes)


def _class_after_class(
    method: Method, seed: int, stream: Examples, test: Examples
) -> tuple[float, float | None]:
    """Return the accuracy after a class-incremental stream, and the forgetting if it is defined."""
    classes = np.unique(stream.y)
    shuffled = np.random.RandomState(seed).permutation(classes)
    tasks = np.array_split(shuffled, min(TASKS, len(classes)))
    estimator = method.make(seed)
    accuracies = np.full((len(tasks), len(tasks)), np.nan)
    for now, task in enumerate(tasks):
        _stream_by(estimator, stream[np.isin(stream.y, task)], classes)
        for earlier, known in enumerate(tasks[: now + 1]):
            accuracies[now, earlier] = _accuracy(estimator, test[np.isin(test.y, known)])
    return _accuracy(estimator, test), forgetting(accuracies)


def forgetting(accuracies: NDArray[np.float64]) -> float | None:
    """Return how much was forgotten over a sequence of tasks (Chaudhry et al., 2018, section 3).

    Parameters
    ----------
    accuracies : ndarray of float, shape (n_tasks, n_tasks)
        After each task (a row) the accuracy on each (a column); NaN where it was not measured.

    Returns
    -------
    float or None
        The best accuracy before the last task less that at the end, averaged over the tasks but
        the last that were measured; None where there is no such task.
    """
    before, end = accuracies[:-1, :-1], accuracies[-1, :-1]
    measured = ~np.isnan(end)
    if not measured.any():
        return None
    return float((np.nanmax(before[:, measured], axis=0) - end[measured]).mean())


def _accuracy(estimator: Any, examples: Examples) -> float:
    if not len(examples.y):
        return float("nan")
    with np.errstate(divide="ignore"):  # naive Bayes takes log(0), the prior of a class to come
        return float((estimator.predict(examples.X) == examples.y).mean())


def _arrays(estimator: Any, names: str) -> list[NDArray[Any]]:
    """Return the arrays of an estimator by name, also those in lists."""
    found = []
    for value in (attrgetter(name)(estimator) for name in names.split()):
        found += value if isinstance(value, list) else [value]
    return found
