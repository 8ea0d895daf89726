"""DecorrelatedColumns: the head without conditions, with scikit-learn's interface."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from spikehead.coding import STEPS, Signed
from spikehead.heads.account import Account
from spikehead.heads.classifiers import Judgement, SpikingClassifier
from spikehead.heads.decorrelated import reference, revision, rules
from spikehead.heads.decorrelated.cpu import CPUEngine, Response
from spikehead.heads.decorrelated.deployed import DeployedColumns
from spikehead.heads.decorrelated.hindsight import left_out_cosines
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import DISCHARGE_STEPS, UNIT, DecorrelatedParameters
from spikehead.heads.decorrelated.selection import most_instructive
from spikehead.heads.labels import joined, missing
from spikehead.state import fraction, whole_number


class DecorrelatedColumns(SpikingClassifier):
    """A spiking classifier that asks nothing of its features, their number, or their order.

    Inputs that are active together come to inhibit each other; behind this lateral layer each
    class has one neuron, whose weights dopamine moves towards the class's examples, ever more
    slowly. One example is the nearest class by cosine; many are ridge regression balanced over
    classes; and neither depends on the order of the examples, but for rounding. Each example is
    measured by its own root mean square, so that scale does not matter, and either sign is heard.
    There is no chance in it.

    Classes weigh the same, however many examples each has, so there is no ``class_weight``.

    Each example is answered before it is learned, and from these answers it learns what its answers
    are worth: how probable they are (`predict_proba`), which examples are of no class that it knows
    (`predict_unknown`), and which classes come into question (`predict_sets`).

    An example whose activations are all zero has no spikes: it can be answered, and nothing is
    learned from it.

    Parameters
    ----------
    lam : float, default=1.0
        How slowly inputs come to inhibit each other, relative to the power of an example: the
        penalty of a ridge regression.
    scale : float, default=4.0
        How many root mean squares an activation has from which an input spikes at every step (s).
    threshold : float, default=0.2
        A column's threshold, relative to what its own examples excite (f).
    width : int, default=2048
        Inputs that can inhibit each other at most: where there are more, they lie on as many
        dendritic branches as are needed, drawn at random, and inhibit those of their branch only.
    horizon : int, default=0
        Examples of a class after which older ones are forgotten
        (`spikehead.DecorrelatedParameters`); 0: never.
    send_back : float, default=0.05
        Share of examples of known classes that may be taken for unknown, from 0 to 1: what
        `predict_unknown` goes by. It may be changed at any time.
    n_threads : int, optional
        Default: as many as this process may use. The result is the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted: the order of scores, shares and spikes.
    columns_ : ndarray of int, shape (n_classes,)
        Which column of `network_` is that of each class, in the order in which they were met.
    n_features_in_ : int
        Number of inputs.
    n_answered_ : int
        How many of its own answers `predict_unknown` and `predict_sets` rest on: those of the
        second half of the stream, of classes that it knew then, or as many of them as are kept.
    network_ : Network
        The state.
    parameters_ : DecorrelatedParameters
        The hyperparameters in force.
    prequential_predictions_ : ndarray
        What it answered to each example of the last call of `fit` or `partial_fit` just before it
        learned it (test-then-train); to one with a weight of 2 it answered twice.
    prequential_unknown_ : ndarray of bool
        Whether it took each of them for unknown, by the threshold that it had before the call, or
        before 2,048 examples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from spikehead import DecorrelatedColumns
    >>> X, y = load_digits(return_X_y=True)
    >>> head = DecorrelatedColumns().partial_fit(X[:900], y[:900])
    >>> head.partial_fit(X[900:1500], y[900:1500]).predict(X[1500:1503])
    array([1, 7, 4])
    """

    title = "decorrelated columns"
    hyperparameters = DecorrelatedParameters
    grow = True
    network_: Network

    def __init__(
        self,
        *,
        lam: float = DecorrelatedParameters.lam,
        scale: float = DecorrelatedParameters.scale,
        threshold: float = DecorrelatedParameters.threshold,
        width: int = DecorrelatedParameters.width,
        horizon: int = DecorrelatedParameters.horizon,
        send_back: float = 0.05,
        n_threads: int | None = None,
    ) -> None:
        self.lam = lam
        self.scale = scale
        self.threshold = threshold
        self.width = width
        self.horizon = horizon
        self.send_back = send_back
        self.n_threads = n_threads

    def settings(self) -> dict[str, Any]:
        """Return the options that a saved head needs to be made again, as JSON values."""
        return super().settings() | {"send_back": self.send_back}

    def unfamiliar_below(self) -> float:
        """Return the familiarity below which an example is unknown.

        The conformal quantile of `send_back` over its own answers (specification, section 3).

        Returns
        -------
        float
            Minus infinity, so that none is, where it has answered too few examples.

        Raises
        ------
        ValueError
            If `send_back` is not from 0 to 1.
        """
        share = fraction("send_back", self.send_back)
        return self.network_.exceeded(self.network_.familiarities, share)

    def unlikely_below(self, coverage: float) -> float:
        """Return the share below which a class is left out of a set (`predict_sets`).

        Parameters
        ----------
        coverage : float
            How often a set holds the right class, from 0 to 1.

        Raises
        ------
        ValueError
            If the coverage is not from 0 to 1.
        """
        share = 1 - fraction("coverage", coverage)
        return self.network_.exceeded(self.network_.chances, share)

    @property
    def n_answered_(self) -> int:
        """How many of its own answers thresholds and sets rest on."""
        latest = self.network_.latest
        return int(latest.stop - latest.start)

    def deployed(self) -> DeployedColumns:
        """Return what the head is elsewhere: in ONNX, in NIR, as operations that cost energy."""
        return DeployedColumns(self)

    def hears(self, X: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Return which examples make an input spike: of the others nothing can be learned.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Activations.

        Returns
        -------
        ndarray of bool, shape (n_samples,)
        """
        return np.asarray(self.coding_.to_answer(X).any(axis=1))

    @property
    def mergeable(self) -> bool:
        """Whether it can be merged, merge classes, and unlearn: not if it forgets."""
        return not self.horizon

    def merge(self, other: SpikingClassifier) -> DecorrelatedColumns:
        """Return the head that has learned both streams, up to rounding; both stay as they are.

        Parameters
        ----------
        other : DecorrelatedColumns
            Of the same features and hyperparameters. Classes of the same name are one; those that
            are new come after the known ones. An example that both have learned counts twice.

        Returns
        -------
        DecorrelatedColumns
            With the options of this one.

        Raises
        ------
        ValueError
            If the other is another kind of head, or differs in features or hyperparameters, or has
            a horizon.
        sklearn.exceptions.NotFittedError
            If one has learned nothing.
        """
        if not isinstance(other, DecorrelatedColumns):
            raise ValueError(f"{self.title} cannot be merged with a head of another kind")
        check_is_fitted(self)
        check_is_fitted(other)
        ours, theirs = (getattr(one, "feature_names_in_", None) for one in (self, other))
        if not (ours is None or theirs is None or np.array_equal(ours, theirs)):
            raise ValueError("heads of features with different names cannot be merged")
        new = other._by_column()
        classes = joined(self._by_column(), missing(new, self.classes_))
        places = {name: column for column, name in enumerate(classes.tolist())}
        columns = np.array([places[name] for name in new.tolist()], np.intp)
        whole: DecorrelatedColumns = self._draft(knowing=False)
        whole.n_features_in_ = self.n_features_in_
        if ours is not None:
            whole.feature_names_in_ = ours
        whole.network_ = revision.merged(self.network_, other.network_, columns)
        whole.coding_ = whole._new_coding(whole.network_)
        whole._name_columns(classes)
        return whole

    def suggest(self, X: Any, n: int) -> NDArray[np.intp]:
        """Choose the examples of an unlabelled pool that would teach most.

        Of those about which it is least sure, the ones that tell most of the rest of the pool, and
        not the same of it (`spikehead.heads.decorrelated.selection`).

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The pool. An example whose activations are all zero is never chosen.
        n : int
            How many to choose; of a smaller pool, all.

        Returns
        -------
        ndarray of int
            Their places in the pool, those that teach most first.

        Raises
        ------
        ValueError
            If `n` is not a whole number from 1.
        sklearn.exceptions.NotFittedError
            If it knows no class.
        """
        n = whole_number("n", n, 1)
        coded = self._coded(X)
        heard = np.flatnonzero(coded.any(axis=1))
        return heard[most_instructive(self.network_, coded[heard], n)]

    def leave_one_out(self, X: Any, y: ArrayLike) -> NDArray[np.float64]:
        """Return how each learned example would be answered, had it not been learned.

        Without teaching anew (`spikehead.heads.decorrelated.hindsight`). A label is doubtful where
        another class is more alike than its own.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Examples that were learned.
        y : array of shape (n_samples,)
            The labels with which they were.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            How alike the example and each class are, from -1 to 1, in the order of `classes_`: the
            largest answers. NaN where the class has no other example, or the example has no spikes;
            minus infinity where the class has none.

        Raises
        ------
        ValueError
            If a label is not known, or the head has a horizon.
        sklearn.exceptions.NotFittedError
            If it knows no class.
        """
        coded = self._coded(X)
        labels = self._labels(y, len(coded))
        unknown = missing(labels, self.classes_)
        if len(unknown):
            raise ValueError(f"there is no class {unknown.tolist()[0]!r}")
        columns = self.columns_[np.searchsorted(self.classes_, labels)]
        return left_out_cosines(self.network_, coded, columns)[:, self.columns_]

    # ------------------------------------------------------------ what a head is

    def _new_network(self, n_inputs: int, n_columns: int) -> Network:
        fraction("send_back", self.send_back)
        names = DecorrelatedParameters.__dataclass_fields__
        parameters = DecorrelatedParameters(**{name: getattr(self, name) for name in names})
        return Network(parameters, n_inputs, n_columns)

    def _new_coding(self, network: Network) -> Signed:
        return Signed(network.n_inputs, network.parameters.scale)

    def _teach(
        self, coded: NDArray[np.int8], columns: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        engine, heard = self._engine(), coded.any(axis=1)
        scores, familiarity = np.empty((len(coded), self.network_.n_columns)), np.zeros(len(coded))
        if not heard.all():
            scores[~heard] = _scores(engine.respond(coded[~heard]))
        before = engine.learn(coded[heard], columns[heard])
        scores[heard], familiarity[heard] = _scores(before), _familiarity(before)
        return scores, familiarity

    def _ask(self, coded: NDArray[np.int8]) -> NDArray[np.float64]:
        return _scores(self._engine().respond(coded))

    def _judge(self, coded: NDArray[np.int8]) -> Judgement:
        response = self._engine().respond(coded, cosines=True)
        cosines = np.asarray(response.cosines)
        logits = np.where(np.isfinite(cosines), cosines, rules.NEVER) / self.network_.temperature
        return Judgement(_scores(response), softmax(logits, axis=1), _familiarity(response))

    def _take_back(self, coded: NDArray[np.int8], columns: NDArray[np.int64]) -> None:
        heard = coded.any(axis=1)
        revision.unlearn(self.network_, coded[heard], columns[heard])

    def _joined(self, column: int, into: int) -> Network:
        return revision.joined(self.network_, column, into)

    def _spikes(self, coded: NDArray[np.int8]) -> NDArray[np.bool_]:
        # Each neuron fires off its potential after the input, a spike a step.
        spikes = self._engine().respond(coded).spikes[:, None]
        steps = np.arange(STEPS + DISCHARGE_STEPS)[:, None] - STEPS
        return np.asarray((steps >= 0) & (steps < spikes))[:, None]

    def _told(self, coded: NDArray[np.int8]) -> Account:
        network = self.network_
        now = reference.present(network, coded[0])
        return Account(
            now.spikes[None],
            input=now.input,
            potentials=now.potentials / now.thresholds,
            weights=np.array([network.weight_map(one) for one in range(network.n_columns)]),
            excitation=network.by_input(now.excitation) / UNIT,
        )

    def _coded(self, X: Any) -> NDArray[np.int8]:
        """Return the signed spike counts of examples."""
        self._check_taught()
        return np.asarray(self.coding_.to_answer(self._checked(X, reset=False)))

    def _engine(self) -> CPUEngine:
        return CPUEngine(self.network_, self.n_threads)


def _scores(response: Response) -> NDArray[np.float64]:
    """Return the spikes of each column; among equal ones, what is left of potentials decides."""
    return np.asarray(rules.score(response.spikes, response.residuals))


def _familiarity(response: Response) -> NDArray[np.float64]:
    """Return how familiar examples are: the largest of their cosines."""
    return np.asarray(np.clip(np.asarray(response.cosines).max(axis=1, initial=0), 0, 1))
