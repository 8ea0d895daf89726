"""The NIR graph of a spiking encoder, read again and computed, against the encoder's engines."""

from dataclasses import replace

import nir
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from spikehead import DecorrelatedColumns
from spikehead.deployment import nir_encoder
from spikehead.deployment.nir import export
from spikehead.encoders.spiking import reference
from spikehead.encoders.spiking.network import (
    Largest,
    Pixels,
    SpikingNetwork,
    Sums,
    Synapses,
    Window,
)

RANDOM = np.random.default_rng(0)


def convolution(source, n_in, n_out, kernel, stride=1, pad=0):
    weights = RANDOM.integers(-40, 41, (n_out, n_in, kernel, kernel), np.int32)
    return Synapses(source, weights, Window((kernel, kernel), (stride, stride), (pad,) * 4))


def own(source, n, window):
    return Synapses(source, RANDOM.integers(1, 9, (n, 1, 1, 1), np.int32), window, n)


def layer(name, shape, low, high, shift, *synapses):
    step, bias = np.ones(shape[0]), RANDOM.integers(-900, 900, shape[0])
    return Sums(name, shape, 6, low, high, step, synapses, bias, shift + np.arange(shape[0]) % 3)


@pytest.fixture(scope="module")
def network():
    """Return one of whatever NIR can hold: ReLU, ReLU6, signed neurons, pools, residual sums."""
    layers = (
        Pixels("image", (3, 10, 10), 8, -120, 140, np.ones(3), np.array([120, 115, 118])),
        layer("relu", (4, 10, 10), 0, 63, 7, convolution("image", 3, 4, 3, pad=1)),
        layer("signed", (4, 10, 10), -63, 63, 5, convolution("relu", 4, 4, 1)),
        layer("pool", (4, 5, 5), 0, 63, 2, own("relu", 4, Window((2, 2), (2, 2)))),
        layer(
            "sum",
            (4, 5, 5),
            -63,
            63,
            5,
            convolution("signed", 4, 4, 3, 2, 1),
            own("pool", 4, Window()),
        ),
        layer("relu6", (5, 3, 3), 0, 56, 5, convolution("sum", 4, 5, 3)),
        layer("last", (5, 1, 1), -63, 63, 0, own("relu6", 5, Window((3, 3)))),
    )
    return SpikingNetwork(layers, 9, {"encoder": "drawn", "preprocessing": {"crop": 10}})


def windows(maps, node, kernel):
    top, left = node.padding
    padded = np.pad(maps, ((0, 0), (top, top), (left, left)))
    found = sliding_window_view(padded, tuple(kernel), axis=(1, 2))
    return found[:, :: node.stride[0], :: node.stride[1]]


def computed(node, given):
    """Return what a node gives, by NIR's definition."""
    match node:
        case nir.Threshold():
            return (given > node.threshold).astype(float)
        case nir.Scale():
            return given * node.scale
        case nir.SumPool2d():
            return windows(given, node, node.kernel_size).sum(axis=(3, 4))
        case nir.Conv2d():
            seen = windows(given, node, node.weight.shape[2:])
            found = np.einsum("oikl,ixykl->oxy", node.weight.astype(float), seen)
            return found + node.bias[:, None, None]
    return given


def ran(graph, photo):
    """Return what each node of a graph gives for a photo, node by node."""
    given = {}

    def of(name):
        if name not in given:
            heard = [of(source) for source, other in graph.edges if other == name]
            given[name] = computed(graph.nodes[name], sum(heard) if heard else photo)
        return given[name]

    for name in graph.nodes:
        of(name)
    return given


def test_it_gives_every_number_of_the_encoder(network, tmp_path):
    activations = RANDOM.random((4, 5))
    head = DecorrelatedColumns().fit(activations, ["a", "b", "a", "b"])
    export(head, tmp_path / "model.nir", network)
    read = nir.read(tmp_path / "model.nir")
    assert read.nodes["head"].metadata["steps"] == 11
    assert "no node" in read.metadata["between"]
    graph = read.nodes["encoder"]
    assert (graph.metadata["zero"] == network.pixels.zero).all()
    for _ in range(3):
        photo = RANDOM.integers(-120, 141, network.pixels.shape, np.int32)
        ours, theirs = ran(graph, photo), reference.run(network, photo)
        for place, each in enumerate(network.layers[1:-1], 1):
            numbers = sum(ours.get(f"{place}.{sign}", 0) for sign in ("on", "off"))
            assert np.array_equal(numbers, theirs[each.name].numbers), each.name
            assert numbers.max() == each.high
            assert (numbers.min() < 0) == (each.low < 0)
        told = network.decoded(theirs["last"].numbers)
        assert np.array_equal(ours["output"].astype(np.float32), told)


def test_what_has_no_node_is_told(network):
    *layers, last = network.layers
    relu = network["relu"]
    one = np.ones(4)
    table = replace(relu, tables=np.zeros((1, 2), np.int32), rows=np.zeros(4, np.int64))
    grouped = Synapses("relu", np.ones((4, 1, 3, 3), np.int32), Window((3, 3)), 4)
    for added, what in (
        (
            Largest("max", (4, 8, 8), 6, 0, 63, one, "relu", Window((3, 3))),
            "the largest of several",
        ),
        (layer("deep", (4, 8, 8), 0, 63, 2, grouped), "convolutions in groups"),
        (replace(table, name="silu"), "SiLU and sigmoid"),
    ):
        more = replace(network, layers=(*layers, added, last))
        assert nir_encoder.missing(more).startswith(f"NIR has no node for {what}")
        with pytest.raises(ValueError, match=f", as in {added.name}$"):
            nir_encoder.to_graph(more)
