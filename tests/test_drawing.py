"""Pictures: facts about their pixels that hold whatever the style."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spikehead import drawing

TEN = [str(digit) for digit in range(10)]


def pixels(image: Image.Image) -> Any:
    assert image.mode == "RGB"
    assert image.width == drawing.WIDTH
    return np.asarray(image).astype(int)


def changed(one: Image.Image, other: Image.Image) -> Any:
    """Return where two pictures of one size differ."""
    assert one.size == other.size
    return (pixels(one) != pixels(other)).any(axis=2)


def raster(
    inputs: Any = None, outputs: Any = None, names: Any = TEN, predicted: int = 3, **options: Any
) -> Image.Image:
    inputs = np.zeros((10, 64), bool) if inputs is None else inputs
    outputs = np.zeros((15, len(names)), int) if outputs is None else outputs
    return drawing.spike_raster(
        inputs, outputs, title="Why 3?", class_names=names, predicted=predicted, **options
    )


def spike(shape: tuple[int, int], step: int, row: int) -> Any:
    table = np.zeros(shape, bool)
    table[step, row] = True
    return table


# Spike raster


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 9), st.integers(0, 63))
def test_an_input_spike_is_one_dark_mark_at_its_step_and_row(step: int, row: int) -> None:
    image = raster(spike((10, 64), step, row))
    where = np.argwhere(changed(image, raster()))
    (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
    assert len(where) == (bottom - top + 1) * (right - left + 1)
    assert pixels(image)[top : bottom + 1, left : right + 1].max() < 60
    panel = drawing._Panel(156, 156 + 64 * 7, 15)
    assert panel.edge(step) < left <= right < panel.edge(step + 1)
    assert 156 + 7 * row <= top <= bottom < 156 + 7 * (row + 1)


def test_later_steps_lie_to_the_right_and_later_rows_below() -> None:
    def first_pixel(step: int, row: int) -> Any:
        return np.argwhere(changed(raster(spike((10, 64), step, row)), raster())).min(axis=0)

    assert (first_pixel(9, 63) > first_pixel(0, 0)).all()
    assert first_pixel(4, 7)[0] == first_pixel(8, 7)[0]
    assert first_pixel(4, 7)[1] == first_pixel(4, 50)[1]


def output_mark(tone: int, true: int | None, members: int = 1) -> Any:
    outputs = np.zeros((15, 10), int)
    outputs[5, tone] = members
    outputs[9, 9] = 4
    image, empty = raster(outputs=outputs, true=true), raster(outputs=outputs * 0, true=true)
    x = drawing._Panel(0, 0, 15).centre(5)
    column = pixels(image)[:, x][changed(image, empty)[:, x]]
    return column[len(column) // 2]


def test_the_answer_is_blue_the_missed_truth_orange_and_the_rest_dark() -> None:
    red, _, blue = output_mark(3, true=8, members=4)
    assert blue > red + 100
    red, _, blue = output_mark(8, true=8, members=4)
    assert red > blue + 100
    assert output_mark(6, true=8, members=4).max() < 60
    red, _, blue = output_mark(3, true=3, members=4)
    assert blue > red + 100


def test_more_members_make_a_darker_mark() -> None:
    sums = [output_mark(6, None, members).sum() for members in (1, 2, 3, 4)]
    assert sums == sorted(sums, reverse=True)
    assert len(set(sums)) == 4


def test_a_higher_potential_lies_higher_and_threshold_is_a_line() -> None:
    def height(value: float) -> float:
        potentials = np.zeros((15, 10))
        potentials[:, 3] = value
        blue = pixels(raster(potentials=potentials))[:, drawing._Panel.left + 400 :]
        rows = np.flatnonzero((blue[:, :300] == drawing._BLUE).all(axis=2).mean(axis=1) > 0.9)
        return float(rows.mean())

    low, threshold, high = height(0.25), height(1.0), height(1.15)
    assert low > threshold > high
    # one linear scale: 0.75 below the threshold is five times as far as 0.15 above
    assert (low - threshold) / (threshold - high) == pytest.approx(5, rel=0.1)


def test_marks_are_named_below_without_overlap() -> None:
    panel = drawing._Panel(0, 100, 15)
    levels = drawing._mark_levels(panel, {"label": 10, "BIASGATE": 10, "dopamine": 13})
    assert levels["label"] != levels["BIASGATE"]
    assert levels["dopamine"] == 0
    plain = raster()
    marked = raster(marks={"label": 10, "dopamine": 13})
    assert marked.height > plain.height
    above_names = slice(plain.height - 35)
    area = (pixels(marked)[above_names] != pixels(plain)[above_names]).any(axis=2)
    columns = np.flatnonzero(area.any(axis=0))
    assert set(columns) == {drawing._Panel(0, 0, 15).centre(step) for step in (10, 13)}


def test_many_inputs_are_thinned_and_keep_the_first_and_the_last() -> None:
    rows = drawing._thinned(1536, drawing.MAX_INPUT_ROWS)
    assert len(set(rows.tolist())) == drawing.MAX_INPUT_ROWS
    assert (rows[0], rows[-1]) == (0, 1535)
    assert set(np.diff(rows)) <= {6, 7}
    assert raster(np.ones((10, 100_000), bool)).height < 1100


def test_many_classes_are_cut_to_those_that_spiked_but_keep_answer_and_truth() -> None:
    outputs = np.zeros((15, 1000), int)
    outputs[0, 500:560] = 1
    shown = drawing._most_telling(outputs, [999, 3]).tolist()
    assert len(shown) == drawing.MAX_CLASSES
    assert shown == sorted(shown)
    assert {3, 999, *range(500, 560)} < set(shown)
    names = [f"class {number}" for number in range(1000)]
    assert raster(outputs=outputs, names=names, true=999).height < 2400


@pytest.mark.parametrize(
    "name", ["", "x" * 500, "two\nlines\tand tabs", "\udce9", "日本語 Ελληνικά é", "\0"]
)
def test_any_name_leaves_the_margins_white(name: str) -> None:
    names = [name] * 10
    options = {"potentials": np.ones((15, 10)), "marks": {name: 0, "last": 14}, "true": 4}
    images = [
        raster(names=names, **options),
        drawing.weight_map(np.ones((10, 8, 8)), labels=names, title=name),
        drawing.confusion_matrix(np.eye(10), class_names=names, title=name),
    ]
    for image in images:
        assert (pixels(image)[:, :20] == 255).all()
        assert (pixels(image)[:, -20:] == 255).all()


def test_one_input_one_class_one_step() -> None:
    image = raster(np.ones((1, 1), bool), np.ones((1, 1), int), ["one"], 0, potentials=[[1.5]])
    assert 300 < image.height < 700


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
            {"names": ["a"], "outputs": np.zeros((15, 2))},
            "class_names has 1 entries: give 2, one for each",
        ),
        ({"inputs": np.zeros((16, 4))}, "inputs last 16 steps, longer than the 15 of outputs"),
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
def test_a_raster_that_cannot_be_drawn(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        raster(**options)
    assert str(error.value) == message


# Weight map


def map_pixels(weights: Any, **options: Any) -> Any:
    labels = [""] * len(weights)
    image = pixels(drawing.weight_map(weights, labels=labels, title="", **options))
    return image[96:-100]


def test_positive_is_red_negative_blue_and_zero_white() -> None:
    weights = np.zeros((1, 2, 2))
    weights[0, 0, 0], weights[0, 1, 1] = 2.0, -2.0
    area = map_pixels(weights)
    drawn = np.argwhere((area != 255).any(axis=2))
    (top, left), (bottom, right) = drawn.min(axis=0), drawn.max(axis=0)
    quarter = (bottom - top) // 4
    positive, zero = area[top + quarter, left + quarter], area[top + quarter, right - quarter]
    negative = area[bottom - quarter, right - quarter]
    assert positive[0] > positive[2] + 50
    assert negative[2] > negative[0] + 50
    assert (zero == 255).all()


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_the_scale_is_monotonous_and_keeps_the_hue(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for sign, strong, weak in ((1, 0, 2), (-1, 2, 0)):
        small, large = drawing.diverging(sign * np.array([low, high])).astype(int)
        assert large.sum() <= small.sum() + 3
        assert small[strong] >= small[weak]
        assert large[strong] >= large[weak]


def test_the_scale_does_not_depend_on_the_unit() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 4, 4))
    np.testing.assert_array_equal(map_pixels(weights), map_pixels(weights * 4096))


def test_missing_synapses_are_grey_and_silent_neurons_white() -> None:
    grey = drawing.diverging(np.array([np.nan]))[0]
    assert np.ptp(grey.astype(int)) < 12
    assert (grey < 250).all()
    assert (map_pixels(np.zeros((1, 4, 4))) >= 220).all()
    assert (map_pixels(np.full((1, 4, 4), np.nan)) > 200).all()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 15, 64, 300])
@pytest.mark.parametrize("shape", [(8, 8), (28, 20), (1, 1536), (300, 300)])
def test_every_map_fits_the_picture(n: int, shape: tuple[int, int]) -> None:
    image = drawing.weight_map(np.ones((n, *shape)), labels=["name"] * n, title="Weights")
    area = pixels(image)
    red = (area[96:-90] == drawing._DIVERGING[-1]).all(axis=2)
    columns = np.flatnonzero(red.any(axis=0))
    assert columns.min() >= 39
    assert columns.max() <= 1160
    assert red.sum() >= n
    assert image.height < 300 + 310 * n


def test_grids_are_full_where_they_can_be() -> None:
    assert [drawing._grid_columns(n) for n in (1, 4, 10, 12, 15, 64)] == [1, 2, 5, 4, 5, 8]


@pytest.mark.parametrize(
    ("weights", "labels", "options", "message"),
    [
        (
            np.zeros((0, 8, 8)),
            [],
            {},
            "weights have the shape (0, 8, 8): "
            "give at least one map, in the shape (neurons, height, width)",
        ),
        (
            np.zeros((8, 8)),
            [],
            {},
            "weights have the shape (8, 8): "
            "give at least one map, in the shape (neurons, height, width)",
        ),
        (
            np.full((1, 2, 2), np.inf),
            ["a"],
            {},
            "weights contain an infinite value: give finite ones, or NaN for none",
        ),
        (np.zeros((2, 2, 2)), ["a"], {}, "labels has 1 entries: give 2, one for each"),
        (np.zeros((1, 2, 2)), ["a"], {"columns": 0}, "columns is 0: give at least 1"),
    ],
)
def test_a_map_that_cannot_be_drawn(
    weights: Any, labels: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        drawing.weight_map(weights, labels=labels, title="", **options)
    assert str(error.value) == message


# Confusion matrix


def test_right_answers_are_blue_on_the_diagonal_and_wrong_ones_orange() -> None:
    names = [""] * 30
    counts = np.zeros((30, 30), int)
    counts[2, 2], counts[4, 7] = 5, 5
    empty = drawing.confusion_matrix(counts * 0, class_names=names, title="")
    image = drawing.confusion_matrix(counts, class_names=names, title="")
    where = np.argwhere(changed(image, empty))
    cell = np.ptp(where[:, 0]) / 2.97
    right = pixels(image)[tuple(where[0])]
    wrong = pixels(image)[tuple(where[-1])]
    assert right[2] > right[0] + 100
    assert wrong[0] > wrong[2] + 100
    assert where[-1, 1] - where[0, 1] == pytest.approx(6 * cell, rel=0.2)


def test_a_confusion_matrix_that_cannot_be_drawn() -> None:
    for counts in ([[1, 2]], [[-1]]):
        with pytest.raises(ValueError, match="counts is not a square table of non-negative"):
            drawing.confusion_matrix(counts, class_names=["a"], title="")
    with pytest.raises(ValueError, match="counts has 2000 classes, more than can be drawn"):
        drawing.confusion_matrix(np.eye(2000), class_names=["a"] * 2000, title="")


@pytest.mark.parametrize("n", [1, 2, 26, 64, 200])
def test_confusion_matrices_of_any_size_fit_the_picture(n: int) -> None:
    image = drawing.confusion_matrix(np.eye(n), class_names=["name"] * n, title="")
    blue = np.argwhere((pixels(image) == drawing._BLUE).all(axis=2))
    assert blue[:, 1].max() <= 1160
    assert blue[:, 0].max() < image.height - 20
    assert len(blue) >= 16 * n


def test_curves_rise_to_the_right_where_the_numbers_do():
    picture = np.array(drawing.curves({"up": [0, 1], "down": [1, 0]}, title="T", x_label="epoch"))
    up, down = (
        np.argwhere((picture[110:] == colour).all(axis=2))
        for colour in ((0, 100, 178), (213, 94, 0))
    )
    for points, sign in ((up, -1), (down, 1)):
        assert sign * np.corrcoef(points.T)[0, 1] > 0.9
    assert picture.shape[1] == drawing.WIDTH


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "give 1 to 6 curves of the same length, at least 1"),
        ({"a": []}, "give 1 to 6 curves of the same length, at least 1"),
        ({"a": [1, np.nan]}, "curves must hold finite numbers"),
    ],
)
def test_curves_that_cannot_be_drawn(series, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        drawing.curves(series, title="T", x_label="epoch")
