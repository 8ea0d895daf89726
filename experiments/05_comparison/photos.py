"""Write scikit-learn's digits as folders of photos, one sub-folder a class.

    python experiments/05_comparison/photos.py OUTPUT

OUTPUT gets a folder `train` and a folder `test`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from spikehead.images import split


def main() -> None:
    """Write both parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    grey, digits = load_digits(return_X_y=True)
    images = np.uint8(grey.reshape(-1, 8, 8) * 255 / 16)
    for part, chosen in zip(("train", "test"), split(digits.astype(str)), strict=True):
        for number, i in enumerate(chosen):
            folder = options.output / part / str(digits[i])
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[i]).save(folder / f"{number:05}.png")


if __name__ == "__main__":
    main()
