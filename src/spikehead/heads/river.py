"""Decorrelated columns for River: one example at a time, as a dictionary of features."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from spikehead.heads.decorrelated.classifier import DecorrelatedColumns
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

__all__ = ["RiverColumns"]


class RiverColumns(base.Classifier):  # type: ignore[misc]
    """`spikehead.DecorrelatedColumns` with River's interface.

    The features are those of the first example that is learned; others are not heard, and those
    that are missing are silent. An example without any is answered, and not learned. New labels may
    come at any time, of any kind.

    Parameters
    ----------
    lam, scale, threshold, width, horizon
        As of `spikehead.DecorrelatedColumns`.

    Examples
    --------
    >>> from river import datasets, evaluate, metrics
    >>> from spikehead.heads.river import RiverColumns
    >>> evaluate.progressive_val_score(datasets.Phishing(), RiverColumns(), metrics.Accuracy())
    Accuracy: 83.91%
    """

    def __init__(
        self,
        lam: float = DecorrelatedParameters.lam,
        scale: float = DecorrelatedParameters.scale,
        threshold: float = DecorrelatedParameters.threshold,
        width: int = DecorrelatedParameters.width,
        horizon: int = DecorrelatedParameters.horizon,
    ) -> None:
        self.lam = lam
        self.scale = scale
        self.threshold = threshold
        self.width = width
        self.horizon = horizon
        self._head = DecorrelatedColumns(
            lam=lam, scale=scale, threshold=threshold, width=width, horizon=horizon, n_threads=1
        )
        self._places: dict[Hashable, int] = {}
        self._labels: list[Hashable] = []

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: Mapping[Hashable, float], y: Hashable) -> None:
        """Learn an example.

        Parameters
        ----------
        x : mapping of features to numbers
            The example.
        y : hashable
            Its label.
        """
        if not self._labels:
            self._places = {name: place for place, name in enumerate(sorted(x, key=repr))}
        example = self._row(x)
        if not example.any():
            return
        if y not in self._labels:
            self._labels.append(y)
        self._head.partial_fit(example, [self._labels.index(y)])

    def predict_proba_one(self, x: Mapping[Hashable, float], **_: Any) -> dict[Hashable, float]:
        """Return the share of each label; nothing before one was learned.

        Parameters
        ----------
        x : mapping of features to numbers
            The example.
        """
        if not self._labels:
            return {}
        shares = self._head.predict_proba(self._row(x))[0]
        return dict(zip(self._labels, shares.tolist(), strict=True))

    def _row(self, x: Mapping[Hashable, float]) -> NDArray[np.float64]:
        row = np.zeros((1, len(self._places)))
        for name, value in x.items():
            if name in self._places:
                row[0, self._places[name]] = value
        return row
