"""What is tuned: a kind of head, and what an experiment asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spikehead.heads.classifiers import SpikingClassifier
from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import PAPER, head_class, new_head
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.genetic import GeneticSearch

Device = Literal["cpu", "cuda"]
"""Where to compute: ``"cuda"`` is an NVIDIA GPU, with the same result."""

BATCH = 2048
"""Presentations that candidates are given at once."""


class Candidates(Protocol):
    """Some candidates that learn one stream side by side."""

    def learn(self, examples: Any, columns: NDArray[np.int32]) -> None:
        """Learn examples, as `TunedHead.prepared` gives them, of the classes in `columns`."""

    def decide(self, examples: Any) -> NDArray[Any]:
        """Return the column that each decides for, shape (n_candidates, n_examples)."""

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on with some of them, at least one."""


class TunedHead:
    """A kind of head whose hyperparameters are searched; each candidate is an estimator of it.

    Parameters
    ----------
    kind : str
        As `spikehead.heads.registry` knows it.
    members : int, optional
        Networks in an ensemble, of a head that is one. Default: the head's own.

    Attributes
    ----------
    genetic, descent : GeneticSearch and StochasticDescent
        How it is searched unless told otherwise: its hyperparameters are few.
    has_paper : bool
        Whether the hybrid paper tuned it, and a GPU can.

    Raises
    ------
    ValueError
        If there is no such head, or it has no members.
    """

    genetic: ClassVar = GeneticSearch(16, 4)
    descent: ClassVar = StochasticDescent(4, 8)
    has_paper: ClassVar[bool] = False

    def __init__(self, kind: str, members: int | None = None) -> None:
        self.kind = kind
        self.members = members
        self.new(self.hyperparameters())

    @property
    def hyperparameters(self) -> type[Hyperparameters]:
        """Its hyperparameters."""
        return head_class(self.kind).hyperparameters

    def new(
        self, parameters: Hyperparameters, seed: int = 0, n_threads: int | None = 1
    ) -> SpikingClassifier:
        """Return a head that has learned nothing."""
        options = {} if self.members is None else {"members": self.members}
        return new_head(self.kind, parameters, seed=seed, n_threads=n_threads, **options)

    def check_asked(self, protocol: str, device: Device) -> None:
        """Refuse the paper's protocol and a GPU for a head that does not have them.

        Raises
        ------
        ValueError
            If one is asked for.
        """
        title = head_class(self.kind).title
        if protocol == "paper" and not self.has_paper:
            raise ValueError(
                f"the protocol paper is for the head {PAPER} only; {title} takes the protocol "
                "validation"
            )
        if device == "cuda" and not self.has_paper:
            raise ValueError(
                f"a GPU evaluates candidates of the head {PAPER} only; {title} takes the device cpu"
            )

    def varies(self, parameters: Hyperparameters) -> bool:
        """Return whether a seed changes what a whole stream leaves: by chance, or by its order."""
        head = self.new(parameters)
        return head.has_option("random_state") or not head.mergeable

    def prepared(self, activations: NDArray[Any]) -> Any:
        """Return activations as candidates take them, parts of them by index or slice."""
        return head_class(self.kind).heard(activations)

    def check(self, parameters: Hyperparameters, n_inputs: int) -> None:
        """Raise a `ValueError` if a network of these parameters and inputs could overflow."""

    def cost(self, parameters: Hyperparameters) -> float:  # noqa: ARG002
        """Return about how much work a candidate is, in no unit: to begin with the longest."""
        return 1.0

    def parts(
        self,
        candidates: Sequence[Any],
        streams: Sequence[Any],  # noqa: ARG002
        n_columns: int,  # noqa: ARG002
        device: Device,  # noqa: ARG002
    ) -> list[list[int]]:
        """Return which candidates learn side by side, by their places.

        Parameters
        ----------
        candidates : sequence of Hyperparameters
            All of them.
        streams : sequence
            What is learned and what is asked, as `prepared` gives it.
        n_columns : int
            Number of classes.
        device : {"cpu", "cuda"}
            Where to compute.
        """
        return [[place] for place in range(len(candidates))]

    def begin(
        self,
        candidates: Sequence[Any],
        n_inputs: int,  # noqa: ARG002
        n_columns: int,
        seed: int,
        device: Device,  # noqa: ARG002
    ) -> Candidates:
        """Return some candidates, of one part, that have learned nothing."""
        return _Alone(self.new(candidates[0], seed), n_columns)


class _Alone:
    """A candidate by itself."""

    def __init__(self, head: SpikingClassifier, n_columns: int) -> None:
        self._head = head
        self._classes = np.arange(n_columns)

    def learn(self, examples: NDArray[Any], columns: NDArray[np.int32]) -> None:
        self._head.partial_fit(examples, columns, classes=self._classes)

    def decide(self, examples: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self._head.predict(examples)[None])

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on; there is nobody else."""
