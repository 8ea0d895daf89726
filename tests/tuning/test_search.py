"""The genetic search and the descent, on functions whose best point is known."""

import numpy as np
import pytest

from spikehead import CoLaNETParameters
from spikehead.tuning.candidates import Outcome, draw_new, ranked
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.space import Range, SearchSpace

SPACE = SearchSpace(
    CoLaNETParameters,
    {
        "potentiation": Range(0.01, 1, log=True),
        "max_weight": Range(0.1, 2),
        "relative_depression": Range(0.3, 1.3),
        "silent_synapses": Range(1, 3000, log=True, whole=True),
    },
    {},
)
PEAK = np.array([0.8, 0.3, 0.6, 0.45])


def height(values):
    return 1 - float(np.sum((SPACE.positions(values) - PEAK) ** 2))


def measured(candidates):
    return [Outcome(values, (0.0, height(values)), True) for values in candidates]


def run(search, n_rounds, seed=0):
    rounds = []
    for _ in range(n_rounds):
        rounds.append(measured(search.propose(SPACE, rounds, seed)))
    return rounds


def best_of(rounds):
    return max(outcome.accuracy for one in rounds for outcome in one)


def test_the_defaults_are_those_of_the_paper():
    search = GeneticSearch()
    rounds = run(search, 2)
    assert (search.population, search.generations) == (300, 12)
    assert len(rounds[0]) == 300
    assert len(rounds[1]) == 270  # the elite of 30 is not evaluated again
    assert search.n_candidates == 300 + 11 * 270
    descent = StochasticDescent()
    assert 12 * 300 + descent.rounds * descent.neighbours == pytest.approx(3794, abs=3)


def test_a_seed_decides_everything():
    search = GeneticSearch(20, 3)
    assert run(search, 3) == run(search, 3)
    assert run(search, 3) != run(search, 3, seed=1)
    descent = StochasticDescent(2, 5)
    first = run(search, 1)
    assert descent.propose(SPACE, first, [], 0) == descent.propose(SPACE, first, [], 0)


def test_no_candidate_is_proposed_twice():
    rounds = run(GeneticSearch(30, 6, mutation_rate=0.01), 6)
    seen = [tuple(outcome.values.items()) for one in rounds for outcome in one]
    assert len(set(seen)) == len(seen)


def test_every_value_lies_in_its_range():
    for one in run(GeneticSearch(30, 4, mutation_rate=0.9, mutation_scale=0.9), 4):
        for outcome in one:
            for name, found in SPACE.ranges.items():
                assert found.low <= outcome.values[name] <= found.high


def test_without_mutation_children_inherit_every_value_from_parents():
    search = GeneticSearch(40, 2, mutation_rate=0)
    first = run(search, 1)
    parents = search.pool(first)
    assert parents == ranked(first[0])[:10]
    for child in search.propose(SPACE, first, 0):
        for name, value in child.items():
            inherited = [parent.values[name] for parent in parents]
            assert any(value == pytest.approx(one) for one in inherited)


def test_the_elite_lives_on():
    search = GeneticSearch(20, 3, elite=0.1)
    first = run(search, 1)
    dull = [Outcome(values, (0.0, -9.0), True) for values in search.propose(SPACE, first, 0)]
    assert search.pool([*first, dull])[:2] == ranked(first[0])[:2]


def test_the_search_beats_chance_and_the_descent_goes_on():
    genetic = run(GeneticSearch(60, 6), 6)
    n = sum(map(len, genetic))
    random = np.random.default_rng(0)
    chance = max(height(SPACE.values(random.random(4))) for _ in range(n))
    assert best_of(genetic) > chance
    descent, rounds = StochasticDescent(12, 16), []
    for _ in range(12):
        rounds.append(measured(descent.propose(SPACE, genetic, rounds, 0)))
    assert best_of(rounds) > best_of(genetic)
    assert best_of(rounds) > 0.9999


def test_a_neighbour_changes_one_to_three_values_of_the_best():
    first = run(GeneticSearch(10, 1), 1)
    best = ranked(first[0])[0]
    changes = [
        sum(not np.isclose(values[name], best.values[name]) for name in values)
        for values in StochasticDescent(1, 100, step=0.3).propose(SPACE, first, [], 0)
    ]
    assert min(changes) >= 1
    assert max(changes) == 3


def test_steps_halve_where_nothing_gets_better_and_the_centre_moves_where_it_does():
    first = [[Outcome(SPACE.values(np.full(4, 0.5)), (0.5, 0.5), True)]]
    descent = StochasticDescent(3, 400, step=0.1)

    def spread(rounds):
        moved = [SPACE.positions(v) for v in descent.propose(SPACE, first, rounds, 0)]
        return np.std(np.array(moved)[:, 1]), np.mean(np.array(moved)[:, 1])

    worse = [Outcome(SPACE.values(np.full(4, 0.2)), (0.5, 0.4), True)]
    better = [Outcome(SPACE.values(np.full(4, 0.7)), (0.5, 0.9), True)]
    start, centre = spread([])
    assert centre == pytest.approx(0.5, abs=0.02)
    assert spread([worse])[0] == pytest.approx(start / 2, rel=0.2)
    assert spread([better]) == (pytest.approx(start, rel=0.2), pytest.approx(0.7, abs=0.02))


def test_stopped_candidates_rank_below_complete_ones():
    values = SPACE.values(np.zeros(4))
    stopped, late, whole = (
        Outcome(values, (0.9,), False),
        Outcome(values, (0.8, 0.7), False),
        Outcome(values, (0.1, 0.2), True),
    )
    assert ranked([stopped, late, whole]) == [whole, late, stopped]


def test_a_small_space_is_used_up_without_an_end():
    space = SearchSpace(CoLaNETParameters, {"microcolumns": Range(1, 3, whole=True)}, {})
    search = GeneticSearch(10, 2)
    first = search.propose(space, [], 0)
    assert sorted(values["microcolumns"] for values in first) == [1, 2, 3]
    assert search.propose(space, [[Outcome(v, (1.0, 1.0), True) for v in first]], 0) == []
    assert draw_new(lambda: {"microcolumns": 1}, 5, []) == [{"microcolumns": 1}]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: GeneticSearch(population=3), "population must be at least 4, not 3"),
        (lambda: GeneticSearch(generations=0), "generations must be at least 1, not 0"),
        (lambda: GeneticSearch(elite=1.0), "elite must be from 0 to below 1, not 1.0"),
        (lambda: StochasticDescent(-1), "the rounds of descent must not be negative, not -1"),
        (lambda: StochasticDescent(1, 0), "neighbours must be at least 1, not 0"),
        (lambda: StochasticDescent(step=1.0), "step must be above 0 and below 1, not 1.0"),
    ],
)
def test_bad_numbers_are_refused_in_one_sentence(make, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        make()
    assert str(refusal.value) == sentence
