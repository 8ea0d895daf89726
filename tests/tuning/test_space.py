"""The search space against the published ranges and NumPy's percentiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikehead import CoLaNETParameters
from spikehead.tuning.space import Range, SearchSpace, saturation_range

ACTIVATIONS = np.linspace(-1, 10, 1000)


def test_the_default_space_is_the_nine_of_the_paper_with_the_published_ranges():
    space = SearchSpace.of(ACTIVATIONS)
    ends = {name: (found.low, found.high) for name, found in space.ranges.items()}
    saturation = ends.pop("saturation")
    assert ends == {
        "potentiation": (0.003, 1),
        "relative_depression": (0.3, 1.3),
        "stability_rate": (0.0003, 1),
        "max_weight": (0.03, 3),
        "min_weight": (0.003, 3),
        "microcolumns": (1, 30),
        "threshold_excess": (0.001, 0.3),
        "silent_synapses": (1, 3000),
    }
    positive = ACTIVATIONS[ACTIVATIONS > 0]
    assert saturation == pytest.approx(tuple(np.percentile(positive, [90, 99.9])))
    assert not space.ranges["relative_depression"].log
    assert not space.ranges["microcolumns"].log
    assert {n for n, r in space.ranges.items() if r.whole} == {"microcolumns", "silent_synapses"}
    assert space.ranges["silent_synapses"].log


def test_table_1_lies_in_the_published_space():
    space = SearchSpace.of(np.linspace(0, 2.2))
    positions = space.positions(CoLaNETParameters().to_dict())
    assert np.all((positions >= 0) & (positions <= 1))


@given(st.floats(0, 1), st.booleans(), st.booleans())
def test_position_is_the_inverse_of_value(position, log, whole):
    found = Range(2, 300, log=log, whole=whole)
    value = found.value(position)
    assert 2 <= value <= 300
    assert found.value(found.position(value)) == pytest.approx(value)
    if not whole:
        assert found.position(value) == pytest.approx(position, abs=1e-9)


def test_scales():
    assert Range(1, 100, log=True).value(0.5) == pytest.approx(10)
    assert Range(1, 100).value(0.5) == pytest.approx(50.5)
    assert isinstance(Range(1, 100, whole=True).value(0.5), int)


def test_whole_numbers_are_equally_likely():
    found = Range(1, 3, whole=True)
    drawn = [found.value(position) for position in (np.arange(3000) + 0.5) / 3000]
    assert np.bincount(drawn).tolist() == [0, 1000, 1000, 1000]


def test_a_position_outside_is_taken_to_the_end():
    assert Range(2, 5).value(-0.1) == 2
    assert Range(2, 5, log=True).value(1.1) == pytest.approx(5)


def test_own_ranges_and_fixed_values():
    space = SearchSpace.of(
        ACTIVATIONS, {"max_synapses": (100, 784), "max_weight": (0.1, 1)}, {"microcolumns": 5}
    )
    assert space.ranges["max_synapses"] == Range(100, 784, log=True, whole=True)
    assert space.ranges["max_weight"] == Range(0.1, 1, log=True)
    assert "microcolumns" not in space.ranges
    parameters = space.parameters(space.values(np.full(len(space.ranges), 0.5)))
    assert parameters.microcolumns == 5
    assert 100 < parameters.max_synapses < 784


def test_what_is_not_searched_is_that_of_table_1():
    space = SearchSpace.of(ACTIVATIONS)
    found = space.parameters(space.values(np.zeros(9)))
    assert found.max_synapses == CoLaNETParameters().max_synapses
    assert found.stochastic_stimulation == CoLaNETParameters().stochastic_stimulation


def test_binary_activations_have_a_range():
    assert saturation_range([0.0, 1.0, 1.0]) == Range(1.0, 2.0, log=True)


@pytest.mark.parametrize(
    ("ranges", "fixed", "sentence"),
    [
        ({"max_weight": (2, 1)}, {}, "max_weight: a range needs a lower and a higher end, not 2:1"),
        (
            {"potentiation": (0, 1)},
            {},
            "potentiation: a range on a log scale must begin above 0, not at 0",
        ),
        ({"microcolumns": (1, 2.5)}, {}, "microcolumns: the ends must be whole numbers, not 1:2.5"),
        (
            {"max_weight": (1, 2)},
            {"max_weight": 1},
            "max_weight is both fixed and searched; leave one of them out",
        ),
        (
            {"max_weight": (1, 9)},
            {},
            "max_weight must be a number from 0.001 to 7.99, not 9",
        ),
        ({}, {"min_weight": 8}, "min_weight must be a number from 0 to 7.99, not 8"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(ranges, fixed, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        SearchSpace.of(ACTIVATIONS, ranges, fixed)
    assert str(refusal.value) == sentence


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"^speed is not a hyperparameter; there are potentiation"):
        SearchSpace.of(ACTIVATIONS, {"speed": (1, 2)})


def test_nothing_to_search_is_refused():
    everything = CoLaNETParameters().to_dict()
    with pytest.raises(ValueError, match=r"^every hyperparameter is fixed; leave at least one to"):
        SearchSpace.of(ACTIVATIONS, fixed=everything)


def test_no_positive_activation_is_refused():
    with pytest.raises(
        ValueError, match=r"^no activation is positive, so nothing would ever spike"
    ):
        SearchSpace.of(np.zeros(5))
