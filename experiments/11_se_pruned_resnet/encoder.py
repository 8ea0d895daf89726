"""The pruned network as an encoder for the spiking head, beside others on the same photos.

    python encoder.py PHOTOS RUNS [ENCODER.onnx ...] [--scale small]

PHOTOS has a folder ``train`` and a folder ``test``, each with a sub-folder per class. RUNS is that
of train.py; the encoders go to RUNS/encoders. The head is that of `spikehead learn`.
Milliseconds are those of one photo, pixels ready, from encoder to answer, on one thread: the median
of passes in which all take turns. Memory is the largest that a process which does nothing else
needs to open the encoder, learn 100 photos and answer them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from head import activations, new_default
from networks import RESOLUTION, SCALES
from torch import Tensor, nn

from spikehead.backbones.backbone import Backbone
from spikehead.backbones.export import export
from spikehead.backbones.pruning import shrink_to
from spikehead.backbones.weights import load_state
from spikehead.encoders import Encoder, open_encoder
from spikehead.heads.classifiers import SpikingClassifier
from spikehead.images import Photo, Preprocessing, find_photos, read_photo

PREPROCESSING = Preprocessing(resize=RESOLUTION, crop=RESOLUTION)
PRECISIONS = ("float32", "float16", "int8")
SEEDS = 5
PASSES = 200
HERE = Path(__file__).parent


class PlacedActivations(nn.Module):
    """The last features at each place, [batch, channels * places]: they tell where something is."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> Tensor:
        """Return the activations of images [batch, 3, R, R]."""
        return self.backbone.feature_map(image).flatten(1)


def main() -> None:
    """Write the encoders, measure all, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("others", nargs="*", help="ONNX files of further encoders")
    parser.add_argument("--scale", choices=SCALES, default="full")
    options = parser.parse_args()
    train, test = (find_photos(options.photos / part) for part in ("train", "test"))
    names = ["bundled", *(f"onnx:{other}" for other in options.others)]
    names += [f"onnx:{file}" for file in exported(options.runs, options.scale, train)]
    encoders = {name: open_encoder(name, n_threads=1) for name in names}
    heads, accuracies = {}, {}
    for name, encoder in encoders.items():
        heads[name], accuracies[name] = learned(encoder, train, test)
    seconds = timed(encoders, heads, test)
    print("| encoder | activations | MB | accuracy | ms | memory, MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, encoder in encoders.items():
        size = sum(file.stat().st_size for file in encoder.files.values())
        used = subprocess.run(
            [sys.executable, HERE / "head.py", options.photos / "train", name],
            capture_output=True,
            text=True,
            check=True,
        )
        reached = accuracies[name]
        print(
            f"| {name.rpartition('/')[2]} | {encoder.n_activations} | {size / 1e6:.2f} "
            f"| {np.mean(reached):.2%} ({min(reached):.2%} to {max(reached):.2%}) "
            f"| {1000 * seconds[name]:.2f} | {float(used.stdout):.0f} |",
            flush=True,
        )


def exported(runs: Path, scale: str, train: Sequence[Photo]) -> list[Path]:
    """Write the pruned network with pooled and with placed activations, in each precision."""
    model = SCALES[scale].networks()["se_resnet18"]()
    shrink_to(model, load_state(runs / "se_resnet18/structured/fine-tuning/weights.pt"))
    model.replace_head(0)
    chosen = np.random.default_rng(0).permutation(len(train))[:256]
    typical = np.stack([PREPROCESSING(read_photo(train[i].path)) for i in chosen])
    files = []
    for form, encoder in (("pooled", model), ("placed", PlacedActivations(model))):
        with torch.inference_mode():
            activations = encoder.eval()(torch.from_numpy(typical))
        saturation = float(np.percentile(activations[activations > 0].numpy(), 99.5))
        for precision in PRECISIONS:
            file = runs / "encoders" / f"se_resnet18_pruned-{form}-{precision}.onnx"
            export(
                encoder,
                file,
                PREPROCESSING,
                precision=precision,
                calibration=typical,
                saturation=round(saturation, 4),
            )
            files.append(file)
    return files


def learned(
    encoder: Encoder, train: Sequence[Photo], test: Sequence[Photo]
) -> tuple[SpikingClassifier, list[float]]:
    """Return a head that has learned, and the test accuracy of one for each seed."""
    X, y = activations(train, encoder)
    X_test, y_test = activations(test, encoder)
    accuracies = []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(X))
        head = new_default().fit(X[order], y[order])
        accuracies.append(float(head.score(X_test, y_test)))
    return head, accuracies


def timed(
    encoders: dict[str, Encoder], heads: dict[str, SpikingClassifier], test: Sequence[Photo]
) -> dict[str, float]:
    """Return the median seconds of one photo's answer with each encoder."""

    def answer(name: str) -> Callable[[], object]:
        pixels = encoders[name].preprocessing(read_photo(test[0].path))[None]
        return lambda: heads[name].predict(encoders[name].encode(pixels))

    answers = {name: answer(name) for name in encoders}
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(PASSES):
        for name, run in answers.items():
            started = perf_counter()
            run()
            seconds[name].append(perf_counter() - started)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


if __name__ == "__main__":
    main()
