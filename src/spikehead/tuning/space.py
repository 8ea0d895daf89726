"""The search space: which hyperparameters are searched, between which bounds, on which scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.heads.parameters import Hyperparameters

Values = dict[str, float]
"""Values of the searched hyperparameters, by name."""

SATURATION_PERCENTILES = (90.0, 99.9)
"""Percentiles of the positive activations between which saturation is searched."""


@dataclass(frozen=True)
class Range:
    """The bounds of a searched hyperparameter, both included.

    Parameters
    ----------
    low, high : float
        The bounds.
    log : bool, default=False
        Whether ratios rather than differences count.
    whole : bool, default=False
        Whether only whole numbers do.

    Raises
    ------
    ValueError
        If there is nothing between the bounds, or a logarithm is asked of what is not positive.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a range needs a lower and a higher end, not {self.low}:{self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range on a log scale must begin above 0, not at {self.low}")
        if self.whole and not (float(self.low).is_integer() and float(self.high).is_integer()):
            raise ValueError(f"the ends must be whole numbers, not {self.low}:{self.high}")

    def value(self, position: float) -> float:
        """Return the value at a position: 0 is the low end, 1 the high one."""
        low, high = self._scaled_ends()
        found = low + min(max(position, 0.0), 1.0) * (high - low)
        found = math.exp(found) if self.log else found
        found = round(found) if self.whole else found
        return type(found)(min(max(found, self.low), self.high))

    def position(self, value: float) -> float:
        """Return where a value lies: the inverse of `value`."""
        low, high = self._scaled_ends()
        return ((math.log(value) if self.log else value) - low) / (high - low)

    def _scaled_ends(self) -> tuple[float, float]:
        # A whole number is drawn wherever it is the nearest one.
        margin = 0.5 if self.whole else 0.0
        low, high = self.low - margin, self.high + margin
        return (math.log(low), math.log(high)) if self.log else (low, high)


def default_ranges(head: type[Hyperparameters] = CoLaNETParameters) -> dict[str, Range]:
    """Return the ranges of a head's hyperparameters that are searched unless told otherwise.

    Those of CoLaNET are, with `saturation_range`, the nine of the hybrid paper.
    """
    return {
        name: _range(head, name, *about.searched)
        for name, about in head.about().items()
        if about.searched
    }


@dataclass(frozen=True)
class SearchSpace:
    """Ranges for the searched hyperparameters, and values for the others.

    Parameters
    ----------
    ranges : mapping of str to Range
        What is searched.
    fixed : mapping of str to float
        What is not; where both leave a hyperparameter out, its default holds.

    Raises
    ------
    ValueError
        If a name or a value is not one that CoLaNET takes, or nothing is left to search.
    """

    ranges: Mapping[str, Range]
    fixed: Mapping[str, float]

    def __post_init__(self) -> None:
        """Check names and values where CoLaNET does."""
        if not self.ranges:
            raise ValueError("every hyperparameter is fixed; leave at least one to search")
        for ends in ("low", "high"):
            values = {name: getattr(found, ends) for name, found in self.ranges.items()}
            self.parameters(values)

    @classmethod
    def of(
        cls,
        activations: ArrayLike,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        fixed: Mapping[str, float] | None = None,
    ) -> SearchSpace:
        """Make the published space for some activations, changed as a user wants it.

        Parameters
        ----------
        activations : array of float
            Training activations, whose percentiles bound the saturation.
        ranges : mapping of str to (low, high), optional
            Other bounds, or hyperparameters beyond the nine of the hybrid paper. The scale,
            logarithmic or not, is that of the hyperparameter.
        fixed : mapping of str to float, optional
            Hyperparameters that are not searched; without a value here those of Table 1.

        Raises
        ------
        ValueError
            If a name or a value is not one that CoLaNET takes.
        """
        ranges, fixed = ranges or {}, fixed or {}
        if both := sorted(set(ranges) & set(fixed)):
            raise ValueError(f"{both[0]} is both fixed and searched; leave one of them out")
        searched = {**default_ranges(), "saturation": saturation_range(activations)}
        for name, (low, high) in ranges.items():
            CoLaNETParameters.from_dict({name: low})
            try:
                searched[name] = _range(CoLaNETParameters, name, low, high)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        rest = {n: v for n, v in CoLaNETParameters.defaults().items() if n not in searched}
        return cls({n: r for n, r in searched.items() if n not in fixed}, {**rest, **fixed})

    def values(self, positions: ArrayLike) -> Values:
        """Return the values at positions in the unit cube, one for each range."""
        places = np.asarray(positions, np.float64)
        return {
            name: found.value(float(place))
            for (name, found), place in zip(self.ranges.items(), places, strict=True)
        }

    def positions(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        """Return where values lie in the unit cube."""
        return np.array([found.position(values[name]) for name, found in self.ranges.items()])

    def parameters(self, values: Mapping[str, float]) -> CoLaNETParameters:
        """Return all hyperparameters, the searched ones as given."""
        return CoLaNETParameters.from_dict({**self.fixed, **values})

    def to_dict(self) -> dict[str, Any]:
        """Return the space, ready for JSON."""
        ranges = {name: vars(found).copy() for name, found in self.ranges.items()}
        return {"ranges": ranges, "fixed": dict(self.fixed)}


def saturation_range(activations: ArrayLike) -> Range:
    """Return the range in which to search for the saturation: percentiles of the positive ones.

    Parameters
    ----------
    activations : array of float
        Training activations.

    Raises
    ------
    ValueError
        If no activation is positive.
    """
    values = np.asarray(activations)
    positive = values[values > 0]
    if not positive.size:
        raise ValueError("no activation is positive, so nothing would ever spike")
    low, high = np.percentile(positive.astype(np.float64), SATURATION_PERCENTILES)
    # Activations of one value only, as of binary features, give a range around it.
    return Range(float(low), float(high) if high > low else 2 * float(low), log=True)


def _range(head: type[Hyperparameters], name: str, low: float, high: float) -> Range:
    """Return a range on the scale of a hyperparameter."""
    return Range(low, high, head.about()[name].log, isinstance(head.defaults()[name], int))
