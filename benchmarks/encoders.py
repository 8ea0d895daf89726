"""Photos per second of encoder and spiking head on the CPU, beside torch and OpenVINO.

EfficientNet B0 and B3 with random weights, on which speed does not depend; pixels are ready, and
every rival's activations go through the same spiking head. Then two questions that the defaults of
`OnnxEncoder` and `encode_photos` answer: photos in parallel, or whole batches with parallel layers?
And, given photos and an encoder for them: is decoding hidden behind encoding? All of a comparison
run in turns after a warm-up; the medians are shown, and the median ratios to the first.

    python benchmarks/encoders.py [--photos FOLDER --encoder FILE.onnx]

OpenVINO is left out where it is not installed (pip install openvino).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
import torch
from joblib import cpu_count
from numpy.typing import NDArray
from tables import show
from torch import nn

from spikehead import CoLaNETClassifier
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.export import Precision, export
from spikehead.encoders import PRETRAINED, Encoder, OnnxEncoder, encode_photos, open_encoder
from spikehead.images import find_photos, read_photo

Pixels = NDArray[np.float32]
Run = Callable[[], Any]

PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")
# How a row is called, the file it runs, and the precision OpenVINO is told to compute with.
OPENVINO: tuple[tuple[str, Precision, str], ...] = (
    ("float32", "float32", "f32"),
    ("bfloat16", "float32", "bf16"),
    ("int8", "int8", "f32"),
)
BATCHES = 1, 32
CLASSES = 10


def main() -> None:
    """Run the comparisons and print photos per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoders", nargs="+", default=["efficientnet_b0", "efficientnet_b3"])
    parser.add_argument("--threads", type=int, default=cpu_count())
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--photos", type=Path, help="a folder with a sub-folder for each class")
    parser.add_argument("--encoder", type=Path, help="an ONNX file that encodes the photos")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.encoders:
            files = exported(name, Path(folder))
            pixels = noise(max(BATCHES), PRETRAINED[name].preprocessing.shape)
            rivals = encoders(name, files, pixels, options.threads)
            for batch in BATCHES:
                runs = {rival: partial(run, pixels[:batch]) for rival, run in rivals.items()}
                rows += compared(f"{name} and head", batch, runs, options.runs)
            ways = arrangements(files["float32"], pixels, options.threads)
            rows += compared(name, len(pixels), ways, options.runs)
    if options.photos and options.encoder:
        paths = [photo.path for photo in find_photos(options.photos)][::10]
        encoder = open_encoder(f"onnx:{options.encoder}", n_threads=options.threads)
        ways = stages(paths, encoder, options.threads)
        rows += compared(options.encoder.stem, len(paths), ways, options.runs)
    note = f"{options.threads} threads; torch {torch.__version__}, "
    note += f"ONNX Runtime {onnxruntime.__version__}, "
    note += f"OpenVINO {openvino.__version__}." if (openvino := _openvino()) else "no OpenVINO."
    show("Photos per second", rows, options.json, note)


def compared(what: str, batch: int, runs: Mapping[str, Run], n_runs: int) -> list[dict[str, Any]]:
    """Return a row for each of `runs`, which take turns at `batch` photos."""
    for run in runs.values():
        run()
    # A single photo takes little time, and its time varies more.
    seconds = np.array(
        [[_seconds(run) for run in runs.values()] for _ in range(n_runs * (1 if batch > 1 else 5))]
    )
    medians = np.median(seconds, axis=0)
    ratios = np.median(seconds[:, :1] / seconds, axis=0)
    return [
        {
            "what": what,
            "photos": batch,
            "how": name,
            "photos / s": float(batch / median),
            "ratio": float(ratio),
        }
        for name, median, ratio in zip(runs, medians, ratios, strict=True)
    ]


def exported(name: str, folder: Path) -> dict[Precision, Path]:
    """Return the ONNX files of a randomly initialised encoder, one for each precision."""
    encoder, preprocessing = network(name), PRETRAINED[name].preprocessing
    files: dict[Precision, Path] = {}
    for precision in PRECISIONS:
        files[precision] = folder / f"{name}-{precision}.onnx"
        calibration = noise(8, preprocessing.shape)
        export(
            encoder, files[precision], preprocessing, precision=precision, calibration=calibration
        )
    return files


def network(name: str) -> nn.Module:
    """Return a randomly initialised encoder whose batch norms know its activations' statistics."""
    torch.manual_seed(0)
    encoder = EfficientNet(VARIANTS[name], classes=0).train()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        encoder(torch.from_numpy(noise(8, PRETRAINED[name].preprocessing.shape)))
    return encoder.eval()


def noise(n: int, shape: tuple[int, int, int]) -> Pixels:
    """Return pixels of n photos."""
    return np.random.default_rng(0).standard_normal((n, *shape)).astype(np.float32)


def encoders(
    name: str, files: dict[Precision, Path], pixels: Pixels, n_threads: int
) -> dict[str, Callable[[Pixels], Any]]:
    """Return ways from pixels to the head's answers; the first is the one that users get."""
    ways: dict[str, Callable[[Pixels], NDArray[np.float32]]] = {
        f"spikehead, {precision}": partial(_own_run, OnnxEncoder(file, n_threads=n_threads))
        for precision, file in files.items()
    }
    encoder = network(name)
    compiled: Any = torch.compile(encoder, dynamic=False)
    ways["torch eager"] = partial(_torch_run, encoder)
    ways["torch.compile"] = partial(_torch_run, compiled)
    if openvino := _openvino():
        core = openvino.Core()
        for shown, precision, hint in OPENVINO:
            settings = {
                "INFERENCE_NUM_THREADS": n_threads,
                "INFERENCE_PRECISION_HINT": hint,
                "PERFORMANCE_HINT": "LATENCY",
            }
            model = core.compile_model(files[precision], "CPU", settings)
            ways[f"OpenVINO, {shown}"] = partial(_openvino_run, model)
    activations = ways["spikehead, float32"](pixels)
    head = CoLaNETClassifier(saturation="auto", n_threads=n_threads)
    head.fit(activations, np.arange(len(activations)) % CLASSES)

    def classify(encode: Callable[[Pixels], NDArray[np.float32]], pixels: Pixels) -> Any:
        return head.predict_proba(encode(pixels))

    return {name: partial(classify, encode) for name, encode in ways.items()}


def arrangements(file: Path, pixels: Pixels, n_threads: int) -> dict[str, Run]:
    """Return ways to share a batch among threads; the first is the one that users get."""

    def session(n_inside: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_inside
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(session: onnxruntime.InferenceSession, batch: int, n_callers: int) -> None:
        batches = [pixels[i : i + batch] for i in range(0, len(pixels), batch)]
        with ThreadPoolExecutor(n_callers) as callers:
            list(callers.map(lambda batch: session.run(None, {"image": batch}), batches))

    alone, many = session(1), session(n_threads)
    half = len(pixels) // n_threads
    return {
        "OnnxEncoder": partial(OnnxEncoder(file, n_threads=n_threads).encode, pixels),
        "photo by photo, parallel": lambda: run(alone, 1, n_threads),
        "photo by photo, layers parallel": lambda: run(many, 1, 1),
        "photo by photo, both": lambda: run(many, 1, n_threads),
        "a batch for each thread": lambda: run(alone, half, n_threads),
        "one batch, layers parallel": lambda: run(many, len(pixels), 1),
    }


def stages(paths: list[Path], encoder: Encoder, n_threads: int) -> dict[str, Run]:
    """Return the whole way from files to activations, and its two stages alone."""

    def decode(path: Path) -> Pixels:
        return encoder.preprocessing(read_photo(path))

    def decode_all() -> Pixels:
        with ThreadPoolExecutor(n_threads) as readers:
            return np.stack(list(readers.map(decode, paths)))

    pixels = decode_all()
    return {
        "encode_photos": lambda: list(encode_photos(paths, encoder, n_threads=n_threads)),
        "encoding alone": lambda: encoder.encode(pixels),
        "decoding alone": decode_all,
    }


def _own_run(encoder: Encoder, pixels: Pixels) -> NDArray[np.float32]:
    return encoder.encode(pixels).clip(min=0)


def _torch_run(encoder: nn.Module, pixels: Pixels) -> NDArray[np.float32]:
    with torch.inference_mode():
        activations: NDArray[np.float32] = encoder(torch.from_numpy(pixels)).numpy()
    return activations.clip(min=0)


def _openvino_run(model: Any, pixels: Pixels) -> NDArray[np.float32]:
    activations: NDArray[np.float32] = model(pixels)[0]
    return activations.clip(min=0)


def _openvino() -> Any:
    try:
        return import_module("openvino")
    except ImportError:
        return None


def _seconds(run: Run) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


if __name__ == "__main__":
    main()
