"""How the time of a presentation grows with inputs, classes, members and threads.

One factor at a time, around the size of the hybrid paper's experiment (1,536 inputs, 64 classes,
15 members); the fastest of a few repetitions.

    python benchmarks/scaling.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

import numba
from activations import synthetic
from tables import show

from spikehead import CoLaNETParameters
from spikehead.coding import even_trains
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.network import Network

PARAMETERS = CoLaNETParameters()
FACTORS = {
    "inputs": [256, 512, 1024, 1536, 2048, 4096],
    "classes": [10, 32, 64, 128, 256],
    "members": [1, 2, 5, 15, 30],
    "threads": list(range(1, numba.get_num_threads() + 1)),
}


def main() -> None:
    """Vary one factor after the other and print the time of a presentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=2000, help="training presentations")
    parser.add_argument("--test", type=int, default=1000, help="test presentations")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    paper = {"inputs": 1536, "classes": 64, "members": 15, "threads": numba.get_num_threads()}
    measure(paper, 16, 16)
    rows: list[dict[str, Any]] = []
    for factor, values in FACTORS.items():
        for value in values:
            size = {**paper, factor: value}
            runs = [measure(size, options.train, options.test) for _ in range(options.repeats)]
            learning, answering = (min(times) * 1e6 for times in zip(*runs, strict=True))
            rows.append({"varied": factor, **size, "learn, us": learning, "answer, us": answering})
    show("Time of a presentation, coding included", rows, options.json)


def measure(size: dict[str, int], n_train: int, n_test: int) -> tuple[float, float]:
    """Return the seconds that a presentation takes to learn and to answer."""
    activations, labels = synthetic(n_train + n_test, size["inputs"], size["classes"])
    network = Network(PARAMETERS, size["inputs"], size["classes"], size["members"])
    engine = CPUEngine(network, size["threads"])
    start = perf_counter()
    engine.learn(even_trains(activations[:n_train], PARAMETERS.saturation), labels[:n_train])
    learned = perf_counter()
    engine.respond(even_trains(activations[n_train:], PARAMETERS.saturation))
    return (learned - start) / n_train, (perf_counter() - learned) / n_test


if __name__ == "__main__":
    main()
