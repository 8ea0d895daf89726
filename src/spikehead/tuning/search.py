"""A search: what is proposed, round after round, and what a candidate must reach to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spikehead.tuning.candidates import Round
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.space import SearchSpace, Values


class NamedRound(NamedTuple):
    """A round of the search.

    Attributes
    ----------
    kind : {"genetic", "descent"}
        Who proposed it.
    outcomes : sequence of Outcome
        Its candidates, in the order in which they were proposed.
    """

    kind: str
    outcomes: Round


@dataclass(frozen=True)
class Search:
    """Generations of the genetic search, then rounds of descent.

    Parameters
    ----------
    space : SearchSpace
        Where to search.
    genetic : GeneticSearch
        The genetic search.
    descent : StochasticDescent
        The descent from its best candidate.
    seed : int, default=0
        Decides every draw; not negative.
    """

    space: SearchSpace
    genetic: GeneticSearch = field(default_factory=GeneticSearch)
    descent: StochasticDescent = field(default_factory=StochasticDescent)
    seed: int = 0

    def propose(self, rounds: Sequence[NamedRound]) -> tuple[str, list[Values]]:
        """Return the kind and the candidates of the next round; none where the search is over."""
        before = [one.outcomes for one in rounds if one.kind == "genetic"]
        after = [one.outcomes for one in rounds if one.kind == "descent"]
        if not after and len(before) < self.genetic.generations:
            bred = self.genetic.propose(self.space, before, self.seed)
            if bred:
                return "genetic", bred
        if len(after) < self.descent.rounds:
            return "descent", self.descent.propose(self.space, before, after, self.seed)
        return "descent", []

    def bars(self, rounds: Sequence[NamedRound]) -> list[float]:
        """Return what the next round's candidates must reach at each rung.

        Whoever does worse than every parent did at the same point is hopeless. The first
        generation has no parents, and nobody in it is stopped.
        """
        generations = [one.outcomes for one in rounds if one.kind == "genetic"]
        parents = self.genetic.pool(generations) if generations else []
        rungs = [one.rungs for one in parents if one.complete]
        return [min(column) for column in zip(*rungs, strict=True)]

    @property
    def n_experiments(self) -> int:
        """Candidates of the whole search, at most."""
        return self.genetic.n_candidates + self.descent.rounds * self.descent.neighbours

    def to_dict(self) -> dict[str, Any]:
        """Return the search, ready for JSON."""
        return {
            "space": self.space.to_dict(),
            "genetic": vars(self.genetic).copy(),
            "descent": vars(self.descent).copy(),
            "seed": self.seed,
        }
