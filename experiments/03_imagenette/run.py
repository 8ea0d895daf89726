"""Photos of ten ImageNet classes, Table 1 as it stands, one pass; beside an offline linear probe.

    python experiments/03_imagenette/run.py PHOTOS ENCODER.onnx

PHOTOS has a folder ``train`` and a folder ``test``, each with a sub-folder per class. The linear
probe is scikit-learn's logistic regression on the same activations, standardised, trained to
convergence over all of them at once; its regularisation is chosen by cross-validation on the
training part. Nothing is chosen on the test part.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spikehead import CoLaNETClassifier
from spikehead.encoders import Encoder, encode_photos, open_encoder
from spikehead.images import find_photos


def encode(folder: Path, encoder: Encoder) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the activations of the photos in a folder, and their labels."""
    photos = find_photos(folder)
    batches = list(encode_photos([photo.path for photo in photos], encoder))
    labels = [photos[index].label for batch in batches for index in batch.indices]
    return np.concatenate([batch.given.clip(min=0) for batch in batches]), np.array(labels)


def main() -> None:
    """Measure five seeds, each with an order of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("encoder", type=Path)
    arguments = parser.parse_args()
    encoder = open_encoder(f"onnx:{arguments.encoder}")
    X, y = encode(arguments.photos / "train", encoder)
    X_test, y_test = encode(arguments.photos / "test", encoder)
    print(f"{len(X)} + {len(X_test)} photos, {X.shape[1]} activations")
    for seed in range(5):
        order = np.random.RandomState(seed).permutation(len(X))
        started = time.perf_counter()
        head = CoLaNETClassifier(random_state=seed).fit(X[order], y[order])
        seconds = time.perf_counter() - started
        accuracy = head.score(X_test, y_test)
        print(
            f"CoLaNET, Table 1, one pass, seed {seed}: {accuracy:.2%} (learned in {seconds:.2f} s)"
        )
    by_class = np.argsort(y, kind="stable")
    accuracy = CoLaNETClassifier().fit(X[by_class], y[by_class]).score(X_test, y_test)
    print(f"CoLaNET, Table 1, one pass, class after class: {accuracy:.2%}")
    probe = LogisticRegressionCV(
        Cs=np.logspace(-5, 0, 6),
        l1_ratios=(0.0,),
        max_iter=2000,
        scoring="accuracy",
        use_legacy_attributes=False,
    )
    probe = make_pipeline(StandardScaler(), probe).fit(X, y)
    print(f"linear probe, offline: {probe.score(X_test, y_test):.2%}")


if __name__ == "__main__":
    main()
