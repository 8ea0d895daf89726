"""Permuted MNIST: ten tasks, each all of MNIST with its pixels in another order, each learned once.

    python experiments/08_continual/permuted_mnist.py MNIST-FOLDER
    python experiments/08_continual/permuted_mnist.py MNIST-FOLDER --members 5 --others
    python experiments/08_continual/permuted_mnist.py MNIST-FOLDER --head decorrelated --units 2048

MNIST-FOLDER holds the four files in the IDX format, gzipped. The ten columns are those of the
digits, the same for all tasks, and which task a digit is from is never told. The first task has the
pixels as they are. Units are those of a fixed sparse expansion in front of the head, which sees
pixels in no order. A seed decides the permutations, the order within a task and the noise.

Columns, in percent and points: the accuracy on each task just after it was learned and after the
last, averaged over all tasks, and of the first task; forgetting (Chaudhry et al., 2018) and
backward transfer (Lopez-Paz and Ranzato, 2017).
"""

from __future__ import annotations

import argparse
import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import others, spiking
from spikehead.evaluation.streams import Course, follow, permuted
from spikehead.expansion import SparseExpansion
from spikehead.heads.colanet.parameters import CoLaNETParameters

HERE = Path(__file__).parent
TASKS = 10
TOO_LARGE = ("random projection + ridge", "5 nearest neighbours")


def read(folder: Path, part: str) -> Examples:
    """Return pixels from 0 to 255, and digits."""
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)
    return Examples(
        pixels.astype(np.float32), np.frombuffer(labels, np.uint8, offset=8).astype(str)
    )


def line(name: str, seed: int, course: Course) -> str:
    """Return what is measured of one run, in percent."""
    first, just_learned = course.accuracies[:, 0], np.diag(course.accuracies)
    values = (
        just_learned.mean(),
        course.average_accuracy,
        first[0],
        first[-1],
        course.forgetting,
        course.backward_transfer,
    )
    return f"{name:24} {seed:4}" + "".join(f"{100 * value:10.2f}" for value in values)


def main() -> None:
    """Measure the head, and other methods if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=60_000, help="digits of each task")
    parser.add_argument("--head", choices=("colanet", "decorrelated"), default="colanet")
    parser.add_argument("--units", type=int, default=0, help="of an expansion; 0: the pixels")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--synapses", type=int, default=784, help="of each neuron")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--others", action="store_true", help="also other one-pass classifiers")
    options = parser.parse_args()
    train, test = read(options.folder, "train"), read(options.folder, "t10k")
    if options.head == "colanet":
        values = json.loads((HERE / "permuted-mnist.json").read_text())
        parameters = CoLaNETParameters(**{**values, "max_synapses": options.synapses})
        name = f"CoLaNET, members: {options.members}"
        head = spiking(name, "colanet", parameters, members=options.members)
    else:
        head = spiking("decorrelated columns", "decorrelated")
    if options.units:
        expansion = SparseExpansion((784,), options.units, n_synapses=16)
        head = replace(head, hears=expansion.expand)
    methods = [head]
    if options.others:
        methods += [m for m in others() if not m.offline and m.name not in TOO_LARGE]
    print(f"{options.train} + {len(test)} digits in each of {TASKS} tasks")
    print(f"{'':24}     {'all tasks,':>20}{'the first task,':>20}")
    columns = ("learned", "at end", "learned", "at end", "forgotten", "backward")
    print(f"{'one pass':24} seed" + "".join(f"{name:>10}" for name in columns))
    for method in methods:
        for seed in range(options.seeds):
            stream = permuted(train.shuffled(seed)[: options.train], test, TASKS, seed)
            course = follow(method, stream, np.unique(train.y), seed)
            print(line(method.name, seed, course), flush=True)
            if method is methods[0] and seed == 0:
                matrix = 100 * course.accuracies
    print(f"\n{head.name}, seed 0: accuracy on each task (a column), after each task (a row)")
    for row in matrix:
        print("".join(f"{value:7.2f}" for value in row[~np.isnan(row)]))


if __name__ == "__main__":
    main()
