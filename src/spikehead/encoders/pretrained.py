"""Pretrained networks: one record each, without torch, and where their ONNX files lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spikehead.encoders.encoder import Encoder
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.encoders.onnx_encoder import OnnxEncoder
from spikehead.folders import default_cache_folder
from spikehead.images import Preprocessing

BUNDLED = Path(__file__).parent / "bundled" / "efficientnet_cifar.onnx"
"""The encoder that comes with the package."""

_REPOSITORY = "https://download.pytorch.org/models"
_TIMM = "timm"

_SILU = (-0.2785, None)  # the range of x * sigmoid(x), and of its means
_RELU = (0.0, None)


@dataclass(frozen=True)
class Pretrained:
    """A network whose weights are published.

    Attributes
    ----------
    url : str
        Where; the name of the file ends in the beginning of its SHA-256.
    preprocessing : Preprocessing
        How it takes photos, as its publisher frames them.
    provenance : Provenance
        Whose weights they are, and how good they are.
    range : (float, float or None)
        Of its activations, as in `EncoderKind`.
    """

    url: str
    preprocessing: Preprocessing
    provenance: Provenance
    range: tuple[float, float | None]


def _torchvision(
    file: str,
    n_bytes: int,
    top_1: float,
    resize: int,
    crop: int,
    interpolation: str = "bicubic",
    activations: tuple[float, float | None] = _SILU,
) -> Pretrained:
    """Return a network of torchvision, by the facts in the metadata of its weights."""
    return Pretrained(
        f"{_REPOSITORY}/{file}",
        Preprocessing(resize=resize, crop=crop, interpolation=interpolation),
        Provenance(
            origin="ImageNet weights published by torchvision",
            licence="BSD-3-Clause; the terms of ImageNet may hold for the weights, too",
            n_bytes=n_bytes,
            top_1=top_1,
            source="torchvision",
        ),
        activations,
    )


PRETRAINED = {
    "efficientnet_b0": _torchvision(
        "efficientnet_b0_rwightman-7f5810bc.pth", 21_444_401, 77.692, 256, 224
    ),
    "efficientnet_b1": _torchvision(
        "efficientnet_b1_rwightman-bac287d4.pth", 31_597_577, 78.642, 256, 240
    ),
    "efficientnet_b2": _torchvision(
        "efficientnet_b2_rwightman-c35c1473.pth", 36_882_185, 80.608, 288, 288
    ),
    "efficientnet_b3": _torchvision(
        "efficientnet_b3_rwightman-b3899882.pth", 49_475_909, 82.008, 320, 300
    ),
    "efficientnet_b4": _torchvision(
        "efficientnet_b4_rwightman-23ab8bcd.pth", 78_107_389, 83.384, 384, 380
    ),
    "efficientnet_b5": _torchvision(
        "efficientnet_b5_lukemelas-1a07897c.pth", 122_540_693, 83.444, 456, 456
    ),
    "efficientnet_b6": _torchvision(
        "efficientnet_b6_lukemelas-24a108a5.pth", 173_394_125, 84.008, 528, 528
    ),
    "efficientnet_b7": _torchvision(
        "efficientnet_b7_lukemelas-c5b4e57e.pth", 267_046_505, 84.122, 600, 600
    ),
    "resnet18": _torchvision(
        "resnet18-f37072fd.pth", 46_830_571, 69.758, 256, 224, "bilinear", _RELU
    ),
}
"""Pretrained encoders, fetched and built at first use, by name."""


def built_file(name: str, precision: str = "float32") -> Path:
    """Return where an encoder that has to be built lies, or will lie.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`, or ``timm:NAME``.
    precision : {"float32", "float16", "int8"}, default="float32"
        Of its weights.
    """
    family, _, stem = name.rpartition(":")
    suffix = "" if precision == "float32" else f"-{precision}"
    return default_cache_folder() / "encoders" / family / f"{stem.replace('/', '-')}{suffix}.onnx"


def is_buildable(name: str) -> bool:
    """Return whether this is the name of a pretrained encoder that has to be built."""
    return name in PRETRAINED or (name.startswith(f"{_TIMM}:") and name != f"{_TIMM}:")


def _open_bundled(_: str, *, n_threads: int | None) -> Encoder:
    return OnnxEncoder(BUNDLED, name="bundled", n_threads=n_threads)


def _open_built(kind: str, argument: str, *, n_threads: int | None) -> Encoder:
    name = f"{kind}:{argument}" if argument else kind
    if not built_file(name).exists():
        raise FileNotFoundError(f"{name} is not built yet: spikehead encoder build {name}")
    known = PRETRAINED.get(name)
    return OnnxEncoder(
        built_file(name),
        name=name,
        preprocessing=known.preprocessing if known else None,
        n_threads=n_threads,
    )


def _kinds() -> Iterator[tuple[str, EncoderKind]]:
    yield (
        "bundled",
        EncoderKind(
            about="for small pictures, and weak; comes with spikehead",
            provenance=Provenance("trained on CIFAR-10 by the spikehead project", "MIT"),
            open=_open_bundled,
            range=_RELU,
            file=lambda: BUNDLED,
        ),
    )
    for name, known in PRETRAINED.items():
        yield (
            name,
            EncoderKind(
                about="is fetched and built at first use, which needs torch",
                provenance=known.provenance,
                open=partial(_open_built, name),
                range=known.range,
                file=partial(built_file, name),
            ),
        )
    yield (
        _TIMM,
        EncoderKind(
            about="any model of timm; built at first use, with torch and timm",
            provenance=Provenance(
                "weights published by timm", "as stated at https://huggingface.co/timm"
            ),
            open=partial(_open_built, _TIMM),
            arguments=("NAME",),
        ),
    )


KINDS = dict(_kinds())
"""The kinds of encoders whose weights are known, by name."""
