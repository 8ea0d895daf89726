"""Labelled activations, as the methods of a comparison learn them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.activations import Activations
from spikehead.images import split
from spikehead.randomness import chance


@dataclass(frozen=True)
class Examples:
    """Activations and their labels.

    Attributes
    ----------
    X : ndarray of float32, shape (n_examples, n_activations)
        Activations, of either sign.
    y : ndarray of str, shape (n_examples,)
        Labels.
    """

    X: NDArray[np.float32]
    y: NDArray[Any]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.y)

    def __getitem__(self, chosen: Any) -> Examples:
        """Return some of the examples."""
        return Examples(self.X[chosen], self.y[chosen])

    def shuffled(self, seed: int) -> Examples:
        """Return the examples in an order that the seed decides.

        Nothing else may be drawn from the seed alone, or it would follow the order: what picks
        among examples has a purpose of its own (`spikehead.randomness.chance`).
        """
        return self[np.random.RandomState(seed).permutation(len(self))]

    def limited(self, n: int | None) -> Examples:
        """Return that many examples at most, as large a share of each class, drawn by lot."""
        if n is None or n >= len(self):
            return self
        mixed = chance("limit", 0).permutation(len(self))
        by_class = mixed[np.argsort(self.y[mixed], kind="stable")]
        return self[np.sort(by_class[np.linspace(0, len(self) - 1, n).astype(int)])]

    @classmethod
    def joined(cls, parts: Iterable[Examples]) -> Examples:
        """Return the examples of all parts, one after the other.

        Raises
        ------
        ValueError
            If they have different numbers of activations.
        """
        parts = list(parts)
        widths = sorted({part.X.shape[1] for part in parts})
        if len(widths) > 1:
            raise ValueError(
                f"one source has {widths[0]} activations and another {widths[-1]}: all must come "
                "from one encoder"
            )
        return cls(
            np.concatenate([part.X for part in parts]), np.concatenate([part.y for part in parts])
        )

    def divided(self) -> tuple[Examples, Examples]:
        """Return a training part, and a test part with a fifth of each class."""
        train, test = split(self.y.tolist())
        return self[train], self[test]


def check_parts(train: Examples, test: Examples) -> None:
    """Refuse a training and a test part that do not fit each other.

    Raises
    ------
    ValueError
        If there are fewer than two classes, a class has fewer than two training examples, or a
        test example is of another class.
    """
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


def read_activations(path: str | Path) -> Examples:
    """Read activations and their labels.

    Parameters
    ----------
    path : str or Path
        As `Activations.read` takes it.

    Raises
    ------
    OSError, ValueError
        If it is missing, or does not hold that.
    """
    found = Activations.read(path)
    return Examples(found.X, found.labels)
