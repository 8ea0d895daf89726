"""What the head costs: counted by hand, and by the reference engine's record."""

import copy

import numpy as np
import pytest

from spikehead.coding import even_trains, spike_counts
from spikehead.evaluation.energy import DenseHead, answering, learning, measure_energy
from spikehead.heads.colanet import CoLaNETParameters, reference
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.network import Network


def test_a_tiny_network_by_hand():
    # Two members, two columns of one neuron; each has a synapse from each of the three inputs.
    network = Network(CoLaNETParameters(saturation=10), 3, 2, n_members=2)
    activations = np.array([[10, 0, 3], [10, 0, 3]], np.float32)
    CPUEngine(network, 1).learn(even_trains(activations, 10), np.zeros(2, np.int32))
    work = learning(network, spike_counts(activations, 10))
    assert work.synaptic_operations == (10 + 3) * 4
    assert work.neuron_updates == 15 * 4
    # Both times nothing fires by itself: the label forces a neuron of each member to fire, which
    # gains on its two active synapses and gives on all three.
    assert work.resource_updates == 3 * 2
    assert work.operations == 52 + 60 + 6
    # 2.6 pJ, 18.6 pJ and 27.3 pJ.
    assert work.joules == pytest.approx((52 * 2.6 + 60 * 18.6 + 6 * 27.3) * 1e-12)
    assert answering(network, spike_counts(activations, 10)).operations == 52 + 60


@pytest.mark.parametrize("silent_synapses", [50, -1])
def test_work_is_what_the_reference_records(silent_synapses):
    parameters = CoLaNETParameters(
        max_weight=3.0, potentiation=1.0, max_synapses=12, silent_synapses=silent_synapses
    )
    rng = np.random.default_rng(0)
    activations = (3 * rng.random((40, 20)) * (rng.random((40, 20)) < 0.6)).astype(np.float32)
    trains = even_trains(activations, parameters.saturation)
    labels = rng.integers(0, 3, 40).astype(np.int32)
    network = Network(parameters, 20, 3, n_members=2)
    recorded = reference.run(copy.deepcopy(network), trains, labels)
    CPUEngine(network).learn(trains, labels)
    synaptic = neurons = resources = 0
    for members in recorded:
        for member, seen in enumerate(members):
            synaptic += sum(seen.input[:, s].sum() for s in network.synapses[member])
            neurons += seen.potentials.size
            for change in seen.changes:
                eligible = np.count_nonzero(change.eligibility)
                resources += len(change.eligibility) if silent_synapses > 0 else eligible
    work = learning(network, spike_counts(activations, parameters.saturation))
    assert work.synaptic_operations == pytest.approx(synaptic / 40)
    assert work.neuron_updates == neurons / 40
    assert work.resource_updates == resources / 40


def test_dense_heads_by_hand():
    # 3 x 2 + 2 x 4 weights of 9.6 pJ; those behind the hidden layer once more for the error; all
    # changed at 14.6 pJ.
    head = DenseHead((3, 2, 4))
    assert head.multiplications == 14
    assert head.answering_joules == pytest.approx(14 * 9.6e-12)
    assert head.learning_joules == pytest.approx((14 * 9.6 + 8 * 9.6 + 14 * 14.6) * 1e-12)
    assert DenseHead((3, 4)).learning_joules == pytest.approx(12 * (9.6 + 14.6) * 1e-12)


def test_dense_heads_have_the_sizes_of_the_ensemble():
    network = Network(CoLaNETParameters(microcolumns=2), 7, 3, n_members=5)
    network.presentations = 1
    energy = measure_energy(network, np.ones((1, 7), np.uint8))
    assert (energy.ann.layers, energy.linear.layers) == ((7, 30, 3), (7, 3))
