"""What the order of learning does to a model that is taught class after class, as on the page.

Usage: run.py ENCODER PHOTOS, where PHOTOS has the folders train and test, one sub-folder a class.
Three classes are taught from a few photos each; the test photos of these classes are answered.
Each figure is the mean over twelve draws of classes and photos (seeds 0 to 11). That classes take
turns on the page was decided by these photos, so the figures for it are a little optimistic.
"""

import sys
from pathlib import Path

import numpy as np

from spikehead.encoders import encode_photos
from spikehead.heads.classifiers import SpikingClassifier
from spikehead.images import find_photos
from spikehead.models.hybrid import HybridClassifier
from spikehead.models.lessons import StoredLesson

DRAWS = 12
COUNTS = ((5, 5, 5), (10, 10, 10), (15, 5, 5), (5, 5, 15), (40, 5, 5))
TEST_PHOTOS = 40  # of each class


def encoded(encoder, folder: Path) -> dict[str, np.ndarray]:
    """Return the activations of each class's first photos."""
    found: dict[str, list[Path]] = {}
    for photo in find_photos(folder):
        found.setdefault(photo.label, []).append(photo.path)
    return {
        label: np.concatenate([b.activations for b in encode_photos(paths[:TEST_PHOTOS], encoder)])
        for label, paths in found.items()
    }


def accuracy(head: SpikingClassifier, test: dict[str, np.ndarray], classes: list[str]) -> float:
    """Return the mean accuracy on the classes."""
    return float(np.mean([(head.predict(test[name]) == name).mean() for name in classes]))


def main() -> None:
    """Print the table."""
    untaught = HybridClassifier(sys.argv[1])
    encoder = untaught.encoder
    train, test = (encoded(encoder, Path(sys.argv[2], part)) for part in ("train", "test"))
    heads = {"CoLaNET, Table 1": "paper", "decorrelated columns": "decorrelated"}
    print("| head | photos | one after the other | in turns |\n|---|---|---|---|")
    for name, head in heads.items():
        for counts in COUNTS:
            figures = []
            for seed in range(DRAWS):
                rng = np.random.RandomState(seed)
                classes = rng.choice(sorted(train), len(counts), replace=False).tolist()
                shown = [
                    train[label][rng.permutation(len(train[label]))[:count]]
                    for label, count in zip(classes, counts, strict=True)
                ]
                model = HybridClassifier(encoder, head=head)
                in_turns = model.taught(lessons(classes, shown)).head
                for label, X in zip(classes, shown, strict=True):
                    model.head.partial_fit(X, [label] * len(X))
                figures.append([accuracy(h, test, classes) for h in (model.head, in_turns)])
            means = " | ".join(f"{mean:.1%}" for mean in np.mean(figures, axis=0))
            print(f"| {name} | {' + '.join(map(str, counts))} | {means} |", flush=True)


def lessons(classes: list[str], shown: list[np.ndarray]) -> list[StoredLesson]:
    """Return a lesson for each class."""
    rng = np.random.default_rng(0)
    return [
        StoredLesson(number, label, 0.0, rng.integers(0, 256, (len(X), 32), np.uint8), X)
        for number, (label, X) in enumerate(zip(classes, shown, strict=True), 1)
    ]


if __name__ == "__main__":
    main()
