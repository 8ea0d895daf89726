import numpy as np
import pytest
from PIL import Image

from spikehead.encoders import Intensities, Pixels, restore_encoder
from spikehead.expansion import SparseExpansion

FORMS = (Intensities, Pixels)


def test_each_intensity_is_an_activation_row_by_row():
    levels = np.arange(0, 256, 4, np.uint8).reshape(8, 8)
    encoder = Intensities(8)
    pixels = encoder.preprocessing(Image.fromarray(levels))
    activations = encoder.encode(np.stack([pixels, pixels[:, ::-1]]))
    assert activations.shape == (2, encoder.n_activations) == (2, 64)
    np.testing.assert_allclose(activations[0], levels.ravel() / 255, rtol=1e-6)
    np.testing.assert_allclose(activations[1], levels[::-1].ravel() / 255, rtol=1e-6)


def test_pixels_are_expanded():
    photos = np.random.default_rng(0).random((3, 1, 9, 9), np.float32)
    encoder = Pixels(9)
    expected = SparseExpansion((9, 9)).expand(photos.reshape(3, 81))
    assert expected.shape == (3, encoder.n_activations)
    np.testing.assert_array_equal(encoder.encode(photos), expected)


def test_mnist_size_by_default():
    encoder = Intensities()
    assert (encoder.name, encoder.n_activations, encoder.saturation) == ("intensities", 784, 1.0)
    white = encoder.preprocessing(Image.new("RGB", (60, 40), "white"))
    np.testing.assert_array_equal(encoder.encode(white[None]), np.ones((1, 784)))
    assert (Pixels().name, Pixels().n_activations) == ("pixels", 2048)


def test_the_fingerprint_tells_encoders_apart():
    assert len({form(side).fingerprint for form in FORMS for side in (8, 9, 8)}) == 4
    assert [form(8).name for form in FORMS] == ["intensities:8", "pixels:8"]


@pytest.mark.parametrize("side", [0, 257])
def test_a_side_out_of_range(side):
    message = rf"^pixels:{side} is out of range: choose a side from 1 to 256$"
    with pytest.raises(ValueError, match=message):
        Pixels(side)


def test_what_older_models_call_pixels_are_intensities():
    restored = restore_encoder({"kind": "pixels", "side": 8}, {})
    assert restored.fingerprint == Intensities(8).fingerprint
