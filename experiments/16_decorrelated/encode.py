"""Encode folders of photos, and scikit-learn's digits, for the scripts beside this one.

    python experiments/16_decorrelated/encode.py FOLDER digits
    python experiments/16_decorrelated/encode.py FOLDER NAME PHOTOS ENCODER.onnx

PHOTOS holds one folder a class. FOLDER gets ``NAME.npz`` with the arrays ``X``, activations, and
``y``, names of classes. The bundled encoder sees the digits: the first 1,400 of an order that seed
0 draws, so that the others stay for a test.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from spikehead.encoders import encode_photos, open_encoder
from spikehead.images import find_photos


def main() -> None:
    """Write one data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("encoder", nargs="?")
    options = parser.parse_args()
    if options.name == "digits":
        encoder = open_encoder("bundled")
        grey, digits = load_digits(return_X_y=True)
        chosen = np.random.RandomState(0).permutation(len(digits))[:1400]
        images = np.uint8(np.round(grey[chosen] * 255 / 16)).reshape(-1, 8, 8, 1).repeat(3, axis=3)
        ready = [encoder.preprocessing(Image.fromarray(image)) for image in images]
        activations, labels = encoder.encode(np.stack(ready)), digits[chosen].astype(str)
    else:
        photos = find_photos(options.photos)
        encoder = open_encoder(f"onnx:{options.encoder}")
        batches = list(encode_photos([photo.path for photo in photos], encoder))
        activations = np.concatenate([batch.activations for batch in batches])
        labels = np.array([photos[i].label for batch in batches for i in batch.indices])
    options.folder.mkdir(parents=True, exist_ok=True)
    np.savez(options.folder / f"{options.name}.npz", X=np.float32(activations), y=labels)


if __name__ == "__main__":
    main()
