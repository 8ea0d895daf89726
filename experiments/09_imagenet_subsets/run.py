"""The hybrid paper's experiments: 26 and 64 classes of ImageNet, EfficientNet-B3, one pass.

    python experiments/09_imagenet_subsets/run.py IMAGENET 26 --per-class 603 --output results-26
    python experiments/09_imagenet_subsets/run.py IMAGENET 64 --per-class 550 --output results-64

IMAGENET is your copy: a folder with a sub-folder for each class, named by its WordNet id
(``n02690373``), by its name (``airliner``, ``Granny_Smith``, ``bicycle-built-for-two``) or by both.
OUTPUT gets ``table.txt``, the model, and ``report.html`` with the paper's figure 4 (the confusion
of classes with more than one error), the learning curve, spikes, weights and energy. Activations
are cached, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spikehead import HybridClassifier
from spikehead.encoders import ActivationCache, encode_photos
from spikehead.evaluation.comparison import Result, compare
from spikehead.evaluation.energy import DenseHead, measure_energy
from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import others, spiking
from spikehead.evaluation.metrics import confidence_interval, evaluate_photos
from spikehead.evaluation.report import write_report
from spikehead.heads.colanet.classifier import CoLaNETClassifier
from spikehead.images import Photo, find_photos, split
from spikehead.models.obtain import obtain_encoder

HERE = Path(__file__).parent
WORDNET_ID = re.compile(r"n\d{8}")
ANN_NEURONS, ANN_EPOCHS = 1000, (1, 12)  # section 5.2


def read_classes(file: Path) -> dict[str, str]:
    """Return the names of classes by their WordNet ids."""
    return dict(line.split() for line in file.read_text("utf-8").splitlines() if line.strip())


def plain(name: str) -> str:
    """Return a class name in small letters, with underscores between words."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def class_of(folder: str, classes: dict[str, str]) -> str | None:
    """Return the class that a folder is named after, if it is one of these."""
    found = WORDNET_ID.match(folder)
    if found:
        return classes.get(found[0])
    return plain(folder) if plain(folder) in classes.values() else None


def select(imagenet: Path, classes: dict[str, str], per_class: int | None) -> list[Photo]:
    """Return photos of the classes, as many of each at most as are asked for."""
    photos: dict[str, list[Photo]] = {name: [] for name in classes.values()}
    for photo in find_photos(imagenet):
        name = class_of(photo.label, classes)
        if name:
            photos[name].append(Photo(photo.path, name))
    missing = [f"{name} ({number})" for number, name in classes.items() if not photos[name]]
    if missing:
        more = ", ..." if len(missing) > 5 else ""
        raise SystemExit(
            f"{imagenet} has no photos of {len(missing)} of the {len(classes)} classes, "
            f"{', '.join(missing[:5])}{more}: name their folders by WordNet id or by name"
        )
    random = np.random.RandomState(0)
    return [
        of_class[i]
        for of_class in photos.values()
        for i in random.permutation(len(of_class))[:per_class]
    ]


def encoded(photos: list[Photo], model: HybridClassifier) -> Examples:
    """Return the activations and labels of the photos that can be read."""
    batches = list(encode_photos([p.path for p in photos], model.encoder, model.cache))
    labels = [photos[index].label for batch in batches for index in batch.indices]
    return Examples(
        np.concatenate([batch.given.clip(min=0) for batch in batches]), np.array(labels)
    )


def table(results: list[Result], head: CoLaNETClassifier, test: Examples) -> Iterator[str]:
    """Return the lines of the table: accuracies, and the estimated energy of each head."""
    network = head.network_
    energy = measure_energy(head, test.X)
    ann = DenseHead((network.n_inputs, ANN_NEURONS, network.n_columns))
    joules = [
        (energy.answering.joules, energy.learning.joules),
        *((ann.answering_joules, epochs * ann.learning_joules) for epochs in ANN_EPOCHS),
    ]
    yield f"{'':16}{'accuracy %':>16}{'uJ a decision':>16}{'uJ to learn a photo':>22}"
    for result, (decision, lesson) in zip(results, joules, strict=True):
        accuracies = 100 * np.array(result.accuracies)
        spread = f" +- {accuracies.std(ddof=1):.2f}" if len(accuracies) > 1 else ""
        accuracy = f"{accuracies.mean():.2f}{spread}"
        yield f"{result.name:16}{accuracy:>16}{1e6 * decision:16.2f}{1e6 * lesson:22.2f}"
    low, high = confidence_interval(
        round(len(test) * float(np.mean(results[0].accuracies))), len(test)
    )
    yield f"The first row's 95 % confidence interval: {low:.2%} to {high:.2%}."


def main() -> None:
    """Learn, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("imagenet", type=Path)
    parser.add_argument("classes", help="26, 64, or a file with a WordNet id and a name a line")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", default="efficientnet_b3")
    parser.add_argument("--per-class", type=int, help="photos of each class at most")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    known = HERE / f"classes-{options.classes}.txt"
    classes = read_classes(known if known.exists() else Path(options.classes))
    photos = select(options.imagenet, classes, options.per_class)
    train, test = ([photos[i] for i in part] for part in split(photo.label for photo in photos))
    options.output.mkdir(parents=True, exist_ok=True)

    encoder = obtain_encoder(options.encoder)
    model = HybridClassifier(encoder, head="paper")
    with ActivationCache(model.encoder) as model.cache:
        model.learn([photo.path for photo in train], [photo.label for photo in train])
        model.save(options.output / "model")
        result = evaluate_photos(model, test)
        title = f"{len(classes)} classes of ImageNet"
        write_report(options.output / "report.html", model, result, title=title)
        learned, measured = encoded(train, model), encoded(test, model)
    network = model.head.network_
    anns = [method for method in others() if method.name.startswith("ANN")]
    methods = [spiking("CoLaNET, Table 1", "colanet", network.parameters), *anns]
    results = compare(learned, measured, methods, seeds=options.seeds)
    lines = [
        f"{len(learned)} + {len(measured)} photos of {len(classes)} classes, {model.encoder.name}, "
        f"{network.n_inputs} activations, {options.seeds} seeds",
        *table(results, model.head, measured),
    ]
    (options.output / "table.txt").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
