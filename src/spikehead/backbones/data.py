"""Training images: where batches of them come from, and how they are varied."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

from spikehead.images import (
    INTERPOLATIONS,
    Photo,
    Preprocessing,
    UnreadablePhoto,
    find_photos,
    read_photo,
    split,
)

__all__ = [
    "Augmentation",
    "ImageArrays",
    "ImageSource",
    "PhotoFiles",
    "normalised",
    "read_archives",
    "read_folder",
]

# All networks here are trained with the channel means and deviations of ImageNet.
_MEAN, _STD = Preprocessing().mean, Preprocessing().std


class ImageSource(Protocol):
    """Labelled images of one size that a trainer draws batches from."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class numbers, [images]."""
        ...

    def batch(
        self, indices: NDArray[np.int64], random: np.random.Generator | None
    ) -> NDArray[np.uint8]:
        """Return the images [batch, 3, R, R]; cropped at random where `random` is given."""
        ...


class ImageArrays:
    """Small images held in memory; their random crop is a shift of up to an eighth of the side.

    Parameters
    ----------
    images : array of uint8, [images, R, R, 3]
    labels : array of int, [images]
        Class numbers from 0.
    """

    def __init__(self, images: NDArray[np.uint8], labels: ArrayLike) -> None:
        self._images = images.transpose(0, 3, 1, 2)
        self.labels = np.asarray(labels, np.int64)

    def batch(
        self, indices: NDArray[np.int64], random: np.random.Generator | None
    ) -> NDArray[np.uint8]:
        """Return the images at `indices`, [batch, 3, R, R]; shifted where `random` is given."""
        images: NDArray[np.uint8] = self._images[indices]
        if random is None:
            return images
        side = images.shape[-1]
        margin = side // 8
        padded = np.pad(images, ((0, 0), (0, 0), (margin, margin), (margin, margin)), "reflect")
        rows, columns = random.integers(0, 2 * margin + 1, (2, len(images), 1)) + np.arange(side)
        shifted: NDArray[np.uint8] = padded[
            np.arange(len(images))[:, None, None, None],
            np.arange(3)[:, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]
        return shifted


class PhotoFiles:
    """Photos read from their files; the random crop is Inception's.

    It covers 8 to 100 % of the photo's area at an aspect ratio of 3:4 to 4:3.

    Parameters
    ----------
    photos : sequence of Photo
    labels : array of int, [photos]
        Class numbers from 0.
    preprocessing : Preprocessing
        Its crop is the size of the images; without randomness they are framed by it.
    threads : int, default 4
        Photos decoded at a time.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        labels: ArrayLike,
        preprocessing: Preprocessing,
        *,
        threads: int = 4,
    ) -> None:
        self.photos = photos
        self._preprocessing = preprocessing
        self._readers = ThreadPoolExecutor(threads)
        self.labels = np.asarray(labels, np.int64)

    def batch(
        self, indices: NDArray[np.int64], random: np.random.Generator | None
    ) -> NDArray[np.uint8]:
        """Return the photos at `indices`, [batch, 3, R, R].

        Raises
        ------
        ValueError
            If a photo cannot be read.
        """
        draws: Iterable[NDArray[np.float64] | None] = (
            repeat(None) if random is None else random.random((len(indices), 4))
        )
        photos = self._readers.map(self._read, indices, draws)
        images: NDArray[np.uint8] = np.stack(list(photos)).transpose(0, 3, 1, 2)
        return images

    def _read(self, index: int, draw: NDArray[np.float64] | None) -> NDArray[np.uint8]:
        path = self.photos[index].path
        try:
            photo = read_photo(path)
        except UnreadablePhoto as error:
            raise ValueError(f"{path} cannot be used: {error}; repair or remove it") from error
        if draw is None:
            return np.asarray(self._preprocessing.frame(photo))
        _, height, width = self._preprocessing.shape
        interpolation = INTERPOLATIONS[self._preprocessing.interpolation]
        return np.asarray(photo.resize((width, height), interpolation, _random_box(photo, draw)))


def _random_box(photo: Image.Image, draw: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a part of the photo."""
    width, height = photo.size
    area = width * height * (0.08 + 0.92 * draw[0])
    aspect = (3 / 4) ** (2 * draw[1] - 1)
    box_width = min(width, (area * aspect) ** 0.5)
    box_height = min(height, (area / aspect) ** 0.5)
    left, top = draw[2] * (width - box_width), draw[3] * (height - box_height)
    return left, top, left + box_width, top + box_height


def read_folder(
    folder: str | Path,
    preprocessing: Preprocessing,
    *,
    validation_fraction: float = 0.2,
    seed: int = 0,
) -> tuple[PhotoFiles, PhotoFiles, list[str]]:
    """Return the photos in a folder to train on, those to judge by, and the names of the classes.

    Parameters
    ----------
    folder : path
        Has one sub-folder of photos for each class.
    preprocessing : Preprocessing
        Of the network to be trained.
    validation_fraction : float, default 0.2
        Share of each class that is held out.
    seed : int, default 0
        Decides which photos are held out.

    Raises
    ------
    OSError
        If there are no such photos, as in `spikehead.images.find_photos`.
    """
    photos = find_photos(folder)
    names = [photo.label for photo in photos]
    classes, labels = np.unique(names, return_inverse=True)
    training, validation = (
        PhotoFiles([photos[i] for i in part], labels[part], preprocessing)
        for part in split(names, validation_fraction, seed)
    )
    return training, validation, classes.tolist()


def read_archives(
    archives: Sequence[str | Path],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """Read small images of one size from zip files that hold ``CLASS/NAME`` files.

    Parameters
    ----------
    archives : sequence of path
        In the order in which their images shall come; within each the names decide.

    Returns
    -------
    images : array of uint8, [images, R, R, 3]
    labels : array of int, [images]
    classes : list of str
        What the labels stand for.

    Raises
    ------
    ValueError
        If there are no images, an image cannot be read, or they differ in size.
    """
    images, names = [], []
    for archive in archives:
        with zipfile.ZipFile(archive) as opened:
            for member in sorted(name for name in opened.namelist() if not name.endswith("/")):
                try:
                    images.append(np.asarray(read_photo(opened.read(member))))
                except UnreadablePhoto as error:
                    raise ValueError(f"{member} in {archive} cannot be used: {error}") from error
                names.append(member.split("/")[0])
    sizes = {image.shape for image in images}
    if len(sizes) != 1:
        found = ", ".join(f"{width} x {height}" for height, width, _ in sorted(sizes)) or "none"
        raise ValueError(f"the archives must hold images of one size; they hold {found}")
    classes, labels = np.unique(names, return_inverse=True)
    return np.stack(images), labels, classes.tolist()


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a batch that keep what it shows; each is a probability per image.

    Parameters
    ----------
    flip : float, default 0.5
        Mirroring left to right.
    grey, invert : float, default 0
        Replacing the colours by their brightness; by their complement.
    erase : float, default 0
        Replacing a square of a quarter to half the side by mid-grey.
    jitter : float, default 0
        Not a probability: brightness, contrast and each channel vary by up to this share.
    """

    flip: float = 0.5
    grey: float = 0.0
    invert: float = 0.0
    erase: float = 0.0
    jitter: float = 0.0

    def __call__(self, images: Tensor) -> Tensor:
        """Return images in 0 to 1, [batch, 3, R, R], changed at random."""
        n, _, _, side = images.shape

        def random(*shape: int) -> Tensor:
            return torch.rand(n, *shape, 1, 1, device=images.device)

        def chosen(probability: float) -> Tensor:
            return random(1) < probability

        images = torch.where(chosen(self.flip), images.flip(3), images)
        if self.jitter:
            contrast, brightness = (
                1 + self.jitter * (2 * random(1) - 1),
                self.jitter * (random(1) - 0.5),
            )
            tint = 1 + self.jitter * (random(3) - 0.5)
            images = (((images - 0.5) * contrast + 0.5 + brightness) * tint).clamp(0, 1)
        if self.grey:
            images = torch.where(chosen(self.grey), images.mean(1, keepdim=True), images)
        if self.invert:
            images = torch.where(chosen(self.invert), 1 - images, images)
        if self.erase:
            size = side * (0.25 + 0.25 * random(1))
            position = torch.arange(side, device=images.device)
            rows = (position[:, None] - random(1) * (side - size)).sub(size / 2).abs() < size / 2
            columns = (position - random(1) * (side - size)).sub(size / 2).abs() < size / 2
            images = torch.where(chosen(self.erase) & rows & columns, 0.5, images)
        return images


def normalised(images: Tensor) -> Tensor:
    """Return images in 0 to 1, [batch, 3, R, R], as the encoders take them."""
    mean = torch.tensor(_MEAN, device=images.device)[:, None, None]
    std = torch.tensor(_STD, device=images.device)[:, None, None]
    return (images - mean) / std
