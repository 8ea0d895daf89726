"""spikehead encoder train: a backbone that learns from photos, as an encoder."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from PIL import Image

from spikehead.cli import console
from spikehead.cli.commands import needs
from spikehead.cli.encoder import backbones
from spikehead.files import write_file
from spikehead.images import Preprocessing, read_photo

if TYPE_CHECKING:
    from spikehead.backbones.backbone import Backbone

TILE = 224
"""Side of a photo in the picture of class activation maps."""


def train(
    photos: backbones.Photos,
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, log, curves and encoder.")],
    backbone: backbones.BackboneName = "efficientnet_b0",
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Begin with random weights, by the paper's recipe."),
    ] = False,
    weights: backbones.Weights = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the photos.")] = None,
    batch_size: backbones.BatchSize = None,
    optimizer: Annotated[str | None, typer.Option(help="rmsprop, sgd or adamw.")] = None,
    learning_rate: backbones.LearningRate = None,
    schedule: Annotated[str | None, typer.Option(help="exponential or cosine.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    precision: Annotated[
        str | None, typer.Option(help="Of the forward pass: float32 or bfloat16.")
    ] = None,
    device: backbones.Device = "cpu",
) -> None:
    """Train a backbone on photos, and make an encoder of it; run it again to go on.

    What is not given is as in the recipe: fine-tuning by SGD, cosine and label smoothing, or, with
    --from-scratch, the EfficientNet paper's. A fifth of the photos is held out to judge by. The
    output folder gets checkpoint.pt, log.csv, curves.png, cam.png (what it looks at in some of the
    photos held out), weights.pt, and encoder.onnx, for
    `spikehead learn --encoder onnx:.../encoder.onnx`.
    """
    with needs("train"):
        from spikehead.backbones import data, training
        from spikehead.backbones.export import export
    from_scratch = from_scratch or backbones.begins_randomly(backbone, weights)
    model = backbones.beginning(backbone, weights, from_scratch)
    preprocessing = backbones.preprocessing(backbone)
    shown, held_out, classes = data.read_folder(photos, preprocessing)
    model.replace_head(len(classes))
    recipe = backbones.adjusted(
        training.PAPER if from_scratch else training.FINE_TUNING,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        schedule=schedule,
        label_smoothing=label_smoothing,
        precision=precision,
    )
    report = backbones.reporter(output, recipe)
    trained = training.train(model, shown, held_out, recipe, output, device=device, report=report)
    trained.to("cpu")
    paths = [photo.path for photo in held_out.photos]
    _draw_activation_maps(trained, paths, preprocessing, output / "cam.png")
    trained.replace_head(0)
    export(trained, output / "encoder.onnx", preprocessing)
    console.out.print(f"The encoder is onnx:{output / 'encoder.onnx'}", soft_wrap=True)


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
    content = BytesIO()
    picture.save(content, "PNG")
    write_file(file, content.getvalue())
