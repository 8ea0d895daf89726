"""Photos as they would be in other circumstances: in fog, and at night."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from spikehead.images import PhotoFolder, UnreadablePhoto, read_photo

__all__ = ["CIRCUMSTANCES", "write_photos"]

_FOG = 0.75  # share of the light that comes from the fog
_LIGHT = 0.12  # of the day's that is left at night
_NOISE = 0.02  # standard deviation of the camera's noise at night, of full white


def fog(photo: Image.Image, _: np.random.Generator) -> Image.Image:
    """Return a photo that is blurred and bright."""
    blurred = photo.filter(ImageFilter.GaussianBlur(min(photo.size) / 150))
    return Image.blend(blurred, Image.new("RGB", photo.size, (215, 220, 225)), _FOG)


def night(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return a photo that is dark, bluish and noisy."""
    light: NDArray[np.float64] = np.asarray(photo) / 255 * _LIGHT * np.array([0.8, 0.9, 1.3])
    noisy = light + random.normal(0, _NOISE, light.shape)
    return Image.fromarray(np.uint8(np.clip(noisy, 0, 1) * 255))


CIRCUMSTANCES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "fog": fog,
    "night": night,
}
"""Each takes a photo and chance."""


def write_photos(folder: PhotoFolder, name: str, output: Path) -> None:
    """Write the photos of a folder as they would be in other circumstances.

    Parameters
    ----------
    folder : PhotoFolder
        What to write; those that cannot be read are left out.
    name : str
        One of `CIRCUMSTANCES`.
    output : Path
        Where; a sub-folder a class.
    """
    for number, photo in enumerate(folder.photos):
        try:
            changed = CIRCUMSTANCES[name](read_photo(photo.path), np.random.default_rng(number))
        except UnreadablePhoto:
            continue
        place = output / photo.label / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        changed.save(place, quality=95)
