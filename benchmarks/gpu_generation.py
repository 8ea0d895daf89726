"""A generation of the paper's search on a GPU: 300 candidates x 15 members, 1,536 x 64.

Needs an NVIDIA GPU. First a few candidates learn on the GPU and on the CPU, and every resource
must have the same bits. Then a first generation, drawn from the published ranges, goes through
what `spikehead tune --device cuda` does with it: it learns the stream, and is measured after the
first quarter and at the end. The time includes everything but reading the activations and, once a
process, compiling. Beside it stands a lower bound: to move the int16 weights of each
presentation's spiking inputs to all neurons, once, as fast as the GPU copies memory.

    python benchmarks/gpu_generation.py
"""

from __future__ import annotations

import argparse
import copy
from time import perf_counter
from typing import Any

import numpy as np
from activations import add_arguments, chosen, statistics
from numpy.typing import NDArray
from tables import show

from spikehead import CoLaNETParameters
from spikehead.coding import even_trains
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.network import Network
from spikehead.tuning.activations import RankedActivations
from spikehead.tuning.experiment import Experiment
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.space import SearchSpace

COPIED = 2**30  # bytes copied to measure the GPU's memory


def main() -> None:
    """Check the GPU against the CPU, then measure a generation and its bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, 28_143, 7_036)
    parser.add_argument("--candidates", type=int, default=300)
    parser.add_argument("--members", type=int, default=15)
    parser.add_argument(
        "--microcolumns", type=int, default=1, help="of every candidate; 0 searches them"
    )
    parser.add_argument("--checked", type=int, default=300, help="presentations to check with")
    options = parser.parse_args()
    try:
        from spikehead.heads.colanet.cuda import bytes_needed, check_gpu, free_bytes

        check_gpu()
    except (ImportError, OSError) as error:
        raise SystemExit(
            f"gpu_generation.py measures a GPU, and cannot run here: {error}"
        ) from None

    activations, labels = chosen(options)
    fixed = {"microcolumns": options.microcolumns} if options.microcolumns else {}
    space = SearchSpace.of(activations, None, fixed)
    drawn = GeneticSearch(options.candidates).propose(space, [], seed=0)
    candidates = [space.parameters(values) for values in drawn]
    few = slice(0, options.checked)
    for parameters in candidates[:3]:
        check(parameters, activations[few], labels[few], options.members)

    n_columns, train = int(labels.max()) + 1, slice(0, options.train)
    test = slice(options.train, None)
    measured = (activations[test], labels[test])
    experiment = Experiment(activations[train], labels[train], *measured, members=options.members)
    Experiment(activations[few], labels[few], *measured).evaluate(candidates[:1], device="cuda")
    start = perf_counter()
    outcomes = experiment.evaluate(candidates, device="cuda")
    seconds = perf_counter() - start

    n_bytes = weights_moved(candidates, activations[train], n_columns * options.members)
    n_bytes += 2 * weights_moved(candidates, activations[test], n_columns * options.members)
    bandwidth = copied_per_second()
    needed = bytes_needed(candidates, activations.shape[1], n_columns, options.members, 2048)
    row: dict[str, Any] = {
        "generation, s": seconds,
        "bound, s": n_bytes / bandwidth,
        "generation / bound": seconds * bandwidth / n_bytes,
        "weights that must move, TB": n_bytes / 1e12,
        "memory moved by a copy, TB/s": bandwidth / 1e12,
        "memory of the generation, GB": sum(needed) / 1e9,
        "memory free, GB": free_bytes() / 1e9,
        "best accuracy": max(rungs[-1] for rungs in outcomes),
        "candidates": len(candidates),
        "members": options.members,
        **statistics(activations, CoLaNETParameters().saturation),
    }
    note = f"The GPU gave the CPU's bits on {options.checked} presentations of 3 candidates."
    show("A generation on a GPU", [row], options.json, note)


def check(
    parameters: CoLaNETParameters,
    activations: NDArray[np.float32],
    labels: NDArray[np.int32],
    n_members: int,
) -> None:
    """Stop if a candidate does not learn on the GPU, bit for bit, what it learns on the CPU."""
    from spikehead.heads.colanet.cuda import CUDAEngine

    network = Network(parameters, activations.shape[1], int(labels.max()) + 1, n_members)
    other = copy.deepcopy(network)
    trains = even_trains(activations, parameters.saturation)
    CUDAEngine(network).learn(trains, labels)
    CPUEngine(other).learn(trains, labels)
    for name in ("resources", "stability"):
        if getattr(network, name).tobytes() != getattr(other, name).tobytes():
            raise SystemExit(f"the GPU's {name} differ from the CPU's with {parameters}")


def weights_moved(
    candidates: list[CoLaNETParameters], activations: NDArray[np.float32], n_columns: int
) -> float:
    """Return the bytes of all weights from spiking inputs, once for each presentation."""
    ranked = RankedActivations.of(activations)
    moved = 0.0
    for parameters in candidates:
        offsets = ranked.trains(parameters.saturation).offsets
        n_spiking = int((offsets[:, -1] - offsets[:, 0]).sum())
        share = min(parameters.max_synapses / activations.shape[1], 1)
        moved += 2 * n_spiking * share * n_columns * parameters.microcolumns
    return moved


def copied_per_second() -> float:
    """Return how many bytes a second the GPU reads and writes while it copies its own memory."""
    from numba import cuda

    one, other = (cuda.device_array(COPIED, np.uint8) for _ in range(2))
    seconds = []
    for _ in range(5):
        cuda.synchronize()
        start = perf_counter()
        other.copy_to_device(one)
        cuda.synchronize()
        seconds.append(perf_counter() - start)
    return 2 * COPIED / min(seconds)


if __name__ == "__main__":
    main()
