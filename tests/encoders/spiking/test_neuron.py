"""What a neuron sends: its number, in few spikes."""

import numpy as np
import pytest

from spikehead.encoders.spiking import neuron


@pytest.mark.parametrize("bits", [1, 4, 8, 12])
def test_the_spikes_of_a_number_add_up_to_it(bits):
    numbers = np.arange(1 - (1 << bits), 1 << bits)
    sent = neuron.trains(numbers, bits)
    heard = np.zeros_like(numbers)
    for step in range(bits):
        heard = 2 * heard + sent[step]
    assert np.array_equal(heard, numbers)
    assert np.array_equal(neuron.n_spikes(numbers, bits), np.abs(sent).sum(axis=0))


def test_they_are_as_few_as_any_signed_digits_have_where_these_have_a_place():
    numbers = np.arange(2 * (1 << 8) // 3 + 1)
    # The digits of the non-adjacent form are where a number and three times it differ.
    fewest = [bin(n ^ 3 * n).count("1") for n in numbers.tolist()]
    assert neuron.n_spikes(numbers, 8).tolist() == fewest
