"""Class labels as people give them: text, numbers or truth values, of one type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

_TEXT, _TRUTH, _NUMBER, _MISSING = "text", "true or false", "number", "missing"


def labels_of(y: ArrayLike, n_examples: int | None = None) -> NDArray[Any]:
    """Return labels as a one-dimensional array of one type, one for each example."""
    kinds = {_kind(label) for label in y} if isinstance(y, (list, tuple)) else set()
    array = y if type(y) is np.ndarray and y.ndim == 1 else column_or_1d(y, warn=True)
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


def distinct(labels: NDArray[Any]) -> NDArray[Any]:
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


def missing(labels: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """Return those labels that are not known."""
    if not len(known) or _kinds(labels) != _kinds(known):
        return labels
    ordered = np.sort(known)
    nearest = ordered[np.searchsorted(ordered[:-1], labels)]
    return np.asarray(labels[labels != nearest])


def joined(known: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    """Return known labels and then new ones, which must be of the same type."""
    if not len(new):
        return known
    # Of no labels, only that they are text is known: so `begin` wants them.
    if _kinds(new) != _kinds(known) and (len(known) or known.dtype.kind == "U"):
        those = f"the classes {names(known)}" if len(known) else "class names"
        raise ValueError(
            f"label {names(new[:1])} is of another type than {those}; use one type for all labels"
        )
    return np.concatenate([known, new])


def names(labels: Sequence[Any] | NDArray[Any]) -> str:
    """Return labels as a sentence names them."""
    return ", ".join(repr(label) for label in np.asarray(labels).tolist())
