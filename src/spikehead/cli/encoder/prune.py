"""spikehead encoder prune: a smaller backbone, as an encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from spikehead.cli import console
from spikehead.cli.commands import needs
from spikehead.cli.encoder import backbones
from spikehead.files import write_file

if TYPE_CHECKING:
    from spikehead.backbones.backbone import Backbone
    from spikehead.backbones.data import ImageSource
    from spikehead.backbones.pruning import Candidate


def prune(
    photos: backbones.Photos,
    output: Annotated[Path, typer.Option(help="Folder for checkpoints, logs and encoder.")],
    backbone: backbones.BackboneName = "se_resnet18",
    kind: Annotated[
        Literal["structured", "unstructured"],
        typer.Option(help="Remove channels, or set single weights to zero."),
    ] = "structured",
    reduction: Annotated[
        float,
        typer.Option(
            help="Least share of the parameters to remove; structured: of the multiply-adds too."
        ),
    ] = 0.3,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin with random weights.")
    ] = False,
    weights: backbones.Weights = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the photos before pruning.  [default: 20; 100]"),
    ] = None,
    fine_tuning_epochs: Annotated[
        int, typer.Option(min=1, help="Passes over the photos after pruning.")
    ] = 20,
    l1: Annotated[float, typer.Option(min=0, help="Strength of the L1 penalty.")] = 1e-5,
    batch_size: backbones.BatchSize = None,
    learning_rate: backbones.LearningRate = None,
    precision: backbones.WeightPrecision = "float32",
    device: backbones.Device = "cpu",
) -> None:
    """Train a backbone with an L1 penalty, prune it, and fine-tune it; run it again to go on.

    The share that is removed is chosen by grid search on a fifth of the photos, which is held out.
    A structured network is smaller and faster; an unstructured one keeps its shape, with zeros in
    it. The output folder gets checkpoints and a log of the trainings, grid.csv of the search,
    report.json, and encoder.onnx, for `spikehead learn --encoder onnx:.../encoder.onnx`.
    """
    with needs("train"):
        from spikehead.backbones import data, pruning, training
        from spikehead.backbones.export import export
    from_scratch = from_scratch or backbones.begins_randomly(backbone, weights)
    model = backbones.beginning(backbone, weights, from_scratch)
    preprocessing = backbones.preprocessing(backbone)
    shown, held_out, classes = data.read_folder(photos, preprocessing)
    model.replace_head(len(classes))
    changes: dict[str, Any] = {"batch_size": batch_size, "learning_rate": learning_rate}
    recipe = backbones.adjusted(
        training.SCRATCH if from_scratch else training.FINE_TUNING, epochs=epochs, l1=l1, **changes
    )
    plan = pruning.Plan(
        kind,
        reduction,
        fine_tuning=backbones.adjusted(training.FINE_TUNING, epochs=fine_tuning_epochs, **changes),
    )
    dense = training.train(
        model,
        shown,
        held_out,
        recipe,
        output / "training",
        device=device,
        report=backbones.reporter(output / "training", recipe),
    )
    pruned = pruning.prune(
        dense,
        shown,
        held_out,
        plan,
        output,
        device=device,
        report_candidate=_report_candidate,
        report_epoch=backbones.reporter(output / "fine-tuning", plan.fine_tuning),
    )
    facts = {
        name: _facts(network.to("cpu"), held_out, preprocessing.shape[-1])
        for name, network in (("dense", dense), (plan.kind, pruned))
    }
    pruned.replace_head(0)
    file = output / "encoder.onnx"
    typical = backbones.typical([photo.path for photo in shown.photos], preprocessing)
    export(pruned, file, preprocessing, precision=precision, calibration=typical)
    write_file(output / "report.json", json.dumps(facts, indent=2).encode() + b"\n")
    table = Table("", *facts, box=None)
    for name in facts["dense"]:
        table.add_row(name, *(f"{row[name]:,}" for row in facts.values()))
    console.out.print(table)
    console.out.print(f"The encoder is onnx:{file}", soft_wrap=True)


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
