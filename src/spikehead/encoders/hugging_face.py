"""Image towers as the Hugging Face Hub has them, DINOv2, CLIP, SigLIP and others: without torch.

Of a repository, or of a folder of the same layout, two files are read: the network as ONNX, and
``preprocessor_config.json``, which says how it takes photos.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.encoders.onnx_encoder import OnnxEncoder
from spikehead.files import read_file
from spikehead.images import Preprocessing
from spikehead.names import first_line

NAME = "hf"

# A tower alone comes before a network that may take text, too.
_NETWORKS = ("onnx/vision_model.onnx", "vision_model.onnx", "onnx/model.onnx", "model.onnx")
_SETTINGS = "preprocessor_config.json"
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # numbers of Pillow
_SQUASHED_FROM = 384  # the shortest edge from which ConvNeXt's processor crops nothing
_ADVICE = "choose a model that is there as ONNX for images, with its preprocessor_config.json"


def preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """Return how a network takes photos.

    Parameters
    ----------
    config : mapping
        What is in ``preprocessor_config.json``.

    Raises
    ------
    KeyError, TypeError, ValueError
        It does not say so, or photos cannot be prepared in that way here.
    """
    scale = 255 * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 255
    normalised = config.get("do_normalize", True)
    mean = config["image_mean"] if normalised else (0.0,) * 3
    std = config["image_std"] if normalised else (1.0,) * 3
    offset = 1.0 if config.get("rescale_offset", False) else 0.0
    resize, crop, fit = _frame(config)
    return Preprocessing(
        resize,
        crop,
        mean=tuple((offset + value) / scale for value in mean),
        std=tuple(value / scale for value in std),
        interpolation=_RESAMPLE[config["resample"]],
        fit=fit,
    )


def _frame(config: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """Return what a photo is resized to, what is cut out, and how it is fitted."""
    size, cropped = config["size"], config.get("do_center_crop", False)
    if isinstance(size, int):  # as older versions wrote it
        size = {"shortest_edge": size} if cropped else {"height": size, "width": size}
    edge = size.get("shortest_edge")
    if edge is None:
        sides = _sides(size)
        return sides, _sides(config["crop_size"]) if cropped else sides, "stretch"
    if "crop_pct" in config:
        if edge >= _SQUASHED_FROM:
            return edge, edge, "stretch"
        return int(edge / config["crop_pct"]), edge, "cover"
    if not cropped:
        raise ValueError("photos keep their aspect ratio, but the network takes one size here")
    return edge, _sides(config["crop_size"]), "cover"


def _sides(size: Any) -> int | tuple[int, int]:
    if isinstance(size, int):
        return size
    height, width = size["height"], size["width"]
    return height if height == width else (height, width)


def _open(name: str, *, n_threads: int | None) -> OnnxEncoder:
    get = _from_folder(Path(name)) if Path(name).is_dir() else _from_hub(name)
    settings = get((_SETTINGS,))
    try:
        prepared = preprocessing(json.loads(read_file(settings)))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(
            f"{settings} cannot be followed ({missing}): take the network itself, onnx:PATH, with "
            "its preprocessing beside it"
        ) from error
    return OnnxEncoder(
        get(_NETWORKS), name=f"{NAME}:{name}", preprocessing=prepared, n_threads=n_threads
    )


def _from_folder(folder: Path) -> Callable[[tuple[str, ...]], Path]:
    """Return what gets the first file of some names that is in a folder."""

    def get(names: tuple[str, ...]) -> Path:
        for name in names:
            if (folder / name).is_file():
                return folder / name
        raise FileNotFoundError(f"{folder} holds no {' or '.join(names)}: {_ADVICE}")

    return get


def _from_hub(repository: str) -> Callable[[tuple[str, ...]], Path]:
    """Return what gets the first file of some names that is in a repository."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise ImportError(
            f"to fetch {NAME}:{repository} needs an extra ({error}): pip install "
            f'"spikehead[hub]"; or give a folder that is here, {NAME}:FOLDER'
        ) from error

    def fetch(name: str) -> Path | None:
        try:
            return Path(hf_hub_download(repository, name))
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):  # the Hub was not asked
                raise
            return None

    def get(names: tuple[str, ...]) -> Path:
        try:
            found = next(filter(None, map(fetch, names)), None)
        except HFValidationError as error:
            raise ValueError(
                f"{NAME}:{repository} is neither a folder nor ORG/NAME: {error}"
            ) from error
        except (HfHubHTTPError, OSError) as error:
            raise ConnectionError(
                f"{NAME}:{repository} cannot be fetched from the Hugging Face Hub "
                f"({first_line(error)}): check its name and the network, or give a folder that "
                f"holds its files, {NAME}:FOLDER"
            ) from error
        if found:
            return found
        raise FileNotFoundError(f"{repository} holds no {' or '.join(names)}: {_ADVICE}")

    return get


KIND = EncoderKind(
    about="an image tower of the Hugging Face Hub, as ONNX",
    provenance=Provenance(
        "weights published on the Hugging Face Hub", "as stated at https://huggingface.co"
    ),
    open=_open,
    arguments=("ORG/NAME", "FOLDER"),
)
"""Image towers, of the Hub or from a folder."""
