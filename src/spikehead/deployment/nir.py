"""The trained head in the Neuromorphic Intermediate Representation (NIR).

NIR describes a network by the equations of its neurons. What they cannot hold of CoLaNET stands in
the graph's metadata: plasticity, the floor of the potentials, integer arithmetic, and the vote.
"""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from spikehead.coding import STEPS, SpikeTrains
from spikehead.files import write_file
from spikehead.heads.colanet.classifier import CoLaNETClassifier
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import ALL_STEPS, TAU, UNIT

DT = 1e-4
"""Length of a step in seconds, which NIR leaves open: the one that most simulators take."""


def export(head: CoLaNETClassifier, file: str | Path) -> None:
    """Write a trained head as a NIR file.

    Parameters
    ----------
    head : CoLaNETClassifier
        As `to_graph` takes it.
    file : path
        Where to write; a file that is there is replaced.

    Raises
    ------
    ValueError
        As in `to_graph`.
    OSError
        If the file cannot be written; what was there is unchanged.
    """
    content = io.BytesIO()
    nir.write(content, to_graph(head))
    write_file(file, content.getvalue())


def to_graph(head: CoLaNETClassifier) -> nir.NIRGraph:
    """Return a trained head as a NIR graph that answers, and learns no more.

    Its `input` takes the spikes that `input_spikes` makes, step by step; `synapses` (Linear) and
    `neurons` (LIF) are the L neurons of all members side by side, member after member; `output`
    gives their spikes, one neuron a class and member. Potentials are in units of each neuron's
    threshold, since several simulators know one threshold a layer; `r` is 1, so that the weights
    contain tau / dt = 9; the reset is to 0. The metadata say the rest.

    Parameters
    ----------
    head : CoLaNETClassifier
        It has learned something, and has one microcolumn.

    Raises
    ------
    ValueError
        If it has learned nothing, has several microcolumns, or is of another kind.
    """
    check_is_fitted(head)
    if not isinstance(head, CoLaNETClassifier):
        raise ValueError(f"a head of {head.title} cannot be exported as NIR")
    network = head.network_
    if not network.n_columns:
        raise ValueError("the head has learned nothing yet: teach it before it is exported")
    if network.parameters.microcolumns > 1:
        raise ValueError(
            f"NIR cannot hold a head of {network.parameters.microcolumns} microcolumns: where "
            "several neurons of a column reach their thresholds in one step, only the one with the "
            "highest potential may fire, and NIR's neurons cannot compare potentials; export it as "
            "ONNX, or learn with microcolumns=1"
        )
    weights, thresholds = _synapses(network)
    n_neurons = np.array([len(weights)])
    ones = np.ones(n_neurons, np.float32)
    nodes = {
        "input": nir.Input({"input": np.array([weights.shape[1]])}),
        "synapses": nir.Linear(weights),
        "neurons": nir.LIF(
            tau=TAU * DT * ones, r=ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones
        ),
        "output": nir.Output({"output": n_neurons}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), metadata=_metadata(head, thresholds))


def input_spikes(network: Network, trains: SpikeTrains) -> NDArray[np.bool_]:
    """Return what the graph of a network takes, shape (n_presentations, 15, n_graph_inputs).

    For each distinct phase of the members' even spread, the spikes of every input; then 15 inputs
    more, of which number ``t`` spikes at step ``t``: through them comes the noise of that step.

    Parameters
    ----------
    network : Network
        That of the head.
    trains : SpikeTrains
        The presentations.
    """
    phases = np.unique(network.phases).tolist()
    shape = len(trains), ALL_STEPS, len(phases) * network.n_inputs + ALL_STEPS
    spikes = np.zeros(shape, bool)
    for index in range(len(trains)):
        rasters = [trains.raster(index, phase) for phase in phases]
        spikes[index, :STEPS, :-ALL_STEPS] = np.concatenate(rasters, axis=1)
    spikes[:, :, -ALL_STEPS:] = np.eye(ALL_STEPS, dtype=bool)
    return spikes


def _synapses(network: Network) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the weights of all neurons, [neuron, graph input], and their thresholds."""
    n_inputs = network.n_inputs
    phases, phase_of = np.unique(network.phases, return_inverse=True)
    shape = network.n_members, network.n_columns, len(phases) * n_inputs + ALL_STEPS
    weights = np.zeros(shape, np.float32)
    for member, phase in enumerate(phase_of):
        inputs = slice(phase * n_inputs, (phase + 1) * n_inputs)
        for column in range(network.n_columns):
            (weights[member, column, inputs],) = network.weight_map(column, member)
    # The model's leak, u // 9, takes less than u / 9: on average by 4 / 9 of a step.
    rounding = (TAU - 1) / 2 / TAU
    weights[..., -ALL_STEPS:] = (np.moveaxis(network.noise(), 0, -1) + rounding) / UNIT
    # Whole potentials fire above whole thresholds: half a step leaves no tie to float arithmetic.
    thresholds = network.thresholds()
    weights *= (TAU * UNIT / (thresholds + 0.5)).astype(np.float32)[..., None]
    return weights.reshape(-1, shape[2]), thresholds.ravel()


def _metadata(head: CoLaNETClassifier, thresholds: NDArray[np.int32]) -> dict[str, Any]:
    network = head.network_
    return {
        "dt": DT,
        "steps": ALL_STEPS,
        "classes": json.dumps(head.classes_[np.argsort(head.columns_)].tolist()),
        "members": network.n_members,
        "saturation": network.parameters.saturation,
        "gains": head.coding_.constants().get("gains", np.ones(network.n_inputs)),
        "phases": np.unique(network.phases),
        "thresholds": thresholds,
        "coding": head.coding,
        "even": "An activation times its input's gain, a, gives "
        f"k = floor({STEPS} min(a / saturation, 1) + 1/2) spikes, "
        f"spread over {STEPS} steps by an accumulator that starts at phase / {STEPS} and grows by "
        f"k / {STEPS} each step: a spike where it reaches 1, which is taken off.",
        "inputs": f"The spikes of all activations for each of the phases; then {ALL_STEPS} inputs "
        "that spike at one step each, with the noise of that step as weights. Potentials start "
        "from 0.",
        "vote": "The outputs are members x classes. A member's vote for a class is its share of "
        "the member's output spikes in all steps, none where there are none; the class with the "
        "highest sum of votes wins, and of equal ones the one whose potentials came highest.",
        "thresholds_unit": "Thresholds of the model in steps of 2**-12. A weight of the graph is "
        "the model's, times tau / dt, over the threshold plus half a step.",
        "not_held": "Plasticity. Potentials that never fall below 0. Integer arithmetic, by which "
        "a step's leak is u // 9. The rule for equal votes.",
    }
