"""Curves, confusion matrices and votes: what is on the axes."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from spikehead import pictures
from spikehead.pictures.style import BLUE, ORANGE

VOTES = {"class_names": list("abc"), "shares": [0.5, 0.3, 0.2], "predicted": 0}


def boxes(ax):
    """Return the colours of the boxes that are drawn, by column and row."""
    (drawn,) = ax.collections
    places = [path.vertices[:4].mean(axis=0).round(6) for path in drawn.get_paths()]
    return {tuple(place): tone for place, tone in zip(places, drawn.get_facecolors(), strict=True)}


def test_curves_are_the_numbers_counted_from_1():
    ax = pictures.curves({"up": [0, 1], "down": [1, 0]}, title="T", x_label="epoch", y_label="%")
    assert [list(line.get_ydata()) for line in ax.lines] == [[0, 1], [1, 0]]
    assert all(list(line.get_xdata()) == [1, 2] for line in ax.lines)
    assert len({line.get_color() for line in ax.lines}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["up", "down"]
    assert (ax.get_title("left"), ax.get_xlabel(), ax.get_ylabel()) == ("T", "epoch", "%")


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "give 1 to 6 curves of the same length, at least 1"),
        ({"a": []}, "give 1 to 6 curves of the same length, at least 1"),
        ({"a": [1], "b": [1, 2]}, "give 1 to 6 curves of the same length, at least 1"),
        ({str(n): [1] for n in range(7)}, "give 1 to 6 curves of the same length, at least 1"),
        ({"a": [1, np.nan]}, "curves must hold finite numbers"),
    ],
)
def test_curves_that_cannot_be_drawn(series, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        pictures.curves(series, x_label="epoch")


def test_right_answers_are_blue_on_the_diagonal_and_wrong_ones_orange():
    counts = [[3, 1, 0], [0, 0, 0], [0, 2, 2]]
    ax = pictures.confusion_matrix(counts, class_names=list("abc"), title="T")
    drawn = boxes(ax)
    assert set(drawn) == {(0, 0), (1, 0), (1, 2), (2, 2)}  # a column an answer, a row a class
    for (column, row), tone in drawn.items():
        assert tuple(tone[:3]) == to_rgba(BLUE if row == column else ORANGE)[:3]
    assert drawn[0, 0][3] > drawn[2, 2][3] == drawn[1, 2][3] > drawn[1, 0][3]
    assert [text.get_text() for text in ax.texts] == ["3", "1", "2", "2"]
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert [label.get_text() for label in labels] == list("abc")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    assert ax.get_ylim() == (2.5, -0.5)


@pytest.mark.parametrize(("n", "numbers", "names"), [(1, 1, 1), (26, 0, 26), (91, 0, 0)])
def test_large_confusion_matrices_leave_out_numbers_and_then_names(n, numbers, names):
    ax = pictures.confusion_matrix(np.eye(n), class_names=["name"] * n)
    assert (len(boxes(ax)), len(ax.texts), len(ax.get_yticklabels())) == (n, numbers, names)


def test_a_confusion_matrix_that_cannot_be_drawn():
    for counts in ([[1, 2]], [[-1]]):
        with pytest.raises(ValueError, match="counts is not a square table of non-negative"):
            pictures.confusion_matrix(counts, class_names=["a"])
    with pytest.raises(ValueError, match="class_names has 2 entries: give 1, one for each"):
        pictures.confusion_matrix([[1]], class_names=["a", "b"])


def test_votes_are_boxes_as_strong_as_the_shares_the_strongest_class_first():
    votes = [[0, 1, 0], [0.25, 0.75, 0]]
    ax = pictures.member_votes(
        votes, class_names=list("abc"), shares=[0.125, 0.875, 0], predicted=1, true=2, member=1
    )
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["predicted: b", "true: c", "a"]
    row = {label.split()[-1]: place for place, label in enumerate(labels)}
    drawn = {place: tone[3] for place, tone in boxes(ax).items()}
    assert drawn == {(1, row["b"]): 1, (2, row["a"]): 0.25, (2, row["b"]): 0.75}
    (right,) = ax.child_axes
    assert sorted(label.get_text() for label in right.get_yticklabels()) == ["0%", "12%", "88%"]
    assert ax.get_title("right") == "member 2 is shown below"


@pytest.mark.parametrize(
    ("votes", "options", "message"),
    [
        (np.zeros((0, 3)), {}, r"votes has the shape \(0, 3\): give a table \(members, classes\)"),
        ([[np.nan, 0, 0]], {}, "votes contains a value that is not finite"),
        ([[1, 0, 0]], {"shares": [1]}, "shares must be 3 finite numbers, one for each class"),
        ([[1, 0, 0]], {"predicted": 3}, "predicted is 3: give a number from 0 to 2"),
        ([[1, 0, 0]], {"member": 1}, "member is 1: give a number from 0 to 0"),
    ],
)
def test_votes_that_cannot_be_drawn(votes, options, message):
    with pytest.raises(ValueError, match=message):
        pictures.member_votes(votes, **VOTES | options)
