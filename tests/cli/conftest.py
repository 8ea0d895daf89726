"""What the tests of the commands share."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def digit_photos(tmp_path):
    """Return what writes some photos of digits, 8 x 8 pixels, one folder a class."""

    def write(how_many):
        images, labels = load_digits(return_X_y=True)
        for number in range(how_many):
            target = tmp_path / "photos" / f"digit {labels[number]}"
            target.mkdir(parents=True, exist_ok=True)
            grey = np.uint8(images[number].reshape(8, 8) * 255 / 16)
            Image.fromarray(grey).save(target / f"{number:04}.png")
        return tmp_path / "photos"

    return write
