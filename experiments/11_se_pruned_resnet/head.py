"""Encoder and head without torch; run alone, it prints the memory that they need, in MB.

python head.py PHOTOS ENCODER
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders import Encoder, encode_photos, open_encoder
from spikehead.heads.classifiers import SpikingClassifier
from spikehead.heads.registry import DEFAULT_HEAD, new_head
from spikehead.images import Photo, find_photos

MEMORY_PHOTOS = 100


def activations(
    photos: Sequence[Photo], encoder: Encoder
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return the activations of photos, and their labels."""
    batches = encode_photos([photo.path for photo in photos], encoder)
    return (
        np.concatenate([batch.given.clip(min=0) for batch in batches]),
        np.array([photo.label for photo in photos]),
    )


def new_default() -> SpikingClassifier:
    """Return a head as `spikehead learn` makes it."""
    return new_head(DEFAULT_HEAD, n_threads=1)


def main() -> None:
    """Learn some photos, answer them, and print the largest memory of this process (Linux)."""
    photos = find_photos(sys.argv[1])
    encoder = open_encoder(sys.argv[2], n_threads=1)
    X, y = activations(photos[:: len(photos) // MEMORY_PHOTOS][:MEMORY_PHOTOS], encoder)
    new_default().fit(X, y).predict(X)
    # Unlike getrusage's, this is not the parent's at the moment of the fork.
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    print(int(kilobytes) / 1000)


if __name__ == "__main__":
    main()
