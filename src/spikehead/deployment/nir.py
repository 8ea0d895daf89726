"""The trained head in the Neuromorphic Intermediate Representation (NIR), and its encoder's spikes.

NIR describes a network by the equations of its neurons. What they cannot hold of a head stands in
the graph's metadata.
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

from spikehead.deployment import nir_encoder
from spikehead.encoders.spiking import SpikingNetwork
from spikehead.files import write_file
from spikehead.heads.classifiers import SpikingClassifier

DT = 1e-4
"""Length of a step in seconds, which NIR leaves open: the one that most simulators take."""

_BETWEEN = (
    "Relays, whose membranes, the encoder's activations, discharge evenly into the head's steps, "
    "as its metadata say. NIR has no node for them: neither for a reset by subtraction nor for a "
    "threshold that is a share of the photo's strength."
)


def export(
    head: SpikingClassifier, file: str | Path, encoder: SpikingNetwork | None = None
) -> None:
    """Write a trained head as a NIR file, alone or with the spiking encoder before it.

    Parameters
    ----------
    head : SpikingClassifier
        As `to_graph` takes it.
    file : path
        Where to write; a file that is there is replaced.
    encoder : SpikingNetwork, optional
        What gives the head its activations, as `nir_encoder.to_graph` takes it. With it the graph
        has two nodes, `encoder` and `head`, each a graph of its own.

    Raises
    ------
    ValueError
        As in `to_graph`, of both.
    OSError
        If the file cannot be written; what was there is unchanged.
    """
    graph = to_graph(head)
    if encoder:
        parts = {"encoder": nir_encoder.to_graph(encoder), "head": graph}
        graph = nir.NIRGraph(parts, [], metadata={"between": _BETWEEN})
    content = io.BytesIO()
    nir.write(content, graph)
    write_file(file, content.getvalue())


def to_graph(head: SpikingClassifier) -> nir.NIRGraph:
    """Return a trained head as a NIR graph that answers, and learns no more.

    Its `input` takes the spikes that `input_spikes` makes, step by step; `synapses` (Linear) and
    `neurons` (LIF) are those of the head's `spikehead.heads.deployed.SpikingLayer`; `output` gives
    the neurons' spikes. The metadata say the rest.

    Parameters
    ----------
    head : SpikingClassifier
        It has learned something.

    Raises
    ------
    ValueError
        If it has learned nothing, or NIR cannot hold it.
    """
    check_is_fitted(head)
    if not len(head.classes_):
        raise ValueError("the head has learned nothing yet: teach it before it is exported")
    layer = head.deployed().layer()
    n_neurons, n_inputs = layer.weights.shape
    ones = np.ones(n_neurons, layer.weights.dtype)
    nodes = {
        "input": nir.Input({"input": np.array([n_inputs])}),
        "synapses": nir.Linear(layer.weights),
        "neurons": nir.LIF(
            tau=layer.tau * DT * ones,
            r=layer.resistance * ones,
            v_leak=0 * ones,
            v_threshold=layer.threshold * ones,
            v_reset=0 * ones,
        ),
        "output": nir.Output({"output": np.array([n_neurons])}),
    }
    classes = json.dumps(head.classes_[np.argsort(head.columns_)].tolist())
    metadata = {"dt": DT, "classes": classes, **layer.metadata}
    return nir.NIRGraph(nodes, list(pairwise(nodes)), metadata=metadata)


def input_spikes(head: SpikingClassifier, X: Any) -> NDArray[np.bool_]:
    """Return what the graph of a head takes, shape (n_samples, n_steps, n_graph_inputs).

    Parameters
    ----------
    head : SpikingClassifier
        As `to_graph` takes it.
    X : array or sparse matrix
        Examples, as the head takes them.

    Raises
    ------
    ValueError
        As in `to_graph`.
    """
    return head.deployed().input_spikes(X)
