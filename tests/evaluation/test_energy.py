"""What the head costs: counted by hand, and by the reference engine's record."""

import copy

import numpy as np
import pytest

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.coding import even_trains
from spikehead.evaluation.energy import DenseHead, measure_energy
from spikehead.heads.colanet import reference
from spikehead.heads.colanet.deployed import NEURON_UPDATE, RESOURCE_UPDATE, SYNAPTIC_OPERATION


def test_a_tiny_network_by_hand():
    # Two members, two columns of one neuron; each has a synapse from each of the three inputs.
    head = CoLaNETClassifier(saturation=10, members=2, n_threads=1)
    activations = np.array([[10, 0, 3], [10, 0, 3]], np.float32)
    head.partial_fit(activations, [0, 0], classes=[0, 1])
    energy = measure_energy(head, activations)
    # Both times nothing fires by itself: the label forces a neuron of each member to fire, which
    # gains on its two active synapses and gives on all three.
    assert energy.learning.counts == {
        SYNAPTIC_OPERATION: (10 + 3) * 4,
        NEURON_UPDATE: 15 * 4,
        RESOURCE_UPDATE: 3 * 2,
    }
    assert energy.learning.operations == 52 + 60 + 6
    # 2.6 pJ, 18.6 pJ and 27.3 pJ.
    assert energy.learning.joules == pytest.approx((52 * 2.6 + 60 * 18.6 + 6 * 27.3) * 1e-12)
    assert energy.answering.operations == 52 + 60
    assert list(energy.answering.to_dict()) == [
        "synaptic_operations",
        "neuron_updates",
        "resource_updates",
        "joules",
    ]


@pytest.mark.parametrize("silent_synapses", [50, -1])
def test_work_is_what_the_reference_records(silent_synapses):
    rng = np.random.default_rng(0)
    activations = (3 * rng.random((40, 20)) * (rng.random((40, 20)) < 0.6)).astype(np.float32)
    labels = rng.integers(0, 3, 40).astype(np.int32)
    head = CoLaNETClassifier(
        max_weight=3.0,
        potentiation=1.0,
        max_synapses=12,
        silent_synapses=silent_synapses,
        members=2,
        grow=True,
    )
    head.begin(20).add_classes(list("abc"))
    trains = even_trains(activations, head.parameters_.saturation)
    recorded = reference.run(copy.deepcopy(head.network_), trains, labels)
    head.partial_fit(activations, np.array(list("abc"))[labels])
    synaptic = neurons = resources = 0
    for members in recorded:
        for member, seen in enumerate(members):
            synaptic += sum(seen.input[:, s].sum() for s in head.network_.synapses[member])
            neurons += seen.potentials.size
            for change in seen.changes:
                active = change.active
                resources += len(active) if silent_synapses > 0 else active.sum()
    work = measure_energy(head, activations).learning.counts
    assert work[SYNAPTIC_OPERATION] == pytest.approx(synaptic / 40)
    assert work[NEURON_UPDATE] == neurons / 40
    assert work[RESOURCE_UPDATE] == resources / 40


def test_decorrelated_columns_by_hand():
    # The root mean square is sqrt(1/2), so that 1 gives 10 / 4 * sqrt(2) = 3.5 spikes: four.
    head = DecorrelatedColumns(n_threads=1)
    examples = np.array([[1.0, -1.0, 0.0, 0.0]] * 2)
    head.partial_fit(examples, ["a", "b"])
    head.add_classes(["c"])
    assert head.coding_.spike_counts(examples)[0].tolist() == [4, -4, 0, 0]
    energy = measure_energy(head, examples)
    assert energy.answering.to_dict() == {
        "synaptic_operations": 8 * 3,
        "neuron_updates": 10 * 3,
        # 10.2 pJ: 64 bits are added and read; 30.4 pJ.
        "joules": pytest.approx((24 * 10.2 + 30 * 30.4) * 1e-12),
    }
    # 0 to 63 earlier lessons of the block are heard, 31.5 on average.
    lesson = energy.learning.to_dict()
    assert lesson["lateral_operations"] == 8 * (4 + 31.5)
    assert lesson["trace_updates"] == 4 * (31.5 + 1)
    assert lesson["weight_updates"] == 4 * (2 + 1)
    assert lesson["lateral_updates"] == 4 * 4
    once_a_block = (0.2 + 20) / 64
    assert lesson["joules"] == pytest.approx(
        energy.answering.joules
        + (8 * 35.5 * 10.2 + 4 * 32.5 * 22.6 + 12 * 42.6 + 16 * (32.6 + once_a_block)) * 1e-12
    )


def test_narrow_branches_spare_lateral_work():
    examples = np.random.default_rng(0).standard_normal((5, 13))
    head = DecorrelatedColumns(width=5, n_threads=1).partial_fit(examples, list("abcab"))
    network = head.network_
    lesson = measure_energy(head, examples).learning.to_dict()
    spikes = np.abs(head.coding_.spike_counts(examples))
    branches = [[place for place in branch if place < 13] for branch in network.places.tolist()]
    assert sorted(map(len, branches)) == [3, 5, 5]
    expected = [spikes[:, b].sum(axis=1).mean() * (len(b) + 31.5) for b in branches]
    assert lesson["lateral_operations"] == pytest.approx(sum(expected))
    assert lesson["lateral_updates"] == 25 + 25 + 9


def test_dense_heads_by_hand():
    # 3 x 2 + 2 x 4 weights of 9.6 pJ; those behind the hidden layer once more for the error; all
    # changed at 14.6 pJ.
    head = DenseHead((3, 2, 4))
    assert head.multiplications == 14
    assert head.answering_joules == pytest.approx(14 * 9.6e-12)
    assert head.learning_joules == pytest.approx((14 * 9.6 + 8 * 9.6 + 14 * 14.6) * 1e-12)
    assert DenseHead((3, 4)).learning_joules == pytest.approx(12 * (9.6 + 14.6) * 1e-12)


def test_dense_heads_have_the_sizes_of_the_head():
    head = CoLaNETClassifier(microcolumns=2, members=5, n_threads=1)
    head.fit(np.ones((3, 7), np.float32), list("abc"))
    energy = measure_energy(head, np.ones((1, 7), np.float32))
    assert (energy.ann.layers, energy.linear.layers) == ((7, 30, 3), (7, 3))
