"""From a torch module to the ONNX file and its JSON that `spikehead.encoders` runs."""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from spikehead.backbones.precision import Precision, halve, quantise
from spikehead.files import read_file, write_file
from spikehead.images import Preprocessing

__all__ = ["export"]

# Largest root mean square error of the activations, relative to their own, by precision.
_TOLERANCE: dict[Precision, float] = {"float32": 1e-4, "float16": 1e-2, "int8": 0.5}


def export(
    encoder: nn.Module,
    file: str | Path,
    preprocessing: Preprocessing,
    *,
    precision: Precision = "float32",
    calibration: NDArray[np.float32] | None = None,
    saturation: float | None = None,
) -> float:
    """Write an encoder as ONNX, and beside it, as JSON, how it takes photos.

    The network in the file takes `image`, float32 [batch, 3, H, W], and gives `activations`,
    float32 [batch, n]. Batch normalisation is folded into the convolutions. What was written is
    run and compared with `encoder` before the file gets its name.

    Parameters
    ----------
    encoder : Module
        From images to pooled activations, for example an `EfficientNet` with ``classes=0``.
    file : path
        Ends in ``.onnx``; the JSON file gets the same name but for that.
    preprocessing : Preprocessing
        How photos become the encoder's images; its crop is H x W.
    precision : {"float32", "float16", "int8"}
        "float16" halves the file: weights are stored in half and computed with in full precision.
        "int8" quarters it, and computes with integers; it needs `calibration`.
    calibration : array of float32, [images, 3, H, W], optional
        Preprocessed typical images from which "int8" takes the ranges of activations; some
        hundred are enough.
    saturation : float, optional
        The activation that counts as full rate.

    Returns
    -------
    float
        Root mean square error of the file's activations, relative to those of `encoder`; on
        `calibration`, or else on noise.

    Raises
    ------
    ValueError
        If the name does not end in ``.onnx``, "int8" has no calibration images, or the file does
        not give what the encoder gives.
    """
    file = Path(file)
    if file.suffix != ".onnx":
        raise ValueError(f"{file} is not the name of an ONNX file: let it end in .onnx")
    if precision == "int8" and calibration is None:
        raise ValueError("the precision int8 needs calibration images: give some typical ones")
    encoder = copy.deepcopy(encoder).cpu().eval()
    shape = preprocessing.shape
    if calibration is None:
        noise = np.random.default_rng(0).standard_normal((4, *shape))
        calibration = noise.astype(np.float32)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.stem}-") as folder:
        written = Path(folder) / file.name
        _write(encoder, written, shape)
        if precision == "float16":
            halve(written)
        elif precision == "int8":
            quantise(written, calibration)
        error = _error(encoder, written, calibration[:64])
        if not error <= _TOLERANCE[precision]:
            raise ValueError(
                f"the ONNX file of precision {precision} differs from the encoder by {error:.2g} "
                f"of its activations, more than {_TOLERANCE[precision]:g}: choose another precision"
            )
        settings: dict[str, Any] = {"preprocessing": preprocessing.to_dict()}
        if saturation is not None:
            settings["saturation"] = saturation
        write_file(file.with_suffix(".json"), json.dumps(settings, indent=2).encode() + b"\n")
        write_file(file, read_file(written))
    return error


def _write(encoder: nn.Module, file: Path, shape: tuple[int, int, int]) -> None:
    image = torch.zeros(2, *shape)
    with warnings.catch_warnings():
        # The newer exporter needs a further package and gives the same graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            encoder,
            (image,),
            str(file),
            input_names=["image"],
            output_names=["activations"],
            dynamic_axes={"image": {0: "batch"}, "activations": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def _error(encoder: nn.Module, file: Path, images: NDArray[np.float32]) -> float:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (activations,) = session.run(["activations"], {"image": images})
    with torch.inference_mode():
        expected: NDArray[Any] = encoder(torch.from_numpy(images)).numpy()
    return float(np.sqrt(np.mean((activations - expected) ** 2) / np.mean(expected**2)))
