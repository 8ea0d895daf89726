"""Write photos as they are, as in fog and as at night, to learn one domain after the other.

    python experiments/08_continual/domains.py PHOTOS OUTPUT

All below PHOTOS is written three times, below OUTPUT/clear, OUTPUT/fog and OUTPUT/night.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from spikehead.evaluation.circumstances import CIRCUMSTANCES


def main() -> None:
    """Write both domains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    for number, file in enumerate(sorted(f for f in options.photos.rglob("*") if f.is_file())):
        with Image.open(file) as opened:
            photo = opened.convert("RGB")
        for name in ("clear", *CIRCUMSTANCES):
            place = options.output / name / file.relative_to(options.photos)
            place.parent.mkdir(parents=True, exist_ok=True)
            change = CIRCUMSTANCES.get(name, lambda photo, _: photo)
            changed = change(photo, np.random.default_rng(number))
            changed.save(place.with_suffix(".jpg"), quality=95)


if __name__ == "__main__":
    main()
