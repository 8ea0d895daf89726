"""MNIST pixels, 60,000 digits once each: one CoLaNET network, and an ensemble of fifteen.

    python experiments/04_mnist/run.py MNIST-FOLDER            # measures the parameters found
    python experiments/04_mnist/run.py MNIST-FOLDER --search   # finds them (about 20 minutes)

MNIST-FOLDER holds the four files of MNIST in the IDX format, gzipped. The search starts from the
values that the specification reports, changes one to three hyperparameters at random, and keeps
what is better on 10,000 digits held out of the training part. The test part is used once, at the
end, by the measurement.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead import CoLaNETClassifier

HERE = Path(__file__).parent
FILES = {1: HERE / "parameters-1-member.json", 15: HERE / "parameters-15-members.json"}
CANDIDATES = {1: 250, 15: 60}
START = {
    "potentiation": 0.79,
    "relative_depression": 0.745,
    "stability_rate": 0.0212,
    "min_weight": 0.912,
    "max_weight": 0.213,
    "silent_synapses": 137,
    "threshold_excess": 0.0021,
    "stochastic_stimulation": 0.016,
    "max_synapses": 500,
    "saturation": 255,
    "microcolumns": 15,
}
RANGES = {
    "potentiation": (0.003, 1.5),
    "relative_depression": (0.3, 1.3),
    "stability_rate": (0.0003, 1),
    "max_weight": (0.03, 3),
    "min_weight": (0.003, 3),
    "silent_synapses": (1, 3000),
    "threshold_excess": (0.001, 0.3),
    "stochastic_stimulation": (0.001, 1),
    "max_synapses": (100, 784),
    "saturation": (60, 255),
    "microcolumns": (5, 40),
}
WHOLE = ("silent_synapses", "max_synapses", "microcolumns")
CAREFUL = ("microcolumns", "relative_depression", "saturation")


def read(folder: Path, part: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return pixels from 0 to 255, shape (n, 784), and digits."""
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)
    return pixels.astype(np.float32), np.frombuffer(labels, np.uint8, offset=8)


def search(X: Any, y: Any, members: int, start: dict[str, float]) -> dict[str, float]:
    """Return the best hyperparameters found on a validation part."""
    order = np.random.default_rng(0).permutation(len(X))
    train, validation = order[:50_000], order[50_000:]

    def accuracy(parameters: dict[str, float]) -> float:
        head = CoLaNETClassifier(members=members, **parameters).fit(X[train], y[train])
        return float(head.score(X[validation], y[validation]))

    rng = np.random.default_rng(1 if members == 1 else 2)
    best, best_accuracy = start, accuracy(start)
    for _ in range(CANDIDATES[members]):
        candidate = dict(best)
        for name in rng.choice(list(RANGES), rng.integers(1, 4), replace=False):
            low, high = RANGES[name]
            spread = 0.2 if name in CAREFUL else 0.4
            value = min(max(candidate[name] * np.exp(rng.normal() * spread), low), high)
            candidate[name] = round(value) if name in WHOLE else float(value)
        found = accuracy(candidate)
        if found > best_accuracy:
            best, best_accuracy = candidate, found
            print(f"{members} members: validation {best_accuracy:.2%} {best}", flush=True)
    return best


def main() -> None:
    """Search if asked to, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--search", action="store_true")
    arguments = parser.parse_args()
    X, y = read(arguments.folder, "train")
    X_test, y_test = read(arguments.folder, "t10k")
    if arguments.search:
        best: dict[str, float] = START
        for members, file in FILES.items():
            best = search(X, y, members, best)
            file.write_text(json.dumps(best, indent=2) + "\n")
    print("members  microcolumns  seed  test accuracy  learning  answering")
    for members, file in FILES.items():
        parameters = json.loads(file.read_text())
        for seed in range(5):
            head = CoLaNETClassifier(members=members, random_state=seed, **parameters)
            started = time.perf_counter()
            head.fit(X, y)
            learned = time.perf_counter()
            accuracy = head.score(X_test, y_test)
            answered = time.perf_counter()
            print(
                f"{members:7}  {parameters['microcolumns']:12}  {seed:4}  {accuracy:13.2%}"
                f"  {learned - started:6.1f} s  {answered - learned:7.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
