"""Encoders by name, and from a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spikehead.encoders.encoder import Encoder
from spikehead.encoders.onnx import OnnxEncoder
from spikehead.encoders.pixels import Pixels
from spikehead.folders import default_cache_folder
from spikehead.images import Preprocessing

PRETRAINED = {
    "efficientnet_b0": Preprocessing(resize=256, crop=224),
    "efficientnet_b1": Preprocessing(resize=256, crop=240),
    "efficientnet_b2": Preprocessing(resize=288, crop=288),
    "efficientnet_b3": Preprocessing(resize=320, crop=300),
    "efficientnet_b4": Preprocessing(resize=384, crop=380),
    "efficientnet_b5": Preprocessing(resize=456, crop=456),
    "efficientnet_b6": Preprocessing(resize=528, crop=528),
    "efficientnet_b7": Preprocessing(resize=600, crop=600),
    "resnet18": Preprocessing(resize=256, crop=224, interpolation="bilinear"),
}
"""Pretrained encoders, fetched and built at first use, and how torchvision's transforms of their
weights frame photos."""

NAMES = ("bundled", *PRETRAINED, "timm:NAME", "onnx:PATH", "pixels", "pixels:SIDE")
"""How users name encoders."""

BUNDLED = Path(__file__).parent / "bundled" / "efficientnet_cifar.onnx"
"""The encoder that comes with the package."""


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
    return name in PRETRAINED or (name.startswith("timm:") and name != "timm:")


def open_encoder(name: str, *, n_threads: int | None = None) -> Encoder:
    """Open an encoder by the name that users give it.

    Parameters
    ----------
    name : str
        ``bundled``: the small one that comes with the package. ``efficientnet_b0`` to
        ``efficientnet_b7``, ``resnet18``, ``timm:NAME``: pretrained ones, once they are built.
        ``onnx:PATH``: any ONNX file. ``pixels`` (28 x 28 grey pixels) or ``pixels:SIDE``.
    n_threads : int, optional
        Threads to compute with. Default: as many as this process may use CPUs.

    Raises
    ------
    OSError
        If its file cannot be read, or it is not built yet.
    ValueError
        If there is no such encoder, or its file is not one.
    """
    kind, _, argument = name.partition(":")
    if name == "bundled":
        return OnnxEncoder(BUNDLED, name=name, n_threads=n_threads)
    if is_buildable(name):
        if not built_file(name).exists():
            raise FileNotFoundError(f"{name} is not built yet: spikehead encoder build {name}")
        return OnnxEncoder(
            built_file(name), name=name, preprocessing=PRETRAINED.get(name), n_threads=n_threads
        )
    if name == "pixels":
        return Pixels()
    if kind == "pixels" and argument.isdecimal():
        return Pixels(int(argument))
    if kind == "onnx" and argument:
        return OnnxEncoder(argument, n_threads=n_threads)
    raise ValueError(f"there is no encoder {name!r}: choose {', '.join(NAMES[:-1])} or {NAMES[-1]}")


def provenance(name: str) -> str:
    """Return where an encoder comes from and under which licence, as far as its name tells.

    Parameters
    ----------
    name : str
        As `open_encoder` takes it.
    """
    if name == "bundled":
        return "trained on CIFAR-10 by the spikehead project; MIT licence"
    if name in PRETRAINED:
        return (
            "ImageNet weights published by torchvision, whose licence is BSD-3-Clause; the terms "
            "of ImageNet may hold for the weights, too"
        )
    if name.startswith("timm:"):
        return "weights published by timm; their licence is stated at https://huggingface.co/timm"
    if name.partition(":")[0] == "pixels":
        return "computed, not trained: there is nothing to license"
    return "a file of the model's maker; its origin and licence are not known"


def restore_encoder(
    description: Mapping[str, Any], files: Mapping[str, Path], *, n_threads: int | None = None
) -> Encoder:
    """Open the encoder of a saved model.

    Whether it is the one that the model learned with is told by its fingerprint.

    Parameters
    ----------
    description : mapping
        What the encoder's `to_dict` returned.
    files : mapping of str to Path
        Where the encoder's `files` lie now.
    n_threads : int, optional
        Threads to compute with. Default: as many as this process may use CPUs.

    Raises
    ------
    KeyError
        If something is missing from the description or the files.
    OSError
        If a file cannot be read.
    ValueError
        If the encoder is of an unknown kind, or its file is not one.
    """
    kind = description["kind"]
    if kind == "pixels":
        return Pixels(description["side"])
    if kind == "onnx":
        return OnnxEncoder.from_dict(description, files, n_threads=n_threads)
    raise ValueError(f"the model's encoder is of the unknown kind {kind!r}: upgrade spikehead")
