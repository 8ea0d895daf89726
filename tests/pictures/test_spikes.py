"""The spikes of a presentation: what is on the axes, whatever the style."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikehead import pictures
from spikehead.pictures import spikes
from spikehead.pictures.style import BLUE, INK, ORANGE

TEN = [str(digit) for digit in range(10)]


def boxes(ax) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre of each box that is drawn, and its colour with its strength."""
    (drawn,) = ax.collections
    paths = drawn.get_paths()
    centres = [path.vertices[:4].mean(axis=0) for path in paths]
    return np.reshape(centres, (-1, 2)), drawn.get_facecolors()


def colour(name: str) -> np.ndarray:
    from matplotlib.colors import to_rgb

    return np.array(to_rgb(name))


def raster(
    inputs: Any = None, outputs: Any = None, names: Any = TEN, predicted: int = 3, **options: Any
):
    inputs = np.zeros((10, 64), bool) if inputs is None else inputs
    outputs = np.zeros((15, len(names)), int) if outputs is None else outputs
    return pictures.spike_raster(
        inputs, outputs, class_names=names, predicted=predicted, title="Why 3?", **options
    )


@settings(max_examples=10)
@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 63)), max_size=20))
def test_an_input_spike_is_one_mark_at_its_step_and_input(where):
    table = np.zeros((10, 64), bool)
    for step, number in where:
        table[step, number] = True
    ax = pictures.input_spikes(table)
    centres, _ = boxes(ax)
    found = {(round(x) - 1, round(y) - 1) for x, y in centres}
    assert (len(centres), found) == (len(where), where)
    assert ax.get_xlim() == (0.5, 10.5)
    assert ax.get_ylim() == (64.5, 0.5)  # the first is above
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "input")


def test_many_inputs_are_thinned_evenly_and_keep_the_first_and_the_last():
    ax = pictures.input_spikes(np.ones((10, 1536), bool))
    centres, _ = boxes(ax)
    rows = np.unique(np.round(centres[:, 1]))
    assert (len(rows), rows[0], rows[-1]) == (spikes.MAX_INPUTS, 1, 1536)
    assert set(np.diff(rows)) <= {6, 7}
    assert len(centres) == 10 * spikes.MAX_INPUTS
    assert ax.get_title("right") == "240 of 1,536 inputs, evenly chosen"


def test_the_answer_is_blue_the_missed_truth_orange_and_the_rest_dark():
    outputs = np.zeros((15, 10), int)
    outputs[[5, 6, 7], [3, 8, 6]] = 4
    ax = pictures.output_spikes(outputs, class_names=TEN, predicted=3, true=8)
    drawn = {round(y): tone[:3] for (_, y), tone in zip(*boxes(ax), strict=True)}
    assert {row: tone.tolist() for row, tone in drawn.items()} == {
        3: colour(BLUE).tolist(),
        8: colour(ORANGE).tolist(),
        6: colour(INK).tolist(),
    }
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert (labels[3], labels[8], labels[6]) == ("predicted: 3", "true: 8", "6")
    ax = pictures.output_spikes(outputs, class_names=TEN, predicted=3, true=3)
    assert ax.get_yticklabels()[3].get_text() == "predicted and true: 3"


def test_output_spikes_are_where_and_when_they_were_and_are_counted():
    outputs = np.zeros((15, 3), int)
    outputs[[2, 4, 9], [0, 0, 2]] = [1, 2, 4]
    ax = pictures.output_spikes(outputs, class_names=list("abc"))
    centres, tones = boxes(ax)
    assert centres.round(6).tolist() == [[3, 0], [5, 0], [10, 2]]
    assert tones[:, 3].tolist() == sorted(set(tones[:, 3]))  # the more members, the darker
    (totals,) = ax.child_axes
    assert [label.get_text() for label in totals.get_yticklabels()] == ["3", "0", "4"]
    assert "the darker, the more members" in ax.get_title("right")


def test_many_classes_are_cut_to_those_that_spiked_but_keep_answer_and_truth():
    outputs = np.zeros((15, 1000), int)
    outputs[0, 500:560] = 1
    names = [f"class {number}" for number in range(1000)]
    ax = pictures.output_spikes(outputs, class_names=names, predicted=3, true=999)
    shown = [int(label.get_text().split()[-1]) for label in ax.get_yticklabels()]
    assert len(shown) == spikes.MAX_CLASSES
    assert shown == sorted(shown)
    assert {3, 999, *range(500, 560)} < set(shown)


def test_potentials_are_drawn_as_they_are_with_a_dot_for_each_spike():
    ratios = np.linspace(0, 1.5, 45).reshape(15, 3)
    fired = np.zeros((15, 3), bool)
    fired[[4, 9], 1] = True
    ax = pictures.potentials(ratios, fired, class_names=list("abc"), predicted=1, true=2)
    threshold = ax.lines[-1]
    assert set(threshold.get_ydata()) == {1}
    courses = {line.get_label(): line for line in ax.lines[:-1]}
    assert list(courses) == ["_other", "true: c", "predicted: b"]  # the answer on top
    for column, name in enumerate(courses):
        expected = ratios[:, [0, 2, 1][column]]
        np.testing.assert_array_equal(courses[name].get_ydata(), expected)
        np.testing.assert_array_equal(courses[name].get_xdata(), np.arange(1, 16))
    assert courses["predicted: b"].get_markevery() == [4, 9]
    low, high = ax.get_ylim()
    assert low <= 0
    assert high > ratios.max()
    assert ax.get_ylabel() == "potential / threshold"


def test_a_presentation_shares_its_steps_and_its_silence_is_marked():
    figure = raster(potentials=np.ones((15, 10)), marks={"label": 10, "gate": 10, "dopamine": 13})
    inputs, outputs, potentials = figure.axes
    assert figure.get_suptitle() == "Why 3?"
    for ax in figure.axes:
        assert ax.get_xlim() == (0.5, 15.5)
        dashed = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
        assert dashed == [11, 14]  # counted from 1
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "step"]
    assert [text.get_text() for text in inputs.texts] == ["label, gate", "dopamine"]
    silence = [patch for patch in potentials.patches if patch.get_x() == 10.5]
    assert [patch.get_width() for patch in silence] == [5]
    assert outputs.get_title("left") == "Output spikes of the class columns"


def test_one_input_one_class_one_step():
    figure = raster(np.ones((1, 1), bool), np.ones((1, 1), int), ["one"], 0, potentials=[[1.5]])
    assert [len(boxes(ax)[0]) for ax in figure.axes[:2]] == [1, 1]
    assert pictures.rendered(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"inputs": np.zeros((10, 0))},
            "inputs has the shape (10, 0): give a table (steps, inputs) with at least one of each",
        ),
        (
            {"outputs": np.zeros((15, 0)), "names": []},
            "outputs has the shape (15, 0): "
            "give a table (steps, classes) with at least one of each",
        ),
        (
            {"outputs": np.zeros(15)},
            "outputs has the shape (15,): give a table (steps, classes) with at least one of each",
        ),
        (
            {"names": ["a"], "outputs": np.zeros((15, 2)), "predicted": 0},
            "class_names has 1 entries: give 2, one for each",
        ),
        ({"inputs": np.zeros((16, 4))}, "inputs last 16 steps, longer than the 15 of outputs"),
        ({"inputs": np.full((10, 4), np.nan)}, "inputs contains a value that is not finite"),
        ({"predicted": 10}, "predicted is 10: give a number from 0 to 9"),
        ({"true": -1}, "true is -1: give a number from 0 to 9"),
        ({"marks": {"label": 15}}, "mark 'label' is 15: give a number from 0 to 14"),
        (
            {"potentials": np.zeros((10, 10))},
            "potentials has the shape (10, 10), and outputs (15, 10): "
            "give one potential for each step and class",
        ),
        (
            {"potentials": np.full((15, 10), np.nan)},
            "potentials contains a value that is not finite",
        ),
    ],
)
def test_a_raster_that_cannot_be_drawn(options, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        raster(**options)
    assert str(error.value) == message
