"""How long one example takes to learn and to classify, through CoLaNETClassifier.

Both learners see the same stream, example by example, in turns: `partial_fit` of one example,
then `predict` of one, for CoLaNETClassifier and for scikit-learn's SGDClassifier with the
logistic loss. After the one pass both are tested on held-out examples.

    python benchmarks/latency.py
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np
from activations import add_arguments, chosen, statistics
from sklearn.linear_model import SGDClassifier
from tables import show

from spikehead import CoLaNETClassifier

WARM_UP = 20


def main() -> None:
    """Stream the examples through both learners and print their latencies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser, 3000, 1000)
    parser.add_argument("--members", type=int, default=15)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    activations, labels = chosen(options)
    classes = np.unique(labels)
    learners = {
        "CoLaNETClassifier": CoLaNETClassifier(members=options.members, n_threads=options.threads),
        "SGDClassifier": SGDClassifier(loss="log_loss", random_state=options.seed),
    }
    seconds: dict[tuple[str, str], list[float]] = {}
    for i in range(options.train):
        example, label = activations[i : i + 1], labels[i : i + 1]
        unseen = activations[options.train + i % options.test][None]
        for name, learner in learners.items():
            start = perf_counter()
            learner.partial_fit(example, label, classes=classes if i == 0 else None)
            learned = perf_counter()
            learner.predict(unseen)
            answered = perf_counter()
            seconds.setdefault((name, "learn"), []).append(learned - start)
            seconds.setdefault((name, "predict"), []).append(answered - learned)
    rows: list[dict[str, Any]] = []
    for name, learner in learners.items():
        row: dict[str, Any] = {"": name}
        for task in ("learn", "predict"):
            times = np.array(seconds[name, task][WARM_UP:]) * 1e6
            row[f"{task}, median us"] = round(float(np.median(times)))
            row[f"{task}, 99th percentile us"] = round(float(np.percentile(times, 99)))
        score = learner.score(activations[options.train :], labels[options.train :])
        row["accuracy"] = float(score)
        rows.append(row)
    ours, theirs = rows
    ratio = {key: float(ours[key] / theirs[key]) if "us" in key else "" for key in list(ours)[1:]}
    rows.append({"": "ratio", **ratio})
    found = statistics(activations, learners["CoLaNETClassifier"].parameters_.saturation)
    note = ", ".join(f"{name}: {value}" for name, value in found.items())
    show("Latency of one example", rows, options.json, note)


if __name__ == "__main__":
    main()
