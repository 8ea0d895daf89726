"""What a model says of photos, and what became of those that it was given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import CodedShares
from spikehead.images import LeftOut

FEW_EXAMPLES = 5
"""Photos of a class up to which answers that name it are surer than they are right."""


@dataclass
class Learned:
    """What one call of `HybridClassifier.learn` did.

    Attributes
    ----------
    total : int
        Photos of the lesson.
    learned : int
        Photos learned so far.
    known : int
        Photos that had been learned before under the same label, and were not learned again.
    new_classes : list of str
        Classes met for the first time.
    skipped : list of (Path, str)
        Photos that could not be read or learned, and why.
    renamed : list of (Path, str, list of str)
        Photos that were learned though the same file had been learned before under other names:
        each one's name now, and those.
    left_out : LeftOut
        What else was in the folder.
    shares : CodedShares
        How much of the encoder's activations is clipped, too weak to spike, and at its full rate,
        over the photos learned so far.
    warning : str
        What is wrong with that, and what to do, once the lesson is over; nothing if it is well.
    waiting : int
        Photos that are encoded, and will be learned when a cluster has enough of them.
    """

    total: int = 0
    learned: int = 0
    known: int = 0
    new_classes: list[str] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    renamed: list[tuple[Path, str, list[str]]] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)
    shares: CodedShares = field(default_factory=CodedShares)
    warning: str = ""
    waiting: int = 0

    @property
    def done(self) -> int:
        """Number of photos that were dealt with so far."""
        return self.learned + self.known + self.waiting + len(self.skipped)

    def add(self, learned: int, shares: CodedShares) -> None:
        """Take in photos that were learned, and how their activations were coded."""
        self.learned += learned
        weight = learned / self.learned
        self.shares = CodedShares(
            *(old + weight * (new - old) for old, new in zip(self.shares, shares, strict=True))
        )


class Verdict(NamedTuple):
    """What the model says of one photo's activations.

    Attributes
    ----------
    label : str
        Its class; of an unknown one the class most like it.
    shares : ndarray of float64, shape (n_classes,)
        How likely each class is.
    familiarity : float or None
        How familiar the photo is, from 0 to 1; None where this kind of head does not tell.
    unknown : bool
        Whether it seems to be of no class that the model knows.
    few_examples : bool
        Whether the class was learned from `FEW_EXAMPLES` photos or fewer, so that the model is
        surer of it than it is right.
    """

    label: str
    shares: NDArray[np.float64]
    familiarity: float | None
    unknown: bool
    few_examples: bool


@dataclass(frozen=True)
class Answer:
    """What the model says of one photo.

    Attributes
    ----------
    path : Path
        The photo.
    label : str or None
        Its class, or None where it could not be read.
    shares : ndarray of float64, shape (n_classes,)
        How likely each class is; empty where the photo could not be read.
    familiarity, unknown, few_examples
        As of `Verdict`.
    problem : str
        Why it could not be read, or nothing.
    learned_as : list of str
        The classes under whose names the model has learned this very photo.
    """

    path: Path
    label: str | None
    shares: NDArray[np.float64]
    familiarity: float | None = None
    unknown: bool = False
    few_examples: bool = False
    problem: str = ""
    learned_as: list[str] = field(default_factory=list)


@dataclass
class Suggested:
    """Which photos would teach a model most.

    Attributes
    ----------
    answers : list of Answer
        What the model says of them, those that teach most first.
    photos : int
        Photos that were given.
    known : int
        Those among them that the model has learned already, which are never suggested.
    skipped : list of (Path, str)
        Photos that could not be read, and why.
    left_out : LeftOut
        What else was in the folders.
    """

    answers: list[Answer] = field(default_factory=list)
    photos: int = 0
    known: int = 0
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


@dataclass(frozen=True)
class Doubt:
    """How doubtful the label of a photo is.

    Attributes
    ----------
    path : Path
        The photo.
    label : str
        Its label.
    likely : str
        The other class that it is most like.
    doubt : float
        By how much it is more like that class than its own, as cosines in the metric of the lateral
        layer, from -2 to 2, to a head that has learned all photos but this one: above 0 where that
        head would take it for the other class.
    """

    path: Path
    label: str
    likely: str
    doubt: float


@dataclass
class Checked:
    """Which labels of photos are doubtful.

    Attributes
    ----------
    doubts : list of Doubt
        One for each photo, the most doubtful first.
    unscored : list of (Path, str)
        Photos about which nothing can be said, and why.
    skipped : list of (Path, str)
        Photos that could not be read, and why.
    left_out : LeftOut
        What else was in the folder.
    """

    doubts: list[Doubt]
    unscored: list[tuple[Path, str]]
    skipped: list[tuple[Path, str]]
    left_out: LeftOut

    @property
    def doubtful(self) -> list[Doubt]:
        """Those that would be taken for another class, the most doubtful first."""
        return [one for one in self.doubts if one.doubt > 0]
