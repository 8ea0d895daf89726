"""What the commands that build, train and prune backbones share."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from spikehead import pictures
from spikehead.cli import console, progress
from spikehead.encoders import PRETRAINED
from spikehead.images import Preprocessing, read_photo

if TYPE_CHECKING:
    from spikehead.backbones.backbone import Backbone
    from spikehead.backbones.training import Epoch, Recipe

BackboneName = Annotated[
    str,
    typer.Option(
        "--backbone",
        help="efficientnet_b0 to efficientnet_b7, efficientnet_cifar, resnet18, se_resnet18, "
        "resnet18_cifar, se_resnet18_cifar or mobilenet_v2.",
    ),
]

Photos = Annotated[Path, typer.Argument(help="Folder of photos: one sub-folder a class.")]
Weights = Annotated[
    Path | None, typer.Option(help="Begin with this file instead of the official weights.")
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Photos a step.")]
LearningRate = Annotated[
    float | None, typer.Option(help="For a batch of 256; it follows the batch size.")
]
Device = Annotated[str, typer.Option(help="Where to train: cpu, cuda ...")]
Precision = Literal["float32", "float16", "int8"]
WeightPrecision = Annotated[
    Precision,
    typer.Option("--precision", help="Of the encoder's weights."),
]


def adjusted(recipe: Recipe, **options: Any) -> Recipe:
    """Return a recipe with the options that were given."""
    chosen = {name: value for name, value in options.items() if value is not None}
    warmup = min(recipe.warmup_epochs, chosen.get("epochs", recipe.epochs) / 4)
    return replace(recipe, **chosen, warmup_epochs=warmup)


def reporter(folder: Path, recipe: Recipe) -> Callable[[Epoch], None]:
    """Return what tells of each epoch, and draws the curves."""

    def report(epoch: Epoch) -> None:
        console.messages.print(
            f"epoch {epoch.epoch} of {recipe.epochs}: training {epoch.training_accuracy:.1%}, "
            f"validation {epoch.validation_accuracy:.1%} ({epoch.seconds:.0f} s)"
        )
        _draw_curves(folder / "log.csv")

    return report


def _draw_curves(log: Path) -> None:
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    series = {
        name.replace("_", " "): [float(row[name]) for row in rows]
        for name in ("training_accuracy", "validation_accuracy")
    }
    drawn = pictures.curves(series, title="Accuracy", x_label="epoch", y_label="accuracy")
    pictures.save(drawn, log.with_name("curves.png"))


def typical(
    photos: Sequence[Path], preprocessing: Preprocessing, most: int = 128
) -> NDArray[np.float32]:
    """Return some photos, preprocessed, from which the ranges of activations can be told."""
    chosen = photos[:: -(-len(photos) // most)]
    return np.stack([preprocessing(read_photo(path)) for path in chosen])


def begins_randomly(name: str, weights: Path | None) -> bool:
    """Return whether a backbone can begin with random weights only, and say so."""
    from spikehead.backbones.catalogue import network

    network(name)
    if weights or name in PRETRAINED:
        return False
    console.messages.print(f"There are no official weights of {name}: it begins with random ones.")
    return True


def beginning(name: str, weights: Path | None, from_scratch: bool) -> Backbone:
    """Return a backbone with random, given or official weights.

    What is drawn at random, a new head that it is given afterwards included, is the same each time.
    """
    import torch

    from spikehead.backbones.catalogue import network
    from spikehead.backbones.training import Recipe
    from spikehead.backbones.weights import pretrained

    torch.manual_seed(Recipe.seed)
    if from_scratch:
        return network(name).make(0)
    with progress.download(name) as shown:
        return pretrained(name, weights=weights, progress=shown, tell=console.tell)


def preprocessing(backbone: str) -> Preprocessing:
    """Return how a backbone takes photos."""
    from spikehead.backbones.catalogue import network

    side = network(backbone).resolution
    if known := PRETRAINED.get(backbone):
        return known.preprocessing
    return Preprocessing(resize=side, crop=side)
