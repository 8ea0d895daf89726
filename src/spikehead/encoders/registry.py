"""Encoders by the names that users give them, and from a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spikehead.encoders.encoder import Encoder
from spikehead.encoders.onnx import OnnxEncoder
from spikehead.encoders.pixels import Pixels


def open_encoder(name: str, *, n_threads: int | None = None) -> Encoder:
    """Open an encoder by its name.

    Parameters
    ----------
    name : str
        ``pixels`` (28 x 28 grey pixels), ``pixels:SIDE``, or ``onnx:PATH``.
    n_threads : int, optional
        Threads to compute with. Default: as many as this process may use CPUs.

    Raises
    ------
    OSError
        If its file cannot be read.
    ValueError
        If there is no such encoder, or its file is not one.
    """
    kind, _, argument = name.partition(":")
    if name == "pixels":
        return Pixels()
    if kind == "pixels" and argument.isdecimal():
        return Pixels(int(argument))
    if kind == "onnx" and argument:
        return OnnxEncoder(argument, n_threads=n_threads)
    raise ValueError(f"there is no encoder {name!r}: choose pixels, pixels:SIDE or onnx:PATH")


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
