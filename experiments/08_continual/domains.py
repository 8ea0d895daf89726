"""Write photos as they are, as in fog and as at night, to learn one domain after the other.

    python experiments/08_continual/domains.py PHOTOS OUTPUT

All below PHOTOS is written three times, below OUTPUT/clear, OUTPUT/fog and OUTPUT/night.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

FOG = 0.75  # share of the light that comes from the fog
LIGHT = 0.12  # of the day's that is left at night
NOISE = 0.02  # standard deviation of the camera's noise at night, of full white


def clear(photo: Image.Image, _: np.random.Generator) -> Image.Image:
    """Return a photo as it is."""
    return photo


def fog(photo: Image.Image, _: np.random.Generator) -> Image.Image:
    """Return a photo that is blurred and bright."""
    blurred = photo.filter(ImageFilter.GaussianBlur(min(photo.size) / 150))
    return Image.blend(blurred, Image.new("RGB", photo.size, (215, 220, 225)), FOG)


def night(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return a photo that is dark, bluish and noisy."""
    light: NDArray[np.float64] = np.asarray(photo) / 255 * LIGHT * np.array([0.8, 0.9, 1.3])
    noisy = light + random.normal(0, NOISE, light.shape)
    return Image.fromarray(np.uint8(np.clip(noisy, 0, 1) * 255))


def main() -> None:
    """Write both domains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    for number, file in enumerate(sorted(f for f in options.photos.rglob("*") if f.is_file())):
        with Image.open(file) as opened:
            photo = opened.convert("RGB")
        for change in (clear, fog, night):
            place = options.output / change.__name__ / file.relative_to(options.photos)
            place.parent.mkdir(parents=True, exist_ok=True)
            changed = change(photo, np.random.default_rng(number))
            changed.save(place.with_suffix(".jpg"), quality=95)


if __name__ == "__main__":
    main()
