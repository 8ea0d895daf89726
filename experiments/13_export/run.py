"""Exports of a model of ten Imagenette classes: answers, sizes, and time.

    python experiments/13_export/run.py IMAGENETTE ENCODER.onnx [--simulate]

IMAGENETTE holds the folders `train` and `test`. The model learns `train` once, in an order shuffled
by seed 0, with Table 1 untouched; every figure is of all photos of `test`. `--simulate` also runs
the NIR graph in snnTorch, Norse and SpikingJelly.
"""

import argparse
import tempfile
import time
from pathlib import Path

import nir
import numpy as np
import onnxruntime

from spikehead import HybridClassifier
from spikehead.deployment.nir import export as export_nir
from spikehead.deployment.nir import input_spikes
from spikehead.deployment.onnx import export as export_onnx
from spikehead.encoders import ActivationCache, encode_photos
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.images import Photo, find_photos, read_photo

CALIBRATION_PHOTOS = 240
TIMED_PHOTOS = 60


def main() -> None:
    """Learn, export, and print how the exports answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("imagenette", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--simulate", action="store_true")
    options = parser.parse_args()
    model = HybridClassifier(f"onnx:{options.encoder}", head="paper", n_threads=1)
    train, test = (find_photos(options.imagenette / part) for part in ("train", "test"))
    with ActivationCache(model.encoder) as model.cache:
        model.learn(options.imagenette / "train")
        batches = encode_photos([photo.path for photo in test], model.encoder, model.cache)
        activations = np.concatenate([batch.given.clip(min=0) for batch in batches])
    labels = np.array([model.classes.index(photo.label) for photo in test])
    by_class = model.head.decision_function(activations)
    votes = by_class[:, np.argsort(model.head.columns_)]  # in the order of the columns
    print(f"{len(train)} photos learned; the model is right for {right(votes, labels)} photos")
    pixels = preprocessed(model, test)
    calibration = preprocessed(model, train[:: len(train) // CALIBRATION_PHOTOS])
    with tempfile.TemporaryDirectory() as folder:
        for precision, photos in (("float32", None), ("int8", calibration)):
            file = Path(folder) / f"{precision}.onnx"
            export_onnx(model, file, precision=precision, calibration=photos)
            print_onnx(file, model, pixels, labels, votes)
        export_nir(model.head, Path(folder) / "head.nir")
        print_nir(Path(folder) / "head.nir", model, activations, votes, options.simulate)


def preprocessed(model: HybridClassifier, photos: list[Photo]) -> np.ndarray:
    """Return photos as the encoder takes them."""
    return np.stack([model.encoder.preprocessing(read_photo(photo.path)) for photo in photos])


def right(votes: np.ndarray, labels: np.ndarray) -> str:
    """Return how many decisions are right."""
    return f"{np.sum(votes.argmax(axis=1) == labels)} of {len(labels)}"


def print_onnx(file, model, pixels, labels, votes) -> None:
    """Compare a file with the model, in one thread; its time in turns with the model's."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    found = np.concatenate([session.run(["votes"], {"image": photo[None]})[0] for photo in pixels])
    print(
        f"ONNX {file.stem}: {file.stat().st_size / 1e6:.1f} MB, right for {right(found, labels)}; "
        f"the model's class for {right(found, votes.argmax(axis=1))}, its votes to the last bit "
        f"for {np.sum((found == votes).all(axis=1))}",
        flush=True,
    )
    ratios = []
    for photo in pixels[:TIMED_PHOTOS, None]:
        start = time.perf_counter()
        session.run(["class"], {"image": photo})
        between = time.perf_counter()
        model.head.predict(model.encoder.encode(photo).clip(min=0))
        ratios.append((between - start) / (time.perf_counter() - between))
    print(f"    {np.median(ratios):.2f} times the model's time, median of {len(ratios)} photos")


def print_nir(file, model, activations, votes, simulate) -> None:
    """Compare the simulated graph with the model."""
    graph = nir.read(file)
    network = model.head.network_
    out = CPUEngine(network, 1).respond(model.head.coding_.to_answer(activations)).spikes
    print(f"NIR: {file.stat().st_size / 1e6:.1f} MB, {out[0].size} neurons", flush=True)
    for simulator in (snntorch, norse, spikingjelly) if simulate else ():
        parts = [
            simulated(simulator(graph), input_spikes(network, model.head.coding_.to_answer(rows)))
            for rows in np.array_split(activations, 12)
        ]
        counts = np.concatenate(parts).reshape(out.shape)
        shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
        print(
            f"{simulator.__name__}: {np.sum(counts != out)} of {out.size} spike counts differ "
            f"({np.sum(out > 0)} are not 0); the model's class for "
            f"{right(shares.sum(axis=1), votes.argmax(axis=1))}",
            flush=True,
        )


def simulated(module, spikes) -> np.ndarray:
    """Return spike counts."""
    import torch

    state, counts = None, 0
    with torch.no_grad():
        for step in range(spikes.shape[1]):
            z, state = module(torch.from_numpy(spikes[:, step].astype(np.float32)), state)
            counts = counts + z.numpy()
    return counts


def snntorch(graph):
    """Return the network of snnTorch."""
    from snntorch.import_nir import import_from_nir

    return import_from_nir(graph)


def norse(graph):
    """Return the network of Norse."""
    import norse.torch

    return norse.torch.from_nir(graph, dt=float(graph.metadata["dt"]))


def spikingjelly(graph):
    """Return the network of SpikingJelly."""
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return import_from_nir(graph, dt=float(graph.metadata["dt"]))


if __name__ == "__main__":
    main()
