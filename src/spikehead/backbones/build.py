"""Encoders by name: pretrained weights in, an ONNX file in the cache out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spikehead.backbones.export import export
from spikehead.backbones.precision import Precision
from spikehead.backbones.weights import fill, load_state, pretrained
from spikehead.encoders.pretrained import PRETRAINED, built_file
from spikehead.images import Preprocessing

__all__ = ["build", "timm_preprocessing"]

_TIMM = "timm:"
_FITS = {"border": "contain", "squash": "stretch"}  # as timm, which covers by any other name


def build(
    name: str,
    *,
    weights: str | Path | None = None,
    precision: Precision = "float32",
    calibration: NDArray[np.float32] | None = None,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Return the ONNX file of a pretrained encoder, made unless it is there already.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`, or ``"timm:NAME"`` for any model of timm.
    weights : path, optional
        Take this file instead of downloading one, and build anew.
    precision, calibration
        As in `export`.
    progress : callable, optional
        Called with the bytes downloaded and the bytes in all; not for timm.
    tell : callable, optional
        As in `load_state`.

    Raises
    ------
    ValueError
        If there is no such encoder, or the weights are not its own.
    FileNotFoundError, ConnectionError
        If the weights do not exist or cannot be downloaded.
    ImportError
        If timm is asked for and not installed.
    """
    file = built_file(name, precision)
    if file.exists() and weights is None:
        return file
    if name.startswith(_TIMM):
        encoder, preprocessing = _from_timm(name.removeprefix(_TIMM), weights, tell)
    elif name in PRETRAINED:
        encoder = pretrained(name, weights=weights, progress=progress, tell=tell)
        encoder.replace_head(0)
        preprocessing = PRETRAINED[name].preprocessing
    else:
        known = ", ".join(PRETRAINED)
        raise ValueError(f"there is no encoder {name!r} to build; there are {known} and timm:NAME")
    export(encoder, file, preprocessing, precision=precision, calibration=calibration)
    return file


def timm_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """Return how a model of timm takes photos when it is evaluated.

    Parameters
    ----------
    config : mapping
        As ``timm.data.resolve_model_data_config`` gives it; the same that
        ``timm.data.create_transform`` takes.

    Raises
    ------
    ValueError
        If photos cannot be prepared in that way here.
    """
    crop = tuple(config["input_size"][1:])
    resize = tuple(math.floor(side / config["crop_pct"]) for side in crop)
    square = crop[0] == crop[1]
    return Preprocessing(
        resize=resize[0] if square else resize,
        crop=crop[0] if square else crop,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        fit=_FITS.get(config["crop_mode"], "cover"),
    )


def _from_timm(
    name: str, weights: str | Path | None, tell: Callable[[str], None] | None
) -> tuple[nn.Module, Preprocessing]:
    try:
        timm = import_module("timm")
    except ImportError as error:
        raise ImportError(
            f"the encoder timm:{name} needs timm ({error}): pip install timm"
        ) from error
    if not timm.is_model(name):
        raise ValueError(f"timm has no model {name!r}: timm.list_models() gives their names")
    model: Any = timm.create_model(name, pretrained=weights is None, exportable=True)
    if weights is not None:
        fill(model, load_state(weights, tell=tell), name=f"timm:{name}", file=weights)
    if not hasattr(model, "forward_head"):
        raise ValueError(f"timm:{name} does not pool what it sees: choose a model that classifies")
    return _Pooled(model), timm_preprocessing(timm.data.resolve_model_data_config(model))


class _Pooled(nn.Module):
    """A model of timm up to what its classifier would get."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        pooled: Tensor = self.model.forward_head(
            self.model.forward_features(images), pre_logits=True
        )
        return pooled
