"""The model folder: what it holds, and how it is saved so that a crash never harms it.

A model is a folder of plain files::

    model.json                           what the model is, and the list of its data files
    network-<12 hex>.safetensors         the arrays of the network
    <attachment>-<12 hex>.<suffix>       files the model needs, the encoder for one
    README.md                            a model card for people; sealed by a checksum, so that one
                                         that was edited by hand is left alone
    lessons/<number>-<12 hex>.safetensors    what it was taught since it was saved, lesson by lesson
    .lock                                empty; keeps two saves apart

Data files carry the start of their SHA-256 in their names, so a save never overwrites one that the
old model needs. They are written under temporary names, flushed to the disk and renamed; then
``model.json`` is replaced in one step, and that step alone turns the old model into the new one;
then what nothing refers to any more is removed. A lesson is one such file, so that it is kept at
the cost of its own size and not of the model's, and is undone by removing it. Nothing is ever
pickled.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

_FORMAT = "spikehead model"
_VERSION = 1

_MANIFEST = "model.json"
_README = "README.md"
_LOCK = ".lock"
_NETWORK = "network"
_ATTACHMENT = re.compile(r"[a-z][a-z0-9_]*")
_DATA_FILE = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{12}(\.[A-Za-z0-9]{1,16})?")
_LESSONS = "lessons"
_LESSON_FILE = re.compile(r"(?P<number>[0-9]{6,})-(?P<digest>[0-9a-f]{12})\.safetensors")
_TEMPORARY = re.compile(rf"\.(model\.json|README\.md|{_DATA_FILE.pattern})\.tmp")
_CHUNK = 1 << 20
_SEAL = "<!-- Written by spikehead ({}). Edit this card, and spikehead leaves it alone. -->\n"


@dataclass(frozen=True)
class StoredLesson:
    """Photos of one class that a model was taught after it was saved.

    Attributes
    ----------
    number : int
        From 1, in the order of teaching.
    label : str
        The class.
    taught_at : float
        When, in seconds since 1970 (UTC).
    digests : ndarray of uint8, shape (n_photos, 32)
        SHA-256 of each photo's file.
    activations : ndarray of float32, shape (n_photos, n_activations)
        What the encoder gave. No photo makes a lesson, too: it adds the class.
    """

    number: int
    label: str
    taught_at: float
    digests: NDArray[np.uint8]
    activations: NDArray[np.float32]


@dataclass(frozen=True)
class StoredModel:
    """What a model folder holds.

    Attributes
    ----------
    description : dict
        The description as it was saved: JSON values.
    arrays : dict of str to ndarray
        The arrays of the network; the caller owns them and may write to them.
    attachments : dict of str to Path
        The attached files, where they lie in the folder.
    """

    description: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    attachments: dict[str, Path]


def is_model(folder: str | Path) -> bool:
    """Return whether the folder says that it holds a model: it has a ``model.json``."""
    with _explained(f"cannot read {folder}"):
        return (Path(folder) / _MANIFEST).is_file()


def check_destination(folder: str | Path) -> None:
    """Raise unless a model can be saved to the folder: it is a model, is empty, or does not exist.

    Call it before long work whose result goes there; `save` does so itself.

    Raises
    ------
    FileExistsError
        The folder holds other files, which a model must not be mixed with.
    NotADirectoryError
        The path is a file.
    ValueError
        Its ``model.json`` is damaged, not of a spikehead model, or of a newer format.
    """
    folder = Path(folder)
    if is_model(folder):
        _read_manifest(folder)
    elif folder.is_dir():
        with _explained(f"cannot read {folder}"):
            foreign = sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))
        if foreign:
            raise FileExistsError(
                f"{folder} is not empty and is not a spikehead model (it holds {foreign[0]!r}): "
                "choose a new or an empty folder"
            )
    elif folder.exists():
        raise NotADirectoryError(
            f"{folder} is a file, and a model is saved as a folder: choose another name"
        )


def save(
    folder: str | Path,
    description: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    *,
    attachments: Mapping[str, str | Path] | None = None,
) -> None:
    """Save a model to a folder, in place of the one that is there.

    A crash at any moment leaves the old model whole or the new one. Saves to one folder by several
    processes follow each other; the last one stands.

    Parameters
    ----------
    folder : str or Path
        Created where it does not exist.
    description : mapping
        JSON values under str keys: whatever is needed to make sense of the arrays.
    arrays : mapping of str to ndarray
        Of booleans, integers or floats, in any shape.
    attachments : mapping of str to path, optional
        Files to copy into the folder, under names such as ``"encoder"``: small letters, digits
        and underscores. A file that is in the folder already is not copied again. An attachment of
        the old model that is not named here goes with it.

    Raises
    ------
    FileExistsError, NotADirectoryError, ValueError
        As in `check_destination`; ``ValueError`` also for arrays or names that cannot be stored.
    OSError
        The disk is full, a permission is missing or the like; what was saved before is unchanged.
    """
    folder = Path(folder)
    network = _serialised(arrays)
    sources = {name: Path(path) for name, path in (attachments or {}).items()}
    for name in sources:
        if name == _NETWORK or not _ATTACHMENT.fullmatch(name):
            raise ValueError(
                f"an attachment cannot be named {name!r}: use small letters, digits and "
                f"underscores, and not {_NETWORK!r}"
            )
    check_destination(folder)
    with (
        _explained(f"cannot save the model to {folder}", "; what was saved there is unchanged"),
        _locked(folder),
    ):
        old = _read_manifest(folder) if is_model(folder) else None
        try:
            files = {_NETWORK: _store(folder, _NETWORK, ".safetensors", lambda: [network])}
            for name, source in sources.items():
                files[name] = _store(folder, name, source.suffix, partial(_chunks, source))
            manifest = _manifest(description, files)
            text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
            written = _write_beside(folder / _MANIFEST, [text.encode()])
            _flush_folder(folder)
            written.replace(folder / _MANIFEST)
            _flush_folder(folder)
        except BaseException:
            # It may have been the last step that was interrupted: keep the files of both models.
            now = _read_manifest(folder) if is_model(folder) else None
            _sweep(folder, _names(old) | _names(now))
            raise
        _sweep(folder, _names(manifest))


def load(folder: str | Path) -> StoredModel:
    """Load a model, after checking every byte of it against the checksums in ``model.json``.

    Parameters
    ----------
    folder : str or Path
        A folder that `save` has written.

    Returns
    -------
    StoredModel
        The description, the arrays bit for bit as they were saved, the paths of the attachments.

    Raises
    ------
    FileNotFoundError
        The folder, its ``model.json`` or one of the data files is missing.
    ValueError
        A file is damaged, or the model was written by a newer spikehead.
    OSError
        A file cannot be read.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    try:
        return _load_files(folder, manifest)
    except FileNotFoundError:
        if _read_manifest(folder) == manifest:
            raise
    return load(folder)  # another process has saved in between: its model is the one to load


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file by itself, in place of the one that is there; a crash leaves the old one whole.

    Parameters
    ----------
    path : str or Path
        Its folder must exist.
    content : bytes
        What to write.

    Raises
    ------
    OSError
        The disk is full, a permission is missing or the like; what was there is unchanged.
    """
    path = Path(path)
    with _explained(f"cannot write {path}"):
        try:
            _write_beside(path, [content]).replace(path)
            _flush_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                _beside(path).unlink(missing_ok=True)
            raise


def write_card(folder: str | Path, text: str) -> bool:
    """Write ``README.md``, unless the one that is there was edited by hand.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    text : str
        The card, in Markdown. A comment with its checksum is added.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    OSError
        As in `write_file`.
    """
    path = Path(folder) / _README
    if path.exists():
        with _explained(f"cannot read {path}"):
            present = path.read_bytes()
        if present != _sealed(present.rpartition(b"<!--")[0]):
            return False
    write_file(path, _sealed(text.encode(errors="replace")))
    return True


def is_own_file(name: str) -> bool:
    """Return whether a model folder can hold a file of this name of its own.

    Parameters
    ----------
    name : str
        Relative to the folder, with slashes.
    """
    folder, _, file = name.rpartition("/")
    if folder:
        return folder == _LESSONS and bool(_LESSON_FILE.fullmatch(file))
    return name in (_MANIFEST, _README) or bool(_DATA_FILE.fullmatch(name))


def holds_model(names: Iterable[str]) -> bool:
    """Return whether files of these names can be a model: a ``model.json`` and a network."""
    own = set(filter(is_own_file, names))
    return _MANIFEST in own and any(name.startswith(f"{_NETWORK}-") for name in own)


def copy(source: str | Path, folder: str | Path, *, replace: bool = False) -> None:
    """Copy a model, with its lessons and its card, and nothing else that lies beside them.

    Every byte of the copy is checked before it takes its place.

    Parameters
    ----------
    source : str or Path
        The model folder.
    folder : str or Path
        An empty folder, or one that does not exist yet.
    replace : bool, default=False
        Whether a model in `folder` is to be replaced, with its lessons and its card.

    Raises
    ------
    FileExistsError, NotADirectoryError
        As in `check_replaceable`.
    FileNotFoundError, ValueError
        As `load` and `read_lessons` raise them of the source.
    OSError
        The disk is full, a permission is missing or the like; what was in the folder is unchanged.
    """
    source, folder = Path(source), Path(folder).resolve()
    check_replaceable(folder, replace=replace)
    load(source)
    read_lessons(source)
    with _explained(f"cannot write {folder}", "; what was there is unchanged"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            new = Path(beside, "new")
            try:
                _copy_files(source, new)
                load(new)
                read_lessons(new)
            except (FileNotFoundError, ValueError) as error:
                raise OSError(f"{source} was saved while it was copied: try again") from error
            _exchange(folder, new, Path(beside, "old"))


def check_replaceable(folder: str | Path, *, replace: bool) -> None:
    """Raise unless `copy` may write the folder; call it before a long download.

    Raises
    ------
    FileExistsError
        There is a model in it and `replace` is false, or there are files that are no model's.
    NotADirectoryError, ValueError
        As in `check_destination`.
    """
    folder = Path(folder)
    check_destination(folder)
    if not is_model(folder):
        return
    if not replace:
        raise FileExistsError(
            f"{folder} is a model already: choose another folder, or have it replaced, with its "
            "lessons and its card (--replace)"
        )
    with _explained(f"cannot read {folder}"):
        names = sorted(path.name for path in folder.iterdir())
    for name in names:
        if not (name == _LESSONS or is_own_file(name) or _is_ours(name)):
            raise FileExistsError(
                f"{folder} holds {name!r}, which is not the model's and would be lost: move it away"
            )


def _copy_files(source: Path, folder: Path) -> None:
    """Copy the model's own files to a new folder."""
    # Lessons first: those that are saved into the model meanwhile are then met twice, not missed.
    lessons = {f"{_LESSONS}/{path.name}" for path in (source / _LESSONS).glob("*")}
    names = [*filter(is_own_file, lessons), *_names(_read_manifest(source)), _MANIFEST, _README]
    for name in names:
        if name != _README or (source / name).exists():
            copied = folder / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            _write_beside(copied, _chunks(source / name)).replace(copied)
            _flush_folder(copied.parent)


def _exchange(folder: Path, new: Path, old: Path) -> None:
    """Put a new folder in the place of the one that may be there, which becomes the old one."""
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    _flush_folder(folder.parent)


def _load_files(folder: Path, manifest: dict[str, Any]) -> StoredModel:
    attachments = {}
    for name, entry in manifest["files"].items():
        path = folder / entry["name"]
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: restore the model from a copy")
        with _explained(f"cannot read {path}"):
            content = [path.read_bytes()] if name == _NETWORK else _chunks(path)
            whole = path.stat().st_size == entry["bytes"] and _sha256(content) == entry["sha256"]
        if not whole:
            raise ValueError(
                f"{path} is damaged (its checksum is not the one in {_MANIFEST}): "
                "restore the model from a copy"
            )
        if name == _NETWORK:
            arrays = _deserialised(path, b"".join(content))
        else:
            attachments[name] = path
    return StoredModel(manifest["description"], arrays, attachments)


def add_lesson(folder: str | Path, lesson: StoredLesson) -> None:
    """Add a lesson to a saved model; when this returns, it is on the disk.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    lesson : StoredLesson
        With a number that no lesson of the folder has.

    Raises
    ------
    FileExistsError
        Another program has added a lesson of this number.
    OSError
        The disk is full, a permission is missing or the like; the folder is unchanged.
    """
    lessons = Path(folder) / _LESSONS
    content = _serialised(
        {
            "label": np.frombuffer(lesson.label.encode(errors="surrogatepass"), np.uint8),
            "taught_at": np.array([lesson.taught_at]),
            "digests": lesson.digests,
            "activations": lesson.activations,
        }
    )
    path = lessons / f"{lesson.number:06}-{_sha256([content])[:12]}.safetensors"
    with (
        _explained(f"cannot keep the lesson in {folder}", "; the model is unchanged"),
        _locked(Path(folder)),
    ):
        if not lessons.is_dir():
            lessons.mkdir()
            _flush_folder(lessons.parent)
        if any(lessons.glob(f"{lesson.number:06}-*")):
            raise FileExistsError(
                f"another program is teaching the model in {folder}: stop one of them"
            )
        try:
            _write_beside(path, [content]).replace(path)
            _flush_folder(lessons)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            for leftover in lessons.glob(".*.tmp"):
                leftover.unlink()


def remove_lesson(folder: str | Path, number: int) -> None:
    """Remove a lesson from a model folder; when this returns, it is gone from the disk.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    number : int
        The lesson's.

    Raises
    ------
    FileNotFoundError
        There is no lesson of this number.
    OSError
        A permission is missing or the like; the folder is unchanged.
    """
    lessons = Path(folder) / _LESSONS
    with (
        _explained(f"cannot remove lesson {number} from {folder}", "; the model is unchanged"),
        _locked(Path(folder)),
    ):
        try:
            (path,) = lessons.glob(f"{number:06}-*.safetensors")
        except ValueError:
            raise FileNotFoundError(
                f"{folder} has no lesson {number} any more: another program has saved the model "
                "together with it"
            ) from None
        path.unlink()
        _flush_folder(lessons)


def read_lessons(folder: str | Path) -> list[StoredLesson]:
    """Return the lessons of a model folder, in order, after checking every byte of them.

    Parameters
    ----------
    folder : str or Path
        The model folder.

    Raises
    ------
    ValueError
        A lesson is damaged.
    OSError
        It cannot be read.
    """
    lessons = []
    for path in (Path(folder) / _LESSONS).glob("*.safetensors"):
        if name := _LESSON_FILE.fullmatch(path.name):
            # One that has just been undone, or saved into the model, is not there any more.
            with suppress(FileNotFoundError):
                lessons.append(_read_lesson(path, int(name["number"]), name["digest"]))
    return sorted(lessons, key=lambda lesson: lesson.number)


def _read_lesson(path: Path, number: int, digest: str) -> StoredLesson:
    with _explained(f"cannot read {path}"):
        content = path.read_bytes()
    if not _sha256([content]).startswith(digest):
        raise ValueError(
            f"{path} is damaged (its checksum is not the one in its name): restore it from a copy, "
            "or remove it, and the model goes on without this lesson"
        )
    arrays = _deserialised(path, content)
    return StoredLesson(
        number,
        arrays["label"].tobytes().decode(errors="surrogatepass"),
        float(arrays["taught_at"][0]),
        arrays["digests"],
        arrays["activations"],
    )


def _serialised(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise ValueError(
                f"array {name!r} has the type {array.dtype}, which a model cannot store: "
                "use booleans, integers or floats"
            )
    return safetensors.numpy.save(
        {name: np.asarray(array, order="C") for name, array in arrays.items()}
    )


def _deserialised(path: Path, content: bytes) -> dict[str, NDArray[Any]]:
    try:
        arrays = safetensors.numpy.load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a safetensors file of arrays: {error}") from error
    return {name: np.array(array) for name, array in arrays.items()}


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Return the checked content of ``model.json``."""
    path = folder / _MANIFEST
    if not is_model(folder):
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist: give the folder of a saved model")
        raise FileNotFoundError(
            f"{folder} is not a spikehead model (it has no {_MANIFEST}): "
            "give the folder of a saved model"
        )
    with _explained(f"cannot read {path}"):
        content = path.read_bytes()
    try:
        manifest = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged (it is not JSON): restore the model from a copy"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ValueError(
            f"{path} does not describe a spikehead model: give the folder of a saved model"
        )
    version = manifest.get("version")
    if isinstance(version, int) and version > _VERSION:
        raise ValueError(
            f"{folder} was written by a newer spikehead (format {version}; this one reads up to "
            f"{_VERSION}): upgrade with pip install -U spikehead"
        )
    if not _has_our_shape(manifest):
        raise ValueError(
            f"{path} is damaged (its content is not that of a model): restore the model from a copy"
        )
    if manifest["sha256"] != _checksum(manifest):
        raise ValueError(
            f"{path} has been changed since it was saved (its checksum does not match): "
            "restore the model from a copy"
        )
    return manifest


def _has_our_shape(manifest: dict[str, Any]) -> bool:
    """Return whether all keys have the right types and no file name leads out of the folder."""
    files = manifest.get("files")
    return (
        manifest.get("version") == _VERSION
        and isinstance(manifest.get("description"), dict)
        and isinstance(manifest.get("sha256"), str)
        and isinstance(files, dict)
        and _NETWORK in files
        and all(
            isinstance(entry, dict)
            and isinstance(entry.get("name"), str)
            and _DATA_FILE.fullmatch(entry["name"])
            and isinstance(entry.get("bytes"), int)
            and isinstance(entry.get("sha256"), str)
            for entry in files.values()
        )
    )


def _checksum(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all of the manifest but its own checksum."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return _sha256([json.dumps(rest, sort_keys=True).encode()])


def _names(manifest: Mapping[str, Any] | None) -> set[str]:
    """Return the names of the data files that a manifest refers to."""
    return {entry["name"] for entry in manifest["files"].values()} if manifest else set()


def _manifest(description: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "description": dict(description),
        "files": dict(files),
    }
    return manifest | {"sha256": _checksum(manifest)}


def _store(
    folder: Path, name: str, suffix: str, read: Callable[[], Iterable[bytes]]
) -> dict[str, Any]:
    """Bring a data file into the folder, unless it is there already; return its manifest entry."""
    digest = _sha256(read())
    stem = f"{name}-{digest[:12]}"
    path = folder / (stem + suffix if _DATA_FILE.fullmatch(stem + suffix) else stem)
    if not (path.is_file() and _sha256(_chunks(path)) == digest):
        written = _write_beside(path, read())
        if _sha256(_chunks(written)) != digest:
            raise OSError(f"the file to be saved as {path} changed meanwhile: try again")
        written.replace(path)
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _sealed(card: bytes) -> bytes:
    """Return the text of a card with the comment that tells whether it was edited since."""
    return card + _SEAL.format(_sha256([card])).encode()


def _write_beside(path: Path, content: Iterable[bytes]) -> Path:
    """Write a file under a temporary name, down to the disk, ready to be renamed to its own."""
    temporary = _beside(path)
    with temporary.open("wb") as file:
        for chunk in content:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _sha256(content: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest()


def _is_ours(name: str) -> bool:
    """Return whether this module gives such a name to its locks, data and temporary files."""
    return name == _LOCK or bool(_DATA_FILE.fullmatch(name) or _TEMPORARY.fullmatch(name))


def _sweep(folder: Path, keep: set[str]) -> None:
    """Remove the files with names of this module's making that nothing refers to any more."""
    for path in folder.iterdir():
        if _is_ours(path.name) and path.name not in keep | {_LOCK}:
            with suppress(OSError):
                path.unlink()


def _flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can: Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Create the folder and hold its lock, which the system takes back from a process that dies."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _flush_folder(folder.parent)
    with (folder / _LOCK).open("ab") as file:
        _lock(file.fileno())
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        while True:
            # Windows gives up after ten seconds; a long save of another process takes longer.
            with suppress(OSError):
                return msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def _explained(what: str, consequence: str = "") -> Iterator[None]:
    """Turn an error of the system into one sentence that says what could not be done, and why."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            reason = "the disk is full, free some space and try again"
        elif error.filename is not None and str(error.filename) not in what:
            reason = f"{reason} ({error.filename})"
        raise type(error)(f"{what}: {reason}{consequence}") from error
