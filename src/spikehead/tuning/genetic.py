"""The genetic search of the hybrid paper (section 5.1): elitism, crossover, mutation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikehead.tuning.candidates import Outcome, Round, draw_new, ranked
from spikehead.tuning.space import SearchSpace, Values


@dataclass(frozen=True)
class GeneticSearch:
    """Breeds one generation of candidates from another.

    The first generation is drawn at random from the space. In each later one the elite lives on as
    it is, without being evaluated again; the rest are children of two parents, drawn from the best
    of the generation before, who inherit each value from either. Population and generations are
    those of the hybrid paper; it gives no numbers for elite, parents and mutation.

    Parameters
    ----------
    population : int, default=300
        Candidates of a generation, the elite included; at least 4.
    generations : int, default=12
        Generations, the first included.
    elite : float, default=0.1
        Share of the population that lives on.
    parents : float, default=0.25
        Share of the population that may have children; at least two do.
    mutation_rate : float, default=0.1
        Probability that a child's value mutates.
    mutation_scale : float, default=0.1
        Standard deviation of a mutation, as a share of the range on its scale.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    population: int = 300
    generations: int = 12
    elite: float = 0.1
    parents: float = 0.25
    mutation_rate: float = 0.1
    mutation_scale: float = 0.1

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.population < 4:
            raise ValueError(f"population must be at least 4, not {self.population}")
        if self.generations < 1:
            raise ValueError(f"generations must be at least 1, not {self.generations}")
        for name in ("elite", "parents", "mutation_rate", "mutation_scale"):
            if not 0 <= (share := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, not {share}")

    def propose(self, space: SearchSpace, rounds: Sequence[Round], seed: int) -> list[Values]:
        """Return the candidates of the next generation that need evaluation.

        Parameters
        ----------
        space : SearchSpace
            Where to search.
        rounds : sequence of rounds
            The generations so far, each without its elite; they and `seed` decide the answer.
        seed : int
            Not negative.
        """
        random = np.random.default_rng([seed, len(rounds)])
        n_genes = len(space.ranges)
        if not rounds:
            return draw_new(lambda: space.values(random.random(n_genes)), self.population, rounds)
        pool = np.array([space.positions(one.values) for one in self.pool(rounds)])

        def child() -> Values:
            pair = pool[random.choice(len(pool), 2, replace=False)]
            genes = pair[random.integers(2, size=n_genes), np.arange(n_genes)]
            mutates = random.random(n_genes) < self.mutation_rate
            return space.values(genes + mutates * random.normal(0, self.mutation_scale, n_genes))

        return draw_new(child, self.population - self._n_elite, rounds)

    def pool(self, rounds: Sequence[Round]) -> list[Outcome]:
        """Return the parents that the last of some generations offers, best first."""
        return self._generation(rounds)[: max(round(self.parents * self.population), 2)]

    @property
    def n_candidates(self) -> int:
        """Candidates to evaluate in all generations, at most."""
        return self.generations * self.population - (self.generations - 1) * self._n_elite

    @property
    def _n_elite(self) -> int:
        return round(self.elite * self.population)

    def _generation(self, rounds: Sequence[Round]) -> list[Outcome]:
        """Return the last generation with its elite, best first."""
        elite: list[Outcome] = []
        for one in rounds:
            generation = ranked([*elite, *one])
            elite = generation[: self._n_elite]
        return generation
