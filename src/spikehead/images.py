"""Labelled folders of photos -> pixels: finding, reading, preparing and splitting them.

Photos come from anywhere, so nothing about a file is believed: the format is told from its first
bytes, only three decoders are in use, the size is checked before anything is decoded, and whatever
goes wrong ends in an `UnreadablePhoto` that says why.
"""

from __future__ import annotations

import math
import os
import re
import stat
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

__all__ = [
    "EXTENSIONS",
    "INTERPOLATIONS",
    "Photo",
    "Preprocessing",
    "UnreadablePhoto",
    "find_photos",
    "n_pixels",
    "photo_bytes",
    "read_photo",
    "split",
]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")
"""How the names of photos end, in small or capital letters."""

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Ways to resize; all but ``nearest`` are antialiased."""

# A photo of 108 megapixels, the largest that is common, takes 0.4 GB of memory.
_MAX_PIXELS = 120_000_000
_TOO_LARGE = f"it has more than {_MAX_PIXELS // 1_000_000} megapixels"
_MAX_BYTES = 256 << 20
# Resizing the short side of a longer strip would need more memory than the strip itself.
_MAX_ASPECT = 100
# What is small and takes long all the same: each scan of a JPEG goes over all its pixels, and each
# packed text of a PNG may be a megabyte.
_MAX_SCANS = 64
_MAX_TEXTS = 16

# By how a file begins.
_DECODERS: dict[bytes, Callable[[BytesIO], ImageFile.ImageFile]] = {
    rb"\xff\xd8\xff": JpegImageFile,
    rb"\x89PNG\r\n\x1a\n": PngImageFile,
    rb"RIFF....WEBP": WebPImageFile,
}

# How to turn a photo upright, by its EXIF orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Many cameras write EXIF with faults in fields that nothing here reads; Pillow warns of each.
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")


class UnreadablePhoto(ValueError):  # noqa: N818 - it is the photo's fault, not the program's
    """A photo cannot be read; the message is the reason, and the caller knows which photo it is."""


@dataclass(frozen=True)
class Photo:
    """A photo file and its class.

    Attributes
    ----------
    path : Path
        The file.
    label : str
        The name of its class.
    """

    path: Path
    label: str


def find_photos(folder: str | Path) -> list[Photo]:
    """Find the photos in a folder with one sub-folder for each class.

    Everything below a sub-folder belongs to its class, links included; a folder that links lead to
    twice counts once in a class. Hidden files and folders are left out, and so are photos that lie
    beside the sub-folders.

    Parameters
    ----------
    folder : str or Path
        Its sub-folders are named after the classes.

    Returns
    -------
    list of Photo
        At least one; by class, then by path.

    Raises
    ------
    FileNotFoundError
        The folder does not exist, or there is no photo in its sub-folders.
    NotADirectoryError
        It is a file.
    OSError
        A folder in it cannot be read.
    """
    folder = Path(folder)
    advice = "give a folder with one sub-folder of photos for each class"
    try:
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist: {advice}")
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder: {advice}")
        entries = sorted(path for path in folder.iterdir() if not _is_hidden(path.name))
        classes = [path for path in entries if path.is_dir()]
        photos = [
            Photo(path, parent.name) for parent in classes for path in sorted(_photos_below(parent))
        ]
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(
            f"cannot read the folder {error.filename}: {error.strerror}; "
            "allow reading it, or move it elsewhere"
        ) from error
    if photos:
        return photos
    if classes:
        raise FileNotFoundError(
            f"the sub-folders of {folder} hold no photos: put {_enumerated(EXTENSIONS)} files there"
        )
    if any(_is_photo(path.name) for path in entries):
        raise FileNotFoundError(
            f"the photos in {folder} have no class: "
            "move them into sub-folders that are named after the classes"
        )
    raise FileNotFoundError(f"{folder} has no sub-folders: {advice}")


def _photos_below(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    visited = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        # The order decides under which of several links a folder is found.
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        yield from (Path(parent, name) for name in files if _is_photo(name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _is_photo(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and not _is_hidden(name)


def _enumerated(names: Iterable[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} or {last}"


def photo_bytes(path: str | Path) -> bytes:
    """Return the content of a photo file, for `read_photo` and for a checksum of the same bytes.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    UnreadablePhoto
        It does not exist, is not a file, is larger than 256 MiB, or cannot be read.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadablePhoto("it is not a file")
        if status.st_size > _MAX_BYTES:
            raise UnreadablePhoto(f"it is larger than {_MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadablePhoto("it does not exist") from None
    except OSError as error:
        raise UnreadablePhoto(f"it cannot be read: {error.strerror}") from error


def read_photo(photo: str | Path | bytes) -> Image.Image:
    """Read a photo: JPEG, PNG or WebP, whatever its name says.

    The EXIF orientation is applied, transparency is laid on white, 16 bits become 8 (the upper
    ones), and of an animation the first frame is taken. Colour profiles are not applied.

    Parameters
    ----------
    photo : str, Path or bytes
        The file or its content.

    Returns
    -------
    PIL.Image.Image
        In RGB.

    Raises
    ------
    UnreadablePhoto
        As in `photo_bytes`; or it is of another format, damaged or cut off, has more than
        120 megapixels, or is a hundred times as long as wide.
    """
    content = photo if isinstance(photo, bytes) else photo_bytes(photo)
    if not content:
        raise UnreadablePhoto("it is empty")
    try:
        with _opened(content) as image:
            image.load()
            upright = _UPRIGHT.get(_orientation(image))
            rgb = _rgb(image)
            return rgb if upright is None else rgb.transpose(upright)
    except UnreadablePhoto:
        raise
    except Image.DecompressionBombError as error:  # some decoders look at the size themselves
        raise UnreadablePhoto(_TOO_LARGE) from error
    except Exception as error:  # decoders raise nearly every type on hostile content
        raise UnreadablePhoto(f"it is damaged: {str(error) or type(error).__name__}") from error


def n_pixels(content: bytes) -> int:
    """Return how many pixels `read_photo` would decode, from the header: 0 of what it refuses.

    Parameters
    ----------
    content : bytes
        Of a photo file.
    """
    with suppress(Exception), _opened(content) as image:
        return int(image.width * image.height)
    return 0


def _opened(content: bytes) -> ImageFile.ImageFile:
    """Open a photo of a size that may be decoded; nothing is decoded yet."""
    try:
        decoder = next(_DECODERS[start] for start in _DECODERS if re.match(start, content, re.S))
    except StopIteration:
        raise UnreadablePhoto("it is not a JPEG, PNG or WebP photo") from None
    if decoder is JpegImageFile and _n_scans(content) > _MAX_SCANS:
        raise UnreadablePhoto(f"it has more than {_MAX_SCANS} scans")
    if decoder is PngImageFile and len(re.findall(rb"zTXt|iTXt|iCCP", content)) > _MAX_TEXTS:
        raise UnreadablePhoto(f"it has more than {_MAX_TEXTS} texts")
    image = decoder(BytesIO(content))
    _check_size(*image.size)
    return image


def _n_scans(content: bytes) -> int:
    """Return in how many scans a JPEG comes: few, or some ten where it is progressive."""
    scans, place = 0, 2
    while marker := re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])").search(content, place):
        if marker[1] == b"\xd9":  # the end of the image
            break
        scans += marker[1] == b"\xda"
        place = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    return scans


def _check_size(width: int, height: int) -> None:
    if width * height > _MAX_PIXELS:
        raise UnreadablePhoto(_TOO_LARGE)
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise UnreadablePhoto(
            f"it is a strip of {width} x {height} pixels, longer than {_MAX_ASPECT} times its width"
        )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, where there is none that can be read."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as for the decoders
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips it
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Lay a photo on white, some rows at a time: all at once takes four times the memory."""
    laid = Image.new("RGB", image.size)
    for top in range(0, image.height, 256):
        box = (0, top, image.width, min(top + 256, image.height))
        rows = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", rows.size, "white")
        laid.paste(Image.alpha_composite(white, rows).convert("RGB"), box)
    return laid


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes what an encoder takes; the default is usual for ImageNet encoders.

    The short side is resized to `resize`, the central square of side `crop` is cut out, and
    ``(pixel / 255 - mean) / std`` is taken in each channel. A photo that is `crop` x `crop` already
    is used as it is.

    Parameters
    ----------
    resize : int, default=256
        Length of the short side after resizing, in pixels; at least `crop`.
    crop : int, default=224
        Side of the square, in pixels.
    mean, std : tuple of float
        Of each channel, on the scale from 0 to 1. Default: those of ImageNet.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}, default="bicubic"
        How to resize.
    mode : {"RGB", "L"}, default="RGB"
        Colour, or grey with one channel.

    Raises
    ------
    ValueError
        If a value is not possible.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    mode: str = "RGB"

    def __post_init__(self) -> None:
        for name in ("resize", "crop"):
            side = getattr(self, name)
            if type(side) is not int or not 1 <= side <= 4096:
                raise ValueError(f"{name} must be a whole number from 1 to 4096, not {side!r}")
        if self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) must not exceed resize ({self.resize})")
        for name, choices in (("interpolation", tuple(INTERPOLATIONS)), ("mode", ("RGB", "L"))):
            choice = getattr(self, name)
            if choice not in choices:
                raise ValueError(f"{name} must be {_enumerated(choices)}, not {choice!r}")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if (
                not isinstance(values, tuple)
                or len(values) != self.channels
                or not all(type(value) in (int, float) and math.isfinite(value) for value in values)
            ):
                raise ValueError(
                    f"{name} must be {self.channels} finite numbers, one for each channel of "
                    f"{self.mode}, not {values!r}"
                )
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, not {self.std!r}")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.mode)

    def __call__(self, photo: Image.Image) -> NDArray[np.float32]:
        """Return a photo as an encoder takes it, shape (channels, crop, crop).

        Parameters
        ----------
        photo : PIL.Image.Image
            A photo, as `read_photo` gives it.
        """
        pixels = np.asarray(self.frame(photo), np.float32).reshape(self.crop, self.crop, -1) / 255
        normalised = (pixels - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1))

    def frame(self, photo: Image.Image) -> Image.Image:
        """Return what the encoder sees of a photo: `crop` x `crop` pixels, in `mode`.

        Parameters
        ----------
        photo : PIL.Image.Image
            A photo, as `read_photo` gives it.
        """
        photo = photo.convert(self.mode)
        width, height = photo.size
        if width == height == self.crop:
            return photo
        short = min(width, height)
        width, height = self.resize * width // short, self.resize * height // short
        photo = photo.resize((width, height), INTERPOLATIONS[self.interpolation])
        left, top = round((width - self.crop) / 2), round((height - self.crop) / 2)
        return photo.crop((left, top, left + self.crop, top + self.crop))

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Return the preprocessing that `to_dict` described; what is not named has its default.

        Parameters
        ----------
        values : mapping of str to object
            As read from JSON.

        Raises
        ------
        ValueError
            If a name is unknown or a value is not possible.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(values, Mapping) or not set(values) <= set(known):
            unknown = sorted(set(values) - set(known)) if isinstance(values, Mapping) else [values]
            raise ValueError(f"unknown preprocessing {unknown[0]!r}: use {_enumerated(known)}")
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**arguments)


def split(
    labels: Iterable[str], test_fraction: float = 0.2, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split examples at random into a training and a test part, each class by itself.

    A class of two or more is on both sides; one of a single example is for training. How a class
    is split depends on its own examples and name only, so other classes can come and go.

    Parameters
    ----------
    labels : iterable of str
        The class of each example.
    test_fraction : float, default=0.2
        Share of each class that is for testing, above 0 and below 1; rounded to whole examples.
    seed : int, default=0
        Decides the draw; not negative.

    Returns
    -------
    train, test : ndarray of int
        Positions in `labels`, rising.

    Raises
    ------
    ValueError
        If the fraction or the seed is out of range.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be above 0 and below 1, not {test_fraction}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, not {seed}")
    classes: dict[str, list[int]] = defaultdict(list)
    for position, label in enumerate(labels):
        classes[label].append(position)
    train: list[int] = []
    test: list[int] = []
    for label, positions in classes.items():
        random = np.random.default_rng([seed, *label.encode(errors="surrogatepass")])
        shuffled = random.permutation(positions)
        n_test = min(max(round(test_fraction * len(positions)), 1), len(positions) - 1)
        test.extend(shuffled[:n_test])
        train.extend(shuffled[n_test:])
    return np.array(sorted(train), np.intp), np.array(sorted(test), np.intp)
