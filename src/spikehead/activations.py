"""Activations in files of arrays, whoever may have written them: read as examples, like photos.

A ``.npz`` file holds ``X`` and ``y``; a ``.npy`` file ``X`` alone; a Parquet file a column ``y`` or
``label``, and the activations in one column of lists, or in a column each. Or a folder holds one
such file, of ``X`` alone, for each class.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.files import open_regular
from spikehead.images import EXTENSIONS, LeftOut, Photo, PhotoFolder, named_photos
from spikehead.names import class_names

__all__ = [
    "Activations",
    "Row",
    "holds_activations",
    "labelled",
    "named",
    "read_arrays",
]

_ADVICE = "write it with np.savez(file, X=activations, y=labels)"
_LABELS = ("y", "label")  # columns of a Parquet file

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Row(Photo):
    """What stands in place of a photo: a row of a file, whose path is the file's and ``[row]``.

    Attributes
    ----------
    activations : ndarray of float32, shape (n_activations,)
        The row.
    """

    activations: NDArray[np.float32] = field(repr=False, compare=False)

    @property
    def content(self) -> NDArray[np.float32]:
        """The row itself; there is nothing to encode."""
        return self.activations


@dataclass(frozen=True)
class Activations:
    """The rows of a file, or of a folder of files.

    Attributes
    ----------
    X : ndarray of float32, shape (n_examples, n_activations)
        Activations, finite, of either sign.
    y : ndarray of str, shape (n_examples,), or None
        Labels, if there are any.
    source : Path
        The file, or the folder.
    names : list of str
        What each row is called.
    left_out : LeftOut
        What else is in the folder.
    """

    X: NDArray[np.float32]
    y: NDArray[np.str_] | None
    source: Path
    names: list[str]
    left_out: LeftOut = field(default_factory=LeftOut)

    @classmethod
    def read(cls, path: str | Path, *, known: Collection[str] = ()) -> Activations:
        """Read activations, and their labels if there are any; of two parts the training part.

        Parameters
        ----------
        path : str or Path
            A file, or a folder with a file for each class, which has its name.
        known : collection of str, optional
            Names of classes that there are already.

        Raises
        ------
        OSError, ValueError
            If it is missing, cannot be read, or does not hold that.
        ImportError
            If it is a Parquet file, and pyarrow is missing.
        """
        return cls.parts(path, known=known)[0]

    @classmethod
    def parts(cls, path: str | Path, *, known: Collection[str] = ()) -> list[Activations]:
        """Read activations, and then the test part, ``X_test`` and ``y_test``, if a file has one.

        Parameters and errors are those of `read`.
        """
        path = Path(path)
        if path.is_dir():
            return [_read_folder(path, known)]
        arrays = read_arrays(path)
        parts = [part for part in ("", "_test") if f"X{part}" in arrays]
        return [_checked(arrays, path, part, known) for part in parts]

    @property
    def labels(self) -> NDArray[np.str_]:
        """The labels.

        Raises
        ------
        ValueError
            There are none.
        """
        if self.y is None:
            raise ValueError(f"{self.source} holds no y: {_ADVICE}")
        return self.y

    def rows(self) -> list[Row]:
        """Return the rows one by one; the class of those without labels has no name."""
        labels = [""] * len(self.X) if self.y is None else self.y.tolist()
        named = zip(self.names, labels, self.X, strict=True)
        return [Row(Path(name), label, row) for name, label, row in named]


def holds_activations(path: str | Path) -> bool:
    """Return whether what lies at a path is activations, by its name, or the names in a folder.

    In a folder there may be no other folder, and no photo.
    """
    path = Path(path)
    if not path.is_dir():
        return path.suffix.lower() in _READERS
    inside = _entries(path)
    others = any(entry.is_dir() or entry.suffix.lower() in EXTENSIONS for entry in inside)
    return any(map(_is_file_of_arrays, inside)) and not others


def labelled(
    path: str | Path, *, known: Collection[str] = (), as_classes: bool = False
) -> PhotoFolder:
    """Return the photos in a folder, as `PhotoFolder.read` does, or the rows of activations.

    Parameters
    ----------
    path : str or Path
        A folder of photos, one sub-folder a class; or activations with labels.
    known, as_classes
        As `PhotoFolder.read` takes them.

    Raises
    ------
    OSError, ValueError
        As `PhotoFolder.read` and `Activations.read` raise them.
    """
    if not holds_activations(path):
        return PhotoFolder.read(path, known=known, as_classes=as_classes)
    found = Activations.read(path, known=known)
    found.labels  # noqa: B018 - refuses those without
    return PhotoFolder([*found.rows()], found.left_out)


def named(sources: Iterable[str | Path]) -> tuple[list[Photo], LeftOut]:
    """Return the photos that someone names, as `named_photos` does, and the rows of activations.

    Parameters
    ----------
    sources : iterable of str or Path
        As `named_photos` takes them, and files of activations.

    Raises
    ------
    OSError, ValueError
        As `named_photos` and `Activations.read` raise them.
    """
    found: list[Photo] = []
    left_out = LeftOut()
    for source in sources:
        if holds_activations(source):
            activations = Activations.read(source)
            found += activations.rows()
            left_out += activations.left_out
        else:
            photos, beside = named_photos([source])
            found += (Photo(path, "") for path in photos)
            left_out += beside
    return found, left_out


def read_arrays(path: str | Path) -> Arrays:
    """Read ``X`` from a file, and ``y``, ``X_test`` and ``y_test`` if they are there.

    Parameters
    ----------
    path : str or Path
        The file. Nothing in it is unpickled.

    Raises
    ------
    OSError, ValueError
        If it is missing, is no such file, or has no ``X``.
    MemoryError
        If its arrays do not fit into memory.
    ImportError
        If it is a Parquet file, and pyarrow is missing.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: {_ADVICE}")
    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path} is not a file: {_ADVICE}")
    suffix = path.suffix.lower()
    try:
        return _READERS.get(suffix, _read_npz)(path)
    except MemoryError:
        raise MemoryError(f"the arrays in {path} do not fit into memory") from None
    except (PermissionError, ImportError, _MissingError):
        raise
    except Exception:  # what is damaged raises whatever comes to those who read it
        raise ValueError(f"{path} is no {suffix or '.npz'} file of arrays: {_ADVICE}") from None


class _MissingError(ValueError):
    """Something is not in a file that is whole."""


def _read_npz(path: Path) -> Arrays:
    with open_regular(path) as file, np.load(file, allow_pickle=False) as archive:
        there = list(archive)
        names = [name for name in ("X", "y", "X_test", "y_test") if name in there]
        arrays = {name: archive[name] for name in names}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise TypeError("NumPy gives what is no array as bytes")
    if "X" not in arrays:
        held = ", ".join(there) or "nothing"
        raise _MissingError(f"{path} holds no X, but {held}: {_ADVICE}")
    return arrays


def _read_npy(path: Path) -> Arrays:
    with open_regular(path) as file:
        return {"X": np.lib.format.read_array(file, allow_pickle=False)}


def _read_parquet(path: Path) -> Arrays:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            f'{path} needs an extra ({error}): pip install "spikehead[parquet]"'
        ) from error
    with open_regular(path) as file:
        table = parquet.read_table(file)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    labels = [columns.pop(name) for name in _LABELS if name in columns]
    lists = [values for values in columns.values() if isinstance(values[0], np.ndarray)]
    X = np.stack(lists[0]) if len(lists) == 1 else np.column_stack([*columns.values()])
    return {"X": X, **({"y": labels[0]} if labels else {})}


_READERS = {".npz": _read_npz, ".npy": _read_npy, ".parquet": _read_parquet}


def _is_file_of_arrays(path: Path) -> bool:
    return path.suffix.lower() in _READERS and path.is_file()


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _read_folder(folder: Path, known: Collection[str]) -> Activations:
    """Read a folder with a file for each class."""
    entries = _entries(folder)
    files = list(filter(_is_file_of_arrays, entries))
    if not files:
        raise FileNotFoundError(f"{folder} holds no activations: put a file for each class there")
    left_out = LeftOut()
    for entry in entries:
        if entry not in files:
            left_out.add_entry(entry)
    parts = [Activations.read(file) for file in files]
    for file, part in zip(files, parts, strict=True):
        if part.y is not None:
            raise ValueError(
                f"{file} holds labels of its own, but in a folder each file is a class: give the "
                "file itself, or leave y out"
            )
        if part.X.shape[1] != parts[0].X.shape[1]:
            raise ValueError(
                f"{file} has {part.X.shape[1]} activations an example and {files[0]} "
                f"{parts[0].X.shape[1]}: all must come from one encoder"
            )
    labels = class_names((file.stem for file in files), files, known)
    return Activations(
        np.concatenate([part.X for part in parts]),
        np.repeat(labels, [len(part.X) for part in parts]),
        folder,
        [name for part in parts for name in part.names],
        left_out,
    )


def _checked(arrays: Arrays, path: Path, part: str, known: Collection[str]) -> Activations:
    """Return a part of what a file holds, or say what is wrong with it."""
    X, y = arrays[f"X{part}"], arrays.get(f"y{part}")
    numbers = X.ndim == 2 and X.dtype.kind in "fiu" and 0 not in X.shape
    if not numbers or (y is not None and y.shape != (len(X),)):
        labels = "" if y is None else f" and y{part} {y.shape}"
        raise ValueError(
            f"{path}: X{part} has the shape {X.shape}{labels}; X must be numbers in the shape "
            "(examples, activations), with one label in y for each example"
        )
    with np.errstate(over="ignore"):
        values = X.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: X{part} holds NaN or infinity; every activation must be finite")
    classes = None if y is None else _labels(y, f"{path}: y{part}", known)
    return Activations(values, classes, path, [f"{path}[{row}]" for row in range(len(X))])


def _labels(labels: NDArray[Any], source: str, known: Collection[str]) -> NDArray[np.str_]:
    """Return the classes that an array of labels means: text, bytes in UTF-8, or whole numbers."""
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "surrogateescape")
    rows = (f"{source}[{row}]" for row in range(len(labels)))
    return np.array(class_names(labels.tolist(), rows, known))
