"""Both engines: the same numbers in every layer, and the same spikes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikehead.encoders import SpikingEncoder
from spikehead.encoders.spiking import activity, reference
from spikehead.encoders.spiking.conversion import spike
from spikehead.encoders.spiking.fast import FastEngine


def assert_equal(network, codes):
    """Let both engines run, and compare all that they tell."""
    theirs = reference.run(network, codes)
    ours = FastEngine(network, watched=True).sent(codes)
    for layer in network.layers[1:]:
        assert np.array_equal(ours[layer.name], theirs[layer.name].numbers), layer.name
    for layer in network.layers[:-1]:
        numbers = theirs[layer.name].numbers
        assert layer.low <= numbers.min() <= numbers.max() <= layer.high
    for found in activity.activities(network, codes, ours):
        told = theirs[found.layer.name]
        assert found.spikes == np.count_nonzero(told.spikes)
        assert found.operations == told.operations


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(2, 12))
def test_on_small_networks(everything, pixels, seed, bits):
    encoder = everything(seed)
    network = spike(encoder, bits=bits, photos=pixels(seed))
    lowest, highest = network.pixels.low, network.pixels.high
    random = np.random.default_rng(seed)
    assert_equal(network, random.integers(lowest, highest + 1, network.pixels.shape, np.int32))


def test_on_photos_and_efficientnet_lite0_which_needs_none_to_be_converted(lite, photos):
    encoder = SpikingEncoder(lite)
    assert_equal(encoder.network, encoder.codes(photos)[0])
