"""A photo as spikes: a row for each layer, a column for each step."""

import numpy as np
import pytest

from spikehead import pictures


def test_a_panel_shows_the_share_of_channels_that_spike():
    few = np.zeros((2, 4, 3, 3), np.int8)
    few[1, :2, 0, 1] = 1, -1
    figure = pictures.layer_spikes({"a": np.ones((3, 1, 2, 2)), "b": few}, title="A photo")
    panels = np.array(figure.axes).reshape(2, 3)
    assert [ax.get_ylabel() for ax in panels[:, 0]] == ["a", "b"]
    expected = np.zeros((3, 3))
    expected[0, 1] = 0.5
    assert np.array_equal(panels[1, 1].images[0].get_array(), expected)
    assert not panels[1, 2].images
    assert figure.get_suptitle() == "A photo"


@pytest.mark.parametrize("layers", [{}, {"a": np.ones((2, 2))}, {"a": np.ones((13, 1, 2, 2))}])
def test_what_cannot_be_drawn_is_refused(layers):
    with pytest.raises(ValueError, match="give"):
        pictures.layer_spikes(layers)
