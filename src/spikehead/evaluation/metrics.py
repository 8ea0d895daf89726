"""Accuracy of a model on labelled photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from spikehead.activations import labelled
from spikehead.images import LeftOut, Photo, PhotoFolder
from spikehead.models.answers import Answer
from spikehead.models.hybrid import HybridClassifier, none_readable


@dataclass(frozen=True)
class Calibration:
    """How confidence, the probability of the answer, agrees with accuracy, in bins of confidence.

    Attributes
    ----------
    photos : list of int
        Photos in each bin.
    confidence : list of float
        Mean probability of the answers in the bin; 0 where it is empty.
    accuracy : list of float
        Fraction of them that are right; 0 where it is empty.
    """

    photos: list[int]
    confidence: list[float]
    accuracy: list[float]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of the two, weighed by photos."""
        gaps = np.abs(np.subtract(self.confidence, self.accuracy))
        return float(np.average(gaps, weights=self.photos))


@dataclass(frozen=True)
class Evaluation:
    """How the predictions of a model compare with the labels.

    Attributes
    ----------
    counts : dict of (str, str) to int
        Number of photos by label and prediction.
    unknown_classes : list of str
        Labels that the model does not know; their photos count as wrong.
    skipped : list of (Path, str)
        Photos that could not be read, and why; they do not count.
    answers : list of (str, Answer)
        Each photo's label, and what the model said of it.
    left_out : LeftOut
        What else was in the folder.
    """

    counts: dict[tuple[str, str], int]
    unknown_classes: list[str]
    skipped: list[tuple[Path, str]]
    answers: list[tuple[str, Answer]] = field(default_factory=list, repr=False)
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def labels(self) -> list[str]:
        """The labels of the photos, sorted."""
        return sorted({label for label, _ in self.counts})

    @property
    def n_photos(self) -> int:
        """Number of photos that were read."""
        return sum(self.counts.values())

    @property
    def n_learned(self) -> int:
        """Number of photos that the model has learned, under whatever name."""
        return sum(bool(answer.learned_as) for _, answer in self.answers)

    @property
    def n_right(self) -> int:
        """Number of photos whose prediction is their label."""
        return sum(n for (label, answer), n in self.counts.items() if label == answer)

    @property
    def accuracy(self) -> float:
        """Fraction of the photos that are right."""
        return self.n_right / self.n_photos

    @property
    def confidence_interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy, by Wilson's score."""
        return confidence_interval(self.n_right, self.n_photos)

    def sent_back(self, *, known: bool) -> tuple[int, int]:
        """Return of how many photos the model said "unknown", and how many there were.

        Parameters
        ----------
        known : bool
            Whether of classes that it knows, or of others.
        """
        unknown = [
            answer.unknown
            for label, answer in self.answers
            if (label not in self.unknown_classes) == known
        ]
        return sum(unknown), len(unknown)

    def photos(self, label: str) -> int:
        """Return the number of photos of a class."""
        return sum(n for (true, _), n in self.counts.items() if true == label)

    def recall(self, label: str) -> float:
        """Return the fraction of a class's photos that are right."""
        return self.counts.get((label, label), 0) / self.photos(label)

    def precision(self, label: str) -> float | None:
        """Return the fraction right of the photos taken for a class; None where there are none."""
        answered = sum(n for (_, answer), n in self.counts.items() if answer == label)
        return self.counts.get((label, label), 0) / answered if answered else None

    def calibration(self, n_bins: int = 10) -> Calibration:
        """Return how the probability that an answer gives itself agrees with how often it is right.

        Parameters
        ----------
        n_bins : int, default=10
            Bins of equal width, from 0 to 1.
        """
        shares = np.array([answer.shares.max() for _, answer in self.answers])
        right = np.array([answer.label == label for label, answer in self.answers], float)
        bins = np.minimum((shares * n_bins).astype(int), n_bins - 1)
        photos = np.bincount(bins, minlength=n_bins)
        filled = np.maximum(photos, 1)
        return Calibration(
            photos.tolist(),
            (np.bincount(bins, shares, n_bins) / filled).tolist(),
            (np.bincount(bins, right, n_bins) / filled).tolist(),
        )

    def most_confused(self, label: str) -> tuple[str, int] | None:
        """Return the class that a class is most often taken for, and how often."""
        wrong = [
            (-n, answer)
            for (true, answer), n in self.counts.items()
            if true == label and answer != label
        ]
        return (min(wrong)[1], -min(wrong)[0]) if wrong else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "accuracy": self.accuracy,
            "confidence_interval": list(self.confidence_interval),
            "photos": self.n_photos,
            "right": self.n_right,
            "learned": self.n_learned,
            "classes": {
                label: {"photos": self.photos(label), "recall": self.recall(label)}
                for label in self.labels
            },
            "confusions": [
                {"class": label, "predicted": answer, "photos": n}
                for (label, answer), n in sorted(self.counts.items())
                if label != answer
            ],
            "unknown_classes": self.unknown_classes,
            "sent_back": {
                name: dict(zip(("unknown", "photos"), self.sent_back(known=known), strict=True))
                for name, known in (("known_classes", True), ("unknown_classes", False))
            },
            "skipped": [{"photo": str(path), "reason": reason} for path, reason in self.skipped],
            "left_out": self.left_out.to_dict(),
        }


def unknown_sentence(result: Evaluation) -> str:
    """Return how many photos were taken for unknown, of known classes and of others; or nothing.

    Parameters
    ----------
    result : Evaluation
        How a model did.
    """
    counted = [
        (result.sent_back(known=True), "of known classes"),
        (result.sent_back(known=False), "of other classes"),
    ]
    if not any(unknown for (unknown, _), _ in counted):
        return ""
    told = [f"{unknown} of {n} photos {what}" for (unknown, n), what in counted if n]
    return f"Taken for unknown: {' and '.join(told)}."


def confidence_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a fraction, `right` of `n` independent cases.

    By the score of Wilson (1927).

    Parameters
    ----------
    right : int
        From 0 to `n`.
    n : int
        At least 1.
    """
    low, high = binomtest(right, n).proportion_ci(method="wilson")
    return float(low), float(high)


def learning_curve(right: NDArray[np.bool_], n_windows: int = 40) -> list[tuple[int, float]]:
    """Return how often a model was right over the stream that it learned.

    Parameters
    ----------
    right : ndarray of bool, shape (n_photos,)
        Whether each photo was answered right just before it was learned, as
        `HybridClassifier.prequential` has it.
    n_windows : int, default=40
        Parts of the stream at most, of equal length.

    Returns
    -------
    list of (int, float)
        The photos learned up to the end of each window, and the fraction right in it.
    """
    parts = np.array_split(right, min(n_windows, len(right))) if len(right) else []
    ends = np.cumsum([len(part) for part in parts]).tolist()
    return [(end, float(part.mean())) for end, part in zip(ends, parts, strict=True)]


def evaluate_photos(
    model: HybridClassifier,
    photos: str | Path | PhotoFolder | Sequence[Photo],
    *,
    on_photo: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compare a model's predictions with the labels of photos.

    Parameters
    ----------
    model : HybridClassifier
        Learns nothing here.
    photos : path, PhotoFolder or sequence of Photo
        A folder with a sub-folder for each class, or activations with labels; or photos with their
        labels.
    on_photo : callable, optional
        Called with the number of photos done and of all photos, to show progress.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If there is no readable photo.
    """
    if isinstance(photos, (str, Path)):
        photos = labelled(photos, known=model.classes)
    found = photos if isinstance(photos, PhotoFolder) else PhotoFolder(list(photos), LeftOut())
    counts: Counter[tuple[str, str]] = Counter()
    skipped = []
    read = []
    answers = model.classify(found.photos)
    for done, (photo, answer) in enumerate(zip(found.photos, answers, strict=True), start=1):
        if answer.label is None:
            skipped.append((photo.path, answer.problem))
        else:
            counts[photo.label, answer.label] += 1
            read.append((photo.label, answer))
        if on_photo:
            on_photo(done, len(found.photos))
    if not counts:
        raise ValueError(none_readable(skipped))
    unknown = {label for label, _ in counts} - set(model.classes)
    return Evaluation(dict(counts), sorted(unknown), skipped, read, found.left_out)
