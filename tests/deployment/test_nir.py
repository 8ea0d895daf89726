"""The NIR graph, read again and simulated, against the network that it was made of.

The simulators are optional; `pip install --group simulators` says how to get them.
"""

import json

import nir
import numpy as np
import pytest
from sklearn.datasets import load_digits

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.coding import even_trains
from spikehead.deployment.nir import export, input_spikes
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.decorrelated import reference


@pytest.fixture(scope="module")
def head():
    images, labels = load_digits(return_X_y=True)
    return CoLaNETClassifier(saturation=16, n_threads=1).fit(images[:1500], labels[:1500])


@pytest.fixture(scope="module")
def images():
    """Return those that the head has not learned."""
    return load_digits(return_X_y=True)[0][1500:1650]


@pytest.fixture(scope="module")
def file(head, tmp_path_factory):
    path = tmp_path_factory.mktemp("nir") / "head.nir"
    export(head, path)
    return path


def presented(head, activations):
    """Return the spikes that go in, and the OUT spikes [presentation, member x class]."""
    trains = even_trains(activations, head.parameters_.saturation)
    out = CPUEngine(head.network_, 1).respond(trains).spikes
    return input_spikes(head, activations), out.reshape(len(out), -1)


def simulated(graph, spikes, *, floor=False):
    """Return spike counts by the equations of NIR's documentation (Euler's method)."""
    lif, weight = graph.nodes["neurons"], graph.nodes["synapses"].weight
    dt = graph.metadata["dt"]
    v = np.zeros((len(spikes), *lif.tau.shape))
    counts = np.zeros(v.shape, int)
    for step in range(spikes.shape[1]):
        current = spikes[:, step] @ weight.T
        v += dt / lif.tau * (lif.v_leak - v + lif.r * current)
        if floor:
            v = np.maximum(v, 0)
        z = v > lif.v_threshold
        v = np.where(z, lif.v_reset, v)
        counts += z
    return counts


def decisions(counts, graph):
    """Return the classes as the graph's metadata say, the first of those with equal votes."""
    n_members = int(graph.metadata["members"])
    spikes = counts.reshape(len(counts), n_members, -1)
    shares = spikes / np.maximum(spikes.sum(axis=2, keepdims=True), 1)
    return np.array(json.loads(graph.metadata["classes"]))[shares.sum(axis=1).argmax(axis=1)]


def test_the_graph_says_what_it_is(head, file):
    graph = nir.read(file)
    assert list(graph.edges) == [
        ("input", "synapses"),
        ("synapses", "neurons"),
        ("neurons", "output"),
    ]
    lif = graph.nodes["neurons"]
    np.testing.assert_allclose(lif.tau / graph.metadata["dt"], 9, rtol=1e-6)
    assert (lif.r == 1).all()
    assert (lif.v_leak == 0).all()
    assert (lif.v_reset == 0).all()
    assert (lif.v_threshold == 1).all()
    assert json.loads(graph.metadata["classes"]) == list(range(10))
    assert "Plasticity" in graph.metadata["not_held"]


def test_the_models_weights_and_thresholds_can_be_had_back(head, file):
    graph = nir.read(file)
    network = head.network_
    thresholds = graph.metadata["thresholds"]
    assert (thresholds == network.thresholds().ravel()).all()
    weights = graph.nodes["synapses"].weight * (thresholds[:, None] + 0.5) / 9
    member, column = 7, 3
    phase = list(graph.metadata["phases"]).index(network.phases[member])
    found = weights[member * 10 + column, phase * 64 : (phase + 1) * 64]
    np.testing.assert_allclose(found, network.weights()[member, column], atol=0.01)


def test_but_for_the_floor_it_spikes_as_the_model(head, file, images):
    """Potentials of the model stay above 0; with that rule added, NIR's equations are its own."""
    spikes, out = presented(head, images)
    assert (simulated(nir.read(file), spikes, floor=True) == out).all()


def test_it_decides_as_the_model(head, file, images):
    graph = nir.read(file)
    spikes, out = presented(head, images)
    counts = simulated(graph, spikes)
    assert np.count_nonzero(counts != out) < 1e-3 * np.count_nonzero(out)
    assert (decisions(counts, graph) == decisions(out, graph)).all()
    # The graph cannot hold the rule for ties, which the model does not leave to the first class.
    votes = head.predict_proba(images)
    untied = np.diff(np.sort(votes, axis=1)[:, -2:])[:, 0] > 1e-6
    assert (decisions(counts, graph) == head.predict(images))[untied].all()
    assert untied.mean() > 0.8


def test_outputs_are_named_in_the_order_of_the_columns(tmp_path):
    images, labels = load_digits(return_X_y=True)
    grown = CoLaNETClassifier(saturation=16, members=2, grow=True)
    grown.partial_fit(images[:60][::-1], labels[:60][::-1])
    export(grown, tmp_path / "head.nir")
    graph = nir.read(tmp_path / "head.nir")
    first_met = list(dict.fromkeys(labels[:60][::-1].tolist()))
    assert json.loads(graph.metadata["classes"]) == first_met != sorted(first_met)


def test_strong_noise_makes_it_spike_in_the_silent_steps_too(tmp_path):
    images, labels = load_digits(return_X_y=True)
    noisy = CoLaNETClassifier(
        saturation=16, stochastic_stimulation=6.0, members=2, max_synapses=20
    ).fit(images[:200], labels[:200])
    export(noisy, tmp_path / "head.nir")
    spikes, out = presented(noisy, images[200:400])
    graph = nir.read(tmp_path / "head.nir")
    assert (simulated(graph, spikes, floor=True) == out).all()
    assert (simulated(graph, spikes[:, :10], floor=True) < out).any()


def snntorch(graph):
    from snntorch.import_nir import import_from_nir

    return import_from_nir(graph)


def norse(graph):
    import norse.torch

    return norse.torch.from_nir(graph, dt=float(graph.metadata["dt"]))


def spikingjelly(graph):
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return import_from_nir(graph, dt=float(graph.metadata["dt"]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("simulator", [snntorch, norse, spikingjelly])
def test_simulators_read_it_and_give_the_spikes_of_its_equations(simulator, file, head, images):
    torch = pytest.importorskip("torch")
    pytest.importorskip("nirtorch")
    pytest.importorskip(simulator.__name__, exc_type=ImportError)
    spikes, _ = presented(head, images)
    graph = nir.read(file)
    module, state, counts = simulator(graph), None, 0
    with torch.no_grad():
        for step in range(spikes.shape[1]):
            z, state = module(torch.from_numpy(spikes[:, step].astype(np.float32)), state)
            counts = counts + z.numpy()
    assert (counts == simulated(graph, spikes)).all()


@pytest.fixture(scope="module", params=[2048, 20])
def columns(request):
    """Return a head whose inputs lie on one branch, or on several."""
    images, labels = load_digits(return_X_y=True)
    return DecorrelatedColumns(width=request.param, n_threads=1).partial_fit(
        images[:100], labels[:100]
    )


def test_decorrelated_columns_spike_as_the_reference(columns, images, tmp_path):
    """Exactly, in float64; a class's ten neurons are a thermometer of its OUT spikes."""
    export(columns, tmp_path / "head.nir")
    graph = nir.read(tmp_path / "head.nir")
    images = images[:20] - 4.0  # of either sign
    spikes = simulated(graph, input_spikes(columns, images)).reshape(20, 10, 10)
    counts = columns.coding_.spike_counts(images)
    seen = reference.run(columns.network_, counts)
    assert (spikes.sum(axis=2) == [now.spikes.sum(axis=0) for now in seen]).all()
    assert (np.diff(spikes, axis=2) <= 0).all()
    assert spikes.max() == 1
    names = np.array(json.loads(graph.metadata["classes"]))
    most = spikes.sum(axis=2)
    untied = (most == most.max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert untied.any()
    assert (names[most.argmax(axis=1)] == columns.predict(images))[untied].all()
    thresholds = graph.metadata["thresholds"]
    np.testing.assert_allclose(thresholds, seen[0].thresholds / 2**30)
    weights = graph.nodes["synapses"].weight.reshape(10, 10, -1)
    assert (weights[3, 5, :64] == columns.network_.weight_map(3)).all()
    assert (weights[3, 5, 64:128] == -weights[3, 5, :64]).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("simulator", [snntorch, norse, spikingjelly])
def test_simulators_read_decorrelated_columns(simulator, columns, images, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("nirtorch")
    pytest.importorskip(simulator.__name__, exc_type=ImportError)
    export(columns, tmp_path / "head.nir")
    graph = nir.read(tmp_path / "head.nir")
    spikes = input_spikes(columns, images[:20])
    module, state, counts = simulator(graph), None, 0
    with torch.no_grad():
        for step in range(spikes.shape[1]):
            z, state = module(torch.from_numpy(spikes[:, step].astype(np.float32)), state)
            counts = counts + z.numpy()
    assert (counts == simulated(graph, spikes)).all()


def test_several_microcolumns_and_untaught_heads_are_refused(tmp_path):
    images, labels = load_digits(return_X_y=True)
    several = CoLaNETClassifier(microcolumns=2, saturation=16).fit(images[:50], labels[:50])
    with pytest.raises(ValueError, match=r"^NIR cannot hold a head of 2 microcolumns: .* as ONNX"):
        export(several, tmp_path / "head.nir")
    untaught = CoLaNETClassifier(grow=True).begin(64)
    with pytest.raises(ValueError, match=r"^the head has learned nothing yet: teach it"):
        export(untaught, tmp_path / "head.nir")
    with pytest.raises(ValueError, match="is not fitted yet"):
        export(CoLaNETClassifier(), tmp_path / "head.nir")
    assert list(tmp_path.iterdir()) == []
