"""CoLaNETClassifier: the spiking head with scikit-learn's interface."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import metadata
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from spikehead.coding import (
    STEPS,
    SpikeTrains,
    adapt,
    bernoulli_trains,
    even_trains,
    event_trains,
)
from spikehead.compilation import compiled
from spikehead.heads.colanet import rules
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.heads.parameters import whole_number

if TYPE_CHECKING:
    from spikehead.heads.colanet.cuda import CUDAEngine

CODINGS = ("even", "bernoulli", "events")

AUTO = "auto"
"""The `saturation` that is settled by the first batch that is learned."""

AUTO_PERCENTILE = 99.5
"""Percentile of the first batch's positive activations that it is then."""

_BATCH = 2048  # presentations coded at a time, which bounds memory

_VERSION = "_spikehead_version"  # in a pickle

_TEXT, _TRUTH, _NUMBER, _MISSING = "text", "true or false", "number", "missing"

# What a classifier has beside its options once it has learned.
_LEARNED = (
    "n_features_in_",
    "feature_names_in_",
    "parameters_",
    "network_",
    "classes_",
    "columns_",
    "prequential_predictions_",
    "_engine",
)


class PickledByAnotherVersion(InconsistentVersionWarning):  # type: ignore[misc]
    """A pickle comes from another version of spikehead, whose classifiers may differ."""

    def __str__(self) -> str:
        """Return the sentence."""
        return (
            f"this {self.estimator_name} was pickled by spikehead {self.original_sklearn_version}, "
            f"and this is {self.current_sklearn_version}: it may fail or answer otherwise; learn "
            "anew, or keep models as folders (HybridClassifier.save), which every version reads"
        )


class CoLaNETClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A spiking classifier that learns each example once, by local plasticity.

    An ensemble of CoLaNET networks, each with a column of leaky integrate-and-fire neurons per
    class. Activations are rate-coded into spikes; anti-Hebbian and dopamine-modulated plasticity
    change synaptic resources as the examples stream by. There are no epochs and no gradients, and
    learning in pieces (`partial_fit`) gives bit for bit what learning at once (`fit`) gives. The
    order of the examples is the order of learning; nothing is shuffled.

    The defaults of the hyperparameters are Table 1 of the hybrid ANN-SNN paper. `RECOMMENDED`,
    which models of photos have by default, learns better:
    ``CoLaNETClassifier(**RECOMMENDED.to_dict())``.

    Parameters
    ----------
    potentiation : float, default=0.0986409
        Resource that dopamine adds to a recently active synapse (DWPOS), or with `per_spike` for
        each of its spikes.
    relative_depression : float, default=0.504279665
        Resource that an unforced firing takes, as a fraction of `potentiation` (RELDWNEG).
    stability_rate : float, default=0.0644199
        Change of stability per unit of resource change (STABILITYRESOURCECHANGERATIO).
    max_weight : float, default=1.18684
        Upper bound of a weight (MAXWEIGHT).
    min_weight : float, default=1.65234
        Magnitude of the lowest weight (MINWEIGHT).
    microcolumns : int, default=1
        L neurons per class (NLEARNINGGROUPS): more of them tell sub-classes apart.
    threshold_excess : float, default=0.0019573
        Threshold added per unit of positive weight (WTHREXCESS).
    silent_synapses : int, default=1222
        Unconnected synapses that share in renormalisation; -1 turns it off (NSILENTSYNAPSES).
    saturation : float or "auto", default=2.07474
        Activation from which an input spikes at every step (SATURATION). ``"auto"`` takes the
        99.5th percentile of the positive activations in the first batch, with `homeostasis` times
        their gains, and keeps it.
    stochastic_stimulation : float, default=0.016
        Upper bound of the noise that each L neuron receives at each step.
    max_synapses : int, default=1000
        Plastic synapses of an L neuron at most; drawn at random where there are more inputs.
    per_spike : bool, default=False
        Whether a synapse changes once for each of its spikes, and not once if it spiked at all.
    max_depressions : int, default=-1
        How often a neuron's firing can take resource until dopamine reaches the neuron again; -1
        for no limit.
    homeostasis : bool, default=False
        Whether each input has a gain that adapts to how strong its activations have been so far
        (`spikehead.coding.gains`), so that weak inputs are heard beside strong ones. Not with
        ``coding="events"``.
    members : int, default=15
        Networks in the ensemble.
    coding : {"even", "bernoulli", "events"}, default="even"
        How activations become spikes: spread evenly, by chance, or not at all - ``"events"``
        takes spikes as they are, of shape (n_samples, 10, n_features).
    grow : bool, default=False
        Whether `partial_fit` adds a class when it meets a new label, instead of refusing it.
    n_threads : int, optional
        Default: as many as this process may use. The result is the same for any number.
    device : {"cpu", "cuda"}, default="cpu"
        Where to compute: ``"cuda"`` is an NVIDIA GPU, with the same result.
    random_state : int, RandomState instance or None, default=0
        Decides noise and synapses.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted: the order of scores, shares and spikes.
    columns_ : ndarray of int, shape (n_classes,)
        Which column of `network_` is that of each class. New classes get the next columns, so that
        what was learned stays where it is.
    n_features_in_ : int
        Number of inputs.
    network_ : Network
        The state of the ensemble.
    parameters_ : CoLaNETParameters
        The hyperparameters in force.
    prequential_predictions_ : ndarray of shape (n_samples,)
        What it answered to each example of the last call of `fit` or `partial_fit` just before it
        learned it (test-then-train). It costs nothing: an example's spikes vote while it is
        presented, and plasticity takes effect when its presentation is over.

    References
    ----------
    D. Larionov et al., "Hybrid ANN-SNN Pipeline with Local Plasticity", arXiv:2606.20151.
    M. Kiselev, "CoLaNET - a spiking neural network with columnar layered architecture for
    classification", arXiv:2409.01230.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from spikehead import CoLaNETClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> head = CoLaNETClassifier(saturation=16).fit(X[:1500], y[:1500])
    >>> head.predict(X[1500:1503])
    array([1, 7, 4])
    """

    classes_: NDArray[Any]
    n_features_in_: int
    network_: Network
    parameters_: CoLaNETParameters
    prequential_predictions_: NDArray[Any]

    def __init__(
        self,
        *,
        potentiation: float = CoLaNETParameters.potentiation,
        relative_depression: float = CoLaNETParameters.relative_depression,
        stability_rate: float = CoLaNETParameters.stability_rate,
        max_weight: float = CoLaNETParameters.max_weight,
        min_weight: float = CoLaNETParameters.min_weight,
        microcolumns: int = CoLaNETParameters.microcolumns,
        threshold_excess: float = CoLaNETParameters.threshold_excess,
        silent_synapses: int = CoLaNETParameters.silent_synapses,
        saturation: float | str = CoLaNETParameters.saturation,
        stochastic_stimulation: float = CoLaNETParameters.stochastic_stimulation,
        max_synapses: int = CoLaNETParameters.max_synapses,
        per_spike: bool = CoLaNETParameters.per_spike,
        max_depressions: int = CoLaNETParameters.max_depressions,
        homeostasis: bool = CoLaNETParameters.homeostasis,
        members: int = 15,
        coding: str = "even",
        grow: bool = False,
        n_threads: int | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.potentiation = potentiation
        self.relative_depression = relative_depression
        self.stability_rate = stability_rate
        self.max_weight = max_weight
        self.min_weight = min_weight
        self.microcolumns = microcolumns
        self.threshold_excess = threshold_excess
        self.silent_synapses = silent_synapses
        self.saturation = saturation
        self.stochastic_stimulation = stochastic_stimulation
        self.max_synapses = max_synapses
        self.per_spike = per_spike
        self.max_depressions = max_depressions
        self.homeostasis = homeostasis
        self.members = members
        self.coding = coding
        self.grow = grow
        self.n_threads = n_threads
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> CoLaNETClassifier:
        """Forget everything, then learn a stream, each example once and in order.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Non-negative activations; with ``coding="events"`` an array of 0 and 1 of shape
            (n_samples, 10, n_features).
        y : array of shape (n_samples,)
            Class labels.

        Returns
        -------
        CoLaNETClassifier
            Itself.

        Raises
        ------
        ValueError
            If the data or a hyperparameter is not as described, or there is only one class
            and the classifier does not `grow`.
        """
        draft = self._draft(knowing=False)
        X = draft._checked(X, reset=True)
        labels = _labels(y, X.shape[0])
        draft._start(np.unique(labels))
        draft._learn(X, labels)
        return self._become(draft)

    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None
    ) -> CoLaNETClassifier:
        """Learn more of the stream, each example once and in order.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.
        y : array of shape (n_samples,)
            Class labels.
        classes : array of shape (n_classes,), optional
            All classes of the stream. Needed at the first call, unless the classifier grows; one
            that grows adds those that are new, in sorted order.

        Returns
        -------
        CoLaNETClassifier
            Itself.

        Raises
        ------
        ValueError
            As for `fit`; or if `classes` is missing at the first call, differs from the known
            classes at a later one, or lacks a label of `y`.
        """
        draft = self._draft()
        first = not hasattr(draft, "network_")
        X = draft._checked(X, reset=first)
        labels = _labels(y, X.shape[0])
        new = draft._met(labels, classes)
        if first:
            draft._start(new)
        else:
            draft._add(new)
        draft._learn(X, labels)
        return self._become(draft)

    def add_classes(self, labels: ArrayLike) -> CoLaNETClassifier:
        """Add columns for new classes; what was learned stays as it is.

        Parameters
        ----------
        labels : array of shape (n_new,)
            Labels that are not yet among `classes_`, of the same type.

        Returns
        -------
        CoLaNETClassifier
            Itself.

        Raises
        ------
        ValueError
            If a label is known already, or of another type.
        """
        check_is_fitted(self)
        new = _distinct(_labels(labels))
        known = new[~np.isin(new, _missing(new, self.classes_))]
        if known.size:
            raise ValueError(f"class {_names(known[:1])} is known already")
        draft = self._draft()
        draft._add(new)
        return self._become(draft)

    def begin(self, n_features: int) -> CoLaNETClassifier:
        """Forget everything, and know no class yet: `add_classes` and `partial_fit` bring them.

        Parameters
        ----------
        n_features : int
            Number of inputs.

        Returns
        -------
        CoLaNETClassifier
            Itself. Class labels must be text.
        """
        draft = self._draft(knowing=False)
        draft.n_features_in_ = whole_number("n_features", n_features, 1)
        draft._make_network(np.empty(0, str))
        return self._become(draft)

    def resume(
        self,
        classes: ArrayLike,
        resources: NDArray[np.float32],
        stability: NDArray[np.float32],
        depressions: NDArray[np.int32],
        power: NDArray[np.float64],
        *,
        n_inputs: int,
        presentations: int,
        resource_updates: int,
    ) -> CoLaNETClassifier:
        """Take up the state of an earlier classifier that had the same hyperparameters.

        Parameters
        ----------
        classes : array of shape (n_classes,)
            Its classes, in the order of its columns.
        resources, stability, depressions, power : ndarray
            Those of its `network_`.
        n_inputs : int
            Its `n_features_in_`.
        presentations, resource_updates : int
            Those of its `network_`.

        Returns
        -------
        CoLaNETClassifier
            Itself; it answers and goes on learning as the earlier one would have.

        Raises
        ------
        ValueError
            If the state is not of these hyperparameters, or a class is given twice.
        """
        names = _labels(classes)
        if len(_distinct(names)) < len(names):
            raise ValueError("each class must be given once, and some are given again")
        draft = self._draft(knowing=False)
        draft.n_features_in_ = whole_number("n_inputs", n_inputs, 1)
        draft._make_network(names)
        draft.network_.restore(
            resources, stability, depressions, power, presentations, resource_updates
        )
        return self._become(draft)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each example.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            The class with the highest score; of equal ones the one that was learned first.
        """
        columns = self._scores(X).argmax(axis=1)
        return np.asarray(self._by_column()[columns])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return each class's share of the ensemble's vote.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows add up to 1, in the order of `classes_`. Where no neuron fired, shares of the
            potentials instead.
        """
        scores = self._scores(X)
        totals = scores.sum(axis=1, keepdims=True)
        even = np.full_like(scores, 1 / len(self.classes_))
        shares = np.divide(scores, totals, out=even, where=totals > 0)
        return np.asarray(shares[:, self.columns_])

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the mean share of each class in the members' OUT spikes.

        Ties are resolved, in steps below any difference between votes, by the highest potential
        over threshold (specification, section 5).

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            In the order of `classes_`. For two: by how much the share of the second in the vote
            exceeds that of the first, so that examples rank as by `predict_proba`.
        """
        self._check_taught()
        if len(self.classes_) == 2:
            shares = self.predict_proba(X)
            return np.asarray(shares[:, 1] - shares[:, 0])
        by_column = self._scores(X)
        return np.asarray(by_column[:, self.columns_])

    def out_spikes(self, X: Any) -> NDArray[np.intp]:
        """Return in how many members each class's OUT neuron spikes, step by step.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of int, shape (n_samples, 15, n_classes)
            10 steps of input and 5 of silence; classes in the order of `classes_`.
        """
        self._check_taught()
        X = self._checked(X, reset=False)
        spikes = self._running_engine().out_spikes(self._coded(X, 0, advance=False))
        return np.asarray(spikes[:, :, self.columns_].sum(axis=1).transpose(0, 2, 1))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the engine, which follows from the network; add the version."""
        state: dict[str, Any] = super().__getstate__()
        kept = {name: value for name, value in state.items() if name != "_engine"}
        return kept | {_VERSION: _version()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a state, and warn where another version has written it."""
        state = state.copy()
        written = state.pop(_VERSION, "of an unknown version")
        if written != _version():
            name = type(self).__name__
            warnings.warn(
                PickledByAnotherVersion(
                    estimator_name=name,
                    current_sklearn_version=_version(),
                    original_sklearn_version=written,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what is accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        # Two features, as in scikit-learn's toy problems, are too few to drive a neuron.
        tags.classifier_tags.poor_score = True
        return tags

    # ------------------------------------------------------------ one step from old to new

    def _draft(self, *, knowing: bool = True) -> Any:
        """Return another of the same options: whatever may be refused is tried on it.

        `knowing` tells whether it starts from what this one has learned, or from nothing.
        """
        draft = object.__new__(type(self))
        draft.__dict__ = {
            name: value for name, value in vars(self).items() if knowing or name not in _LEARNED
        }
        return draft

    def _become(self, draft: CoLaNETClassifier) -> CoLaNETClassifier:
        """Take over what a draft has become, now that nothing can be refused any more."""
        self.__dict__ = draft.__dict__
        return self

    # ------------------------------------------------------------ classes and their columns

    def _met(self, labels: NDArray[Any], classes: ArrayLike | None) -> NDArray[Any]:
        """Return the classes that a stream brings, in the order of their columns to be."""
        first = not hasattr(self, "classes_")
        if first and classes is None and not self.grow:
            raise ValueError(
                "the first call of partial_fit needs classes, all labels of the stream; "
                "or set grow=True to add classes as they come"
            )
        given = labels[:0] if classes is None else np.unique(_labels(classes))
        known = given[:0] if first else self.classes_
        more = _missing(given, known)
        lacks_some = classes is not None and len(given) - len(more) < len(known)
        if lacks_some or (len(more) and not (first or self.grow)):
            raise ValueError(
                f"classes {_names(given)} differ from those of earlier calls, "
                f"{_names(known)}; add_classes adds new ones"
            )
        expected = _joined(known, more)
        new = _distinct(_missing(labels, expected))
        if len(new) and not self.grow:
            raise ValueError(
                f"label {_names(new[:1])} is not among the classes {_names(expected)}; "
                f"add it with add_classes, or set grow=True"
            )
        return _joined(expected, new)[len(known) :]

    def _add(self, new: NDArray[Any]) -> None:
        """Give new classes columns that know nothing yet."""
        if len(new):
            self._name_columns(_joined(self._by_column(), new))
            self.network_ = self.network_.grown(len(new))

    def _name_columns(self, classes: NDArray[Any]) -> None:
        self.columns_ = np.argsort(classes, kind="stable")
        self.classes_ = classes[self.columns_]

    def _by_column(self) -> NDArray[Any]:
        """Return the class of each column, in their order."""
        return np.asarray(self.classes_[np.argsort(self.columns_)])

    # ------------------------------------------------------------ the way of the data

    def _start(self, classes: NDArray[Any]) -> None:
        """Make a network that knows nothing yet."""
        if len(classes) < 2 and not self.grow:
            raise ValueError(
                f"there is only one class, {_names(classes)}: a classifier needs at least two, "
                f"or grow=True"
            )
        self._make_network(classes)

    def _auto_saturation(self, X: Any) -> float:
        if self.homeostasis and self.coding != "events":
            values = adapt(_dense(X), np.zeros(self.n_features_in_))
        else:
            values = X.data if sparse.issparse(X) else X
        positive = values[values > 0].astype(np.float64)
        return float(np.percentile(positive, AUTO_PERCENTILE)) if positive.size else 1.0

    def _make_network(self, classes: NDArray[Any]) -> None:
        if isinstance(self.saturation, str) and self.saturation != AUTO:
            raise ValueError(f'saturation must be a number or "auto", not {self.saturation!r}')
        names = set(CoLaNETParameters.__dataclass_fields__)
        hyperparameters = {name: getattr(self, name) for name in names}
        if self.saturation == AUTO:
            del hyperparameters["saturation"]  # to a network that knows nothing, any is as good
        self.parameters_ = CoLaNETParameters(**hyperparameters)
        members = whole_number("members", self.members, 1, 1000)
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        if not 0 <= seed < 2**32:
            raise ValueError(f"random_state must be from 0 to 4294967295, not {seed}")
        self._name_columns(classes)
        self.network_ = Network(
            self.parameters_, self.n_features_in_, len(classes), members, int(seed)
        )

    def _learn(self, X: Any, labels: NDArray[Any]) -> None:
        if self.saturation == AUTO and not self.network_.presentations:
            self.parameters_ = replace(self.parameters_, saturation=self._auto_saturation(X))
            self.network_ = self.network_.grown(0)  # the old one stays as it is
            self.network_.parameters = self.parameters_
        columns = self.columns_[np.searchsorted(self.classes_, labels)].astype(np.int32)
        answers = np.empty(len(columns), np.intp)
        engine = self._running_engine()
        for batch in _batches(X):
            first = self.network_.presentations + 1
            response = engine.learn(self._coded(X[batch], first, advance=True), columns[batch])
            answers[batch] = _votes(*response).argmax(axis=1)
        self.prequential_predictions_ = self._by_column()[answers]

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the score of each column."""
        self._check_taught()
        X = self._checked(X, reset=False)
        engine = self._running_engine()
        scores = np.empty((X.shape[0], len(self.classes_)))
        for batch in _batches(X):
            scores[batch] = _votes(*engine.respond(self._coded(X[batch], 0, advance=False)))
        return scores

    def _running_engine(self) -> CPUEngine | CUDAEngine:
        engine: CPUEngine | CUDAEngine | None = getattr(self, "_engine", None)
        if engine is None or engine.network is not self.network_:
            engine = self._engine = self._new_engine()
        return engine

    def _new_engine(self) -> CPUEngine | CUDAEngine:
        if self.device == "cpu":
            return CPUEngine(self.network_, self.n_threads)
        if self.device == "cuda":
            from spikehead.heads.colanet.cuda import CUDAEngine

            return CUDAEngine(self.network_)
        raise ValueError(f"device must be cpu or cuda, not {self.device!r}")

    def _coded(self, X: Any, first: int, *, advance: bool) -> SpikeTrains:
        if self.coding == "events":
            return event_trains(X)
        network, dense = self.network_, _dense(X)
        activations = network.adapt(dense) if advance else network.amplified(dense)
        saturation = self.parameters_.saturation
        if self.coding == "even":
            return even_trains(activations, saturation)
        return bernoulli_trains(
            activations, saturation, seed=network.seed, first=first, advance=advance
        )

    # ------------------------------------------------------------ checks

    def _check_taught(self) -> None:
        check_is_fitted(self)
        if not len(self.classes_):
            raise NotFittedError(
                f"This {type(self).__name__} instance knows no class yet: teach it with "
                "partial_fit, or name its classes with add_classes"
            )

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Return the data in a form to compute with, or say in one sentence what is wrong."""
        if self.coding not in CODINGS:
            raise ValueError(f"coding must be one of {', '.join(CODINGS)}, not {self.coding!r}")
        if self.coding == "events":
            return self._checked_events(X, reset=reset)
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float32, np.float64],
            ensure_all_finite=False,
        )
        _check_activations(X)
        return X

    def _checked_events(self, X: Any, *, reset: bool) -> NDArray[np.bool_]:
        X = check_array(X, dtype=None, allow_nd=True, ensure_all_finite=False, estimator=self)
        if X.ndim != 3 or X.shape[1] != STEPS or not X.size or not np.isin(X, (0, 1)).all():
            raise ValueError(
                f'with coding="events", X must hold 0 and 1 in the shape (n_samples, {STEPS}, '
                f"n_features), not {X.dtype} in the shape {X.shape}"
            )
        if reset:
            self.n_features_in_ = X.shape[2]
        elif X.shape[2] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[2]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return np.asarray(X, bool)


@compiled
def _votes(spikes: NDArray[np.uint8], peaks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean share of each column in the members' OUT spikes, ties resolved."""
    n_presentations, n_members, n_columns = spikes.shape
    scores = np.zeros((n_presentations, n_columns))
    highest = np.empty(n_columns)
    for index in range(n_presentations):
        votes = scores[index]
        highest.fill(0)
        for member in range(n_members):
            total = 0
            for column in range(n_columns):
                total += spikes[index, member, column]
                highest[column] += peaks[index, member, column]
            for column in range(n_columns):
                votes[column] += spikes[index, member, column] / max(total, 1)
        for column in range(n_columns):
            votes[column] = rules.score(votes[column] / n_members, highest[column])
    return scores


@cache
def _version() -> str:
    return metadata.version("spikehead")


def _batches(X: Any) -> Iterator[slice]:
    for start in range(0, X.shape[0], _BATCH):
        yield slice(start, start + _BATCH)


def _dense(X: Any) -> NDArray[Any]:
    return np.asarray(X.toarray() if sparse.issparse(X) else X)


def _check_activations(X: Any) -> None:
    values = X.data if sparse.issparse(X) else X
    if not np.isfinite(values).all():
        raise ValueError("X holds NaN or infinity; every activation must be a finite number")
    if (values < 0).any():
        raise ValueError(
            "Negative values in data passed to X; activations must not be negative: set negative "
            "ones to zero with np.maximum(X, 0), or split each feature into two, its positive and "
            "its negative part"
        )


def _labels(y: ArrayLike | None, n_examples: int | None = None) -> NDArray[Any]:
    """Return labels as a one-dimensional array of one type, one for each example."""
    if y is None:
        raise ValueError("CoLaNETClassifier requires y to be passed, but the target y is None")
    kinds = {_kind(label) for label in y} if isinstance(y, (list, tuple)) else set()
    array = column_or_1d(y, warn=True)
    if array.dtype == object:
        kinds = {_kind(label) for label in array}
    if _MISSING in kinds:
        raise ValueError("Input y contains NaN.")  # scikit-learn's sentence
    if len(kinds) > 1:
        raise ValueError(f"labels must be of one type, not of {' and '.join(sorted(kinds))}")
    if array.dtype.kind not in "biuUS":  # a costly check, and those types always pass it
        check_classification_targets(array)
    if n_examples is not None and len(array) != n_examples:
        raise ValueError(f"X has {n_examples} examples but y has {len(array)} labels")
    return np.asarray(array)


def _distinct(labels: NDArray[Any]) -> NDArray[Any]:
    """Return each label once, in the order in which they come."""
    return np.asarray(labels[np.sort(np.unique(labels, return_index=True)[1])])


def _kind(label: Any) -> str:
    if label is None or (isinstance(label, Real) and math.isnan(label)):
        return _MISSING
    for kind, name in ((str, _TEXT), (bool, _TRUTH), (np.bool_, _TRUTH)):
        if isinstance(label, kind):
            return name
    return _NUMBER if np.isscalar(label) else type(label).__name__


def _kinds(labels: NDArray[Any]) -> set[str]:
    if labels.dtype == object:
        return {_kind(label) for label in labels}
    return {{"U": _TEXT, "b": _TRUTH}.get(labels.dtype.kind, _NUMBER)}


def _missing(labels: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """Return those labels that are not known."""
    return labels[~np.isin(labels, known)] if _kinds(labels) == _kinds(known) else labels


def _joined(known: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    """Return known labels and then new ones, which must be of the same type."""
    if not len(new):
        return known
    # Of no labels, only that they are text is known: so `begin` wants them.
    if _kinds(new) != _kinds(known) and (len(known) or known.dtype.kind == "U"):
        those = f"the classes {_names(known)}" if len(known) else "class names"
        raise ValueError(
            f"label {_names(new[:1])} is of another type than {those}; use one type for all labels"
        )
    return np.concatenate([known, new])


def _names(labels: Sequence[Any] | NDArray[Any]) -> str:
    return ", ".join(repr(label) for label in np.asarray(labels).tolist())
