"""Learn a stream in shards, as ``spikehead learn --ray`` does, beside one head that learns all.

    python experiments/16_decorrelated/shards.py FOLDER NAME ...

FOLDER holds ``NAME-train.npz`` and ``NAME-test.npz``, as `encode.py` writes them. The training
part, in a shuffled order, is learned by one head and, for 2 to 16 shards, by
`spikehead.models.shards`; both answer the test part. Tasks run one after the other here, and
counted is processor time, so that other work on the machine disturbs least: on a cluster a lesson
would take as long as the longest task of each of the two rounds, and merging in between (here
with the copies that would be sent).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spikehead import DecorrelatedColumns
from spikehead.evaluation.examples import read_activations
from spikehead.models import shards
from spikehead.models.shards import Shards

COUNTS = 2, 4, 8, 16
HEADINGS = (
    "shards",
    "same answers, %",
    "accuracy, %",
    "same while learning, %",
    "in all, s",
    "longest tasks, s",
    "merging, s",
)


class Here:
    """A cluster of this process, which takes the time of every task."""

    def __init__(self, n_cpus: int) -> None:
        self.n_cpus = n_cpus
        self.seconds: list[float] = []

    def submit(self, function: Callable[..., Any], head: Any, *arguments: Any) -> Future[Any]:
        """Run a task at once, on a copy of the head."""
        future: Future[Any] = Future()
        copied = copy.deepcopy(head)
        start = process_time()
        future.set_result(function(copied, *arguments))
        self.seconds.append(process_time() - start)
        return future


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    shards.SHARD = 1  # however few examples there are
    for name in options.names:
        train, test = (
            read_activations(options.folder / f"{name}-{part}.npz") for part in ("train", "test")
        )
        train = train.shuffled(0)
        labels = train.y.astype(str)
        head = DecorrelatedColumns(n_threads=1).begin(train.X.shape[1])
        warm = DecorrelatedColumns(n_threads=1).fit(train.X[:200], labels[:200])
        warm.predict(test.X[:9])
        start = process_time()
        whole = DecorrelatedColumns(n_threads=1).fit(train.X, labels)
        alone = process_time() - start
        answers = whole.predict(test.X)
        table = Table(*HEADINGS, title=f"{name}: {len(train)} to learn, {len(test)} to answer")
        table.add_row(
            "1", "", f"{100 * np.mean(answers == test.y.astype(str)):.2f}", "", f"{alone:.1f}"
        )
        for n_shards in COUNTS:
            cluster: Any = Here(n_shards)
            start = process_time()
            found = Shards(cluster, n_shards).taught(head, train.X, labels, whole.classes_.tolist())
            total = process_time() - start
            apart, again = cluster.seconds[: n_shards - 1], cluster.seconds[n_shards - 1 :]
            theirs = found.predict(test.X)
            same = found.prequential_predictions_ == whole.prequential_predictions_
            table.add_row(
                str(n_shards),
                f"{100 * np.mean(theirs == answers):.2f}",
                f"{100 * np.mean(theirs == test.y.astype(str)):.2f}",
                f"{100 * np.mean(same):.2f}",
                f"{total:.1f}",
                f"{max(apart) + max(again):.1f}",
                f"{total - sum(cluster.seconds):.1f}",
            )
        Console(width=110).print(table)


if __name__ == "__main__":
    main()
