"""Tables I and II: what the networks of train.py cost and reach on CIFAR-10.

    python measure.py CIFAR10 RUNS [--scale small] [--batches 1 64] [--passes 1000 1000]

Prints a table and writes RUNS/measurements.json. Times are the mean of so many forward passes on
test images; all networks, in eager PyTorch and in ONNX Runtime, take turns pass by pass. Sizes are
those of the ONNX files. The test images are touched here alone, after all choices.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
import torch
from networks import RESOLUTION, SCALES, Scale, read_test

from spikehead.backbones.backbone import Backbone
from spikehead.backbones.costs import count_multiply_adds, count_parameters
from spikehead.backbones.data import normalised
from spikehead.backbones.export import export
from spikehead.backbones.pruning import shrink_to
from spikehead.backbones.training import evaluate
from spikehead.backbones.weights import load_state
from spikehead.images import Preprocessing

# What a row is called, and the network and the folder of its weights.
ROWS = {
    "ResNet-18": ("resnet18", "training"),
    "ResNet-18, trained longer": ("resnet18", "longer"),
    "SE-ResNet-18": ("se_resnet18", "training"),
    "ResNet-18, unstructured": ("resnet18", "unstructured/fine-tuning"),
    "ResNet-18, structured": ("resnet18", "structured/fine-tuning"),
    "SE-ResNet-18, unstructured": ("se_resnet18", "unstructured/fine-tuning"),
    "SE-ResNet-18, structured": ("se_resnet18", "structured/fine-tuning"),
    "MobileNetV2": ("mobilenet_v2", "training"),
    "ShuffleNetV2": ("shufflenet_v2", "training"),
    "EfficientNet-B0": ("efficientnet_b0", "training"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--passes", type=int, nargs="+", default=[1000, 1000], help="by batch")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    networks = {
        row: opened(options.runs / name / folder / "weights.pt", SCALES[options.scale], name)
        for row, (name, folder) in ROWS.items()
    }
    test = read_test(options.cifar10)
    table: dict[str, dict[str, Any]] = {}
    runners: dict[tuple[str, str], Callable[[torch.Tensor], Any]] = {}
    for row, model in networks.items():
        file = options.runs / "onnx" / f"{row}.onnx"
        export(model, file, Preprocessing(resize=RESOLUTION, crop=RESOLUTION))
        table[row] = {
            "parameters": count_parameters(model),
            "nonzero_parameters": count_parameters(model, nonzero=True),
            "multiply_adds": count_multiply_adds(model, RESOLUTION),
            "bytes": file.stat().st_size,
            "accuracy": evaluate(model, test)[1],
        }
        runners[row, "eager"] = model
        runners[row, "onnx"] = in_onnx_runtime(file, options.threads)
    for batch, passes in zip(options.batches, options.passes, strict=True):
        pixels = torch.from_numpy(np.ascontiguousarray(test.batch(np.arange(batch), None)))
        for (row, engine), seconds in timed(
            runners, normalised(pixels.float() / 255), passes
        ).items():
            table[row][f"ms_{engine}_{batch}"] = 1000 * seconds
    (options.runs / "measurements.json").write_text(json.dumps(table, indent=2) + "\n")
    show(table, options.batches)


def opened(file: Path, scale: Scale, name: str) -> Backbone:
    """Return a network with its weights, pruned or not."""
    model = scale.networks()[name]()
    shrink_to(model, load_state(file))
    return model.eval()


def in_onnx_runtime(file: Path, threads: int) -> Callable[[torch.Tensor], Any]:
    """Return what runs an ONNX file on a batch."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, settings, ["CPUExecutionProvider"])
    return lambda images: session.run(None, {"image": images.numpy()})


def timed(
    runners: dict[tuple[str, str], Callable[[torch.Tensor], Any]],
    images: torch.Tensor,
    passes: int,
) -> dict[tuple[str, str], float]:
    """Return the mean seconds of a pass of each, all taking turns after a warm-up."""
    seconds = dict.fromkeys(runners, 0.0)
    with torch.inference_mode():
        for run in runners.values():
            run(images)
        for _ in range(passes):
            for key, run in runners.items():
                started = perf_counter()
                run(images)
                seconds[key] += perf_counter() - started
    return {key: total / passes for key, total in seconds.items()}


def show(table: dict[str, dict[str, Any]], batches: list[int]) -> None:
    """Print the table as Markdown."""
    times = [(engine, batch) for batch in batches for engine in ("eager", "onnx")]
    heads = ["network", "parameters", "of them not 0", "multiply-adds", "MB", "test accuracy"]
    heads += [f"ms {engine}, batch {batch}" for engine, batch in times]
    print("|", " | ".join(heads), "|")
    print("|", " | ".join(["---"] + ["---:"] * (len(heads) - 1)), "|")
    for row, facts in table.items():
        cells = [
            row,
            f"{facts['parameters'] / 1e6:.2f} M",
            f"{facts['nonzero_parameters'] / 1e6:.2f} M",
            f"{facts['multiply_adds'] / 1e6:.1f} M",
            f"{facts['bytes'] / 1e6:.2f}",
            f"{facts['accuracy']:.2%}",
            *(f"{facts[f'ms_{engine}_{batch}']:.2f}" for engine, batch in times),
        ]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
