"""Latency of one image on one core (Table 4): EfficientNet-B1 against ResNet-152.

    python latency.py

The paper reports 0.82 s against 4.67 s, 5.7 times, on an Intel Xeon E5-2690. Weights are random;
they do not change the time. The networks take turns, and medians are compared, in torch as in the
paper's comparison of networks, and as this project runs them, in ONNX Runtime. The second row of
Table 4, B7 against GPipe, cannot be measured: that network of 557M parameters is not public.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import torch

from spikehead.backbones.baselines import ResNet50
from spikehead.backbones.export import export
from spikehead.backbones.scaling import BASELINES, Blueprint, Scale, multiply_adds, parameters
from spikehead.images import Preprocessing

ROUNDS = 15


class ResNet152(ResNet50):
    """The deepest residual network of He et al. (2016, Table 1)."""

    _STAGES = ((64, 3, 1), (128, 8, 2), (256, 36, 2), (512, 3, 2))


NETWORKS = {
    "EfficientNet-B1": BASELINES["efficientnet_b0"](Scale(depth=1.1, resolution=240 / 224)),
    "ResNet-152": Blueprint(lambda classes: ResNet152(classes=classes), 224),
}


def in_torch(network: Blueprint) -> Callable[[], object]:
    """Return a function that runs one image in torch."""
    module = network.make(1000).eval()
    image = torch.randn(1, 3, network.resolution, network.resolution)
    return lambda: module(image)


def in_onnx_runtime(network: Blueprint, folder: Path) -> Callable[[], object]:
    """Return a function that runs one image in ONNX Runtime."""
    side = network.resolution
    file = folder / f"{id(network)}.onnx"
    export(network.make(1000), file, Preprocessing(resize=side, crop=side))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    image = np.random.default_rng(0).standard_normal((1, 3, side, side), np.float32)
    return lambda: session.run(None, {"image": image})


def medians(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of each run; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if turn:  # the first one warms up
                seconds[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in seconds.items()}


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    print("| network | parameters, M | FLOPS, B | torch, ms | ONNX Runtime, ms |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        torched = medians({name: in_torch(network) for name, network in NETWORKS.items()})
        ran = medians({n: in_onnx_runtime(net, Path(folder)) for n, net in NETWORKS.items()})
    for name, network in NETWORKS.items():
        size, cost = parameters(network) / 1e6, multiply_adds(network) / 1e9
        times = f"{1e3 * torched[name]:.0f} | {1e3 * ran[name]:.0f}"
        print(f"| {name} | {size:.1f} | {cost:.2f} | {times} |")
    small, large = NETWORKS
    print(
        f"\nResNet-152 / EfficientNet-B1: {torched[large] / torched[small]:.1f} in torch, "
        f"{ran[large] / ran[small]:.1f} in ONNX Runtime (paper: 5.7)"
    )


if __name__ == "__main__":
    main()
