"""Learners of the River library, to compare with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from river import forest, linear_model, naive_bayes, neighbors, preprocessing, tree
from river.multiclass import OneVsRestClassifier

__all__ = ["LEARNERS", "FromRiver"]


class FromRiver:
    """A classifier of River behind scikit-learn's interface: it learns and answers one by one.

    Parameters
    ----------
    model : river.base.Classifier
        It may answer several classes.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None
    ) -> FromRiver:
        """Learn more of the stream, in order.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features.
        y : array of shape (n_samples,)
            Class labels.
        classes : array of shape (n_classes,), optional
            What is answered before anything was learned is the first of them.
        """
        if classes is not None:
            self._default = np.asarray(classes).ravel()[0]
        for x, label in zip(np.asarray(X).tolist(), np.asarray(y).tolist(), strict=True):
            self.model.learn_one(dict(enumerate(x)), label)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each example.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Features.
        """
        answers = [self.model.predict_one(dict(enumerate(x))) for x in np.asarray(X).tolist()]
        return np.array([self._default if answer is None else answer for answer in answers])


def _scaled(model: Any) -> FromRiver:
    return FromRiver(preprocessing.StandardScaler() | model)


LEARNERS: dict[str, Callable[[int], FromRiver]] = {
    "softmax regression": lambda _: _scaled(linear_model.SoftmaxRegression()),
    "passive-aggressive": lambda _: _scaled(OneVsRestClassifier(linear_model.PAClassifier())),
    "Gaussian naive Bayes": lambda _: FromRiver(naive_bayes.GaussianNB()),
    "k nearest neighbours, window": lambda _: FromRiver(neighbors.KNNClassifier()),
    "Hoeffding tree": lambda _: FromRiver(tree.HoeffdingTreeClassifier()),
    "adaptive random forest": lambda seed: FromRiver(forest.ARFClassifier(seed=seed)),
}
"""Each takes a seed; their options are River's defaults."""
