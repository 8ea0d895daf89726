"""What scikit-learn sees of every head: labels and columns, one step from old to new, pickles."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from spikehead.coding import Coding
from spikehead.heads.account import Account
from spikehead.heads.deployed import Deployed
from spikehead.heads.head import ColumnarNetwork
from spikehead.heads.labels import distinct, joined, labels_of, missing, names
from spikehead.heads.parameters import Hyperparameters
from spikehead.state import whole_number

_BATCH = 2048  # presentations coded at a time, which bounds memory

_VERSION = "_spikehead_version"  # in a pickle

# What a classifier has beside its options once it has learned.
_LEARNED = (
    "n_features_in_",
    "feature_names_in_",
    "network_",
    "coding_",
    "classes_",
    "columns_",
    "prequential_predictions_",
    "prequential_unknown_",
    "_engine",
)

_Own = TypeVar("_Own", bound="SpikingClassifier")


class PickledByAnotherVersion(InconsistentVersionWarning):  # type: ignore[misc]
    """A pickle comes from another version of spikehead, whose classifiers may differ."""

    def __str__(self) -> str:
        """Return the sentence."""
        return (
            f"this {self.estimator_name} was pickled by spikehead {self.original_sklearn_version}, "
            f"and this is {self.current_sklearn_version}: it may fail or answer otherwise; learn "
            "anew, or keep models as folders (HybridClassifier.save), which every version reads"
        )


class LearnsNoMore(ValueError):  # noqa: N818 - nothing is wrong with what is to be learned
    """A head is to learn whose rules of learning are gone.

    Parameters
    ----------
    title : str
        What a model card calls it.
    """

    def __init__(self, title: str) -> None:
        super().__init__(
            f"{title} answers as it did and learns no more, since its rules are gone: teach its "
            "photos to a new model, which takes seconds where their activations are cached; "
            "lessons that wait in its folder are saved into it by that version"
        )


class Judgement(NamedTuple):
    """What a head says of some examples; classes are in the order of its columns, or of its labels.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_samples, n_classes)
        By which it decides.
    shares : ndarray of float64, shape (n_samples, n_classes)
        How likely each class is; rows add up to 1.
    familiarity : ndarray of float64, shape (n_samples,)
        How familiar each example is, from 0 to 1; NaN where the head does not tell.
    """

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]
    familiarity: NDArray[np.float64]

    def sets(self, threshold: float) -> NDArray[np.bool_]:
        """Return which classes have a share from a threshold on, or are the answer.

        Parameters
        ----------
        threshold : float
            That of `SpikingClassifier.unlikely_below`.
        """
        answers = self.scores.argmax(axis=1)[:, None]
        is_answer = np.arange(self.shares.shape[1]) == answers
        return np.asarray((self.shares >= threshold) | is_answer)


class SpikingClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A spiking head as an estimator: it learns a stream, each example once and in order.

    A head derives from it and says how its network and its coding are made (`_new_network`,
    `_new_coding`), and how coded examples are learned (`_teach`) and answered (`_ask`, `_spikes`).
    Whatever may be refused is refused before anything changes.

    Attributes
    ----------
    title : str
        What a model card calls the head.
    hyperparameters : type of Hyperparameters
        Its hyperparameters; each is an option of the estimator, too.
    signed : bool
        Whether it takes activations below zero.
    presets : mapping of str to dict
        Options of the estimator that have a name, which `spikehead.heads.registry` knows.
    """

    title: ClassVar[str]
    hyperparameters: ClassVar[type[Hyperparameters]]
    signed: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    grow: bool
    n_threads: int | None
    classes_: NDArray[Any]
    columns_: NDArray[np.intp]
    n_features_in_: int
    network_: Any
    coding_: Any
    prequential_predictions_: NDArray[Any]
    prequential_unknown_: NDArray[np.bool_]

    # ------------------------------------------------------------ what a head is

    @abstractmethod
    def _new_network(self, n_inputs: int, n_columns: int) -> ColumnarNetwork:
        """Return a network of the options that knows nothing yet, or refuse an option."""

    @abstractmethod
    def _new_coding(self, network: Any) -> Coding:
        """Return the coding of a new network's examples, which has not adapted to any yet."""

    @abstractmethod
    def _teach(
        self, coded: Any, columns: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Learn examples; return what `_judge` says before: scores, and familiarity or NaN."""

    @abstractmethod
    def _ask(self, coded: Any) -> NDArray[np.float64]:
        """Return the score of each column for some examples, not negative."""

    def _judge(self, coded: Any) -> Judgement:
        """Return what there is to say of some examples: of the scores, each column's share."""
        scores = self._ask(coded)
        return Judgement(scores, shares_of_vote(scores), np.full(len(scores), np.nan))

    @abstractmethod
    def _spikes(self, coded: Any) -> NDArray[Any]:
        """Return OUT spikes, shape (n_samples, n_members, n_steps, n_columns)."""

    def _take_back(self, coded: Any, columns: NDArray[np.int64]) -> None:  # noqa: ARG002
        """Take examples back, where a head can."""
        raise ValueError(
            f"heads of the kind {self.title} can take nothing back: what they know depends on the "
            "order in which they learned it"
        )

    def _joined(self, column: int, into: int) -> ColumnarNetwork:  # noqa: ARG002
        """Return the network in which one column has become part of another, where that can be."""
        raise ValueError(
            f"classes of a head of the kind {self.title} cannot be merged: what they know depends "
            "on the order in which they learned it; learn their examples anew under one name"
        )

    @classmethod
    def heard(cls, X: NDArray[Any]) -> NDArray[Any]:
        """Return what the head hears of what an encoder gives.

        All of it or, by a head that is not `signed`, negative activations as zero (hybrid paper,
        section 4.2).

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Activations of either sign.
        """
        return X if cls.signed else np.maximum(X, 0)

    @classmethod
    def for_features(
        cls: type[_Own],
        parameters: Hyperparameters | str | None = None,
        *,
        encoder_saturation: float | str | None = None,  # noqa: ARG003
        seed: int = 0,  # noqa: ARG003
        n_threads: int | None = None,
        **options: Any,
    ) -> _Own:
        """Return a head for what an encoder gives, which grows with the classes that it meets.

        Parameters
        ----------
        parameters : Hyperparameters or str, optional
            Or the name under which the head has some (`presets`). Default: the head's own.
        encoder_saturation : float or "auto", optional
            What the encoder knows of the strength of its activations; it goes before a preset's.
        seed : int, default=0
            Decides what is drawn by lot.
        n_threads : int, optional
            Default: as many as this process may use.
        **options
            Options of the estimator, before `parameters`; `settings` gives them.

        Raises
        ------
        ValueError
            If the estimator has no such option.
        """
        return cls._made(cls._values(parameters) | options, n_threads=n_threads)

    @classmethod
    def _values(cls, parameters: Hyperparameters | str | None) -> dict[str, Any]:
        """Return hyperparameters, which may have been named, as options of the estimator."""
        if isinstance(parameters, str):
            return dict(cls.presets[parameters])
        return (parameters or cls.hyperparameters()).to_dict()

    @classmethod
    def _made(cls: type[_Own], values: dict[str, Any], **more: Any) -> _Own:
        for name in values:
            if not cls.has_option(name):
                raise ValueError(f"the head {cls.title} has no option {name!r}; leave it out")
        return cls(**values, **more)

    @classmethod
    def has_option(cls, name: str) -> bool:
        """Return whether the estimator has an option."""
        return name in cls._get_param_names()

    def settings(self) -> dict[str, Any]:
        """Return the options that a saved head needs to be made again, as JSON values."""
        return dict(self.parameters_.to_dict())

    def state(self) -> dict[str, Any]:
        """Return copies of all that learning changes, in network and coding, by name.

        Returns
        -------
        dict of ndarray or int
            As `resume` takes them.
        """
        return {**self.network_.state(), **self.coding_.state()}

    def deployed(self) -> Deployed:
        """Return what the head is elsewhere: in ONNX, in NIR, as operations that cost energy."""
        return Deployed(self)

    def unfamiliar_below(self) -> float:
        """Return the familiarity below which an example is unknown.

        Returns
        -------
        float
            Minus infinity, so that none is, where the head has not learned it: it has answered too
            few examples of classes that it knew, or is of a kind that does not learn it.
        """
        return -np.inf

    def unlikely_below(self, coverage: float) -> float:  # noqa: ARG002
        """Return the share below which a class is left out of a set (`predict_sets`).

        Parameters
        ----------
        coverage : float
            How often a set holds the right class, from 0 to 1.

        Raises
        ------
        ValueError
            If the coverage is not from 0 to 1, or this kind of head does not learn it.
        """
        raise ValueError(
            f"a head of {self.title} keeps no account of its own answers, so it cannot tell sets "
            "of classes"
        )

    @property
    def n_answered_(self) -> int:
        """How many of its own answers thresholds and sets rest on."""
        return 0

    # ------------------------------------------------------------ learning

    def fit(self: _Own, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> _Own:
        """Forget everything, then learn a stream, each example once and in order.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Activations.
        y : array of shape (n_samples,)
            Class labels.
        sample_weight : array of shape (n_samples,), optional
            How often each example is learned, one time after the other: whole numbers from 0.
            Default: once.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If the data or an option is not as described, or there is only one class and the
            classifier does not `grow`.
        """
        draft = self._draft(knowing=False)
        X = draft._checked(X, reset=True)
        labels = self._labels(y, X.shape[0])
        X, labels = _repeated(X, labels, sample_weight)
        draft._start(np.unique(labels))
        draft._learn(X, labels)
        return self._become(draft)

    def partial_fit(
        self: _Own,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> _Own:
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
        sample_weight : array of shape (n_samples,), optional
            As for `fit`.

        Returns
        -------
        estimator
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
        labels = self._labels(y, X.shape[0])
        X, labels = _repeated(X, labels, sample_weight)
        new = draft._met(labels, classes)
        if first:
            draft._start(new)
        else:
            draft._add(new)
        draft._learn(X, labels)
        return self._become(draft)

    def add_classes(self: _Own, labels: ArrayLike) -> _Own:
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
        new = distinct(self._labels(labels))
        known = new[~np.isin(new, missing(new, self.classes_))]
        if known.size:
            raise ValueError(f"class {names(known[:1])} is known already")
        draft = self._draft()
        draft._add(new)
        return self._become(draft)

    def rename_class(self: _Own, label: Any, new: Any) -> _Own:
        """Give a class another label; it answers and learns as before.

        Parameters
        ----------
        label : scalar
            One of `classes_`.
        new : scalar
            Its label from now on, of the same type, and none of `classes_`.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If there is no such class, or the new label is that of a class, or of another type.
        """
        column = self._column(label)
        (name,) = self._labels([new])
        if name in self.classes_:
            raise ValueError(
                f"there is a class {names([new])} already; to make one of both, merge them"
            )
        joined(self.classes_, np.array([name]))
        classes = self._by_column().tolist()
        classes[column] = name.item()
        draft = self._draft()
        draft._name_columns(self._labels(classes))
        return self._become(draft)

    def remove_class(self: _Own, label: Any) -> _Own:
        """Take a class out, with its column; the others answer as they did without it.

        What its examples have taught the others stays: `unlearn` takes that back.

        Parameters
        ----------
        label : scalar
            One of `classes_`.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If there is no such class, or no other.
        """
        column = self._column(label)
        if len(self.classes_) == 1:
            raise ValueError(
                f"{names([label])} is the only class, and cannot be removed: teach another first"
            )
        draft = self._draft()
        draft._drop(column, self.network_.without_column(column))
        return self._become(draft)

    def merge_class(self: _Own, label: Any, into: Any) -> _Own:
        """Make one class of two, where such heads can: as if all had been learned under one label.

        Parameters
        ----------
        label : scalar
            One of `classes_`, which goes.
        into : scalar
            Another of them, which is both from now on.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If there is no such class, both are the same, or such heads cannot merge classes.
        """
        column, other = self._column(label), self._column(into)
        if column == other:
            raise ValueError(f"class {names([label])} cannot be merged with itself")
        draft = self._draft()
        draft._drop(column, self._joined(column, other))
        return self._become(draft)

    def unlearn(self: _Own, X: Any, y: ArrayLike) -> _Own:
        """Take examples back, where such heads can: as if they had never been learned.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Activations of examples that were learned.
        y : array of shape (n_samples,)
            The classes under which they were.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If there is no such class, an example cannot have been learned, or such heads can take
            nothing back; nothing is changed.
        """
        check_is_fitted(self)
        draft = self._draft()
        X = draft._checked(X, reset=False)
        columns = np.array([self._column(label) for label in self._labels(y, X.shape[0])], np.int64)
        draft.network_ = self.network_.grown(0)  # the old one stays as it is
        for batch in _batches(X):
            draft._take_back(draft.coding_.to_answer(X[batch]), columns[batch])
        return self._become(draft)

    def begin(self: _Own, n_features: int) -> _Own:
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
        self: _Own, classes: ArrayLike, state: Mapping[str, Any], *, n_features: int
    ) -> _Own:
        """Take up the state of an earlier classifier that had the same options.

        Parameters
        ----------
        classes : array of shape (n_classes,)
            Its classes, in the order of its columns.
        state : mapping
            That of its `state`.
        n_features : int
            Its `n_features_in_`.

        Returns
        -------
        estimator
            Itself; it answers and goes on learning as the earlier one would have.

        Raises
        ------
        ValueError
            If the state is not of these options, or a class is given twice.
        """
        known = self._labels(classes)
        if len(distinct(known)) < len(known):
            raise ValueError("each class must be given once, and some are given again")
        draft = self._draft(knowing=False)
        draft.n_features_in_ = whole_number("n_features", n_features, 1)
        draft._make_network(known)
        draft.network_.restore(state)
        draft.coding_.restore(state)
        return self._become(draft)

    @property
    def mergeable(self) -> bool:
        """Whether heads and classes can be merged and examples unlearned: order does not matter."""
        return False

    def merge(self: _Own, other: SpikingClassifier) -> _Own:  # noqa: ARG002
        """Return the head that has learned both streams, where such heads can be merged.

        Parameters
        ----------
        other : SpikingClassifier
            What has learned the other stream.

        Raises
        ------
        ValueError
            If they cannot.
        """
        raise ValueError(
            f"heads of the kind {self.title} cannot be merged: what they know depends on the order "
            "in which they learned it"
        )

    def hears(self, X: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which examples can be learned; all of them, where nothing is said.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Activations.

        Returns
        -------
        ndarray of bool, shape (n_samples,)
        """
        return np.ones(len(X), bool)

    # ------------------------------------------------------------ what to teach it

    def suggest(self, X: Any, n: int) -> NDArray[np.intp]:  # noqa: ARG002
        """Choose the examples of an unlabelled pool that would teach most, where a head can.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The pool.
        n : int
            How many to choose.

        Raises
        ------
        ValueError
            If it cannot.
        """
        raise ValueError(
            f"a head of the kind {self.title} cannot tell which examples would teach most, since "
            "it does not hear how alike they are: that needs decorrelated columns"
        )

    def leave_one_out(self, X: Any, y: ArrayLike) -> NDArray[np.float64]:  # noqa: ARG002
        """Return how each learned example would be answered without it, where a head can.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Examples that were learned.
        y : array of shape (n_samples,)
            The labels with which they were.

        Raises
        ------
        ValueError
            If it cannot.
        """
        raise ValueError(
            f"a head of the kind {self.title} cannot tell what it would answer if it had not "
            "learned an example, since that depends on the order of the others: that needs "
            "decorrelated columns"
        )

    # ------------------------------------------------------------ answering

    @property
    def parameters_(self) -> Any:
        """The hyperparameters in force."""
        return self.network_.parameters

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each example.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            The class with the highest score; of equal ones the one that was met first.
        """
        columns = self._scores(X).argmax(axis=1)
        return np.asarray(self._by_column()[columns])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return how likely each class is.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows add up to 1, in the order of `classes_`.
        """
        return self.judge(X).shares

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return how familiar each example is, as novelty detectors do: strangers score lower.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            From 0 to 1; NaN where this kind of head does not tell.
        """
        return self.judge(X).familiarity

    def predict_unknown(self, X: Any) -> NDArray[np.bool_]:
        """Return which examples seem to be of no class that it knows.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of bool, shape (n_samples,)
            Those less familiar than `unfamiliar_below` says.
        """
        return np.asarray(self.score_samples(X) < self.unfamiliar_below())

    def predict_sets(self, X: Any, coverage: float = 0.9) -> NDArray[np.bool_]:
        """Return sets of classes of which each holds the right one with a certain probability.

        Split conformal prediction (Vovk et al., 2005) by the head's own answers to its stream. The
        promise holds on average over examples such as those of the second half of the stream were;
        not for each class by itself, and not for one that has few examples.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.
        coverage : float, default=0.9
            The probability, from 0 to 1.

        Returns
        -------
        ndarray of bool, shape (n_samples, n_classes)
            Whether each class is in the set, in the order of `classes_`; the answer always is.

        Raises
        ------
        ValueError
            As `unlikely_below` raises it.
        """
        return self.judge(X).sets(self.unlikely_below(coverage))

    def judge(self, X: Any) -> Judgement:
        """Return all that the head says of some examples, which are presented once.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        Judgement
            In the order of `classes_`.
        """
        self._check_taught()
        X = self._checked(X, reset=False)
        judged = [self._judge(self.coding_.to_answer(X[batch])) for batch in _batches(X)]
        scores, shares, familiarity = map(np.concatenate, zip(*judged, strict=True))
        return Judgement(scores[:, self.columns_], shares[:, self.columns_], familiarity)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the score of each class: its OUT spikes, and what decides between equal ones.

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
        """Return how many OUT neurons of each class spike, step by step.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of int, shape (n_samples, n_steps, n_classes)
            Classes in the order of `classes_`.
        """
        return np.asarray(self.member_spikes(X).sum(axis=1))

    def member_spikes(self, X: Any) -> NDArray[Any]:
        """Return which OUT neurons spike, member by member and step by step.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        ndarray of bool or int, shape (n_samples, n_members, n_steps, n_classes)
            Classes in the order of `classes_`.
        """
        self._check_taught()
        spikes = self._spikes(self.coding_.to_answer(self._checked(X, reset=False)))
        return np.asarray(spikes[..., self.columns_])

    def account(self, X: Any) -> Account:
        """Return what happens when an example is answered, step by step.

        Parameters
        ----------
        X : array or sparse matrix of shape (1, n_features)
            As for `fit`.

        Returns
        -------
        Account
            In the order of the columns, which is that of `network_`.
        """
        self._check_taught()
        return self._told(self.coding_.to_answer(self._checked(X, reset=False)))

    def _told(self, coded: Any) -> Account:
        """Return what happens when an example is answered: as much as there is to see."""
        return Account(self._spikes(coded)[0])

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
        tags.input_tags.positive_only = not self.signed
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

    def _become(self: _Own, draft: _Own) -> _Own:
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
        given = labels[:0] if classes is None else np.unique(self._labels(classes))
        known = given[:0] if first else self.classes_
        more = missing(given, known) if len(given) else given
        lacks_some = classes is not None and len(given) - len(more) < len(known)
        if lacks_some or (len(more) and not (first or self.grow)):
            raise ValueError(
                f"classes {names(given)} differ from those of earlier calls, "
                f"{names(known)}; add_classes adds new ones"
            )
        expected = joined(known, more)
        new = distinct(missing(labels, expected))
        if len(new) and not self.grow:
            raise ValueError(
                f"label {names(new[:1])} is not among the classes {names(expected)}; "
                f"add it with add_classes, or set grow=True"
            )
        return joined(expected, new)[len(known) :]

    def _add(self, new: NDArray[Any]) -> None:
        """Give new classes columns that know nothing yet."""
        if len(new):
            self._name_columns(joined(self._by_column(), new))
            # The old ones stay as they are.
            self.network_, self.coding_ = self.network_.grown(len(new)), copy.deepcopy(self.coding_)

    def _column(self, label: Any) -> int:
        """Return the column of a class."""
        check_is_fitted(self)
        places = np.flatnonzero(self.classes_ == label)
        if not places.size:
            raise ValueError(f"there is no class {names([label])}")
        return int(self.columns_[places[0]])

    def _drop(self, column: int, network: ColumnarNetwork) -> None:
        """Take a network that lacks a column."""
        self.network_, self.coding_ = network, copy.deepcopy(self.coding_)
        self._name_columns(np.delete(self._by_column(), column))

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
                f"there is only one class, {names(classes)}: a classifier needs at least two, "
                f"or grow=True"
            )
        self._make_network(classes)

    def _make_network(self, classes: NDArray[Any]) -> None:
        self.network_ = self._new_network(self.n_features_in_, len(classes))
        self.coding_ = self._new_coding(self.network_)
        self._name_columns(classes)

    def _learn(self, X: Any, labels: NDArray[Any]) -> None:
        columns = self.columns_[np.searchsorted(self.classes_, labels)].astype(np.int32)
        answers, unknown = np.empty(len(columns), np.intp), np.empty(len(columns), bool)
        self.network_.make_writable()
        for batch in _batches(X):
            unfamiliar = self.unfamiliar_below()
            coded = self.coding_.to_learn(X[batch], self.network_.presentations + 1)
            scores, familiarity = self._teach(coded, columns[batch])
            answers[batch], unknown[batch] = scores.argmax(axis=1), familiarity < unfamiliar
        self.prequential_predictions_ = self._by_column()[answers]
        self.prequential_unknown_ = unknown

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the score of each column."""
        self._check_taught()
        X = self._checked(X, reset=False)
        scores = np.empty((X.shape[0], len(self.classes_)))
        for batch in _batches(X):
            scores[batch] = self._ask(self.coding_.to_answer(X[batch]))
        return scores

    # ------------------------------------------------------------ checks

    def _check_taught(self) -> None:
        if not hasattr(self, "network_"):
            check_is_fitted(self)
        if not len(self.classes_):
            raise NotFittedError(
                f"This {type(self).__name__} instance knows no class yet: teach it with "
                "partial_fit, or name its classes with add_classes"
            )

    def _labels(self, y: ArrayLike | None, n_examples: int | None = None) -> NDArray[Any]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        return labels_of(y, n_examples)

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Return the data in a form to compute with, or say in one sentence what is wrong."""
        if reset or not self._is_plain(X):
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float32, np.float64],
                ensure_all_finite=False,
            )
        values = X.data if sparse.issparse(X) else X
        if not np.isfinite(values).all():
            raise ValueError("X holds NaN or infinity; every activation must be a finite number")
        if not self.signed and (values < 0).any():
            raise ValueError(
                "Negative values in data passed to X; activations must not be negative: set "
                "negative ones to zero with np.maximum(X, 0), or split each feature into two, its "
                "positive and its negative part"
            )
        return X

    def _is_plain(self, X: Any) -> bool:
        """Return whether scikit-learn's checks would pass; they take longer than a lesson."""
        return (
            type(X) is np.ndarray
            and X.dtype in (np.float32, np.float64)
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        )


def shares_of_vote(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column's share of the vote; where there is none, as much for each.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_samples, n_columns)
        Not negative.
    """
    totals = scores.sum(axis=1, keepdims=True)
    even = np.full_like(scores, 1 / max(scores.shape[1], 1))
    return np.asarray(np.divide(scores, totals, out=even, where=totals > 0))


def _repeated(
    X: Any, labels: NDArray[Any], sample_weight: ArrayLike | None
) -> tuple[Any, NDArray[Any]]:
    """Return examples as often as they weigh."""
    if sample_weight is None:
        return X, labels
    weights = _check_sample_weight(sample_weight, labels)
    wrong = weights[(weights < 0) | (weights != np.rint(weights))]
    if wrong.size:
        raise ValueError(
            "sample_weight must be how often each example is learned, whole numbers from 0, not "
            f"{wrong[0]:g}"
        )
    if not weights.any():
        raise ValueError("sample_weight is 0 for every example: there is nothing to learn")
    places = np.repeat(np.arange(len(weights)), weights.astype(np.intp))
    return X[places], labels[places]


@cache
def _version() -> str:
    return metadata.version("spikehead")


def _batches(X: Any) -> Iterator[slice]:
    for start in range(0, X.shape[0], _BATCH):
        yield slice(start, start + _BATCH)
