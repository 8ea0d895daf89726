"""Weight maps: one scale, symmetric around zero, and a place for each neuron."""

import numpy as np
import pytest

from spikehead import pictures
from spikehead.pictures import maps


def images(figure):
    """Return the images of the maps, without the colour bar."""
    return [ax.images[0] for ax in figure.axes if ax.images]


def test_positive_is_red_negative_blue_and_missing_grey():
    ax = pictures.weight_map([[2.0, -2.0], [0.0, np.nan]], label="a")
    (drawn,) = ax.images
    red, blue, zero, missing = drawn.to_rgba(drawn.get_array()).reshape(4, 4)[:, :3]
    assert red[0] > red[2] + 0.2
    assert blue[2] > blue[0] + 0.2
    assert (zero > 0.95).all()
    assert np.ptp(missing) < 0.05
    assert missing.max() < 0.9
    assert drawn.get_clim() == (-2, 2)
    assert ax.get_title() == "a"


def test_all_maps_share_one_scale_in_any_unit():
    weights = np.random.default_rng(0).normal(size=(3, 4, 5))
    figure = pictures.weight_maps(weights, labels=list("abc"), title="Learned")
    limit = np.abs(weights).max()
    for drawn, weight in zip(images(figure), weights, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), weight)
        assert drawn.get_clim() == (-limit, limit)
    larger = pictures.weight_maps(weights * 4096, labels=list("abc"))
    for one, other in zip(images(figure), images(larger), strict=True):
        colours = [drawn.to_rgba(drawn.get_array()) for drawn in (one, other)]
        np.testing.assert_allclose(*colours)
    assert figure.get_suptitle() == "Learned"
    assert [ax.get_title() for ax in figure.axes if ax.images] == ["a", "b", "c"]
    assert [ax.get_ylabel() for ax in figure.axes if not ax.images][-1] == "weight"


def test_silent_neurons_are_drawn_on_a_scale_of_one():
    (drawn,) = images(pictures.weight_maps(np.zeros((1, 4, 4)), labels=["a"]))
    assert drawn.get_clim() == (-1, 1)
    (drawn,) = images(pictures.weight_maps(np.full((1, 4, 4), np.nan), labels=["a"]))
    assert drawn.get_clim() == (-1, 1)


@pytest.mark.parametrize("shape", [(8, 8), (28, 20), (1, 1536), (1536, 1)])
def test_maps_of_any_shape_can_be_drawn(shape):
    figure = pictures.weight_maps(np.ones((7, *shape)), labels=["name"] * 7)
    assert len(images(figure)) == 7
    assert len(pictures.rendered(figure)) > 1000


def test_grids_are_full_where_they_can_be():
    assert [maps._grid_columns(n) for n in (1, 4, 10, 12, 15, 64)] == [1, 2, 5, 4, 5, 8]


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
def test_maps_that_cannot_be_drawn(weights, labels, options, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        pictures.weight_maps(weights, labels=labels, **options)
    assert str(error.value) == message
