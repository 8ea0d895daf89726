"""Spiking encoders at work: pixels in, and spikes all the way to the activations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from spikehead.encoders.encoder import fingerprint
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.encoders.spiking.fast import FastEngine
from spikehead.encoders.spiking.network import SpikingNetwork
from spikehead.files import read_file
from spikehead.folders import default_cache_folder
from spikehead.images import Preprocessing

_FILE = "encoder"
_PREFIX = "spiking:"
_FULL = 255  # of a pixel


class SpikingEncoder:
    """An encoder of spiking neurons, converted from an ordinary one without training.

    Its last layer are relay neurons: they send nothing in steps, and their membranes discharge into
    the head's presentation. Their thresholds are the head's own (its coding's saturation and gains,
    or each photo's strength), and the activations are the membranes themselves: whole numbers times
    a power of two, of which no head rounds any.

    Parameters
    ----------
    path : str or Path
        The file that `spikehead encoder spike` has written.
    n_threads : int, optional
        Threads to compute with; the activations do not depend on it. Default: as many as this
        process may use.

    Attributes
    ----------
    network : SpikingNetwork
        The layers.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not such a file.
    """

    def __init__(self, path: str | Path, *, n_threads: int | None = None) -> None:
        self.files = {_FILE: Path(path)}
        content = read_file(path)
        try:
            self.network = SpikingNetwork.from_bytes(content)
            about = self.network.about
            self.name = f"{_PREFIX}{about['encoder']}"
            self.preprocessing = Preprocessing.from_dict(about["preprocessing"])
            self.saturation: float | None = about["saturation"]
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path} keeps no spiking encoder: {error}") from error
        self.n_activations = self.network.last.n_neurons
        self.fingerprint = fingerprint("spiking 1", self.preprocessing, content)
        self._begin(n_threads or cpu_count())

    def _begin(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._engine = FastEngine(self.network, n_threads=n_threads)

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_encoder` needs beside `files`."""
        return {"kind": "spiking", "name": self.name}

    def __getstate__(self) -> dict[str, Any]:
        """Take the network along."""
        return {name: value for name, value in vars(self).items() if name != "_engine"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up the network; a copy, as for a process elsewhere, computes with one thread."""
        vars(self).update(state)
        self._begin(1)

    def codes(self, pixels: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return the numbers that the first layer sends for photos, in the photos' shape.

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, channels, height, width)
            Photos, as `preprocessing` makes them.
        """
        column = np.s_[:, None, None]
        std = np.asarray(self.preprocessing.std, np.float32)[column]
        mean = np.asarray(self.preprocessing.mean, np.float32)[column]
        levels = np.rint((pixels * std + mean) * np.float32(_FULL))
        return np.asarray(np.clip(levels, 0, _FULL) - self.network.pixels.zero[column], np.int32)

    def membranes(self, pixels: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the membranes of the last layer, shape (n_photos, n_activations).

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, channels, height, width)
            Photos, as `preprocessing` makes them.
        """
        with ThreadPoolExecutor(self._n_threads) as callers:
            rows = list(callers.map(self._engine.membranes, self.codes(pixels)))
        return np.array(rows, np.int64).reshape(-1, self.n_activations)

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the activations, shape (n_photos, n_activations).

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, channels, height, width)
            Photos, as `preprocessing` makes them.
        """
        return self.network.decoded(self.membranes(pixels))


def spiking_file(name: str) -> Path:
    """Return where the spiking encoder lies, or will lie, that is made of an encoder.

    Parameters
    ----------
    name : str
        The encoder's name.
    """
    stem = re.sub(r"[^\w.-]+", "-", name)
    return default_cache_folder() / "encoders" / "spiking" / f"{stem}.safetensors"


def _open(name: str, *, n_threads: int | None) -> SpikingEncoder | None:
    if not name:
        return None
    file = spiking_file(name)
    if not file.exists():
        raise FileNotFoundError(f"{_PREFIX}{name} is not made yet: spikehead encoder spike {name}")
    return SpikingEncoder(file, n_threads=n_threads)


def _restore(
    description: Mapping[str, Any],  # noqa: ARG001
    files: Mapping[str, Path],
    *,
    n_threads: int | None,
) -> SpikingEncoder:
    return SpikingEncoder(files[_FILE], n_threads=n_threads)


KIND = EncoderKind(
    about="spiking neurons instead of another encoder's; made by spikehead encoder spike",
    provenance=Provenance("converted from another encoder", "that of the other encoder"),
    open=_open,
    restore=_restore,
    arguments=("NAME",),
    made_of_another=True,
)
"""Encoders of spiking neurons."""
