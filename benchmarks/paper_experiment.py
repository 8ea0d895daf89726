"""The hybrid paper's full experiment: 28,143 + 7,036 presentations, 1,536 x 64 x 15.

Measures the seconds that coding, learning and answering take, activations given, and the lower
bound that memory sets: to stream the weights that must be touched, and nothing else, on the same
number of threads. Those are the int16 weights of each presentation's spiking inputs to all
neurons; and for each neuron that learns its float32 resources, read and written, and its weights,
written. Runs of both alternate after a warm-up; the medians are shown. Then the first answer of a
fresh process, with nothing compiled and with everything cached.

    python benchmarks/paper_experiment.py
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numba
import numpy as np
from activations import add_arguments, chosen, statistics
from numpy.typing import NDArray
from tables import show

from spikehead import CoLaNETParameters
from spikehead.coding import STEPS, even_trains
from spikehead.heads.colanet.cpu import CPUEngine, Response
from spikehead.heads.colanet.network import Network

PARAMETERS = CoLaNETParameters()
BATCH = 2048  # presentations coded at a time
SAMPLES = 100  # presentations at which the learning neurons are counted

FIRST_ANSWER = """
import numpy as np
from spikehead import CoLaNETClassifier
X = np.random.default_rng(0).gamma(0.5, size=(64, {inputs})).astype(np.float32)
CoLaNETClassifier().fit(X, np.arange(64) % {classes}).predict(X)
"""


def main() -> None:
    """Run the experiment and the bound in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, 28_143, 7_036)
    parser.add_argument("--members", type=int, default=15)
    parser.add_argument("--threads", type=int, default=numba.get_num_threads())
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    activations, labels = chosen(options)
    size = activations.shape[1], int(labels.max()) + 1, options.members
    few = slice(0, 64)
    experiment(activations[few], labels[few], 32, size, options.threads)
    stream_bound(1, 1, 1, size, options.threads)

    n_learning = learning_neurons(activations[: options.train], labels, size, options.threads)
    n_spiking = float(np.mean(activations >= PARAMETERS.saturation / (2 * STEPS)) * size[0])
    runs = []
    for _ in range(options.runs):
        run = experiment(activations, labels, options.train, size, options.threads)
        events = n_learning * options.train
        run["bound"] = stream_bound(len(labels), n_spiking, events, size, options.threads)
        runs.append(run)
    row: dict[str, Any] = {
        f"{name}, s": float(np.median([run[name] for run in runs]))
        for name in ("coding", "layout", "learning", "answering", "total", "bound")
    }
    row["total / bound"] = float(np.median([run["total"] / run["bound"] for run in runs]))
    row["presentations / s"] = round(len(labels) / row["total, s"])
    row["accuracy"] = runs[0]["accuracy"]
    row["columns firing, a presentation and member"] = runs[0]["firing"]
    row["neurons learning, a presentation and member"] = n_learning / options.members
    row["peak memory of the process, MB"] = peak_memory()
    row["activations, MB"] = round(activations.nbytes / 2**20)
    row["state (resources, synapses, weights), MB"] = round(state_bytes(size) / 2**20)
    row |= statistics(activations, PARAMETERS.saturation)
    with tempfile.TemporaryDirectory() as cache:
        row["first answer of a process, nothing compiled, s"] = first_answer(size, cache)
        row["first answer of a process, cached, s"] = first_answer(size, cache)
    row["threads"] = options.threads
    note = (
        f"The bound streams {n_spiking:.0f} spiking inputs x {size[1] * size[2]} neurons x int16 a "
        f"presentation and {n_learning:.0f} learning neurons x {synapses(size)} synapses x 10 "
        "bytes a training presentation, contiguously. What is left above it: writing a learning "
        "neuron's weights, each into another row of the input-major matrix, and finding them; and "
        "integrating every neuron over the steps of a presentation."
    )
    show("The paper's full experiment", [row], options.json, note)


def experiment(
    activations: NDArray[np.float32],
    labels: NDArray[np.int32],
    n_train: int,
    size: tuple[int, int, int],
    n_threads: int,
) -> dict[str, float]:
    """Learn the first `n_train` examples and classify the others; return each part's seconds."""
    seconds = dict.fromkeys(("coding", "layout", "learning", "answering"), 0.0)
    start = perf_counter()
    engine = CPUEngine(Network(PARAMETERS, *size), n_threads)
    seconds["layout"] = perf_counter() - start
    right = firing = 0
    for first, last in [*batches(0, n_train), *batches(n_train, len(labels))]:
        start = perf_counter()
        trains = even_trains(activations[first:last], PARAMETERS.saturation)
        coded = perf_counter()
        seconds["coding"] += coded - start
        if first < n_train:
            engine.learn(trains, labels[first:last])
            seconds["learning"] += perf_counter() - coded
        else:
            response = engine.respond(trains)
            right += int((votes(response).argmax(axis=1) == labels[first:last]).sum())
            seconds["answering"] += perf_counter() - coded
            firing += np.count_nonzero(response.spikes)
    n_test = len(labels) - n_train
    return {
        **seconds,
        "total": sum(seconds.values()),
        "accuracy": right / n_test,
        "firing": firing / n_test / size[2],
    }


def votes(response: Response) -> NDArray[Any]:
    """Return the mean share of each column in the members' spikes; potentials decide ties."""
    spikes, peaks = response
    shares = spikes / np.maximum(spikes.sum(axis=2, keepdims=True), 1)
    return np.asarray(shares.mean(axis=1) + 1e-9 * peaks.mean(axis=1))


def learning_neurons(
    activations: NDArray[np.float32],
    labels: NDArray[np.int32],
    size: tuple[int, int, int],
    n_threads: int,
) -> float:
    """Return how many neurons of all members learn at a presentation, sampled over a stream."""
    network = Network(PARAMETERS, *size)
    engine = CPUEngine(network, n_threads)
    counts = []
    for part in np.array_split(np.arange(len(activations)), min(SAMPLES, len(activations))):
        trains = even_trains(activations[part[:-1]], PARAMETERS.saturation)
        engine.learn(trains, labels[part[:-1]])
        before = network.resources.copy()
        engine.learn(even_trains(activations[part[-1:]], PARAMETERS.saturation), labels[part[-1:]])
        counts.append(np.count_nonzero((network.resources != before).any(axis=2)))
    return float(np.mean(counts))


def stream_bound(
    n_presentations: int,
    n_spiking: float,
    n_learning: float,
    size: tuple[int, int, int],
    n_threads: int,
) -> float:
    """Return the seconds it takes merely to stream the weights and resources that are touched."""
    n_inputs, n_columns, n_members = size
    n_neurons = -(-n_columns * n_members // n_threads)
    n_rows = round(n_presentations * n_spiking)
    n_learning_each = round(n_learning / n_threads)

    def run(_: int) -> None:
        weights = np.ones((n_inputs, n_neurons), np.int16)
        resources = np.ones((n_neurons, synapses(size)), np.float32)
        learned = np.ones((n_neurons, synapses(size)), np.int16)
        _stream(weights, n_rows, resources, learned, n_learning_each)

    with ThreadPoolExecutor(n_threads) as pool:
        start = perf_counter()
        list(pool.map(run, range(n_threads)))
        return perf_counter() - start


@numba.njit(nogil=True, cache=True)
def _stream(weights: Any, n_rows: int, resources: Any, learned: Any, n_learning: int) -> Any:
    total = np.zeros(weights.shape[1], np.int16)
    for first in range(0, n_rows, 4):
        row = first % (len(weights) - 3)
        a, b, c, d = weights[row], weights[row + 1], weights[row + 2], weights[row + 3]
        for lane in range(len(total)):
            total[lane] += a[lane] + b[lane] + c[lane] + d[lane]
    for event in range(n_learning):
        held, new = resources[event % len(resources)], learned[event % len(resources)]
        for synapse in range(len(held)):
            held[synapse] += np.float32(1)
            new[synapse] = event
    return total


def first_answer(size: tuple[int, int, int], cache: str) -> float:
    """Return the seconds from the start of a process to its first answer."""
    code = FIRST_ANSWER.format(inputs=size[0], classes=size[1])
    start = perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_CACHE_DIR": cache}
    )
    return perf_counter() - start


def batches(first: int, last: int) -> list[tuple[int, int]]:
    """Return the bounds of consecutive batches."""
    return [(start, min(start + BATCH, last)) for start in range(first, last, BATCH)]


def peak_memory() -> int:
    """Return the most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def synapses(size: tuple[int, int, int]) -> int:
    """Return the number of synapses of a neuron."""
    return min(size[0], PARAMETERS.max_synapses)


def state_bytes(size: tuple[int, int, int]) -> int:
    """Return the bytes of float32 resources, int32 synapses and dense int16 weights."""
    return size[1] * size[2] * (8 * synapses(size) + 2 * size[0])


if __name__ == "__main__":
    main()
