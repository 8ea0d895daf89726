"""The official pretrained weights: fetched once, checked, and kept."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from spikehead.backbones.backbone import Backbone
from spikehead.backbones.catalogue import network
from spikehead.backbones.efficientnet import from_timm
from spikehead.backbones.se_resnet import from_torchvision
from spikehead.folders import default_cache_folder
from spikehead.images import Preprocessing

__all__ = ["OFFICIAL_WEIGHTS", "PREPROCESSING", "fetch", "load_state", "pretrained"]

_REPOSITORY = "https://download.pytorch.org/models"

OFFICIAL_WEIGHTS = {
    "efficientnet_b0": f"{_REPOSITORY}/efficientnet_b0_rwightman-7f5810bc.pth",
    "efficientnet_b1": f"{_REPOSITORY}/efficientnet_b1_rwightman-bac287d4.pth",
    "efficientnet_b2": f"{_REPOSITORY}/efficientnet_b2_rwightman-c35c1473.pth",
    "efficientnet_b3": f"{_REPOSITORY}/efficientnet_b3_rwightman-b3899882.pth",
    "efficientnet_b4": f"{_REPOSITORY}/efficientnet_b4_rwightman-23ab8bcd.pth",
    "efficientnet_b5": f"{_REPOSITORY}/efficientnet_b5_lukemelas-1a07897c.pth",
    "efficientnet_b6": f"{_REPOSITORY}/efficientnet_b6_lukemelas-24a108a5.pth",
    "efficientnet_b7": f"{_REPOSITORY}/efficientnet_b7_lukemelas-c5b4e57e.pth",
    "resnet18": f"{_REPOSITORY}/resnet18-f37072fd.pth",
}
"""Where the weights of the PyTorch repository are; the names hold the start of their SHA-256."""

PREPROCESSING = {
    "efficientnet_b0": Preprocessing(resize=256, crop=224),
    "efficientnet_b1": Preprocessing(resize=256, crop=240),
    "efficientnet_b2": Preprocessing(resize=288, crop=288),
    "efficientnet_b3": Preprocessing(resize=320, crop=300),
    "efficientnet_b4": Preprocessing(resize=384, crop=380),
    "efficientnet_b5": Preprocessing(resize=456, crop=456),
    "efficientnet_b6": Preprocessing(resize=528, crop=528),
    "efficientnet_b7": Preprocessing(resize=600, crop=600),
    "resnet18": Preprocessing(resize=256, crop=224),
}
"""How the official weights expect photos, as the PyTorch repository states it."""

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
    digest = _sha256(part)[: len(expected)]
    if digest != expected:
        part.unlink()
        raise ValueError(
            f"the download of {file.name} is damaged (its SHA-256 begins with {digest}): try again"
        )
    part.replace(file)
    return file


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


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
        with part.open("ab" if resumed else "wb") as opened:
            while chunk := response.read(_CHUNK):
                opened.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    if done < total:
        raise ConnectionError(f"it broke off after {done} of {total} bytes")


def load_state(file: str | Path) -> dict[str, Tensor]:
    """Return the state dict in a file that `torch.save` wrote, without running code from it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds anything but tensors by name.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist: give a file of weights (.pth or .pt)")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a wrong file raises nearly every type
        raise ValueError(
            f"{file} is not a file of PyTorch weights, or is damaged: download it again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{file} holds no state dict: give a file of tensors by name")
    return state


def pretrained(
    name: str,
    *,
    weights: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Backbone:
    """Return a backbone with the official ImageNet weights, or others, and their classes.

    Parameters
    ----------
    name : str
        One of `OFFICIAL_WEIGHTS`, or, with `weights`, of `BACKBONES`.
    weights : path, optional
        A file to take instead of downloading; in torchvision's names or, for an EfficientNet, in
        timm's.
    progress : callable, optional
        As in `fetch`.

    Raises
    ------
    ValueError
        If the name is unknown, or the weights are not those of that network.
    FileNotFoundError, ConnectionError
        If the file does not exist or cannot be downloaded.
    """
    backbone = network(name)
    if weights is None and name not in OFFICIAL_WEIGHTS:
        known = ", ".join(OFFICIAL_WEIGHTS)
        raise ValueError(f"there are no official weights for {name!r}; there are {known}")
    file = Path(weights) if weights else fetch(OFFICIAL_WEIGHTS[name], progress=progress)
    state = load_state(file)
    if "conv_stem.weight" in state:
        state = from_timm(state)
    elif "fc.weight" in state:
        state = from_torchvision(state)
    bias = state.get("classifier.1.bias")
    model = backbone.make(0 if bias is None else len(bias))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{file} does not hold the weights of {name}") from error
    return model.eval()
