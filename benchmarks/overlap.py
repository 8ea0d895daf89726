"""Activations of a folder of photos, beside what ONNX Runtime alone takes for the same batches.

    python benchmarks/overlap.py PHOTOS [--encoder NAME ...]

Photos are read, decoded, resized and encoded, all overlapping; beside it stand the same batches of
pixels that are ready, in ONNX Runtime alone, as `OnnxEncoder` runs it (photo by photo, many at a
time) and as it comes (a whole batch at a time, threads within layers); and reading and preparing
alone. All take turns after a warm-up; medians, and median ratios to ONNX Runtime as it is run here.
The ratio of CPU seconds is what is possible where all cores are busy, on a machine that others use.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import onnxruntime
from joblib import cpu_count
from numpy.typing import NDArray
from tables import show

from spikehead.encoders import Encoder, encode_photos, open_encoder
from spikehead.images import find_photos, read_photo

BATCH = 32


def main() -> None:
    """Measure, and print photos per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder with a sub-folder for each class")
    parser.add_argument("--encoder", nargs="+", default=["efficientnet_lite0"])
    parser.add_argument("--number", type=int, default=128, help="photos to take")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    found = [photo.path for photo in find_photos(options.photos)]
    paths = found[:: max(1, len(found) // options.number)][: options.number]
    rows = []
    for name in options.encoder:
        runs = ways(open_encoder(name), paths)
        rows += compared(Path(name).stem, len(paths), runs, options.runs)
    note = f"{cpu_count()} threads; ONNX Runtime {onnxruntime.__version__}; batches of {BATCH}."
    show("Photos per second", rows, options.json, note)


def ways(encoder: Encoder, paths: list[Path]) -> dict[str, Callable[[], Any]]:
    """Return the way from files to activations, and its stages alone; the first is the bound."""

    def prepare(path: Path) -> NDArray[np.float32]:
        return encoder.preprocessing(read_photo(path))

    def prepare_all() -> NDArray[np.float32]:
        with ThreadPoolExecutor(cpu_count()) as readers:
            return np.stack(list(readers.map(prepare, paths)))

    pixels = prepare_all()
    batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    session = onnxruntime.InferenceSession(
        encoder.files["encoder"], providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return {
        "ONNX Runtime alone": lambda: [encoder.encode(batch) for batch in batches],
        "encode_photos": lambda: list(encode_photos(paths, encoder, batch_size=BATCH)),
        "ONNX Runtime as it comes": lambda: [session.run(None, {name: b}) for b in batches],
        "reading and preparing alone": prepare_all,
    }


def compared(
    what: str, n_photos: int, runs: dict[str, Callable[[], Any]], n_runs: int
) -> list[dict[str, Any]]:
    """Return a row for each of `runs`, which take turns."""
    for run in runs.values():
        run()
    taken = np.array([[_seconds(run) for run in runs.values()] for _ in range(n_runs)])
    wall, cpu = 1e3 * np.median(taken, axis=0).T / n_photos
    ratios, cpu_ratios = np.median(taken[:, :1] / taken, axis=0).T
    return [
        {
            "encoder": what,
            "how": how,
            "photos / s": float(1e3 / wall[i]),
            "ratio": float(ratios[i]),
            "CPU ms a photo": float(cpu[i]),
            "CPU ratio": float(cpu_ratios[i]),
        }
        for i, how in enumerate(runs)
    ]


def _seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds that something takes, and those of all CPUs."""
    start = perf_counter(), process_time()
    run()
    return perf_counter() - start[0], process_time() - start[1]


if __name__ == "__main__":
    main()
