"""The reference against presentations computed by hand, and against the specification anew.

Networks are tiny and noiseless unless noise is the subject. With ten inputs of weight 1 that spike
together, the current of 10 exceeds the threshold of 8.531 at once; with eight it does not.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikehead.coding import STEPS, SpikeTrains, even_trains, event_trains
from spikehead.heads.colanet import reference
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.heads.colanet.reference import Presentation

GAIN, LOSS, RATE = 0.1, 0.05, 0.25
THETA = 34943  # 8.531 in steps of 2**-12
ONE = 4096


def parameters(**changes: Any) -> CoLaNETParameters:
    plain: dict[str, Any] = {
        "potentiation": GAIN,
        "relative_depression": LOSS / GAIN,
        "stability_rate": RATE,
        "max_weight": 7.0,
        "min_weight": 1.0,
        "threshold_excess": 0.0,
        "silent_synapses": -1,
        "stochastic_stimulation": 0.0,
    }
    return CoLaNETParameters(**(plain | changes))


def network(weights: Any, **changes: Any) -> Network:
    """Return one member with the given weights, [neuron][input], or the same for all inputs."""
    p = parameters(**changes)
    wanted = np.atleast_2d(np.asarray(weights, np.float64))
    net = Network(p, wanted.shape[1], len(wanted) // p.microcolumns, n_members=1)
    # w = w_min + D W / (D + W), solved for W.
    span = p.max_weight + p.min_weight
    net.resources[0] = span * (wanted + p.min_weight) / (p.max_weight - wanted)
    return net


def events(*steps: Sequence[int]) -> SpikeTrains:
    """Return one presentation in which input i spikes at ``steps[i]``."""
    spikes = np.zeros((1, STEPS, len(steps)), bool)
    for number, when in enumerate(steps):
        spikes[0, list(when), number] = True
    return event_trains(spikes)


def present(net: Network, trains: SpikeTrains, label: int | None = None) -> Presentation:
    labels = None if label is None else np.array([label], np.int32)
    return reference.run(net, trains, labels)[0][0]


def spikes_of(now: Presentation) -> list[tuple[int, int]]:
    return [(int(step), int(neuron)) for step, neuron in np.argwhere(now.spikes)]


def learned(before: NDArray[Any], net: Network) -> NDArray[Any]:
    return np.asarray(net.resources - before)[0]


# ---------------------------------------------------------------- the membrane


def test_a_fresh_network_never_fires() -> None:
    net = Network(CoLaNETParameters(), n_inputs=20, n_columns=3, n_members=2)
    for member in reference.run(net, event_trains(np.ones((1, STEPS, 20), bool)))[0]:
        assert not member.spikes.any()
        assert not member.blocked.any()
        # Only noise, below 0.016 a step, of which a ninth leaks at each step.
        assert member.potentials.max() < 0.016 * 9 * ONE
        assert member.potentials.max() > 0


def test_potential_by_hand() -> None:
    # +2, leak, -1, leak, floor at -4, then silence.
    now = present(network([2, -1, -4]), events([0, 4], [1], [2]))
    after_leak = 8192 - 910
    assert now.potentials[:6, 0].tolist() == [8192, after_leak - 4096, 0, 0, 8192, after_leak]
    assert now.potentials[14, 0] < now.potentials[9, 0]
    assert now.thresholds.tolist() == [THETA]


def test_it_fires_above_its_threshold_and_starts_again_from_zero() -> None:
    now = present(network([1] * 10), events(*[[2, 3]] * 10))
    assert spikes_of(now) == [(2, 0), (3, 0)]
    assert now.potentials[2:5, 0].tolist() == [40960, 40960, 0]
    # 8 are too few at once, but not with 8 - 8/9 held from the step before.
    assert spikes_of(present(network([1] * 8), events(*[[2, 3]] * 8))) == [(3, 0)]
    assert spikes_of(present(network([1] * 8), events(*[[2]] * 8))) == []


def test_exactly_the_threshold_is_not_above_it() -> None:
    for potential, spikes in ((THETA, []), (THETA + 1, [(0, 0)])):
        now = present(network([4.0, (potential - 4 * ONE) / ONE]), events([0], [0]))
        assert now.potentials[0, 0] == potential
        assert spikes_of(now) == spikes


def test_weights_raise_the_threshold() -> None:
    net = network([[2] * 5 + [-1] * 5], threshold_excess=0.1)
    now = present(net, events(*[[0]] * 5, *[[]] * 5))
    assert now.thresholds.tolist() == [round((8.531 + 0.1 * 10) * ONE)]
    assert spikes_of(now) == [(0, 0)]


def test_every_presentation_starts_from_rest() -> None:
    net = network([[5] * 4, [5] * 4], microcolumns=2)
    loud, quiet = np.ones((1, STEPS, 4), bool), np.zeros((1, STEPS, 4), bool)
    many = reference.run(net, event_trains(np.concatenate([loud, quiet, loud])))
    assert many[0][0].spikes.any()
    assert many[0][0].blocked[STEPS - 1].any()
    assert not many[1][0].potentials.any()
    assert not many[1][0].blocked.any()
    assert (many[2][0].spikes == many[0][0].spikes).all()
    assert (many[2][0].potentials == many[0][0].potentials).all()


# ---------------------------------------------------------------- winner takes all


def test_the_highest_fires_and_blocks_the_others_of_its_column() -> None:
    # Neurons 0 and 1 are column 0, 2 and 3 column 1.
    net = network([[10 / 3] * 3, [4] * 3, [4] * 3, [0] * 3], microcolumns=2, max_weight=7.0)
    now = present(net, events([0, 1], [0, 1], [0, 1]))
    assert spikes_of(now) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    # The last spike is at step 1: the losers are open again at step 12.
    assert np.flatnonzero(now.blocked[:, 0]).tolist() == list(range(1, 12))
    assert np.flatnonzero(now.blocked[:, 3]).tolist() == list(range(1, 12))
    assert not now.blocked[:, [1, 2]].any()


def test_a_blocked_neuron_only_leaks() -> None:
    net = network([[3] * 3, [4] * 3], microcolumns=2)
    now = present(net, events(*[[0, 5]] * 3))
    expected = [9 * ONE]
    for _ in range(14):
        expected.append(expected[-1] - expected[-1] // 9)
    assert now.potentials[:, 0].tolist() == expected
    assert spikes_of(now) == [(0, 1), (5, 1)]


def test_a_blocked_neuron_that_is_still_high_fires_when_its_block_ends() -> None:
    net = network([[6.5] * 8, [6.6] * 8], microcolumns=2)
    before = net.resources.copy()
    now = present(net, events(*[[0]] * 8), label=0)
    # 52 * (8/9)**11 = 14.2 > 8.531.
    assert spikes_of(now) == [(0, 1), (11, 0)]
    assert not now.blocked[:11, 1].any()
    assert now.blocked[12:, 1].all()
    # Both lose for firing. At step 14 neuron 1 is blocked, and the inputs are older than 10 steps.
    assert learned(before, net) == pytest.approx(-LOSS, abs=1e-5)
    assert [(c.neuron, c.cause) for c in now.changes] == [
        (0, "anti-Hebbian"),
        (0, "dopamine"),
        (1, "anti-Hebbian"),
    ]
    # Neuron 0 is 2 steps old when dopamine comes: r d+ (2 - 8 / 10).
    assert net.stability[0] == pytest.approx([RATE * GAIN * 1.2, 0])


def test_scores_are_the_spikes_of_out() -> None:
    net = network([[0, 4], [4, 0], [0, 0], [0, 3]], microcolumns=2)
    trains = event_trains(np.ones((1, STEPS, 2), bool))
    now = present(net, trains)
    # 4 a step: 4, 7.6, 10.7 > 8.531 at every third step; 3 a step: 3, 5.7, 8.04, 10.1 every fourth.
    assert np.flatnonzero(now.out(2)[:, 0]).tolist() == [2, 5, 8]
    assert np.flatnonzero(now.out(2)[:, 1]).tolist() == [3, 7]
    assert now.peaks(2) == pytest.approx([10.716 / 8.531, 10.146 / 8.531], abs=1e-3)


def test_peaks_are_those_while_the_input_lasts() -> None:
    now = present(network([[1], [2]]), events([9]))
    assert now.peaks(1) == pytest.approx([1 / 8.531, 2 / 8.531], abs=1e-4)
    assert present(network([[1], [-1]]), events([])).peaks(1).tolist() == [0, 0]


# ---------------------------------------------------------------- the label


def test_the_label_forces_the_highest_neuron_of_its_column_at_the_11th_step() -> None:
    net = network([[0, 0], [0, 0], [1, 0], [2, 0]], microcolumns=2)
    now = present(net, events([8], []), label=1)
    assert spikes_of(now) == [(10, 3)]
    assert now.forced == 3
    assert present(net, events([8], [])).forced == -1
    assert np.flatnonzero(now.blocked[:, 2]).tolist() == [11, 12, 13, 14]
    assert not now.blocked[:, :2].any()


def test_noise_breaks_the_tie_of_a_forced_firing() -> None:
    net = Network(parameters(microcolumns=8, stochastic_stimulation=0.5), 2, 1, n_members=30)
    happened = reference.run(
        net, event_trains(np.zeros((1, STEPS, 2), bool)), np.zeros(1, np.int32)
    )
    forced = [now.forced for now in happened[0]]
    assert forced == [int(now.potentials[10].argmax()) for now in happened[0]]
    assert len(set(forced)) > 4


@pytest.mark.parametrize("step", [0, 5, 9])
def test_biasgate_stays_silent_after_out_has_spiked(step: int) -> None:
    now = present(network([[4] * 3]), events(*[[step]] * 3), label=0)
    assert spikes_of(now) == [(step, 0)]
    assert now.forced == -1


def test_a_spike_of_another_column_does_not_silence_biasgate() -> None:
    now = present(network([[4] * 3, [0] * 3]), events(*[[5]] * 3), label=1)
    assert spikes_of(now) == [(5, 0), (10, 1)]
    assert now.forced == 1


# ---------------------------------------------------------------- what is learned


def test_a_missed_example_gives_dopamine_to_the_inputs_of_the_last_ten_steps() -> None:
    net = network([[0] * 6])
    before = net.resources.copy()
    now = present(net, events([0], [2], [0, 1, 2], [3], [2, 9], []), label=0)
    assert learned(before, net)[0] == pytest.approx([0, 0, 0, GAIN, GAIN, 0], abs=1e-6)
    # A forced firing is no tight sequence: no anti-Hebbian change.
    assert [c.cause for c in now.changes] == ["dopamine"]
    assert now.changes[0].active.tolist() == [0, 0, 0, 1, 1, 0]
    assert net.stability.tolist() == [[0]]  # -r d+, but zero can only grow


def test_a_right_firing_nets_gain_less_loss() -> None:
    net = network([[4, 4, 4, 0, 0, 0]])
    before = net.resources.copy()
    now = present(net, events([5], [5], [5], [1], [6], [1, 6]), label=0)
    assert spikes_of(now) == [(5, 0)]
    # Loss: what spiked up to step 5. Gain: what spiked from step 3 on.
    both = GAIN - LOSS
    assert learned(before, net)[0] == pytest.approx([both, both, both, -LOSS, GAIN, both], abs=1e-6)
    assert [c.cause for c in now.changes] == ["anti-Hebbian", "dopamine"]
    # Zero cannot fall by r d-; then r d+ (2 - |8 - 10| / 10), 8 steps after the spike.
    assert net.stability[0] == pytest.approx([RATE * GAIN * 1.8])


def test_a_wrong_firing_loses() -> None:
    net = network([[4, 4, 4, 0], [0, 0, 0, 0]])
    net.stability[:] = 1.0
    before = net.resources.copy()
    now = present(net, events([5], [5], [5], [6]), label=1)
    assert spikes_of(now) == [(5, 0), (10, 1)]
    # A stability of 1 halves every change.
    assert learned(before, net)[0] == pytest.approx([-LOSS / 2] * 3 + [0], abs=1e-6)
    assert learned(before, net)[1] == pytest.approx([GAIN / 2] * 4, abs=1e-6)
    assert net.stability[0] == pytest.approx([1 - RATE * LOSS, 1 - RATE * GAIN])


def test_a_neuron_that_did_not_fire_learns_nothing() -> None:
    net = network([[1] * 3, [1] * 3, [0] * 3], microcolumns=1)
    before, weights = net.resources.copy(), net.weights()
    present(net, events([5], [5], [5]), label=2)
    assert not learned(before, net)[:2].any()
    assert (net.weights()[0, :2] == weights[0, :2]).all()


def test_a_tight_sequence_loses_once() -> None:
    net = network([[4] * 3 + [0]])
    before = net.resources.copy()
    now = present(net, events(*[[3, 5, 9]] * 3, [8]), label=0)
    assert spikes_of(now) == [(3, 0), (5, 0), (9, 0)]
    assert learned(before, net)[0] == pytest.approx(GAIN - LOSS, abs=1e-6)
    # The sequence is 10 steps old when dopamine comes.
    assert net.stability[0] == pytest.approx([RATE * GAIN * 2])


def test_an_old_right_firing_is_forgotten_by_dopamine() -> None:
    net = network([[4] * 3])
    before = net.resources.copy()
    now = present(net, events(*[[0]] * 3), label=0)
    # OUT spiked 10 steps before the label, which silences BIASGATE; dopamine comes 13 steps after.
    assert spikes_of(now) == [(0, 0)]
    assert learned(before, net)[0] == pytest.approx(-LOSS, abs=1e-6)


def test_age_counts_from_the_sequence_that_dopamine_meets() -> None:
    # Strong inhibition from step 4 to 9; then noise alone may fire the neuron at step 14, in a
    # tight sequence of its own, after dopamine has come.
    net = network([[7 - 1e-3] * 2 + [-0.999] * 20], stochastic_stimulation=2.5)
    spikes = np.zeros((1, STEPS, 22), bool)
    spikes[0, 3, :2] = spikes[0, 4:, 2:] = True
    for number in range(1000):
        trial = copy.deepcopy(net)
        trial.presentations = number
        now = present(trial, event_trains(spikes), label=0)
        if spikes_of(now) == [(3, 0), (14, 0)]:
            break
    else:
        pytest.fail("no noise gave the spikes that this test is about")
    assert [c.cause for c in now.changes] == ["anti-Hebbian", "anti-Hebbian", "dopamine"]
    assert trial.stability[0] == pytest.approx([RATE * GAIN * 2])


def test_renormalisation_shares_with_the_reservoir() -> None:
    net = network([[0] * 4], silent_synapses=6)
    before = net.resources.copy()
    now = present(net, events([5], [6], [], []), label=0)
    given_up = GAIN * 2 / (4 + 6)
    assert learned(before, net)[0] == pytest.approx([GAIN - given_up] * 2 + [-given_up] * 2)
    assert now.changes[0].gain == pytest.approx(GAIN)
    assert now.changes[0].given == pytest.approx(given_up)
    assert learned(before, net).sum() == pytest.approx(6 * given_up, rel=1e-5)


def test_learning_shows_only_after_the_presentation() -> None:
    net = network([[4] * 3, [0] * 3], threshold_excess=0.1)
    trains = events(*[[1, 4, 8]] * 3)
    asked = present(copy.deepcopy(net), trains)
    now = present(net, trains, label=0)
    assert (now.potentials == asked.potentials).all()
    assert (now.thresholds == asked.thresholds).all()
    after = present(net, trains)
    assert after.thresholds[0] > now.thresholds[0]
    assert after.potentials[1, 0] > now.potentials[1, 0]


def test_a_network_learns_to_fire_for_what_it_has_seen() -> None:
    net = network(np.zeros((2, 12)))
    one, other = events(*[[2, 5, 8]] * 6, *[[]] * 6), events(*[[]] * 6, *[[2, 5, 8]] * 6)
    for _ in range(30):
        present(net, one, label=0)
        present(net, other, label=1)
    for trains, column in ((one, 0), (other, 1)):
        scores = present(net, trains).out(1).sum(axis=0)
        assert scores[column] > 0
        assert scores[1 - column] == 0


def test_presentations_are_counted_only_when_learned() -> None:
    net = network([[0], [0]])
    reference.run(net, event_trains(np.zeros((3, STEPS, 1), bool)))
    assert net.presentations == 0
    reference.run(net, event_trains(np.zeros((3, STEPS, 1), bool)), np.zeros(3, np.int32))
    assert net.presentations == 3


# ---------------------------------------------------------------- members


def test_members_see_the_same_counts_in_other_phases() -> None:
    net = Network(parameters(), n_inputs=1, n_columns=1, n_members=2)
    one, other = reference.run(net, even_trains(np.array([[0.1]]), 1.0))[0]
    # One spike: the accumulator reaches 1 after 10 tenths from 0, and after 5 from 5 tenths.
    assert np.flatnonzero(one.input[:, 0]).tolist() == [9]
    assert np.flatnonzero(other.input[:, 0]).tolist() == [4]


def test_members_have_noise_of_their_own() -> None:
    net = Network(parameters(stochastic_stimulation=1.0), 1, 1, n_members=2, seed=4)
    silence = event_trains(np.zeros((2, STEPS, 1), bool))
    first, again = reference.run(net, silence)
    assert (first[0].potentials != first[1].potentials).any()
    # A prediction does not depend on what came before; learning goes on to new noise.
    assert (first[0].potentials == again[0].potentials).all()
    first, again = reference.run(net, silence, np.zeros(2, np.int32))
    assert (first[0].potentials[:10] != again[0].potentials[:10]).any()


# ---------------------------------------------------------------- the specification, anew


class Neuron:
    """An L neuron as sections 3 and 4 of the specification tell it, in plain Python."""

    def __init__(self, weights: list[int], theta: int) -> None:
        self.weights, self.theta = weights, theta
        self.u, self.blocked_until = 0, -1
        self.spikes: list[int] = []

    def hear(self, step: int, inputs: list[bool]) -> None:
        current = sum(w for w, spike in zip(self.weights, inputs, strict=True) if spike)
        self.u += -(self.u // 9) + (current if step > self.blocked_until else 0)
        self.u = max(self.u, 0)

    def sequences(self) -> list[list[int]]:
        found: list[list[int]] = []
        for spike in self.spikes:
            if found and spike - found[-1][-1] <= 10:
                found[-1].append(spike)
            else:
                found.append([spike])
        return found


def tell(
    columns: list[list[Neuron]], inputs: list[list[bool]], label: int
) -> list[tuple[Neuron, float, int, int, float]]:
    """Present one example; return each change: neuron, amount, first and last step, stability."""

    def fire(winner: Neuron, column: list[Neuron], step: int) -> None:
        winner.spikes.append(step)
        winner.u = 0
        for other in column:
            if other is not winner:
                other.blocked_until = step + 10

    forced = None
    for step in range(15):
        for column in columns:
            for neuron in column:
                neuron.hear(step, inputs[step] if step < 10 else [False] * len(inputs[0]))
            able = [n for n in column if n.u > n.theta and step > n.blocked_until]
            if able:
                fire(max(able, key=lambda n: n.u), column, step)
        if step == 10 and not any(neuron.spikes for neuron in columns[label]):
            forced = max(columns[label], key=lambda n: n.u)
            forced.blocked_until = -1
            fire(forced, columns[label], step)

    changes = []
    for number, column in enumerate(columns):
        for neuron in column:
            sequences = [] if neuron is forced else neuron.sequences()
            changes += [(neuron, -LOSS, 0, s[-1], -RATE * LOSS) for s in sequences]
            met = [s for s in sequences if s[0] <= 13]
            awake = neuron.blocked_until < 13 and any(3 <= s <= 13 for s in neuron.spikes)
            if number == label and awake:
                age = 13 - met[-1][0] if met else 0
                factor = -1.0 if neuron is forced else max(2 - abs(age - 10) / 10, -1)
                changes.append((neuron, GAIN, 3, 13, RATE * GAIN * factor))
    return changes


@given(
    seed=st.integers(0, 10**6),
    n_inputs=st.integers(1, 12),
    size=st.integers(1, 4),
    n_columns=st.integers(1, 3),
    scale=st.sampled_from([0.5, 2.0, 6.0]),
    silent=st.sampled_from([-1, 5]),
)
@settings(max_examples=150)
def test_a_presentation_is_what_the_specification_tells(
    seed: int,
    n_inputs: int,
    size: int,
    n_columns: int,
    scale: float,
    silent: int,
) -> None:
    rng = np.random.default_rng(seed)
    wanted = rng.uniform(-1, scale, (size * n_columns, n_inputs))
    net = network(wanted, microcolumns=size, threshold_excess=0.05, silent_synapses=silent)
    net.stability[:] = rng.choice([-0.5, 0.0, 0.01, 1.5], net.stability.shape)
    resources, stability = net.resources[0].astype(float), net.stability[0].astype(float)
    neurons = []
    for row in np.rint(wanted * ONE).astype(int).tolist():
        excess = 0.05 * sum(max(w, 0) for w in row) / ONE
        neurons.append(Neuron(row, round((8.531 + excess) * ONE)))
    columns = [neurons[first : first + size] for first in range(0, len(neurons), size)]
    spikes = rng.random((STEPS, n_inputs)) < rng.random(n_inputs)
    label = int(rng.integers(n_columns))

    weights = net.weights()[0]
    assert np.abs(weights - np.rint(wanted * ONE)).max() <= 1
    for neuron, row in zip(neurons, weights.tolist(), strict=True):
        neuron.weights = row
    now = present(net, event_trains(spikes[None]), label)
    assert now.thresholds == pytest.approx([n.theta for n in neurons], abs=1)
    for neuron, theta in zip(neurons, now.thresholds.tolist(), strict=True):
        neuron.theta = theta

    for neuron, amount, first, last, change in tell(columns, spikes.tolist(), label):
        number = neurons.index(neuron)
        active = spikes[first : last + 1].any(axis=0)
        amount *= min(2 ** -stability[number], 1)
        resources[number] += amount * active
        if silent > 0:
            resources[number] -= amount * active.sum() / (n_inputs + silent)
        if stability[number] > 0 or change > 0:
            stability[number] += change
    assert [np.flatnonzero(train).tolist() for train in now.spikes.T] == [n.spikes for n in neurons]
    assert net.resources[0] == pytest.approx(resources, rel=1e-5, abs=1e-5)
    assert net.stability[0] == pytest.approx(stability, abs=1e-6)
