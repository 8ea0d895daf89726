"""Encoders by name, and from a model folder: of the built-in kinds, and of those from outside."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from spikehead.encoders import (
    efficientnet_lite,
    given,
    hugging_face,
    onnx_encoder,
    pixels,
    pretrained,
)
from spikehead.encoders.encoder import Encoder
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.encoders.spiking import encoder as spiking_encoder
from spikehead.names import first_line

GROUP = "spikehead.encoders"
"""The group of entry points by which packages add kinds of encoders."""

DEFAULT = efficientnet_lite.LITE0.name
"""The encoder where none is named: pretrained, and at hand everywhere."""

_BUILT_IN = {
    **efficientnet_lite.KINDS,
    **pretrained.KINDS,
    hugging_face.NAME: hugging_face.KIND,
    "onnx": onnx_encoder.KIND,
    "pixels": pixels.PIXELS,
    "intensities": pixels.INTENSITIES,
    given.NAME: given.KIND,
    "spiking": spiking_encoder.KIND,
}
_registered: dict[str, EncoderKind] = {}


def register(name: str, kind: EncoderKind) -> None:
    """Make a kind of encoders known to this program.

    Packages do so for every program, by an entry point in the group ``spikehead.encoders``.

    Parameters
    ----------
    name : str
        What users write before the colon, and ``to_dict()["kind"]`` of its encoders.
    kind : EncoderKind
        The kind. One that was registered under this name before is replaced.

    Raises
    ------
    ValueError
        The name is one of spikehead's own, or holds a colon.
    """
    if name in _BUILT_IN or ":" in name or not name:
        raise ValueError(f"a kind of encoders cannot be named {name!r}: choose another name")
    _registered[name] = kind


def kinds() -> dict[str, EncoderKind]:
    """Return all kinds of encoders by name: the built-in ones, and then those from outside.

    A package whose kind cannot be loaded is left out, with a warning.
    """
    found = {**_BUILT_IN, **_registered}
    for point in entry_points(group=GROUP):
        if point.name not in found:
            try:
                found[point.name] = _loaded(point)
            except ImportError as error:
                warnings.warn(str(error), stacklevel=2)
    return found


def open_encoder(name: str, *, n_threads: int | None = None) -> Encoder:
    """Open an encoder by the name that users give it.

    Parameters
    ----------
    name : str
        ``efficientnet_lite0``: pretrained, made of weights that come with the package.
        ``bundled``: a small one for small pictures. ``efficientnet_b0`` to ``efficientnet_b7``,
        ``resnet18``, ``timm:NAME``: pretrained ones, once they are built.
        ``hf:ORG/NAME``: an image tower of the Hugging Face Hub, or of a folder that is here.
        ``onnx:PATH``: any ONNX file. ``pixels`` (28 x 28 grey pixels) or ``pixels:SIDE``;
        ``intensities`` or ``intensities:SIDE``. ``activations:N``: those that are given, N an
        example. ``spiking:NAME``: another one as a spiking network, once it is made. What
        packages have added, or `register` has.
    n_threads : int, optional
        Threads to compute with. Default: as many as this process may use CPUs.

    Raises
    ------
    ImportError
        If the package that brings it cannot be loaded.
    OSError
        If its file cannot be read, or it is not built yet.
    ValueError
        If there is no such encoder, or its file is not one.
    """
    kind = _kind_of(name)
    encoder = kind and kind.open(name.partition(":")[2], n_threads=n_threads)
    if not encoder:
        *others, last = [form for name, kind in kinds().items() for form in kind.forms(name)]
        raise ValueError(f"there is no encoder {name!r}: choose {', '.join(others)} or {last}")
    return encoder


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
    ImportError
        If the package that brings its kind cannot be loaded.
    KeyError
        If something is missing from the description or the files.
    OSError
        If a file cannot be read.
    ValueError
        If the encoder is of an unknown kind, or its file is not one.
    """
    kind = _kind(description["kind"])
    if not kind or not kind.restore:
        raise ValueError(
            f"the model's encoder is of the unknown kind {description['kind']!r}: upgrade "
            "spikehead, or install the package that brings it"
        )
    return kind.restore(description, files, n_threads=n_threads)


def check_restorable(encoder: Encoder) -> None:
    """Raise unless `restore_encoder` knows how to open an encoder of this kind again.

    Raises
    ------
    ValueError
        It does not.
    """
    name = encoder.to_dict().get("kind")
    kind = _kind(name) if isinstance(name, str) else None
    if not kind or not kind.restore:
        raise ValueError(
            f"a model with the encoder {encoder.name} could not be loaded again, since no kind "
            f"{name!r} that restores it is registered: see spikehead.encoders.register"
        )


def record(name: str) -> EncoderKind:
    """Return what is known of an encoder: where it comes from, and what it gives.

    Parameters
    ----------
    name : str
        As `open_encoder` takes it. Of another name, what is known of any ONNX file.
    """
    kind = _kind_of(name) or onnx_encoder.KIND
    if not kind.made_of_another:
        return kind
    origin = record(name.partition(":")[2])
    return replace(kind, provenance=origin.provenance, range=origin.range)


def provenance(name: str) -> Provenance:
    """Return where an encoder comes from and under which licence, as far as its name tells.

    Parameters
    ----------
    name : str
        As `open_encoder` takes it.
    """
    return record(name).provenance


def _kind_of(name: str) -> EncoderKind | None:
    """Return the kind of an encoder by its name."""
    kind = _kind(name.partition(":")[0])
    return kind if kind and kind.takes(name) else None


def _kind(name: str) -> EncoderKind | None:
    if kind := _BUILT_IN.get(name) or _registered.get(name):
        return kind
    return next(map(_loaded, entry_points(group=GROUP, name=name)), None)


def _loaded(point: EntryPoint) -> EncoderKind:
    package = point.dist.name if point.dist else point.value
    try:
        kind = point.load()
    except Exception as error:  # whatever a package raises
        raise ImportError(
            f"the encoders {point.name!r} of the package {package} cannot be loaded "
            f"({first_line(error)}): upgrade it, or remove it"
        ) from error
    if not isinstance(kind, EncoderKind):
        raise ImportError(
            f"the encoders {point.name!r} of the package {package} cannot be loaded "
            f"({point.value} is no EncoderKind): upgrade it, or remove it"
        )
    return kind
