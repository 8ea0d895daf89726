"""Classifiers to compare with, each of which learns a stream in one pass, like the spiking head.

What scikit-learn has is used from there; here is what it lacks, in its interface. Classes that the
stream has not brought yet are never answered.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "CosineClassMean",
    "KernelLDA",
    "NearestClassMean",
    "Prototypes",
    "RandomProjectionRidge",
    "SingleLayerANN",
    "Standardised",
    "StoredNeighbours",
    "StreamingLDA",
    "StreamingRidge",
]

_RIDGE_PENALTIES = np.logspace(-6, 1, 8)  # relative to the mean variance of a feature


class _Streaming(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What the streaming classifiers share: classes, their counts, and the answer.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    counts_ : ndarray of int64, shape (n_classes,)
        Examples of each class so far.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Any:
        """Forget everything, then learn a stream in order.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features.
        y : array of shape (n_samples,)
            Class labels.
        """
        self.__dict__.pop("classes_", None)
        return self.partial_fit(X, y, np.unique(y))

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Any:
        """Learn more of the stream, in order.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features.
        y : array of shape (n_samples,)
            Class labels.
        classes : array of shape (n_classes,), optional
            All classes of the stream; needed at the first call.
        """
        X = np.asarray(X, np.float64)
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ValueError("the first call of partial_fit needs classes, all of the stream's")
            self.classes_: NDArray[Any] = np.unique(classes)
            self.counts_: NDArray[np.int64] = np.zeros(len(self.classes_), np.int64)
            self._start(X.shape[1])
        self._learn(X, np.searchsorted(self.classes_, y))
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each example.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features.
        """
        return np.asarray(self.classes_[self._known_scores(X).argmax(axis=1)])

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how familiar each example is: its highest score.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features.
        """
        return np.asarray(self._known_scores(X).max(axis=1))

    def _known_scores(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self, "classes_")
        scores = self._scores(np.asarray(X, np.float64))
        scores[:, self.counts_ == 0] = -np.inf
        return scores

    @abstractmethod
    def _start(self, n_features: int) -> None: ...

    @abstractmethod
    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None: ...

    @abstractmethod
    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]: ...


class NearestClassMean(_Streaming):
    """The class whose mean is nearest, by Euclidean distance, with running means.

    Attributes
    ----------
    means_ : ndarray of float64, shape (n_classes, n_features)
        Mean of each class.
    """

    def _start(self, n_features: int) -> None:
        self.means_ = np.zeros((len(self.classes_), n_features))

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        for x, column in zip(X, columns, strict=True):
            self.counts_[column] += 1
            self.means_[column] += (x - self.means_[column]) / self.counts_[column]

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        distances = 2 * X @ self.means_.T - (self.means_**2).sum(axis=1)
        return np.asarray(distances - (X**2).sum(axis=1, keepdims=True))


class CosineClassMean(NearestClassMean):
    """The class whose mean has the smallest angle; examples count by their direction alone."""

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        super()._learn(_directions(X), columns)

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_directions(X) @ _directions(self.means_).T)


class StreamingLDA(NearestClassMean):
    """Linear discriminant analysis, example by example: running means, one shared covariance.

    With the covariance ``S`` and the shrinkage ``e``, the weights of a class of mean ``m`` are
    ``w = ((1 - e) S + e I)^-1 m`` and its score is ``w x - w m / 2``. The paper weighs an example's
    product of deviations by ``t / (t + 1)``, with ``t`` examples before it; here they are those of
    its class, so that ``S`` is the covariance within classes exactly, and not pulled to zero by the
    first example of a class.

    Parameters
    ----------
    shrinkage : float, default=1e-4
        That of the paper.

    Attributes
    ----------
    means_ : ndarray of float64, shape (n_classes, n_features)
        Mean of each class.
    scatter_ : ndarray of float64, shape (n_features, n_features)
        The shared covariance, times the number of examples.
    coef_ : ndarray of float64, shape (n_classes, n_features)
        The weights, as of the last prediction.

    References
    ----------
    T. Hayes and C. Kanan, "Lifelong Machine Learning with Deep Streaming Linear Discriminant
    Analysis", CVPR Workshops 2020, section 3.
    """

    def __init__(self, shrinkage: float = 1e-4) -> None:
        self.shrinkage = shrinkage

    def _start(self, n_features: int) -> None:
        super()._start(n_features)
        self.scatter_ = np.zeros((n_features, n_features))

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        deviations = np.empty_like(X)
        for row, (x, column) in enumerate(zip(X, columns, strict=True)):
            n = self.counts_[column]
            deviations[row] = (x - self.means_[column]) * np.sqrt(n / (n + 1))
            super()._learn(x[None], column[None])
        self.scatter_ += deviations.T @ deviations
        self._settled = False

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._settled:
            covariance = (1 - self.shrinkage) * self.scatter_ / self.counts_.sum()
            np.fill_diagonal(covariance, covariance.diagonal() + self.shrinkage)
            self.coef_ = linalg.solve(covariance, self.means_.T, assume_a="pos").T
            self._settled = True
        return np.asarray(X @ self.coef_.T - (self.coef_ * self.means_).sum(axis=1) / 2)


class StreamingRidge(_Streaming):
    """Ridge regression onto the classes, from running sums.

    It gives the solution of recursive least squares. The penalty is the one of least generalised
    cross-validation error (Golub, Heath and Wahba, 1979), which follows from the same sums, so that
    no example is kept or held out.

    Attributes
    ----------
    gram_ : ndarray of float64, shape (n_features, n_features)
        Sum of the products of features.
    sums_ : ndarray of float64, shape (n_classes, n_features)
        Sum of the features of each class.
    coef_ : ndarray of float64, shape (n_classes, n_features)
        The weights, as of the last prediction.
    intercept_ : ndarray of float64, shape (n_classes,)
        The intercepts.
    """

    def _start(self, n_features: int) -> None:
        self.gram_ = np.zeros((n_features, n_features))
        self.sums_ = np.zeros((len(self.classes_), n_features))

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        self.gram_ += X.T @ X
        np.add.at(self.sums_, columns, X)
        self.counts_ += np.bincount(columns, minlength=len(self.classes_))
        self._settled = False

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._settled:
            self._settle()
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def _settle(self) -> None:
        """Solve for the weights with each penalty, in the features' principal axes."""
        n = self.counts_.sum()
        mean, shares = self.sums_.sum(axis=0) / n, self.counts_ / n
        spread, axes = linalg.eigh(self.gram_ - n * np.outer(mean, mean))
        spread = spread.clip(min=0)
        targets = axes.T @ (self.sums_ - np.outer(self.counts_, mean)).T
        variance = n * (shares * (1 - shares)).sum()
        penalties = _RIDGE_PENALTIES * max(spread.mean(), np.finfo(np.float64).tiny)
        shrunk = spread[:, None] + penalties
        explained = (targets**2).sum(axis=1) @ ((shrunk + penalties) / shrunk**2)
        freedom = 1 + (spread[:, None] / shrunk).sum(axis=0)
        errors = (variance - explained) / np.maximum(1 - freedom / n, 1e-9) ** 2
        self.coef_ = (axes @ (targets / shrunk[:, [errors.argmin()]])).T
        self.intercept_ = shares - self.coef_ @ mean
        self._settled = True


class RandomProjectionRidge(StreamingRidge):
    """Ridge regression on a fixed random projection, rectified: the second phase of RanPAC.

    Parameters
    ----------
    n_projections : int, default=2000
        Random features; the paper takes 10,000, whose sums fill 800 MB.
    random_state : int, default=0
        Decides the projection.

    Attributes
    ----------
    projection_ : ndarray of float64, shape (n_features, n_projections)
        Normally distributed.

    References
    ----------
    M. McDonnell et al., "RanPAC: Random Projections and Pre-trained Models for Continual
    Learning", NeurIPS 2023.
    """

    def __init__(self, n_projections: int = 2000, random_state: int = 0) -> None:
        self.n_projections = n_projections
        self.random_state = random_state

    def _start(self, n_features: int) -> None:
        random = np.random.default_rng(self.random_state)
        self.projection_ = random.standard_normal((n_features, self.n_projections))
        super()._start(self.n_projections)

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        super()._learn(np.maximum(X @ self.projection_, 0), columns)

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return super()._scores(np.maximum(X @ self.projection_, 0))


class KernelLDA(StreamingLDA):
    """Streaming LDA on random Fourier features of a Gaussian kernel.

    The kernel's width is the root mean square distance of the first examples from each other, and
    there are 2,000 features where the paper takes 5,000; both are not chosen.

    Parameters
    ----------
    n_projections : int, default=2000
        Random features.
    random_state : int, default=0
        Decides the projection.

    Attributes
    ----------
    projection_ : ndarray of float64, shape (n_features, n_projections)
        Normally distributed, over the width.
    phases_ : ndarray of float64, shape (n_projections,)
        Uniformly distributed.

    References
    ----------
    S. Momeni et al., "Continual Learning Using a Kernel-Based Method Over Foundation Models",
    AAAI 2025.
    """

    def __init__(self, n_projections: int = 2000, random_state: int = 0) -> None:
        super().__init__()
        self.n_projections = n_projections
        self.random_state = random_state

    def _start(self, n_features: int) -> None:
        random = np.random.default_rng(self.random_state)
        self.projection_ = random.standard_normal((n_features, self.n_projections))
        self.phases_ = random.uniform(0, 2 * np.pi, self.n_projections)
        self._width = 0.0
        super()._start(self.n_projections)

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        if not self._width:
            self._width = max(float(np.sqrt(2 * X.var(axis=0).sum())), 1e-12)
            self.projection_ /= self._width
        super()._learn(self._features(X), columns)

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return super()._scores(self._features(X))

    def _features(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = np.cos(X @ self.projection_ + self.phases_)
        return np.asarray(waves * np.sqrt(2 / self.n_projections))


class Prototypes(_Streaming):
    """Prototypes of unit length, of which the most similar one wins: the rule of CLP-SNN.

    The winner `w` moves by ``r (x - (w . x) w) / n``: towards an example of its class (``r = 1``),
    away from another's (``r = -1``), ever more slowly, with the lessons `n` that it has had. An
    example whose winner is of another class becomes a prototype itself. Written after the rule in
    the paper's abstract and its summaries; what allocates prototypes on the chip is simplified.

    Attributes
    ----------
    prototypes_ : ndarray of float64, shape (n_prototypes, n_features)
        Each of length one.

    References
    ----------
    E. Hajizada et al., "Real-time Continual Learning on Intel Loihi 2", arXiv:2511.01553.
    """

    def _start(self, n_features: int) -> None:
        self.prototypes_: NDArray[np.float64] = np.empty((0, n_features))
        self._owners: list[np.intp] = []
        self._lessons: list[int] = []

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        known, room = len(self.prototypes_), np.concatenate([self.prototypes_, np.empty_like(X)])
        for x, column in zip(_directions(X), columns, strict=True):
            self.counts_[column] += 1
            right = False
            if known:
                winner = int((room[:known] @ x).argmax())
                right = self._owners[winner] == column
                self._lessons[winner] += 1
                w, r = room[winner], 1 if right else -1
                w = w + r * (x - (w @ x) * w) / self._lessons[winner]
                room[winner] = _directions(w[None])[0]
            if not right:
                room[known] = x
                known += 1
                self._owners.append(column)
                self._lessons.append(1)
        self.prototypes_ = room[:known]

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        similar = _directions(X) @ self.prototypes_.T
        scores = np.full((len(X), len(self.classes_)), -np.inf)
        for column, owner in enumerate(self._owners):
            np.maximum(scores[:, owner], similar[:, column], out=scores[:, owner])
        return scores


class Standardised(_Streaming):
    """A linear classifier of scikit-learn, on features standardised as they come.

    Parameters
    ----------
    linear : estimator
        With ``partial_fit`` and ``decision_function``, such as `SGDClassifier`.

    Attributes
    ----------
    scaler_ : StandardScaler
        Running means and variances.
    linear_ : estimator
        The weights.
    """

    def __init__(self, linear: Any) -> None:
        self.linear = linear

    def _start(self, n_features: int) -> None:  # noqa: ARG002
        self.scaler_ = StandardScaler()
        self.linear_ = clone(self.linear)

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        self.counts_ += np.bincount(columns, minlength=len(self.classes_))
        scaled = self.scaler_.partial_fit(X).transform(X)
        self.linear_.partial_fit(scaled, columns, classes=np.arange(len(self.classes_)))

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = self.linear_.decision_function(self.scaler_.transform(X))
        return np.asarray(np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores)


class StoredNeighbours(_Streaming):
    """The five nearest neighbours, by Euclidean distance: keeps every example it has seen.

    Attributes
    ----------
    examples_ : list of ndarray of float64
        The features of all examples.
    """

    def _start(self, n_features: int) -> None:  # noqa: ARG002
        self.examples_: list[NDArray[np.float64]] = []
        self._columns: list[NDArray[np.intp]] = []

    def _learn(self, X: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
        self.counts_ += np.bincount(columns, minlength=len(self.classes_))
        self.examples_.append(X)
        self._columns.append(columns)

    def _scores(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        examples, columns = np.concatenate(self.examples_), np.concatenate(self._columns)
        neighbours = KNeighborsClassifier(min(5, len(examples)), algorithm="brute")
        scores = np.zeros((len(X), len(self.classes_)))
        scores[:, np.unique(columns)] = neighbours.fit(examples, columns).predict_proba(X)
        return scores


class SingleLayerANN(MLPClassifier):  # type: ignore[misc]
    """The ANN that the hybrid paper compares with: one layer of 1,000 neurons (section 5).

    scikit-learn's `MLPClassifier` with its defaults, for a fixed number of epochs.

    Parameters
    ----------
    epochs : int, default=1
        Passes over the training examples.
    random_state : int, default=0
        Decides the initial weights and the order of each pass.
    """

    def __init__(self, epochs: int = 1, random_state: int = 0) -> None:
        super().__init__(hidden_layer_sizes=(1000,), random_state=random_state)
        self.epochs = epochs

    def fit(self, X: ArrayLike, y: ArrayLike) -> SingleLayerANN:
        """Learn the training examples.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features.
        y : array of shape (n_samples,)
            Class labels.
        """
        for _ in range(self.epochs):
            self.partial_fit(X, y, classes=np.unique(y))
        return self


def _directions(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors of length one; zero stays zero."""
    return np.asarray(X / np.linalg.norm(X, axis=1, keepdims=True).clip(1e-30))
