"""Labelled folders of photos -> pixels: finding, reading, preparing and splitting them.

Photos come from anywhere, so nothing about a file is believed: the format is told from its first
bytes, only a few decoders are in use, the size is checked before anything is decoded, and whatever
goes wrong ends in an `UnreadablePhoto` that says why.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from spikehead.files import open_regular
from spikehead.names import class_name

__all__ = [
    "EXTENSIONS",
    "INTERPOLATIONS",
    "LeftOut",
    "Photo",
    "PhotoFolder",
    "Preprocessing",
    "UnreadablePhoto",
    "find_photos",
    "is_photo",
    "n_pixels",
    "named_photos",
    "photo_bytes",
    "photo_format",
    "read_photo",
    "split",
]

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"),
    *(".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"),
)
"""How the names of photos end, in small or capital letters."""

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Ways to resize; all but ``nearest`` are antialiased."""

# What systems, network disks and archives leave beside photos, in small letters.
_LEFT_BY_SYSTEMS = frozenset(
    {
        *("$recycle.bin", "recycler", "system volume information", "found.000"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found"),
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),
        *("__macosx", "icon\r", "network trash folder", "temporary items"),
    }
)

_PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})

# A photo of 108 megapixels, the largest that is common, takes 0.4 GB of memory.
_MAX_PIXELS = 120_000_000
_TOO_LARGE = f"it has more than {_MAX_PIXELS // 1_000_000} megapixels"
_MAX_BYTES = 256 << 20
# Resizing the short side of a longer strip would need more memory than the strip itself.
_MAX_ASPECT = 100
# What stands beside the pixels; each of its entries takes Pillow some microseconds.
_MAX_EXIF = 1 << 20
_MAX_GIF_BLOCKS = 20_000
# What is small and takes long all the same: each scan of a JPEG goes over all its pixels, and each
# packed text of a PNG may be a megabyte.
_MAX_SCANS = 64
_MAX_TEXTS = 16


def _jpeg(content: BytesIO) -> ImageFile.ImageFile:
    if _n_scans(content.getvalue()) > _MAX_SCANS:
        raise UnreadablePhoto(f"it has more than {_MAX_SCANS} scans")
    return JpegImageFile(content)


def _n_scans(content: bytes) -> int:
    """Return in how many scans a JPEG comes: few, or some ten where it is progressive."""
    scans, place = 0, 2
    while marker := re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])").search(content, place):
        if marker[1] == b"\xd9":  # the end of the image
            break
        scans += marker[1] == b"\xda"
        place = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    return scans


def _png(content: BytesIO) -> ImageFile.ImageFile:
    """Open a PNG; its transparent level is as its pixels will be, where Pillow has it as stored."""
    if len(re.findall(rb"zTXt|iTXt|iCCP", content.getvalue())) > _MAX_TEXTS:
        raise UnreadablePhoto(f"it has more than {_MAX_TEXTS} texts")
    image = PngImageFile(content)
    bits, clear = content.getvalue()[24], image.info.get("transparency")
    if image.mode == "L" and bits < 8 and isinstance(clear, int):
        image.info["transparency"] = clear * 255 // (2**bits - 1)
    elif image.mode == "RGB" and bits == 16 and isinstance(clear, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in clear)
    return image


def _gif(content: BytesIO) -> ImageFile.ImageFile:
    """Open a GIF, unless it makes its reader walk through millions of blocks to the first frame."""
    data = content.getvalue()
    blocks = 0
    with suppress(IndexError):  # it is cut off, and the decoder will say so
        place = 13 + (3 * 2 ** (data[10] % 8 + 1) if data[10] & 0x80 else 0)
        while data[place] == ord("!"):
            place += 2
            while length := data[place]:
                place += length + 1
                blocks += 1
            place += 1
            blocks += 1
            if blocks > _MAX_GIF_BLOCKS:
                raise UnreadablePhoto("its first picture comes after too much else")
    return GifImageFile(content)


def _heif(content: BytesIO) -> Any:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnreadablePhoto(
            'it is a HEIC photo, which needs an extra: pip install "spikehead[heif]"'
        ) from None
    return HeifImageFile(content)


# By how a file begins.
_DECODERS: dict[bytes, Callable[[BytesIO], ImageFile.ImageFile]] = {
    rb"\xff\xd8\xff": _jpeg,
    rb"\x89PNG\r\n\x1a\n": _png,
    rb"RIFF....WEBP": WebPImageFile,
    rb"GIF8[79]a": _gif,
    rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0": BmpImageFile,
    rb"II\*\0|MM\0\*": TiffImageFile,
    rb"....ftyp(avi[fs]|m(if|sf)1....(....){0,30}?avi[fs])": AvifImageFile,
    rb"....ftyp(he(i[cxms]|v[cxms])|m(if|sf)1)": _heif,
}

# Many cameras write EXIF with faults in fields that nothing here reads; Pillow warns of each. And
# it warns of sizes that are checked here.
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, module=r"PIL\.")


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

    @property
    def content(self) -> Path | NDArray[np.float32]:
        """What is encoded: the file, or what an encoder gave already."""
        return self.path


@dataclass
class LeftOut:
    """What lies in folders of photos and is not used; nothing is left out in silence.

    What systems leave behind, and all else whose name begins with a dot, is not counted.

    Attributes
    ----------
    files : Counter
        How many files are no photos, by the ending of their names.
    beside : int
        How many photos lie beside the folders of the classes.
    without_photos : list of Path
        Folders of classes with no photo in them.
    dead_links : list of Path
        Links to what does not exist.
    """

    files: Counter[str] = field(default_factory=Counter)
    beside: int = 0
    without_photos: list[Path] = field(default_factory=list)
    dead_links: list[Path] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """Return what there is to say, one line each."""
        said = []
        if n := self.files.total():
            kinds = sorted(self.files.items(), key=lambda item: (-item[1], item[0]))
            shown = [f"{count} {kind or 'without an ending'}" for kind, count in kinds[:8]]
            if len(kinds) > len(shown):
                shown.append(f"{sum(count for _, count in kinds[8:])} others")
            noun = "file that is no photo" if n == 1 else "files that are no photos"
            said.append(f"Left out {n} {noun}: {', '.join(shown)}.")
        if self.beside:
            noun = "photo that lies" if self.beside == 1 else "photos that lie"
            said.append(f"Left out {self.beside} {noun} beside the folders of the classes.")
        if self.without_photos:
            said.append(f"No photos in {', '.join(map(str, self.without_photos))}.")
        if self.dead_links:
            said.append(f"Links to nothing: {', '.join(map(str, self.dead_links))}.")
        return said

    def __add__(self, other: LeftOut) -> LeftOut:
        """Return what lies in the folders of both."""
        return LeftOut(
            self.files + other.files,
            self.beside + other.beside,
            self.without_photos + other.without_photos,
            self.dead_links + other.dead_links,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "files": dict(self.files),
            "beside_the_classes": self.beside,
            "without_photos": [str(path) for path in self.without_photos],
            "dead_links": [str(path) for path in self.dead_links],
        }

    def add_entry(self, path: Path) -> None:
        """Count something that is neither a photo nor a folder."""
        if path.is_symlink() and not path.exists():
            self.dead_links.append(path)
        else:
            self.files[path.suffix.lower()] += 1


@dataclass(frozen=True)
class PhotoFolder:
    """The photos in a folder with one sub-folder for each class.

    Attributes
    ----------
    photos : list of Photo
        At least one; by class, then by path.
    left_out : LeftOut
        What else is there.
    """

    photos: list[Photo]
    left_out: LeftOut

    @classmethod
    def read(
        cls, folder: str | Path, *, known: Collection[str] = (), as_classes: bool = False
    ) -> PhotoFolder:
        """Find the photos in a folder with one sub-folder for each class.

        Everything below a sub-folder belongs to its class, links included; a folder that links lead
        to twice counts once in a class. The name of a sub-folder means a class as
        `spikehead.names.class_name` has it, so two of them can mean one class.

        Parameters
        ----------
        folder : str or Path
            Its sub-folders are named after the classes.
        known : collection of str, optional
            Names of classes that there are already.
        as_classes : bool, default=False
            Whether sub-folders such as ``train`` and ``test`` are classes, too.

        Raises
        ------
        FileNotFoundError
            The folder does not exist, or there is no photo in its sub-folders.
        NotADirectoryError
            It is a file.
        OSError
            A folder in it cannot be read.
        ValueError
            A sub-folder's name cannot be that of a class; or the sub-folders are the parts of a
            data set, such as ``train`` and ``test``.
        """
        folder = Path(folder)
        advice = "give a folder with one sub-folder of photos for each class"
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist: {advice}")
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder: {advice}")
        left_out = LeftOut()
        photos: list[Photo] = []
        with _explained():
            entries = sorted(path for path in folder.iterdir() if not _is_left(path.name))
            classes = [path for path in entries if path.is_dir()]
            if not as_classes:
                _check_classes(folder, classes)
            visited: dict[str, set[str]] = defaultdict(set)
            for parent in classes:
                label = _label(parent, known)
                found = list(_photos_below(parent, left_out, visited[label]))
                photos += (Photo(path, label) for path in found)
                if not found:
                    left_out.without_photos.append(parent)
        for path in entries:
            if path not in classes:
                if is_photo(path.name):
                    left_out.beside += 1
                else:
                    left_out.add_entry(path)
        if not photos:
            raise FileNotFoundError(_why_none(folder, classes, left_out, advice))
        return cls(sorted(photos, key=lambda photo: (photo.label, photo.path)), left_out)


def find_photos(
    folder: str | Path, *, known: Collection[str] = (), as_classes: bool = False
) -> list[Photo]:
    """Return the photos in a folder with one sub-folder for each class: `PhotoFolder.read`, alone.

    Parameters
    ----------
    folder : str or Path
        Its sub-folders are named after the classes.
    known, as_classes
        As `PhotoFolder.read` takes them.
    """
    return PhotoFolder.read(folder, known=known, as_classes=as_classes).photos


def named_photos(sources: Iterable[str | Path]) -> tuple[list[Path], LeftOut]:
    """Return the photos that someone names, in order, and what was left out.

    Parameters
    ----------
    sources : iterable of str or Path
        Photos; folders, for all photos in them; ``@list.txt`` or ``list.txt``, for the photos and
        folders that this file names, one on each line.

    Raises
    ------
    OSError
        A folder or a list cannot be read.
    """
    photos: list[Path] = []
    left_out = LeftOut()
    for source in sources:
        for path in _listed(Path(source)):
            if path.is_dir():
                with _explained():
                    found = sorted(_photos_below(path, left_out, set()))
                photos += found
                if not found:
                    left_out.without_photos.append(path)
            else:
                photos.append(path)
    return photos, left_out


def _listed(source: Path) -> list[Path]:
    """Return what a list names, or of anything else itself."""
    named = source.exists()
    if not named and str(source).startswith("@"):
        source = Path(str(source)[1:])
    elif source.suffix.lower() != ".txt":
        return [source]
    try:
        lines = os.fsdecode(source.read_bytes().removeprefix(b"\xef\xbb\xbf")).splitlines()
    except OSError as error:
        raise type(error)(
            f"the list {source} cannot be read: {error.strerror}; name a file with the path of one "
            "photo on each line"
        ) from error
    return [Path(line) for line in lines if line.strip()]


@contextmanager
def _explained() -> Iterator[None]:
    """Say what to do about a folder that cannot be read."""
    try:
        yield
    except OSError as error:
        raise type(error)(
            f"cannot read the folder {error.filename}: {error.strerror}; "
            "allow reading it, or move it elsewhere"
        ) from error


def _check_classes(folder: Path, classes: Iterable[Path]) -> None:
    parts = [path for path in classes if path.name.casefold() in _PARTS]
    if len(parts) > 1:
        best = next((path for path in parts if path.name.casefold().startswith("train")), parts[0])
        raise ValueError(
            f"{folder} holds the parts of a data set ({', '.join(path.name for path in parts)}), "
            f"not classes: give one of them, such as {best} (or insist that they are classes, by "
            "--as-classes, in Python by PhotoFolder.read(folder, as_classes=True))"
        )


def _label(folder: Path, known: Collection[str]) -> str:
    try:
        return class_name(folder.name, known)
    except ValueError as error:
        raise ValueError(f"{folder} cannot be a class: {error}; rename the folder") from None


def _why_none(folder: Path, classes: list[Path], left_out: LeftOut, advice: str) -> str:
    if classes:
        return (
            f"the sub-folders of {folder} hold no photos: put {_enumerated(EXTENSIONS)} files there"
        )
    if left_out.beside:
        return (
            f"the photos in {folder} have no class: "
            "move them into sub-folders that are named after the classes"
        )
    return f"{folder} has no sub-folders: {advice}"


def _photos_below(folder: Path, left_out: LeftOut, visited: set[str]) -> Iterator[Path]:
    """Find the photos in a folder that is not among those visited, and count what is none."""

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        # The order decides under which of several links a folder is found.
        folders[:] = sorted(name for name in folders if not _is_left(name))
        for name in files:
            if is_photo(name):
                yield Path(parent, name)
            elif not _is_left(name):
                left_out.add_entry(Path(parent, name))


def _is_left(name: str) -> bool:
    """Return whether something is hidden, or was left behind by a system."""
    return name.startswith(".") or name.lower() in _LEFT_BY_SYSTEMS


def is_photo(path: str | PurePath) -> bool:
    """Return whether a file counts as a photo, by its name and those of the folders in its path.

    Parameters
    ----------
    path : str or PurePath
        A name, or a path from the folder in which photos are looked for.
    """
    path = PurePath(path)
    return path.suffix.lower() in EXTENSIONS and not any(map(_is_left, path.parts))


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
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnreadablePhoto("it does not exist") from None
    except OSError as error:
        known = error.strerror is not None
        why = f"it cannot be read: {error.strerror}" if known else "it is not a file"
        raise UnreadablePhoto(why) from error
    if len(content) > _MAX_BYTES:
        raise UnreadablePhoto(f"it is larger than {_MAX_BYTES >> 20} MiB")
    return content


def read_photo(photo: str | Path | bytes) -> Image.Image:
    """Read a photo: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC, whatever its name says.

    The EXIF orientation is applied, transparency is laid on white, 16 bits become 8 (the upper
    ones), and of an animation or of several pages the first one is taken. Colour profiles are not
    applied. HEIC needs the extra ``heif``.

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
    with _decoding(), _opened(content) as image:
        image.load()
        _turn_upright(image)
        return _rgb(image)


def photo_format(content: bytes) -> str:
    """Return the format of a photo in small letters, as ``jpeg``, which its name may end with.

    Parameters
    ----------
    content : bytes
        Of a photo file.

    Raises
    ------
    UnreadablePhoto
        As in `read_photo`, as far as the header tells.
    """
    with _decoding(), _opened(content) as image:
        return str(image.format).lower()


@contextmanager
def _decoding() -> Iterator[None]:
    """Let whatever goes wrong be an `UnreadablePhoto`."""
    try:
        yield
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
        raise UnreadablePhoto(
            "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo"
        ) from None
    image = decoder(BytesIO(content))
    _check_size(*image.size)
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > _MAX_PIXELS:
        raise UnreadablePhoto(_TOO_LARGE)
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise UnreadablePhoto(
            f"it is a strip of {width} x {height} pixels, longer than {_MAX_ASPECT} times its width"
        )


def _turn_upright(image: ImageFile.ImageFile) -> None:
    """Apply the EXIF orientation, where it can be read."""
    exif = (image.info.get(key) or "" for key in ("exif", "Raw profile type exif"))
    if max(map(len, exif)) <= _MAX_EXIF:
        with suppress(Exception):  # as for the decoders
            ImageOps.exif_transpose(image, in_place=True)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise UnreadablePhoto("it has 32 bits a channel: save it with 8 or 16")
    if image.mode.startswith("I;16"):  # Pillow's own conversion clips it, and knows no transparency
        levels = np.asarray(image)
        grey = (levels >> 8).astype(np.uint8)
        grey[levels == image.info.get("transparency", -1)] = 255
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

    The photo is resized to `resize`, the middle of size `crop` is cut out, and
    ``(pixel / 255 - mean) / std`` is taken in each channel. Where it is smaller than `crop` after
    resizing, the rest is black, or for ``fit="contain"`` of the colour `mean`.

    The pixels are those of torchvision's ``Resize`` and ``CenterCrop``, and of timm's transforms.

    Parameters
    ----------
    resize : int or (int, int), default=256
        Height and width to resize to, in pixels; one number for a square.
    crop : int or (int, int), default=224
        Height and width of what is cut out, in pixels; one number for a square.
    mean, std : tuple of float
        Of each channel, on the scale from 0 to 1. Default: those of ImageNet.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}, default="bicubic"
        How to resize.
    mode : {"RGB", "L"}, default="RGB"
        Colour, or grey with one channel.
    fit : {"cover", "contain", "stretch"}, default="cover"
        How a photo of another aspect ratio is resized: so that it just covers `resize`, which for
        a square makes the short side as long; so that it just fits in; or regardless of its ratio.
        timm calls them ``center``, ``border`` and ``squash``.

    Raises
    ------
    ValueError
        If a value is not possible.
    """

    resize: int | tuple[int, int] = 256
    crop: int | tuple[int, int] = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    mode: str = "RGB"
    fit: str = "cover"

    def __post_init__(self) -> None:
        for name in ("resize", "crop"):
            sides = getattr(self, name)
            pair = _pair(sides)
            if len(pair) != 2 or not all(type(n) is int and 1 <= n <= 4096 for n in pair):
                raise ValueError(
                    f"{name} must be a whole number from 1 to 4096, not {sides!r}; two of them are "
                    "height and width"
                )
        choices = (
            ("interpolation", tuple(INTERPOLATIONS)),
            ("mode", ("RGB", "L")),
            ("fit", ("cover", "contain", "stretch")),
        )
        for name, known in choices:
            choice = getattr(self, name)
            if choice not in known:
                raise ValueError(f"{name} must be {_enumerated(known)}, not {choice!r}")
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

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what the encoder takes."""
        return self.channels, *_pair(self.crop)

    def __call__(self, photo: Image.Image) -> NDArray[np.float32]:
        """Return a photo as an encoder takes it, in `shape`.

        Parameters
        ----------
        photo : PIL.Image.Image
            A photo, as `read_photo` gives it.
        """
        channels, height, width = self.shape
        frame = np.asarray(self.frame(photo)).reshape(height, width, channels)
        pixels: NDArray[np.float32] = frame.transpose(2, 0, 1).astype(np.float32, order="C")
        pixels /= 255
        pixels -= np.array(self.mean, np.float32)[:, None, None]
        pixels /= np.array(self.std, np.float32)[:, None, None]
        return pixels

    def frame(self, photo: Image.Image) -> Image.Image:
        """Return what the encoder sees of a photo: `crop` pixels, in `mode`.

        Parameters
        ----------
        photo : PIL.Image.Image
            A photo, as `read_photo` gives it.
        """
        size = self._resized(*photo.size)
        photo = photo.convert(self.mode).resize(size, INTERPOLATIONS[self.interpolation])
        height, width = _pair(self.crop)
        rest = self.mean if self.fit == "contain" else (0.0,) * self.channels
        colour = tuple(round(255 * value) for value in rest)
        framed = Image.new(self.mode, (width, height), colour)
        framed.paste(photo, (_margin(photo.width, width), _margin(photo.height, height)))
        return framed

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of a photo after resizing."""
        target_height, target_width = _pair(self.resize)
        if self.fit == "stretch":
            return target_width, target_height
        if self.fit == "cover" and target_height == target_width:
            short = min(width, height)
            return target_width * width // short, target_height * height // short
        ratios = height / target_height, width / target_width
        ratio = min(ratios) if self.fit == "cover" else max(ratios)
        return max(1, round(width / ratio)), max(1, round(height / ratio))

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name, ready for JSON; `fit` only where it is not the usual one.

        So what older versions wrote, which know no other fit, stays the same.
        """
        values = asdict(self)
        if self.fit == Preprocessing.fit:
            del values["fit"]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
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


def _pair(sides: int | tuple[int, int]) -> tuple[int, int]:
    return sides if isinstance(sides, tuple) else (sides, sides)


def _margin(length: int, target: int) -> int:
    """Return where a length begins in the target that has the same middle, as torchvision rounds.

    It is negative where something is cut off.
    """
    return (target - length) // 2 if length < target else -round((length - target) / 2)


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
