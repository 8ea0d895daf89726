"""How a model answered each photo just before it learned it, and whether that has changed.

A record has a byte for each photo, in the order of learning: the sum of `RIGHT`, `UNKNOWN` and
`NEW`. Shares are of photos of classes that the model knew; of others no answer can be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RIGHT = 1
"""The answer was the class that was then taught."""

UNKNOWN = 2
"""The photo was taken for one of no class."""

NEW = 4
"""The class had no photo yet."""

CONFIDENCE = 0.001
"""Of Hoeffding's bound, by which two means differ."""


class Trend(NamedTuple):
    """How large a share of answers is, and was before it last changed.

    Attributes
    ----------
    share : float or None
        Since the last change; None where there is no answer.
    answers : int
        Of how many answers.
    before : float or None
        The share before the last change; None where there was none.
    answers_before : int
        Of how many answers.
    """

    share: float | None
    answers: int
    before: float | None
    answers_before: int


class Trends(NamedTuple):
    """What a model's answers to photos of classes that it knew were like.

    Attributes
    ----------
    right : Trend
        Those that were right: the prequential, or test-then-train, accuracy (Dawid, 1984).
    unknown : Trend
        Those that said "unknown".
    corrected : Trend
        Those that said, without doubt, another class than was then taught.
    """

    right: Trend
    unknown: Trend
    corrected: Trend

    @classmethod
    def of(cls, record: NDArray[np.uint8]) -> Trends:
        """Return the trends of a record."""
        answers = record[record & NEW == 0]
        return cls(
            _trend(answers & RIGHT > 0),
            _trend(answers & UNKNOWN > 0),
            _trend(answers & (RIGHT | UNKNOWN) == 0),
        )

    def worse(self) -> list[str]:
        """Return a sentence for each share that has changed for the worse, and not back since."""
        told = (
            (self.right, -1, "is right less often"),
            (self.unknown, 1, "says unknown more often"),
            (self.corrected, 1, "is corrected more often"),
        )
        return [
            f"it {what}: {one.share:.0%} of its last {one.answers} answers, and {one.before:.0%} "
            f"of {one.answers_before} before"
            for one, sign, what in told
            if one.share is not None and one.before is not None
            if sign * (one.share - one.before) > 0
        ]


def stored_record(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return the record among the arrays of a model; older ones only kept what was right."""
    return arrays["record" if "record" in arrays else "prequential"].astype(np.uint8)


def as_record(
    right: NDArray[np.bool_], unknown: NDArray[np.bool_], new: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return the record of answers; by default of photos of classes that were known."""
    record = right * RIGHT + unknown * UNKNOWN + (0 if new is None else new * NEW)
    return record.astype(np.uint8)


def last_change(bits: NDArray[np.bool_]) -> tuple[int, int]:
    """Find where the mean of a stream of bits has last changed.

    HDDM-A, two-sided: the means before and after a cut are compared by Hoeffding's bound at each
    bit, and begin anew after a change (Frias-Blanco et al., 2015, "Online and non-parametric drift
    detection methods based on Hoeffding's bounds", section 3.1).

    Parameters
    ----------
    bits : ndarray of bool
        The stream.

    Returns
    -------
    start, cut : int
        The last change is at `cut`, and the stretch before it begins at `start`; both 0 where there
        is none.
    """
    start, last, seen = 0, 0, 0
    while change := _first_change(bits[seen:]):
        start, last, seen = seen, seen + change[0], seen + change[1]
    return start, last


def _first_change(bits: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return how many bits come before the first change, and how many until it is seen."""
    n = np.arange(1, len(bits) + 1)
    mean = np.cumsum(bits) / n
    found = None
    for sign in (1, -1):  # a mean that rises, and one that falls
        bound = sign * mean + np.sqrt(np.log(1 / CONFIDENCE) / (2 * n))
        cut = np.maximum.accumulate(np.where(bound <= np.minimum.accumulate(bound), n, 1))
        gap = sign * (mean - mean[cut - 1])
        seen = (cut < n) & (gap >= np.sqrt((1 / cut - 1 / n) / 2 * np.log(2 / CONFIDENCE)))
        if seen.any() and (found is None or n[seen][0] < found[1]):
            found = int(cut[seen][0]), int(n[seen][0])
    return found


def _trend(bits: NDArray[np.bool_]) -> Trend:
    start, cut = last_change(bits)
    now, before = bits[cut:], bits[start:cut]
    return Trend(_mean(now), len(now), _mean(before), len(before))


def _mean(bits: NDArray[np.bool_]) -> float | None:
    return float(bits.mean()) if len(bits) else None
