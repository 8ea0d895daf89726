import numpy as np
import pytest
from PIL import Image

from spikehead.encoders import Pixels


def test_each_pixel_is_an_activation_row_by_row():
    levels = np.arange(0, 256, 4, np.uint8).reshape(8, 8)
    encoder = Pixels(8)
    pixels = encoder.preprocessing(Image.fromarray(levels))
    activations = encoder.encode(np.stack([pixels, pixels[:, ::-1]]))
    assert activations.shape == (2, encoder.n_activations) == (2, 64)
    np.testing.assert_allclose(activations[0], levels.ravel() / 255, rtol=1e-6)
    np.testing.assert_allclose(activations[1], levels[::-1].ravel() / 255, rtol=1e-6)


def test_mnist_size_by_default():
    encoder = Pixels()
    assert (encoder.name, encoder.n_activations, encoder.saturation) == ("pixels", 784, 1.0)
    white = encoder.preprocessing(Image.new("RGB", (60, 40), "white"))
    np.testing.assert_array_equal(encoder.encode(white[None]), np.ones((1, 784)))


def test_the_fingerprint_tells_sides_apart():
    assert Pixels(8).fingerprint == Pixels(8).fingerprint != Pixels().fingerprint
    assert Pixels(8).name == "pixels:8"


@pytest.mark.parametrize("side", [0, 257])
def test_a_side_out_of_range(side):
    message = rf"^pixels:{side} is out of range: choose a side from 1 to 256$"
    with pytest.raises(ValueError, match=message):
        Pixels(side)
