"""The official pretrained weights: fetched once, checked, and kept."""

from __future__ import annotations

import argparse
import http.client
import io
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from torch import Tensor, nn

from spikehead.backbones.backbone import Backbone
from spikehead.backbones.catalogue import network
from spikehead.backbones.efficientnet import from_timm
from spikehead.backbones.se_resnet import from_torchvision
from spikehead.encoders.pretrained import PRETRAINED
from spikehead.files import chunks, no_link, open_regular, sha256, write_file
from spikehead.folders import default_cache_folder

__all__ = ["fetch", "fill", "load_state", "pretrained", "save_tensors"]

_WRAPPERS = (
    *("state_dict_ema", "model_ema", "ema_state_dict"),
    *("state_dict", "model_state_dict", "model"),
)
"""What checkpoints call their weights; moving averages, which are better, come first."""

_PREFIXES = ("_orig_mod.", "module.", "_orig_mod.")  # compiled, data parallel, or either in other
_COUNTER = "n_averaged"  # that PyTorch's moving averages keep beside the weights
_TENSORFLOW = "tf_efficientnet"  # what timm calls networks that pad as TensorFlow does

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte


def fetch(
    url: str,
    folder: str | Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Return a file of weights, downloaded unless it is there already.

    A download that was cut off goes on where it stopped. The file gets its name only when its
    SHA-256 begins with the hash at the end of that name.

    Parameters
    ----------
    url : str
        Ends in ``NAME-HASH.SUFFIX``.
    folder : path, optional
        Default: ``weights`` in the folder that the environment variable ``SPIKEHEAD_CACHE`` names,
        or in the user's cache folder.
    progress : callable, optional
        Called with the bytes there are and the bytes there will be.

    Raises
    ------
    ConnectionError
        If it cannot be downloaded; the message says which file to put where.
    ValueError
        If what was downloaded has another hash.
    """
    folder = Path(folder) if folder else default_cache_folder() / "weights"
    file = folder / url.rpartition("/")[2]
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    try:
        _download(url, part, progress)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.filename is not None and error.errno is not None:
            raise  # the disk, not the network
        reason = getattr(error, "reason", error)
        raise ConnectionError(
            f"{url} cannot be downloaded ({reason}): try again, or put the file {file.name} "
            f"into {folder}"
        ) from error
    expected = file.stem.rpartition("-")[2]
    digest = sha256(chunks(part))[: len(expected)]
    if digest != expected:
        part.unlink()
        raise ValueError(
            f"the download of {file.name} is damaged (its SHA-256 begins with {digest}): try again"
        )
    part.replace(file)
    return file


def _download(url: str, part: Path, progress: Callable[[int, int], None] | None) -> None:
    """Complete the file `part`."""
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"})  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and there:
            return  # nothing is missing; the hash tells whether it is right
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        done = there if resumed else 0
        total = done + int(response.headers.get("Content-Length", 0))
        with open(part, "ab" if resumed else "wb", opener=no_link) as opened:
            while chunk := response.read(_CHUNK):
                opened.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
            opened.flush()
            os.fsync(opened.fileno())
    if done < total:
        raise ConnectionError(f"it broke off after {done} of {total} bytes")


def load_state(file: str | Path, *, tell: Callable[[str], None] | None = None) -> dict[str, Tensor]:
    """Return the state dict in a file of weights, without running code from it.

    The file may be a checkpoint that holds the state dict under a usual name, beside a moving
    average of it (which is then taken), the optimizer's state, or the like; and names may begin
    with what data parallelism or compilation puts before them.

    Parameters
    ----------
    file : path
        What `torch.save` wrote, or safetensors.
    tell : callable, optional
        Called with a sentence that says which weights of a checkpoint are taken.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If there are no tensors by name in it.
    """
    file = Path(file)
    return _state(file, _content(file), tell)


def save_tensors(file: str | Path, content: Any) -> None:
    """Write what `torch.save` takes; a crash leaves the file that was there whole.

    Parameters
    ----------
    file : path
        Its folder must exist.
    content : object
        A state dict, or what else holds tensors.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_file(file, buffer.getvalue())


def pretrained(
    name: str,
    *,
    weights: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Backbone:
    """Return a backbone with the official ImageNet weights, or others, and their classes.

    Parameters
    ----------
    name : str
        One of `PRETRAINED`, or, with `weights`, of `BACKBONES`.
    weights : path, optional
        A file to take instead of downloading; in torchvision's names or, for an EfficientNet, in
        timm's.
    progress : callable, optional
        As in `fetch`.
    tell : callable, optional
        As in `load_state`.

    Raises
    ------
    ValueError
        If the name is unknown, or the weights are not those of that network.
    FileNotFoundError, ConnectionError
        If the file does not exist or cannot be downloaded.
    """
    backbone = network(name)
    if weights is None and name not in PRETRAINED:
        known = ", ".join(PRETRAINED)
        raise ValueError(f"there are no official weights for {name!r}; there are {known}")
    file = Path(weights) if weights else fetch(PRETRAINED[name].url, progress=progress)
    content = _content(file)
    if _TENSORFLOW in f"{file} {content.get('arch')}":
        raise ValueError(
            f"{file} holds weights that were trained in TensorFlow, whose convolutions pad "
            f"otherwise than those of {name}: use the encoder timm:tf_{name}"
        )
    state = _state(file, content, tell)
    if "conv_stem.weight" in state and any(layer.startswith("blocks.") for layer in state):
        state = from_timm(state)
    elif "fc.weight" in state:
        state = from_torchvision(state)
    bias = state.get("classifier.1.bias")
    model = backbone.make(0 if bias is None else len(bias))
    fill(model, state, name=name, file=file)
    return model.eval()


def fill(model: nn.Module, state: Mapping[str, Tensor], *, name: str, file: str | Path) -> None:
    """Put weights into a network.

    Parameters
    ----------
    model : Module
        The network.
    state : mapping of str to Tensor
        Its weights.
    name : str
        What users call the network.
    file : path
        Where the weights are from.

    Raises
    ------
    ValueError
        If they are those of another network; the sentence says how they differ.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        difference = _difference(model.state_dict(), state)
        raise ValueError(f"{file} does not hold the weights of {name}: {difference}") from error


def _difference(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    shared = [layer for layer in expected if layer in state]
    for layer in shared:
        if expected[layer].shape != state[layer].shape:
            shapes = [tuple(tensors[layer].shape) for tensors in (state, expected)]
            return f"{layer} has the shape {shapes[0]} in it, and {shapes[1]} in the network"
    if len(shared) < len(expected):
        return f"{next(layer for layer in expected if layer not in state)} is missing"
    return f"{next(layer for layer in state if layer not in expected)} is none of its layers"


def _content(file: Path) -> Mapping[str, Any]:
    """Return what a file of weights holds by name."""
    if not file.exists():
        raise FileNotFoundError(
            f"{file} does not exist: give a file of weights (.pth, .pt or .safetensors)"
        )
    with open_regular(file) as weights:
        return _unpacked(file, weights)


def _unpacked(file: Path, weights: BinaryIO) -> Mapping[str, Any]:
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load(weights.read())
        # Many checkpoints hold the arguments of a command line, which are plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a wrong file raises nearly every type
        if "Unsupported global" in str(error):
            raise ValueError(
                f"{file} holds more than tensors, and opening it could run code: write the "
                "network's state dict, torch.save(model.state_dict(), file), and give that"
            ) from error
        raise ValueError(
            f"{file} is not a file of PyTorch weights, or is damaged: download it again"
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{file} holds no state dict: give a file of tensors by name")
    return content


def _state(
    file: Path, content: Mapping[str, Any], tell: Callable[[str], None] | None
) -> dict[str, Tensor]:
    """Return the state dict of a checkpoint, or the content if it is one itself."""
    said = ""
    if not _is_state(content):
        found = [name for name in _WRAPPERS if _is_state(content.get(name))]
        if not found:
            raise ValueError(f"{file} holds no state dict: give a file of tensors by name")
        taken, *others = found
        content = content[taken]
        said = f"the weights {taken!r} of {file} are taken"
        if others:
            said += f", and not {' or '.join(map(repr, others))}"
    state = {name: value for name, value in content.items() if name != _COUNTER}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
            said = (
                f"{said or f'the weights of {file} are taken'}, without {prefix!r} in their names"
            )
    if tell and said:
        tell(said)
    return state


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(value, Tensor) for value in content.values())
    )
