"""Encoders in ONNX files, run by ONNX Runtime."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from joblib import cpu_count
from numpy.typing import NDArray

from spikehead.encoders.encoder import fingerprint
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.encoders.providers import PROVIDERS, candidates
from spikehead.files import read_file
from spikehead.images import Preprocessing
from spikehead.names import first_line

_FILE = "encoder"
OUTPUTS = ("activations", "image_embeds", "pooler_output", "last_hidden_state")
"""What activations are called, by this package and by transformers: the first is the best."""
_TOKENS = OUTPUTS[-1]
_USUAL_SIDE = 224
_SILENT = 4  # what ONNX Runtime would log, it also raises
_FLOATS: dict[str, type[np.floating[Any]]] = {
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}

LAYOUTS = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 2, 3, 1)}
"""How networks take photos (batch, channels, height, width): where each axis comes from."""


class OnnxEncoder:
    """An encoder in an ONNX file.

    The network takes pixels, floats of the shape (batch, channels, height, width) or (batch,
    height, width, channels), and gives activations, shape (batch, n_activations) with any further
    axes of length 1. Of several outputs that is the first of `OUTPUTS` that there is; the last of
    them gives tokens, of which the class token, the first one, is taken, or where there is none
    their mean.

    How it takes photos stands in a JSON file beside it, ``model.json`` for ``model.onnx``::

        {"preprocessing": {"resize": 256, "crop": 224, ...}, "saturation": 2.5}

    with the fields of `Preprocessing` and, where it is known, the activation that counts as full
    rate. Without that file the preprocessing is the usual one of ImageNet, for photos of the side
    that the network asks for (224 if it takes any), cut out of 8/7 of it.

    Parameters
    ----------
    path : str or Path
        The ONNX file; it holds its weights itself.
    name : str, optional
        How users name the encoder. Default: ``onnx:`` and the path.
    preprocessing : Preprocessing, optional
        In place of the JSON file, which is then not read.
    saturation : float, optional
        The activation that counts as full rate, where `preprocessing` is given.
    n_threads : int, optional
        Threads to compute with; the activations do not depend on it. Default: as many as this
        process may use.

    Attributes
    ----------
    provider : str
        What computes, one of `PROVIDERS`: the CPU, unless it is put elsewhere (`on`).
    input, output : str
        What the network calls them.
    tokens : {"", "first", "mean"}
        What is taken of the output, if it gives tokens.
    layout : {"NCHW", "NHWC"}
        How it takes photos.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If the file is not a network of that form, or the JSON file is not as above.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        preprocessing: Preprocessing | None = None,
        saturation: float | None = None,
        n_threads: int | None = None,
    ) -> None:
        path = Path(path)
        self.name = name or f"onnx:{path}"
        self.files = {_FILE: path}
        model = _read(path)
        self._n_threads = n_threads or cpu_count()
        self.provider = "cpu"
        self._session = session(model, self._n_threads, path, self.provider)
        self.input, self._type, shape = _input(path, self._session)
        self.output = _output(path, self._session)
        if preprocessing is None:
            preprocessing, saturation = _settings(path, shape)
        self.preprocessing = preprocessing
        self.saturation = saturation
        self.fingerprint = fingerprint("onnx 1", preprocessing, model)
        # On the CPU photo by photo unless the network insists: activations must not depend on
        # neighbours.
        self._insists = shape[0]
        self._batch = shape[0] or PROVIDERS[self.provider].batch
        self.tokens = ""
        self.layout, self.n_activations = self._try_out(path, shape)

    @classmethod
    def from_dict(
        cls,
        description: Mapping[str, Any],
        files: Mapping[str, Path],
        *,
        n_threads: int | None = None,
    ) -> OnnxEncoder:
        """Return the encoder that `to_dict` described.

        Parameters
        ----------
        description : mapping
            What `to_dict` returned.
        files : mapping of str to Path
            Where its `files` lie now.
        n_threads : int, optional
            Threads to compute with.
        """
        return cls(
            files[_FILE],
            name=description["name"],
            preprocessing=Preprocessing.from_dict(description["preprocessing"]),
            saturation=description["saturation"],
            n_threads=n_threads,
        )

    def on(self, provider: str) -> OnnxEncoder:
        """Return the same encoder, computed by a provider of ONNX Runtime.

        Its activations are the same up to rounding, and kept apart from others in a cache.

        Parameters
        ----------
        provider : str
            One of `spikehead.encoders.providers.PROVIDERS`, or ``"auto"``: the first of them that
            can be used here.

        Raises
        ------
        ValueError
            If there is no such provider, or it cannot be used here.
        """
        path, moved = self.files[_FILE], copy.copy(self)
        for name in candidates(provider):
            if name == self.provider:
                return self
            try:
                moved._session = session(_read(path), self._n_threads, path, name)
            except ValueError:
                if provider == name:
                    raise
                continue
            moved.provider = name
            moved._batch = self._insists or PROVIDERS[name].batch
            return moved
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore_encoder` needs beside `files`."""
        return {
            "kind": "onnx",
            "name": self.name,
            "preprocessing": self.preprocessing.to_dict(),
            "saturation": self.saturation,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Take the network along; a copy, as for a process elsewhere, computes with one thread."""
        state = {**vars(self), "_n_threads": 1, "_model": _read(self.files[_FILE])}
        del state["_session"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the network that was taken along."""
        model = state.pop("_model")
        vars(self).update(state)
        self._session = session(model, self._n_threads, self.files[_FILE], self.provider)

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the activations, shape (n_photos, n_activations).

        Parameters
        ----------
        pixels : ndarray of float32, shape (n_photos, channels, height, width)
            Photos, as `preprocessing` makes them.

        Raises
        ------
        ValueError
            If the network gives an activation that is not finite.
        """
        batches = [pixels[i : i + self._batch] for i in range(0, len(pixels), self._batch)]
        with ThreadPoolExecutor(self._n_threads if self.provider == "cpu" else 1) as callers:
            rows = list(callers.map(self._run, batches))
        activations = np.concatenate([np.empty((0, self.n_activations), np.float32), *rows])
        if not np.isfinite(activations).all():
            raise ValueError(
                f"the encoder {self.name} gives activations that are not finite (infinity or NaN): "
                "check its preprocessing and how it was exported"
            )
        return activations

    def _run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network gives for a batch, or for the beginning of one."""
        n = len(pixels)
        batch = np.pad(pixels, ((0, self._batch - n), (0, 0), (0, 0), (0, 0)))
        return self._outputs(batch, self.layout)[:n].reshape(n, self.n_activations)

    def _outputs(self, batch: NDArray[np.float32], layout: str) -> NDArray[np.float32]:
        """Return what the network gives for a whole batch, in the shape that it gives."""
        arranged = np.ascontiguousarray(batch.transpose(LAYOUTS[layout]), self._type)
        (outputs,) = self._session.run([self.output], {self.input: arranged})
        if self.output == _TOKENS and np.ndim(outputs) == 3:
            self.tokens = _taken_tokens(outputs.shape[1])
            outputs = outputs.mean(axis=1) if self.tokens == "mean" else outputs[:, 0]
        return np.array(outputs, np.float32)

    def _try_out(self, path: Path, shape: Sequence[int | None]) -> tuple[str, int]:
        """Return layout and number of activations, found by running the network once."""
        given = (self._batch, *self.preprocessing.shape)
        layouts = [
            layout
            for layout, axes in LAYOUTS.items()
            if all(size in (None, given[axis]) for size, axis in zip(shape, axes, strict=True))
        ]
        if not layouts:
            raise ValueError(
                f"{path} takes pixels of shape {_shown(shape)}, but its preprocessing gives "
                f"{_shown((None, *given[1:]))}: correct it in {_settings_path(path)}"
            )
        reasons = []
        for layout in layouts:
            try:
                outputs = self._outputs(np.zeros(given, np.float32), layout)
            except Exception as error:  # ONNX Runtime's errors have no base of their own
                reasons.append(error)
                continue
            return layout, _n_activations(path, outputs.shape, self._batch)
        raise ValueError(f"{path} cannot be run: {first_line(reasons[0])}") from reasons[0]


def _taken_tokens(n: int) -> str:
    """Return which of n tokens are taken: beside those of a square of patches, the first one."""
    return "mean" if math.isqrt(n) ** 2 == n else "first"


def _n_activations(path: Path, shape: tuple[int, ...], batch: int) -> int:
    """Return the number of activations in an output, whose other axes have the length 1."""
    if not shape or shape[0] != batch or not 0 < math.prod(shape[1:]) == max(shape[1:], default=0):
        raise ValueError(
            f"{path} gives an output of shape {_shown(shape)}, but an encoder "
            "gives (batch, activations): end it with global average pooling"
        )
    return max(shape[1:])


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}: give the path of an ONNX file") from None


def session(
    model: bytes, n_threads: int, path: Path = Path(), provider: str = "cpu"
) -> onnxruntime.InferenceSession:
    """Open a network.

    Parameters
    ----------
    model : bytes
        The content of an ONNX file.
    n_threads : int
        Threads to compute with.
    path : Path, optional
        The file, for the error.
    provider : str, default="cpu"
        One of `PROVIDERS`.

    Raises
    ------
    ValueError
        If it cannot be run.
    """
    known, cpu = PROVIDERS[provider], PROVIDERS["cpu"]
    providers = [known] if known is cpu else [known, cpu]  # which computes what it does not know
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = n_threads
    # Threads that spin while they wait would take the time of those that decode photos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights in other files would escape the fingerprint; nothing can lie below a file.
    folder = "session.model_external_initializers_file_folder_path"
    options.add_session_config_entry(folder, str(path.resolve()))
    try:
        opened = onnxruntime.InferenceSession(
            model,
            options,
            providers=[(one.name, dict(one.options)) for one in providers],
        )
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        reason = first_line(error)
        if "external" in reason.lower():
            raise ValueError(
                f"{path} keeps its weights in another file: export it as one file, or make it one "
                f"with onnx.save(onnx.load({str(path)!r}), 'one.onnx')"
            ) from error
        raise ValueError(f"{path} is not an ONNX file that can be run here: {reason}") from error
    if known.name not in opened.get_providers():  # it gives way to the CPU in silence
        raise ValueError(
            f"the provider {provider} is installed and cannot be used here: check its drivers, or "
            "take --provider cpu"
        )
    return opened


def _input(
    path: Path, session: onnxruntime.InferenceSession
) -> tuple[str, type[np.floating[Any]], list[int | None]]:
    """Return name, type and shape of the input; None where any number will do."""
    inputs = session.get_inputs()
    if len(inputs) == 1 and inputs[0].type in _FLOATS and len(inputs[0].shape) == 4:
        sizes = [n if isinstance(n, int) and n > 0 else None for n in inputs[0].shape]
        return inputs[0].name, _FLOATS[inputs[0].type], sizes
    given = ", ".join(f"{node.type} of shape {_shown(node.shape)}" for node in inputs)
    raise ValueError(
        f"{path} takes {given or 'no input'}: "
        "an encoder takes one tensor(float) of shape (batch, channels, height, width)"
    )


def _output(path: Path, session: onnxruntime.InferenceSession) -> str:
    outputs: dict[str, str] = {node.name: node.type for node in session.get_outputs()}
    known = [name for name in OUTPUTS if name in outputs]
    name = next(iter(outputs if len(outputs) == 1 else known), None)
    if name is None:
        raise ValueError(
            f"{path} has the outputs {', '.join(outputs)}: name the one to use {OUTPUTS[0]!r}, or "
            "keep no other, with onnx.utils.extract_model"
        )
    if outputs[name] not in _FLOATS:
        raise ValueError(
            f"{path} gives {outputs[name]}: an encoder gives one tensor(float) of shape "
            "(batch, activations)"
        )
    return name


def _settings_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _settings(path: Path, shape: Sequence[int | None]) -> tuple[Preprocessing, float | None]:
    """Return preprocessing and saturation, from the file beside the network if there is one."""
    settings_path = _settings_path(path)
    if not settings_path.exists():
        return _usual_preprocessing(path, shape), None
    try:
        settings = json.loads(read_file(settings_path))
        preprocessing = Preprocessing.from_dict(settings["preprocessing"])
        saturation = settings.get("saturation")
        if saturation is not None and not 0 < saturation < float("inf"):
            raise ValueError(f"saturation must be above 0, not {saturation}")
    except (KeyError, TypeError, AttributeError):
        raise ValueError(
            f'{settings_path} must be like {{"preprocessing": {{"resize": 256, "crop": 224}}, '
            '"saturation": 2.5}'
        ) from None
    except ValueError as error:
        raise ValueError(f"{settings_path}: {error}") from error
    return preprocessing, saturation


def _usual_preprocessing(path: Path, shape: Sequence[int | None]) -> Preprocessing:
    for axes in LAYOUTS.values():
        _, channels, height, width = (shape[axes.index(axis)] for axis in range(4))
        if channels in (None, 3) and height == width:
            side = height or _USUAL_SIDE
            return Preprocessing(resize=round(side * 8 / 7), crop=side)
    raise ValueError(
        f"{path} takes pixels of shape {_shown(shape)}, which is not usual: "
        f"describe its preprocessing in {_settings_path(path)}"
    )


def _shown(shape: Sequence[int | str | None]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"


def _open(path: str, *, n_threads: int | None) -> OnnxEncoder:
    return OnnxEncoder(path, n_threads=n_threads)


KIND = EncoderKind(
    about="any ONNX file",
    provenance=Provenance("a file of the model's maker", "not known"),
    open=_open,
    restore=OnnxEncoder.from_dict,
    arguments=("PATH",),
)
"""ONNX files, and whatever is saved as one."""
