"""The evaluation of candidates against CoLaNETClassifier and the coding of spike trains."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits

from spikehead import CoLaNETClassifier, CoLaNETParameters
from spikehead.coding import even_trains
from spikehead.tuning.activations import RankedActivations
from spikehead.tuning.experiment import Experiment, Stopped

PARAMETERS = CoLaNETParameters(saturation=1.3, microcolumns=2, max_synapses=40)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def experiment(digits, seeds=(0,)):
    X, y = digits
    return Experiment(X[:300], y[:300], X[300:500], y[300:500], members=2, seeds=seeds)


def accuracy(digits, seed, share=1.0):
    """Return the accuracy by the public estimator."""
    X, y = digits
    order = np.random.RandomState(seed).permutation(300)
    learned = order[: round(share * 300)]
    head = CoLaNETClassifier(**PARAMETERS.to_dict(), members=2, random_state=seed)
    head.partial_fit(X[learned], y[learned], classes=np.arange(10))
    return head.score(X[300:500], y[300:500])


@given(
    arrays(np.float32, (4, 9), elements=st.floats(-1, 8, width=32)),
    st.floats(0.1, 10),
    st.permutations(range(4)),
)
def test_ranked_activations_give_the_same_spikes(activations, saturation, order):
    plain = even_trains(activations[order], saturation)
    trains = RankedActivations.of(activations)[np.array(order)].trains(saturation)
    for presentation in range(4):
        for phase in (0, 7):
            spikes = trains.raster(presentation, phase)
            np.testing.assert_array_equal(spikes, plain.raster(presentation, phase))


@pytest.mark.parametrize("halfway", [0.05, 0.15, 0.35, 0.95])
def test_counts_round_as_coding_does(halfway):
    activations = np.nextafter(halfway, [0.0, 0.5, 1.0]).reshape(1, 3)
    ranked = RankedActivations.of(activations).trains(1.0)
    np.testing.assert_array_equal(ranked.raster(0), even_trains(activations, 1.0).raster(0))


def test_an_experiment_gives_what_the_classifier_gives(digits):
    (rungs,) = experiment(digits, seeds=(3, 8)).evaluate([PARAMETERS])
    first = accuracy(digits, 3)
    assert rungs == (
        accuracy(digits, 3, 0.25),
        first,
        pytest.approx((first + accuracy(digits, 8)) / 2),
    )
    assert len(rungs) == experiment(digits, seeds=(3, 8)).n_rungs


def test_a_hopeless_candidate_is_stopped(digits):
    (whole,) = experiment(digits).evaluate([PARAMETERS])
    assert experiment(digits).evaluate([PARAMETERS], bars=[whole[0], whole[1]]) == [whole]
    assert experiment(digits).evaluate([PARAMETERS], bars=[whole[0] + 0.01, 0]) == [whole[:1]]


def test_stop(digits):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        experiment(digits).evaluate([PARAMETERS], stop=stop)


def test_candidates_share_one_copy(digits):
    ranked = RankedActivations.of(digits[0])
    some = ranked[np.arange(50)[::-1]]
    assert some.inputs is ranked.inputs
    assert some.trains(1.0).inputs is ranked.inputs
    assert some.shape == (50, 64)
