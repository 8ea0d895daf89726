"""Stochastic descent from the best candidate (hybrid paper, section 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikehead.tuning.candidates import Round, draw_new, ranked
from spikehead.tuning.space import SearchSpace, Values

_CHANGES = 3  # hyperparameters that a neighbour changes at most


@dataclass(frozen=True)
class StochasticDescent:
    """Tries neighbours of the best candidate, and moves to one that is better.

    A neighbour differs in one to three hyperparameters by a normal step. After a round without
    improvement the steps are half as long. The paper ran about 194 experiments beyond its 12
    generations of 300; so do the defaults.

    Parameters
    ----------
    rounds : int, default=12
        Rounds; 0 leaves the descent out.
    neighbours : int, default=16
        Candidates of a round.
    step : float, default=0.1
        Standard deviation of the first steps, as a share of the range on its scale.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    rounds: int = 12
    neighbours: int = 16
    step: float = 0.1

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.rounds < 0:
            raise ValueError(f"the rounds of descent must not be negative, not {self.rounds}")
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, not {self.neighbours}")
        if not 0 < self.step < 1:
            raise ValueError(f"step must be above 0 and below 1, not {self.step}")

    def propose(
        self, space: SearchSpace, before: Sequence[Round], rounds: Sequence[Round], seed: int
    ) -> list[Values]:
        """Return the candidates of the next round.

        Parameters
        ----------
        space : SearchSpace
            Where to search.
        before : sequence of rounds
            What came before the descent; its best candidate is where it begins.
        rounds : sequence of rounds
            The rounds of descent so far; all these and `seed` decide the answer.
        seed : int
            Not negative.
        """
        best = ranked(outcome for one in before for outcome in one)[0]
        step = self.step
        for one in rounds:
            rival = ranked(one)[0]
            if rival.complete and rival.accuracy > best.accuracy:
                best = rival
            else:
                step /= 2
        start = space.positions(best.values)
        random = np.random.default_rng([seed, len(before) + len(rounds)])

        def neighbour() -> Values:
            n_changes = random.integers(1, min(_CHANGES, len(start)) + 1)
            genes = random.choice(len(start), n_changes, replace=False)
            moved = start.copy()
            moved[genes] += random.normal(0, step, n_changes)
            return space.values(moved)

        return draw_new(neighbour, self.neighbours, [*before, *rounds])
