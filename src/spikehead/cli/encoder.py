"""spikehead encoder: see, build, train, prune and scale encoders."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table

from spikehead.cli import console
from spikehead.drawing import curves
from spikehead.encoders import PRETRAINED, built_file, open_encoder
from spikehead.encoders.registry import BUNDLED
from spikehead.images import Preprocessing, read_photo

if TYPE_CHECKING:
    from spikehead.backbones.backbone import Backbone
    from spikehead.backbones.data import ImageSource
    from spikehead.backbones.pruning import Candidate
    from spikehead.backbones.training import Epoch, Recipe

TILE = 224
"""Side of a photo in the picture of class activation maps."""

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

app = typer.Typer(help="See, build, train, prune and scale encoders.", no_args_is_help=True)


class Precision(str, Enum):
    """Precisions of the weights in a built encoder's file."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


class Kind(str, Enum):
    """Kinds of pruning."""

    STRUCTURED = "structured"
    UNSTRUCTURED = "unstructured"


class Cost(str, Enum):
    """What a budget can limit."""

    MULTIPLY_ADDS = "multiply-adds"
    PARAMETERS = "parameters"
    SECONDS = "seconds"


@app.command("list")
def list_encoders(as_json: console.Json = False) -> None:
    """List the encoders that there are, and those that can be built."""
    files = {"bundled": BUNDLED, **{name: built_file(name) for name in PRETRAINED}}
    if as_json:
        console.print_json(
            [
                {"name": name, "file": str(file), "ready": file.exists()}
                for name, file in files.items()
            ]
        )
        return
    table = Table("encoder", "", box=None)
    for name, file in files.items():
        missing = "is fetched and built at first use, which needs torch"
        table.add_row(name, str(file) if file.exists() else missing)
    table.add_row("timm:NAME", "any model of timm; built at first use, with torch and timm")
    table.add_row("onnx:PATH", "any ONNX file")
    table.add_row("pixels, pixels:SIDE", "grey pixel intensities")
    console.out.print(table)


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="An encoder's name, as listed.")],
    as_json: console.Json = False,
) -> None:
    """Show what an encoder takes and gives."""
    encoder = open_encoder(name)
    facts = {
        "name": encoder.name,
        "activations": encoder.n_activations,
        "saturation": encoder.saturation,
        "preprocessing": encoder.preprocessing.to_dict(),
        "files": {role: str(file) for role, file in encoder.files.items()},
        "bytes": sum(file.stat().st_size for file in encoder.files.values()),
        "fingerprint": encoder.fingerprint,
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts(facts)


@app.command()
def build(
    name: Annotated[str, typer.Argument(help=f"{', '.join(PRETRAINED)} or timm:NAME.")],
    weights: Annotated[
        Path | None, typer.Option(help="Take the weights from this file, and fetch nothing.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Of the weights.")] = Precision.FLOAT32,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of typical photos, from which int8 takes its ranges."),
    ] = None,
) -> None:
    """Turn an encoder's pretrained weights into an ONNX file, fetching them first."""
    with console.needs("train"):
        from spikehead.backbones.build import build as build_file
    typical = None
    if calibration is not None:
        paths = [photo.path for photo in console.photo_folder(calibration, as_classes=True).photos]
        typical = _typical(paths, _preprocessing(name))
    with console.download(name) as progress:
        file = build_file(
            name,
            weights=weights,
            precision=precision.value,
            calibration=typical,
            progress=progress,
        )
    console.out.print(f"{name} is ready: {file}", soft_wrap=True)


@app.command()
def train(
    photos: Photos,
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, log, curves and encoder.")],
    backbone: BackboneName = "efficientnet_b0",
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Begin with random weights, by the paper's recipe."),
    ] = False,
    weights: Weights = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the photos.")] = None,
    batch_size: BatchSize = None,
    optimizer: Annotated[str | None, typer.Option(help="rmsprop, sgd or adamw.")] = None,
    learning_rate: LearningRate = None,
    schedule: Annotated[str | None, typer.Option(help="exponential or cosine.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    precision: Annotated[
        str | None, typer.Option(help="Of the forward pass: float32 or bfloat16.")
    ] = None,
    device: Device = "cpu",
) -> None:
    """Train a backbone on photos, and make an encoder of it; run it again to go on.

    What is not given is as in the recipe: fine-tuning by SGD, cosine and label smoothing, or, with
    --from-scratch, the EfficientNet paper's. A fifth of the photos is held out to judge by. The
    output folder gets checkpoint.pt, log.csv, curves.png, cam.png (what it looks at in some of the
    photos held out), weights.pt, and encoder.onnx, for
    `spikehead learn --encoder onnx:.../encoder.onnx`.
    """
    with console.needs("train"):
        from spikehead.backbones import data, training
        from spikehead.backbones.export import export
    from_scratch = from_scratch or _has_no_weights(backbone, weights)
    model = _backbone(backbone, weights, from_scratch)
    preprocessing = _preprocessing(backbone)
    shown, held_out, classes = data.read_folder(photos, preprocessing)
    model.replace_head(len(classes))
    recipe = _adjusted(
        training.PAPER if from_scratch else training.FINE_TUNING,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        schedule=schedule,
        label_smoothing=label_smoothing,
        precision=precision,
    )
    report = _reporter(output, recipe)
    trained = training.train(model, shown, held_out, recipe, output, device=device, report=report)
    trained.to("cpu")
    paths = [photo.path for photo in held_out.photos]
    _draw_activation_maps(trained, paths, preprocessing, output / "cam.png")
    trained.replace_head(0)
    export(trained, output / "encoder.onnx", preprocessing)
    console.out.print(f"The encoder is onnx:{output / 'encoder.onnx'}", soft_wrap=True)


@app.command()
def prune(
    photos: Photos,
    output: Annotated[Path, typer.Option(help="Folder for checkpoints, logs and encoder.")],
    backbone: BackboneName = "se_resnet18",
    kind: Annotated[
        Kind, typer.Option(help="Remove channels, or set single weights to zero.")
    ] = Kind.STRUCTURED,
    reduction: Annotated[
        float,
        typer.Option(
            help="Least share of the parameters to remove; structured: of the multiply-adds too."
        ),
    ] = 0.3,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin with random weights.")
    ] = False,
    weights: Weights = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the photos before pruning.  [default: 20; 100]"),
    ] = None,
    fine_tuning_epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the photos after pruning.")
    ] = 20,
    l1: Annotated[float, typer.Option(min=0, help="Strength of the L1 penalty.")] = 1e-5,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    precision: Annotated[
        Precision, typer.Option(help="Of the encoder's weights.")
    ] = Precision.FLOAT32,
    device: Device = "cpu",
) -> None:
    """Train a backbone with an L1 penalty, prune it, and fine-tune it; run it again to go on.

    The share that is removed is chosen by grid search on a fifth of the photos, which is held out.
    A structured network is smaller and faster; an unstructured one keeps its shape, with zeros in
    it. The output folder gets checkpoints and a log of the trainings, grid.csv of the search,
    report.json, and encoder.onnx, for `spikehead learn --encoder onnx:.../encoder.onnx`.
    """
    with console.needs("train"):
        from spikehead.backbones import data, pruning, training
        from spikehead.backbones.export import export
    from_scratch = from_scratch or _has_no_weights(backbone, weights)
    model = _backbone(backbone, weights, from_scratch)
    preprocessing = _preprocessing(backbone)
    shown, held_out, classes = data.read_folder(photos, preprocessing)
    model.replace_head(len(classes))
    changes: dict[str, Any] = {"batch_size": batch_size, "learning_rate": learning_rate}
    recipe = _adjusted(
        training.SCRATCH if from_scratch else training.FINE_TUNING, epochs=epochs, l1=l1, **changes
    )
    plan = pruning.Plan(
        kind.value,
        reduction,
        fine_tuning=_adjusted(training.FINE_TUNING, epochs=fine_tuning_epochs, **changes),
    )
    dense = training.train(
        model,
        shown,
        held_out,
        recipe,
        output / "training",
        device=device,
        report=_reporter(output / "training", recipe),
    )
    pruned = pruning.prune(
        dense,
        shown,
        held_out,
        plan,
        output,
        device=device,
        report_candidate=_report_candidate,
        report_epoch=_reporter(output / "fine-tuning", plan.fine_tuning),
    )
    facts = {
        name: _facts(network.to("cpu"), held_out, preprocessing.crop)
        for name, network in (("dense", dense), (plan.kind, pruned))
    }
    pruned.replace_head(0)
    file = output / "encoder.onnx"
    typical = _typical([photo.path for photo in shown.photos], preprocessing)
    export(pruned, file, preprocessing, precision=precision.value, calibration=typical)
    (output / "report.json").write_text(json.dumps(facts, indent=2) + "\n")
    table = Table("", *facts, box=None)
    for name in facts["dense"]:
        table.add_row(name, *(f"{row[name]:,}" for row in facts.values()))
    console.out.print(table)
    console.out.print(f"The encoder is onnx:{file}", soft_wrap=True)


def _adjusted(recipe: Recipe, **options: Any) -> Recipe:
    """Return a recipe with the options that were given."""
    chosen = {name: value for name, value in options.items() if value is not None}
    warmup = min(recipe.warmup_epochs, chosen.get("epochs", recipe.epochs) / 4)
    return replace(recipe, **chosen, warmup_epochs=warmup)


def _reporter(folder: Path, recipe: Recipe) -> Callable[[Epoch], None]:
    """Return what tells of each epoch, and draws the curves."""

    def report(epoch: Epoch) -> None:
        console.messages.print(
            f"epoch {epoch.epoch} of {recipe.epochs}: training {epoch.training_accuracy:.1%}, "
            f"validation {epoch.validation_accuracy:.1%} ({epoch.seconds:.0f} s)"
        )
        _draw_curves(folder / "log.csv")

    return report


def _report_candidate(candidate: Candidate) -> None:
    console.messages.print(
        f"pruned by {candidate.ratio:.0%}: {candidate.parameters:,} parameters, "
        f"{candidate.multiply_adds:,} multiply-adds, validation {candidate.accuracy:.1%}"
    )


def _facts(model: Backbone, validation: ImageSource, side: int) -> dict[str, float]:
    """Return what a network reaches and costs."""
    from spikehead.backbones.costs import count_multiply_adds, count_parameters
    from spikehead.backbones.training import evaluate

    return {
        "validation_accuracy": round(evaluate(model, validation)[1], 4),
        "parameters": count_parameters(model),
        "nonzero_parameters": count_parameters(model, nonzero=True),
        "multiply_adds": count_multiply_adds(model, side),
    }


def _typical(
    photos: Sequence[Path], preprocessing: Preprocessing, most: int = 128
) -> NDArray[np.float32]:
    """Return some photos, preprocessed, from which the ranges of activations can be told."""
    chosen = photos[:: -(-len(photos) // most)]
    return np.stack([preprocessing(read_photo(path)) for path in chosen])


def _has_no_weights(name: str, weights: Path | None) -> bool:
    """Return whether a backbone can begin with random weights only, and say so."""
    from spikehead.backbones.catalogue import network
    from spikehead.backbones.weights import OFFICIAL_WEIGHTS

    network(name)
    if weights or name in OFFICIAL_WEIGHTS:
        return False
    console.messages.print(f"There are no official weights of {name}: it begins with random ones.")
    return True


def _backbone(name: str, weights: Path | None, from_scratch: bool) -> Backbone:
    """Return a backbone with random, given or official weights."""
    from spikehead.backbones.catalogue import network
    from spikehead.backbones.weights import pretrained

    if from_scratch:
        return network(name).make(0)
    with console.download(name) as progress:
        return pretrained(name, weights=weights, progress=progress)


def _preprocessing(backbone: str) -> Preprocessing:
    """Return how a backbone takes photos."""
    from spikehead.backbones.catalogue import network
    from spikehead.backbones.weights import PREPROCESSING

    side = network(backbone).resolution
    return PREPROCESSING.get(backbone, Preprocessing(resize=side, crop=side))


def _draw_curves(log: Path) -> None:
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    series = {
        name.replace("_", " "): [float(row[name]) for row in rows]
        for name in ("training_accuracy", "validation_accuracy")
    }
    curves(series, title="Accuracy", x_label="epoch").save(log.with_name("curves.png"))


def _draw_activation_maps(
    model: Backbone, photos: list[Path], preprocessing: Preprocessing, file: Path, most: int = 8
) -> None:
    """Draw what the network looks at in some photos, side by side (EfficientNet paper, Fig. 7)."""
    import torch

    from spikehead.backbones.cam import class_activation_map, overlay

    chosen = [read_photo(path) for path in photos[:: -(-len(photos) // most)]]
    pixels = torch.from_numpy(np.stack([preprocessing(photo) for photo in chosen]))
    maps = class_activation_map(model, pixels).numpy()
    picture = Image.new("RGB", (TILE * len(chosen), 2 * TILE))
    for place, (photo, places) in enumerate(zip(chosen, maps, strict=True)):
        seen = preprocessing.frame(photo).resize((TILE, TILE))
        picture.paste(seen, (place * TILE, 0))
        picture.paste(overlay(seen, places), (place * TILE, TILE))
    picture.save(file)


@app.command()
def scale(
    baseline: Annotated[
        str, typer.Argument(help="efficientnet_b0, mobilenet_v1, mobilenet_v2 or resnet_50.")
    ],
    phi: Annotated[
        float | None, typer.Option(help="Compound coefficient: 1 doubles the multiply-adds.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Scale as far as this cost allows, instead of by phi.")
    ] = None,
    cost: Annotated[
        Cost, typer.Option(help="What the budget limits; seconds: one image on one core.")
    ] = Cost.MULTIPLY_ADDS,
    ratios: Annotated[
        tuple[float, float, float],
        typer.Option(help="alpha, beta, gamma: how depth, width and resolution grow."),
    ] = (1.2, 1.1, 1.15),
    as_json: console.Json = False,
) -> None:
    """Scale a baseline in depth, width and resolution together (EfficientNet paper, section 3)."""
    with console.needs("train"):
        from spikehead.backbones import scaling
    if baseline not in scaling.BASELINES:
        names = ", ".join(scaling.BASELINES)
        raise ValueError(f"there is no baseline {baseline!r}: choose {names}")
    if (phi is None) == (budget is None):
        raise typer.BadParameter("give either --phi or --budget.")
    network = scaling.BASELINES[baseline]
    by = scaling.Ratios(*ratios)
    if budget is not None:
        measures: dict[Cost, Callable[[scaling.Network], float]] = {
            Cost.MULTIPLY_ADDS: scaling.multiply_adds,
            Cost.PARAMETERS: scaling.parameters,
            Cost.SECONDS: scaling.latency,
        }
        phi, _ = scaling.scale_to_budget(network, measures[cost], budget, by)
    found = by.scale(float(phi or 0))
    scaled = network(found)
    facts = {
        "baseline": baseline,
        "phi": phi,
        "depth": round(found.depth, 4),
        "width": round(found.width, 4),
        "resolution": scaled.resolution,
        "parameters": scaling.parameters(scaled),
        "multiply_adds": scaling.multiply_adds(scaled),
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts(facts)
