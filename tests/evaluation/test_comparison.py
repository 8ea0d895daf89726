"""The comparison: its streams and its measures."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from spikehead.coding import spike_counts
from spikehead.evaluation.comparison import compare
from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import BATCH, Method, others, spiking
from spikehead.heads.colanet.parameters import CoLaNETParameters


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X.astype(np.float32), y.astype(str), stratify=y, random_state=0)
    return Examples(parts[0], parts[2]), Examples(parts[1], parts[3])


class Recorder:
    """Keeps what it is given, and answers the class it met last."""

    def __init__(self, streams):
        self.rows = []
        streams.append(self.rows)

    def partial_fit(self, X, y, classes):
        assert len(X) <= BATCH
        self.rows += list(zip(X[:, 0].tolist(), y.tolist(), strict=True))

    def predict(self, X):
        return np.full(len(X), self.rows[-1][1])


def recorder(streams):
    return Method(
        "recorder",
        lambda seed: Recorder(streams),
        lambda learned: [np.zeros(3), np.zeros(2, np.float32)],
        lambda learned, X: (7.0, 8.0),
    )


def test_every_method_gets_the_same_stream_once_in_an_order_of_the_seed():
    train = Examples(np.arange(200, dtype=np.float32)[:, None], np.array(list("abcd") * 50))
    test = Examples(np.zeros((4, 1), np.float32), np.array(list("abcd")))
    streams, others_streams = [], []
    (result, _) = compare(train, test, [recorder(streams), recorder(others_streams)], seeds=2)
    assert streams == others_streams
    _, *runs = streams  # without the run that only warms up
    shuffled, class_after_class = runs[::2], runs[1::2]
    everything = sorted(zip(train.X[:, 0].tolist(), train.y.tolist(), strict=True))
    for run in runs:
        assert sorted(run) == everything
    assert shuffled[0] != shuffled[1]
    for run in class_after_class:
        labels = [label for _, label in run]
        assert sum(a != b for a, b in pairwise(labels)) == 3
    assert result.accuracies == [0.25, 0.25]
    # It knows each part perfectly when it has just come, and then not at all.
    assert (result.incremental_accuracies, result.forgetting) == ([0.25, 0.25], [1.0, 1.0])
    assert (result.state_bytes, result.operations, result.learn_operations) == (32, 7.0, 8.0)


def test_all_methods_learn_digits(digits):
    train, test = digits
    head = spiking("head", "colanet", CoLaNETParameters(saturation=16), members=3)
    quick = [method for method in others() if method.name != "random projection + ridge"]
    runs = []
    results = compare(train, test, [head, *quick], seeds=1, on_run=lambda *run: runs.append(run))
    assert [run[1] for run in runs] == list(range(len(results)))
    by_name = {result.name: result for result in results}
    assert len(by_name) == 14
    for result in results:
        assert result.accuracies[0] > 0.75
        assert min(*result.learn_seconds, *result.predict_seconds) > 0
        assert result.offline == (not result.incremental_accuracies)
        assert result.offline == (result.learn_operations is None)
    # By hand: 10 classes, 64 inputs, 1347 examples, float64 except in the head and the ANN.
    assert by_name["head"].state_bytes == 3 * 10 * (64 + 1) * 4 + 10 * 8
    assert by_name["nearest class mean"].state_bytes == 10 * 64 * 8 + 10 * 8
    assert by_name["streaming LDA"].state_bytes == (10 * 64 + 64 * 64) * 8 + 10 * 8
    assert by_name["5 nearest neighbours"].operations == len(train.y) * 64
    assert by_name["ANN, 1 epoch"].operations == 64 * 1000 + 1000 * 10
    assert by_name["logistic regression"].operations == 640
    assert by_name["nearest class mean"].learn_operations == 64
    assert by_name["streaming LDA"].learn_operations == 64 * 64 + 2 * 64
    assert by_name["SGD, logistic loss"].learn_operations == 2 * 64 * 10 + 2 * 64


def test_operations_of_the_head_are_those_of_its_network(digits):
    train, test = digits
    parameters = CoLaNETParameters(saturation=16, max_synapses=20)
    method = spiking("head", "colanet", parameters, members=2)
    head = method.make(0).fit(train.X, train.y)
    counts, network = spike_counts(test.X, 16), head.network_
    synaptic = sum(counts[:, synapses].sum() for synapses in network.synapses) / len(counts)
    answer, lesson = method.operations(head, test.X)
    assert answer == pytest.approx(synaptic + 15 * 2 * 10)
    updates = network.resource_updates / network.presentations
    assert lesson == pytest.approx(answer + updates)


def test_each_head_hears_what_it_can_of_signed_activations():
    """What tells the classes apart lies below zero, where CoLaNET hears nothing."""
    y = np.array(list("ab") * 20)
    X = np.float32([[2, 1, -1, 0] if label == "a" else [2, 1, 0, -1] for label in y])
    heads = [spiking(head, head) for head in ("decorrelated", "paper")]
    ours, paper = compare(Examples(X, y), Examples(X, y), heads, seeds=1)
    assert (ours.accuracies, paper.accuracies) == ([1.0], [0.5])
    assert (ours.incremental_accuracies, paper.incremental_accuracies) == ([1.0], [0.5])
