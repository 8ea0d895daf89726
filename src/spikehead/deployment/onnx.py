"""A trained model as one ONNX file: encoder, spike coding, spiking head and vote.

The head keeps its integer arithmetic, so the file gives the votes of `HybridClassifier.predict`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import (
    ModelProto,
    NodeProto,
    TensorProto,
    compose,
    helper,
    numpy_helper,
    parser,
    version_converter,
)
from PIL import Image

from spikehead.backbones.precision import quantise
from spikehead.coding import Coding
from spikehead.encoders import Encoder, Intensities, OnnxEncoder, provenance
from spikehead.encoders.onnx_encoder import LAYOUTS
from spikehead.files import write_file
from spikehead.heads.deployed import Operators
from spikehead.images import Preprocessing
from spikehead.models.hybrid import HybridClassifier
from spikehead.names import first_line

_OPSETS = 13, 17  # the oldest that the head can do with, and what older encoders are converted to
_IR_VERSION = 8
_STANDARD = "ai.onnx"  # the other name of the domain of the standard operators
_ACTIVATIONS = "encoder/activations of the head"

_COMPUTED = """
<ir_version: 8, opset_import: ["": 17]>
encoder (float[batch, 1, $side, $side] image) => (float[batch, $n] $output)
{
    $graph
}
"""

_HEAD = """
<ir_version: $ir_version, opset_import: ["": $opset]>
head (float[batch, inputs] activations)
    => (int64[batch] class, double[batch, $columns] votes, double[batch, $columns] confidences,
        double[batch] familiarity)
{
    # Spike counts: specification, section 1.
    $coding
    $head

    class = ArgMax <axis = 1, keepdims = 0> (votes)
}
"""


def export(
    model: HybridClassifier,
    file: str | Path,
    *,
    precision: Literal["float32", "int8"] = "float32",
    calibration: NDArray[np.float32] | None = None,
) -> float:
    """Write a model as one ONNX file that ONNX Runtime runs by itself.

    It takes `image`, float32 [batch, channels, side, side], as the encoder's preprocessing makes
    it. It gives `class`, int64 [batch]; `votes`, float64 [batch, classes], each class's score
    as the head's `decision_function` gives it; `confidences`, the same as `HybridClassifier.vote`
    gives them; and `familiarity`, float64 [batch], as the head's `score_samples`. Its metadata
    hold, as JSON, `classes` (their names), `preprocessing` (the fields of `Preprocessing`) and
    `unknown_below`, the familiarity below which a photo is unknown, or null. The network is run and
    compared with the model before it is written.

    Parameters
    ----------
    model : HybridClassifier
        It has learned something; its encoder is an ONNX file or pixels.
    file : path
        Where to write; a file that is there is replaced.
    precision : {"float32", "int8"}, default="float32"
        Of the encoder. "int8" makes the file smaller, and changes some answers; it needs
        `calibration`.
    calibration : ndarray of float32, shape (n_photos, channels, side, side), optional
        Preprocessed typical photos, from which "int8" takes the ranges of values; some hundred are
        enough.

    Returns
    -------
    float
        Share of the calibration photos, or else of some noise, to which the file gives the model's
        class: 1 for "float32".

    Raises
    ------
    ValueError
        If the model has learned nothing, its encoder cannot be exported or quantised, "int8" has no
        calibration photos, or a "float32" file does not give what the model gives.
    OSError
        If the file cannot be written; what was there is unchanged.
    """
    if not model.classes:
        raise ValueError("the model has learned nothing yet: teach it before it is exported")
    if precision == "int8" and calibration is None:
        raise ValueError("the precision int8 needs calibration photos: give some typical ones")
    coding, operators = model.head.coding_, model.head.deployed().operators()
    if operators is None or not coding.graph:
        raise ValueError(
            f"a head of {model.head.title} with the coding {type(coding).__name__} "
            "cannot be exported as ONNX"
        )
    encoder = _encoder(model.encoder)
    if calibration is None:
        calibration = _noise(model.encoder.preprocessing)
    if precision == "int8":
        encoder = _quantised(encoder, model.encoder, calibration)
    joined = _joined(encoder, _head(coding, operators, len(model.classes), encoder), model)
    with _explained(f"the encoder {model.encoder.name} cannot be run with the head"):
        agreement = _agreement(joined, model, calibration)
    if precision == "float32" and agreement < 1:
        raise ValueError(
            f"the ONNX file does not give what the model gives: make the encoder "
            f"{model.encoder.name} anew, with opset {_OPSETS[1]} or newer"
        )
    write_file(file, joined.SerializeToString())
    return agreement


def _encoder(encoder: Encoder) -> ModelProto:
    """Return an encoder as a network that takes `image` and has one output."""
    if isinstance(encoder, Intensities):
        network = _computed(encoder)
    elif isinstance(encoder, OnnxEncoder):
        (path,) = encoder.files.values()
        network = _plain(onnx.load(path))
    else:
        raise ValueError(
            f"the encoder {encoder.name} is not an ONNX file: write it as one, and use onnx:PATH"
        )
    oldest, usual = _OPSETS
    if _opset(network) < oldest:
        with _explained(f"the encoder {encoder.name} cannot be converted to opset {usual}"):
            network = version_converter.convert_version(network, usual)
    # So that no name meets one of the head.
    compose.add_prefix(network, "encoder/", inplace=True)
    graph = network.graph
    (photo,) = graph.input
    (output,) = (node for node in graph.output if node.name == f"encoder/{encoder.output}")
    kind, batch = photo.type.tensor_type.elem_type, photo.type.tensor_type.shape.dim[0]
    arranged = helper.make_node(
        "Transpose", ["image"], ["encoder/arranged"], perm=LAYOUTS[encoder.layout]
    )
    graph.node.insert(0, arranged)
    graph.node.insert(1, helper.make_node("Cast", arranged.output, [photo.name], to=kind))
    graph.node.append(helper.make_node("Flatten", [output.name], [_ACTIVATIONS]))
    shape = batch.dim_value or batch.dim_param or "batch", *encoder.preprocessing.shape
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    photo.CopyFrom(image)
    activations = shape[0], encoder.n_activations
    kind = output.type.tensor_type.elem_type
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(_ACTIVATIONS, kind, activations))
    return network


def _computed(encoder: Intensities) -> ModelProto:
    text = Template(_COMPUTED).substitute(
        graph=encoder.graph, output=encoder.output, n=encoder.n_activations, side=encoder.side
    )
    return _parsed(text, encoder.constants())


def _parsed(text: str, constants: Mapping[str, Any]) -> ModelProto:
    """Return the network that a text describes, with its constants: a list is one of int64."""
    network = parser.parse_model(text)
    for name, value in constants.items():
        array = np.array(value, np.int64) if isinstance(value, list) else np.asarray(value)
        network.graph.initializer.append(numpy_helper.from_array(array, name))
    return network


def _plain(network: ModelProto) -> ModelProto:
    """Write an encoder's network in the usual one of the forms that mean the same.

    The standard operators have two names for their domain, and weights that stand among the inputs
    could be given anew with each photo.
    """
    opsets: dict[str, int] = {}
    for opset in network.opset_import:
        domain = "" if opset.domain == _STANDARD else opset.domain
        opsets[domain] = max(opset.version, opsets.get(domain, 0))
    del network.opset_import[:]
    network.opset_import.extend(helper.make_opsetid(*opset) for opset in opsets.items())
    _rename_domain(network.graph.node)
    weights = {weight.name for weight in network.graph.initializer}
    inputs = [node for node in network.graph.input if node.name not in weights]
    del network.graph.input[:]
    network.graph.input.extend(inputs)
    network.ir_version = max(network.ir_version, _IR_VERSION)  # older ones ask for weights there
    return network


def _rename_domain(nodes: Iterable[NodeProto]) -> None:
    for node in nodes:
        if node.domain == _STANDARD:
            node.domain = ""
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                _rename_domain(graph.node)


def _opset(network: ModelProto) -> int:
    (version,) = (opset.version for opset in network.opset_import if not opset.domain)
    return int(version)


def _quantised(
    network: ModelProto, encoder: Encoder, calibration: NDArray[np.float32]
) -> ModelProto:
    if isinstance(encoder, Intensities):
        raise ValueError(f"the encoder {encoder.name} has no weights to quantise: use float32")
    with (
        tempfile.TemporaryDirectory() as folder,
        _explained(f"the encoder {encoder.name} cannot be quantised (use float32)"),
    ):
        file = Path(folder) / "encoder.onnx"
        onnx.save(network, file)
        quantise(file, calibration)
        return onnx.load(file)


def _head(coding: Coding, operators: Operators, n_columns: int, encoder: ModelProto) -> ModelProto:
    """Return the head as a network from `activations` to the vote, to be joined to `encoder`."""
    text = Template(_HEAD).substitute(
        coding=coding.graph,
        head=operators.text,
        columns=n_columns,
        ir_version=encoder.ir_version,
        opset=_opset(encoder),
    )
    constants = {
        **coding.constants(),
        **operators.constants,
    }
    return _parsed(text, constants)


def _joined(encoder: ModelProto, head: ModelProto, model: HybridClassifier) -> ModelProto:
    (activations,) = (node.name for node in encoder.graph.output)
    with _explained(f"the encoder {model.encoder.name} cannot be joined to the head"):
        joined = compose.merge_models(encoder, head, io_map=[(activations, "activations")])
    joined.graph.name = "spikehead"
    joined.doc_string = provenance(model.encoder.name).notice
    threshold = model.head.unfamiliar_below()
    metadata = {
        "classes": model.classes,
        "preprocessing": model.encoder.preprocessing.to_dict(),
        "unknown_below": threshold if np.isfinite(threshold) else None,
    }
    helper.set_model_props(joined, {name: json.dumps(value) for name, value in metadata.items()})
    return joined


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Say in one sentence what could not be done: the errors of onnx have no base of their own."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {first_line(error)}") from error


def _noise(preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return some photos of noise, preprocessed."""
    random = np.random.default_rng(0)
    _, height, width = preprocessing.shape
    photos = [
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)) for _ in range(4)
    ]
    return np.stack([preprocessing(photo) for photo in photos])


def _agreement(network: ModelProto, model: HybridClassifier, photos: NDArray[np.float32]) -> float:
    """Return the share of photos to which the network gives the model's class."""
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    # Some networks insist on a batch of a certain size.
    batch = network.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
    given = [session.run(["class"], {"image": np.repeat(p[None], batch, 0)})[0][0] for p in photos]
    activations = model.head.heard(model.encoder.encode(photos))
    expected = [model.classes.index(verdict.label) for verdict in model.judge(activations)]
    return float(np.mean(np.array(given) == expected))
