"""spikehead demo: the whole pipeline on embedded data, with pictures of what happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import pictures
from spikehead.cli import console, models, options
from spikehead.encoders import DEFAULT
from spikehead.evaluation.metrics import evaluate_photos
from spikehead.heads.registry import DEFAULT_HEAD
from spikehead.images import Photo, find_photos, split
from spikehead.models import storage
from spikehead.models.hybrid import HybridClassifier

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

SIDE = 8
LATE_CLASS = "9"


def demo(
    folder: Annotated[Path, typer.Argument(help="Where photos, model and pictures go.")] = Path(
        "spikehead-demo"
    ),
    head: options.HeadName = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Teach a model handwritten digits, with one more class half-way, and measure it.

    The 1,797 digits come with scikit-learn. They go through the bundled encoder, which is made for
    pictures as small as these and never saw a digit, and beside it from their pixels alone; each
    training digit is learned once.
    """
    storage.check_destination(folder / "model")
    console.messages.print(f"Writing 1,797 photos of digits to {folder / 'photos'} ...")
    _write_digits(folder / "photos")
    train, test = folder / "photos" / "train", folder / "photos" / "test"
    # The added class comes in the second half of the stream, among new photos of the others.
    early = [photo for photo in find_photos(train)[::2] if photo.label != LATE_CLASS]
    late = [photo for photo in find_photos(train) if photo not in set(early)]

    model, pixels = (
        models.new(threads, encoder=encoder, head=head or DEFAULT_HEAD)
        for encoder in ("bundled", f"intensities:{SIDE}")
    )
    console.messages.print(
        "Learning nine digits from half of the photos, each once, through the bundled encoder, "
        f"which is for pictures as small as these; photos go through {DEFAULT} ...",
        soft_wrap=True,
    )
    _learn(model, early)
    before = _accuracy_on_known_classes(model, test)
    console.messages.print(f"Going on, with one more class, {LATE_CLASS}, among the others ...")
    _learn(model, late)
    after = evaluate_photos(model, test)
    model.save(folder / "model")
    console.messages.print("The same from pixels alone, without the encoder ...")
    _learn(pixels, early)
    _learn(pixels, late)
    shown = find_photos(test)[-1].path
    drawn = _draw(model, pixels, shown, folder)

    document = {
        "accuracy": after.accuracy,
        "accuracy_from_pixels": evaluate_photos(pixels, test).accuracy,
        "photos_learned": model.head.network_.presentations,
        "photos_tested": after.n_photos,
        "accuracy_on_nine_classes": before,
        "accuracy_on_the_added_class": after.recall(LATE_CLASS),
        "model": str(folder / "model"),
        "pictures": [str(picture) for picture in drawn],
    }
    if as_json:
        console.print_json(document)
    else:
        _print(document, folder, shown)


def _write_digits(folder: Path) -> None:
    """Write scikit-learn's digits as labelled folders of photos, split into two parts."""
    images, labels = load_digits(return_X_y=True)
    train, test = split([str(label) for label in labels])
    for part, indices in (("train", train), ("test", test)):
        for index in indices:
            target = folder / part / str(labels[index])
            target.mkdir(parents=True, exist_ok=True)
            grey = np.rint(images[index].reshape(SIDE, SIDE) * (255 / 16)).astype(np.uint8)
            Image.fromarray(grey).save(target / f"{index:04}.png")


def _learn(model: HybridClassifier, photos: list[Photo]) -> None:
    model.learn([photo.path for photo in photos], [photo.label for photo in photos])


def _accuracy_on_known_classes(model: HybridClassifier, test: Path) -> float:
    """Return the accuracy on the photos of the classes that the model knows."""
    result = evaluate_photos(model, test)
    known = sum(result.photos(label) for label in model.classes)
    return result.n_right / known


def _draw(
    model: HybridClassifier, pixels: HybridClassifier, photo: Path, folder: Path
) -> list[Path]:
    """Draw why a photo got its class, and what was learned from pixels, where that can be done."""
    why, learned = folder / "spikes.png", folder / "weights.png"
    try:
        pictures.save(pictures.explain(model, photo, true=photo.parent.name), why)
        pictures.save(_weights(pixels), learned)
    except ImportError as error:
        console.messages.print(f"There are none here: {error}", soft_wrap=True)
        return []
    return [why, learned]


def _weights(model: HybridClassifier) -> FigureBase:
    """Draw the weights of each class's most trained neuron."""
    network = model.head.network_
    columns = [np.atleast_2d(network.weight_map(column)) for column in range(network.n_columns)]
    most_trained = [column[np.abs(column).sum(axis=1).argmax()] for column in columns]
    return pictures.weight_maps(
        np.reshape(most_trained, (-1, SIDE, SIDE)),
        labels=model.classes,
        title="From pixels: the weights of each class's most trained neuron, in one member",
    )


def _print(document: dict[str, Any], folder: Path, shown: Path) -> None:
    drawn = dict(zip(document["pictures"], ("why it decided so", "what it learned"), strict=False))
    listed = " and ".join(f"{file} ({what})" for file, what in drawn.items()) or "none"
    console.print_lines(
        f"""
Accuracy: {document["accuracy"]:.1%} of {document["photos_tested"]} test photos, after \
{document["photos_learned"]} training photos, each seen once. From pixels alone: \
{document["accuracy_from_pixels"]:.1%}.
Nine classes before {LATE_CLASS} was added: {document["accuracy_on_nine_classes"]:.1%}. \
The added class: {document["accuracy_on_the_added_class"]:.1%}.

Pictures: {listed}
Go on:    spikehead predict {folder / "model"} {shown}
          spikehead evaluate {folder / "model"} {folder / "photos" / "test"}
          spikehead learn YOUR-PHOTOS --model YOUR-MODEL"""
    )
