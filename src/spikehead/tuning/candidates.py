"""Candidates of a search: their values, how they did, their ranking, and drawing new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from spikehead.tuning.space import Values

_ATTEMPTS = 100  # draws for one candidate; a small space of whole numbers can be used up


@dataclass(frozen=True)
class Outcome:
    """A candidate that was evaluated.

    Attributes
    ----------
    values : dict of str to float
        Its values of the searched hyperparameters.
    rungs : tuple of float
        Its mean accuracy at each point at which it was measured; see `spikehead.tuning.experiment`.
    complete : bool
        Whether it was measured to the end, rather than stopped as hopeless.
    """

    values: Values
    rungs: tuple[float, ...]
    complete: bool

    @property
    def accuracy(self) -> float:
        """The last measurement, 0 where there is none."""
        return self.rungs[-1] if self.rungs else 0.0


Round = Sequence[Outcome]
"""Candidates that were proposed together."""


def ranked(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes best first: complete ones, by accuracy, and among equals the earlier."""
    return sorted(outcomes, key=lambda o: (o.complete, len(o.rungs), o.accuracy), reverse=True)


def draw_new(draw: Callable[[], Values], n: int, rounds: Sequence[Round]) -> list[Values]:
    """Draw candidates that differ from each other and from all earlier ones.

    Parameters
    ----------
    draw : callable
        Draws one.
    n : int
        How many; fewer come where the space is used up.
    rounds : sequence of rounds
        All earlier ones.
    """
    known = {tuple(outcome.values.items()) for one in rounds for outcome in one}
    fresh = []
    for _ in range(n):
        for _ in range(_ATTEMPTS):
            values = draw()
            if (key := tuple(values.items())) not in known:
                known.add(key)
                fresh.append(values)
                break
    return fresh
