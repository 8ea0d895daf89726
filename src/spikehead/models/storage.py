"""The model folder: what it holds, and how it is saved so that a crash never harms it.

A model is a folder of plain files::

    model.json                           what the model is, and the list of its other files
    network-<12 hex>.safetensors         the arrays of the network
    <attachment>-<12 hex>.<suffix>       files the model needs, the encoder for one
    lessons/<number>-<12 hex>.safetensors    what it was taught since it was saved, lesson by lesson
    README.md                            a model card for people; sealed by a checksum, so that one
                                         that was edited by hand is left alone
    .lock                                who is at work on the model; the system frees it

Data files and lessons carry the start of their SHA-256 in their names, so nothing that the old
model needs is ever overwritten. They are written first, down to the disk; then ``model.json``,
which names them, is replaced in one step, and that step alone turns the old model into the new one,
whether the network is saved, a lesson is added or taken off, or another model takes the place; then
what nothing refers to any more is removed. A lesson is a file of its own, so that it is kept at the
cost of its own size and not of the model's. Nothing is ever pickled.

One program at a time works on a model (`writing`); those that read it never wait.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from spikehead.files import (
    chunks,
    explained,
    make_folder,
    read_file,
    replace_file,
    sha256,
    write_file,
)
from spikehead.models.lock import LOCK, ModelChangedError, ModelInUseError, changing, held
from spikehead.names import MAX_LENGTH

__all__ = [
    "ModelChangedError",
    "ModelInUseError",
    "Revision",
    "StoredLesson",
    "StoredModel",
    "add_lesson",
    "check_destination",
    "check_replaceable",
    "copy",
    "holds_model",
    "is_model",
    "is_own_file",
    "load",
    "read_lessons",
    "remove_lesson",
    "save",
    "write_card",
    "write_file",
    "writing",
]

_FORMAT = "spikehead model"
_VERSION = 2  # 1 named no lessons: all that lay in the folder counted

_MANIFEST = "model.json"
_README = "README.md"
_NETWORK = "network"
_ATTACHMENT = re.compile(r"[a-z][a-z0-9_]*")
_DATA_FILE = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{12}(\.[A-Za-z0-9]{1,16})?")
_LESSONS = "lessons"
_LESSON_FILE = re.compile(r"(?P<number>[0-9]{6,})-(?P<digest>[0-9a-f]{12})\.safetensors")
_NAMES = "|".join((r"model\.json", r"README\.md", _DATA_FILE.pattern, _LESSON_FILE.pattern))
_TEMPORARY = re.compile(rf"\.(.*\.[0-9a-f]{{16}}|{_NAMES})\.tmp")
_MOST_LABEL_BYTES = 4 * MAX_LENGTH
_LAST_SECOND = 253402300799  # of the year 9999
_LESSON_ARRAYS = {
    "label": ("u1", 1),
    "taught_at": ("f8", 1),
    "digests": ("u1", 2),
    "activations": ("f4", 2),
}
_NAMED_DIGITS = 12  # of a file's digest, in its name
_SEAL = "<!-- Written by spikehead ({}). Edit this card, and spikehead leaves it alone. -->\n"


_T = TypeVar("_T")


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


class Revision(NamedTuple):
    """A model folder as it was at one time.

    Attributes
    ----------
    folder : Path
        The folder.
    sha256 : str
        The checksum of its ``model.json``, which covers all that is the model's.
    """

    folder: Path
    sha256: str


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
    lessons : list of StoredLesson
        What it was taught since, in order.
    revision : Revision
        What was loaded, so that `save` can tell whether it is still what is there.
    """

    description: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    attachments: dict[str, Path]
    lessons: list[StoredLesson]
    revision: Revision


@contextmanager
def writing(folder: str | Path) -> Iterator[None]:
    """Keep other programs from changing a model, from before it is loaded until after it is saved.

    All that changes a model folder does so for as long as the change takes; hold it yourself where
    you load a model, work on it and save it. Other programs are told who holds it; they may read it
    all the time. Within one program it may be nested.

    Parameters
    ----------
    folder : str or Path
        A model folder, or one where a model is going to be saved.

    Raises
    ------
    ModelInUseError
        Another program holds it.
    ModelChangedError
        This program holds it already, and it was moved or removed meanwhile.
    FileExistsError, NotADirectoryError, ValueError
        As in `check_destination`.
    OSError
        It cannot be written.
    """
    check_destination(folder)
    with ExitStack() as holds:
        with explained(f"cannot write {folder}"):
            holds.enter_context(held(folder))
        yield


def is_model(folder: str | Path) -> bool:
    """Return whether the folder says that it holds a model: it has a ``model.json``."""
    with explained(f"cannot read {folder}"):
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
        with explained(f"cannot read {folder}"):
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
    digests: Mapping[str, str] | None = None,
    learned: Collection[int] = (),
    since: Revision | None = None,
) -> Revision:
    """Save a model to a folder, in place of the one that is there.

    A crash at any moment leaves the old model whole or the new one.

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
    digests : mapping of str to str, optional
        SHA-256 that attachments must have, by the same names. Default: whatever they have.
    learned : collection of int, optional
        Numbers of the folder's lessons that are part of this model, and go in the same step; the
        others stay.
    since : Revision, optional
        What the model was loaded from, or saved as before. If it is in this folder, it must still
        be what is there.

    Returns
    -------
    Revision
        What is there now.

    Raises
    ------
    FileExistsError, NotADirectoryError, ValueError
        As in `check_destination`; ``ValueError`` also for arrays or names that cannot be stored.
    ModelInUseError, ModelChangedError
        Another program is at work on the model, or has been since.
    OSError
        The disk is full, a permission is missing or the like. What was saved before is unchanged.
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

    def saved(old: dict[str, Any] | None) -> dict[str, Any]:
        files = {_NETWORK: _store(folder, _NETWORK, ".safetensors", lambda: [network])}
        for name, source in sources.items():
            digest = (digests or {}).get(name)
            files[name] = _store(folder, name, source.suffix, partial(chunks, source), digest)
        lessons = [entry for entry in _lessons(old) if _number(entry) not in learned]
        return _manifest(description, files, lessons)

    with explained(f"cannot save the model to {folder}", "; what was saved there is unchanged"):
        return _commit(folder, since, saved)


def load(folder: str | Path) -> StoredModel:
    """Load a model, after checking every byte of it against the checksums in ``model.json``.

    Parameters
    ----------
    folder : str or Path
        A folder that `save` has written.

    Returns
    -------
    StoredModel
        The description, the arrays bit for bit as they were saved, the paths of the attachments,
        and the lessons, all of one time.

    Raises
    ------
    FileNotFoundError
        The folder, its ``model.json`` or one of the data files is missing.
    ValueError
        A file is damaged, or the model was written by a newer spikehead.
    OSError
        A file cannot be read.
    """
    return _read(Path(folder), _load_files)


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
    ModelInUseError, ModelChangedError
        Another program is at work on the model.
    OSError
        As in `write_file`.
    """
    path = Path(folder) / _README
    with changing(folder):
        if path.exists():
            with explained(f"cannot read {path}"):
                present = read_file(path)
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

    Every byte is checked, and the copy takes its place in one step; its card follows.

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
        As `load` raises them of the source.
    ModelInUseError, ModelChangedError
        Another program is at work on the model in `folder`.
    OSError
        The disk is full, a permission is missing or the like; what was in the folder is unchanged.
    """
    source, folder = Path(source), Path(folder)
    check_replaceable(folder, replace=replace)
    manifest = _read(source, _checked)

    def copied(_: dict[str, Any] | None) -> dict[str, Any]:
        for entry in manifest["files"].values():
            _bring(folder / entry["name"], partial(chunks, source / entry["name"]), entry["sha256"])
        for entry in manifest["lessons"]:
            name = f"{_LESSONS}/{entry['name']}"
            _bring(folder / name, partial(chunks, source / name), entry["sha256"])
        return _manifest(manifest["description"], manifest["files"], manifest["lessons"])

    with explained(f"cannot write {folder}", "; what was there is unchanged"), held(folder):
        check_replaceable(folder, replace=replace)
        try:
            _commit(folder, None, copied)
        except FileNotFoundError as error:
            raise OSError(f"{source} was saved while it was copied: try again") from error
        if (source / _README).is_file():
            replace_file(folder / _README, chunks(source / _README))
        else:
            (folder / _README).unlink(missing_ok=True)


def check_replaceable(folder: str | Path, *, replace: bool) -> None:
    """Raise unless `copy` may write the folder; call it before a long download.

    Raises
    ------
    FileExistsError
        There is a model in it and `replace` is false, or there are files that are no model's.
    NotADirectoryError, ValueError
        As in `check_destination`.
    """
    check_destination(folder)
    if is_model(folder) and not replace:
        raise FileExistsError(
            f"{folder} is a model already: choose another folder, or have it replaced, with its "
            "lessons and its card (--replace)"
        )


def add_lesson(
    folder: str | Path, lesson: StoredLesson, *, since: Revision | None = None
) -> Revision:
    """Add a lesson to a saved model; when this returns, it is on the disk.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    lesson : StoredLesson
        With a number that no lesson of the folder has.
    since : Revision, optional
        What must still be there.

    Returns
    -------
    Revision
        What is there now.

    Raises
    ------
    FileExistsError
        There is a lesson of this number.
    ModelInUseError, ModelChangedError
        Another program is at work on the model, or has been since.
    OSError
        The disk is full, a permission is missing or the like; the folder is unchanged.
    """
    folder = Path(folder)
    content = _serialised(
        {
            "label": np.frombuffer(lesson.label.encode(errors="surrogatepass"), np.uint8),
            "taught_at": np.array([lesson.taught_at]),
            "digests": lesson.digests,
            "activations": lesson.activations,
        }
    )
    digest = sha256([content])
    name = f"{lesson.number:06}-{digest[:12]}.safetensors"

    def added(old: dict[str, Any] | None) -> dict[str, Any]:
        old = old or _read_manifest(folder)
        if any(_number(entry) == lesson.number for entry in old["lessons"]):
            raise FileExistsError(
                f"another program is teaching the model in {folder}: stop one of them"
            )
        _bring(folder / _LESSONS / name, lambda: [content], digest)
        entry = {"name": name, "bytes": len(content), "sha256": digest}
        lessons = sorted([*old["lessons"], entry], key=_number)
        return _manifest(old["description"], old["files"], lessons)

    with explained(f"cannot keep the lesson in {folder}", "; the model is unchanged"):
        return _commit(folder, since, added)


def remove_lesson(folder: str | Path, number: int, *, since: Revision | None = None) -> Revision:
    """Remove a lesson from a model folder; when this returns, it is gone from the disk.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    number : int
        The lesson's.
    since : Revision, optional
        What must still be there.

    Returns
    -------
    Revision
        What is there now.

    Raises
    ------
    FileNotFoundError
        There is no lesson of this number.
    ModelInUseError, ModelChangedError
        Another program is at work on the model, or has been since.
    OSError
        A permission is missing or the like; the folder is unchanged.
    """
    folder = Path(folder)

    def removed(old: dict[str, Any] | None) -> dict[str, Any]:
        old = old or _read_manifest(folder)
        lessons = [entry for entry in old["lessons"] if _number(entry) != number]
        if len(lessons) == len(old["lessons"]):
            raise FileNotFoundError(
                f"{folder} has no lesson {number} any more: another program has saved the model "
                "together with it"
            )
        return _manifest(old["description"], old["files"], lessons)

    with explained(f"cannot remove lesson {number} from {folder}", "; the model is unchanged"):
        return _commit(folder, since, removed)


def read_lessons(folder: str | Path) -> list[StoredLesson]:
    """Return the lessons of a model folder, in order, after checking every byte of them.

    Parameters
    ----------
    folder : str or Path
        The model folder.

    Raises
    ------
    FileNotFoundError, ValueError
        A lesson is missing or damaged, or the folder is no model.
    OSError
        It cannot be read.
    """
    return _read(Path(folder), _load_lessons)


def _read(folder: Path, read: Callable[[Path, dict[str, Any]], _T]) -> _T:
    """Read files that a manifest names, all of one time."""
    while True:
        manifest = _read_manifest(folder)
        try:
            return read(folder, manifest)
        except FileNotFoundError:
            if _read_manifest(folder) == manifest:
                raise
        # The model was saved in between, and this one is the one to read.


def _load_files(folder: Path, manifest: dict[str, Any]) -> StoredModel:
    attachments = {}
    for name, entry in manifest["files"].items():
        path = folder / entry["name"]
        content = _whole(path, entry, "restore the model from a copy", keep=name == _NETWORK)
        if name == _NETWORK:
            arrays = _deserialised(path, content)
        else:
            attachments[name] = path
    return StoredModel(
        manifest["description"],
        arrays,
        attachments,
        _load_lessons(folder, manifest),
        _revision(folder, manifest),
    )


def _load_lessons(folder: Path, manifest: dict[str, Any]) -> list[StoredLesson]:
    lessons = []
    for entry in manifest["lessons"]:
        path, number = folder / _LESSONS / entry["name"], _number(entry)
        remedy = (
            "restore it from a copy, or let the model go on without it by "
            f"spikehead.models.storage.remove_lesson({str(folder)!r}, {number})"
        )
        arrays = _deserialised(path, _whole(path, entry, remedy, keep=True))
        if wrong := _wrong_in_lesson(arrays):
            raise ValueError(f"{path} is no lesson ({wrong}): {remedy}")
        label = arrays["label"].tobytes().decode(errors="surrogatepass")
        taught_at = float(arrays["taught_at"][0])
        lessons.append(
            StoredLesson(number, label, taught_at, arrays["digests"], arrays["activations"])
        )
    return lessons


def _wrong_in_lesson(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return what keeps arrays from being a lesson; nothing where they are one."""
    for name, (kind, n_dims) in _LESSON_ARRAYS.items():
        if name not in arrays:
            return f"it has no {name}"
        if arrays[name].dtype != kind or arrays[name].ndim != n_dims:
            return f"its {name} array has another type or shape"
    label, taught_at = arrays["label"], arrays["taught_at"]
    digests, activations = arrays["digests"], arrays["activations"]
    if len(label) > _MOST_LABEL_BYTES:
        return f"its class has a name of {len(label)} bytes"
    try:
        label.tobytes().decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return "the name of its class is not Unicode"
    if taught_at.shape != (1,) or not 0 <= taught_at[0] <= _LAST_SECOND:
        return "its time is none"
    if digests.shape != (len(activations), 32):
        return "its digests do not fit its activations"
    if not np.isfinite(activations).all():
        return "its activations are not finite"
    return ""


def _checked(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest once all that it names is known to be whole."""
    _load_files(folder, manifest)
    return manifest


def _whole(path: Path, entry: Mapping[str, Any], remedy: str, *, keep: bool) -> bytes:
    """Check a file against its entry in the manifest; return its content if it is to be kept."""
    with explained(f"cannot read {path}"):
        try:
            size = path.stat().st_size
            content = [b""] if size != entry["bytes"] else chunks(path)
            found = b"".join(content) if keep else b""
            digest = sha256([found] if keep else content)
        except FileNotFoundError:
            raise FileNotFoundError(f"{path} is missing: {remedy}") from None
    if size != entry["bytes"] or not digest.startswith(entry["sha256"]):
        raise ValueError(
            f"{path} is damaged (its checksum is not the one in {_MANIFEST}): {remedy}"
        )
    return found


def _commit(
    folder: Path,
    since: Revision | None,
    change: Callable[[dict[str, Any] | None], dict[str, Any]],
) -> Revision:
    """Change a model folder: write what is new, replace the manifest, and clear what is old away.

    `change` gets the old manifest, brings what is new into the folder, and returns the new one.
    """
    path = folder / _MANIFEST
    with changing(folder):
        before = read_file(path) if is_model(folder) else None
        old = None if before is None else _read_manifest(folder)
        if since and old and since.folder == folder.resolve() and since.sha256 != old["sha256"]:
            raise ModelChangedError(
                f"the model in {folder} has been changed since it was loaded here; nothing was "
                "written: load it again and repeat what you did, or save to another folder"
            )
        try:
            new = change(old)
            replace_file(path, [json.dumps(new, indent=2, allow_nan=False).encode(), b"\n"])
        except BaseException:
            _take_back(folder, before)
            raise
        _sweep(folder, new)
        return _revision(folder, new)


def _take_back(folder: Path, before: bytes | None) -> None:
    """Bring the manifest back that was there before a change that failed, and sweep."""
    path = folder / _MANIFEST
    with suppress(OSError, ValueError):
        if before is None:
            path.unlink(missing_ok=True)
        elif read_file(path) != before:
            replace_file(path, [before])
        _sweep(folder, _read_manifest(folder) if before else None)


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
    with explained(f"cannot read {path}"):
        content = read_file(path)
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
    if version == 1:
        manifest["lessons"] = _lessons_of_version_1(folder)
    return manifest


def _lessons_of_version_1(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of lessons that no manifest names; a part of the digest is in the name."""
    entries = []
    for path in (folder / _LESSONS).glob("*.safetensors"):
        if name := _LESSON_FILE.fullmatch(path.name):
            size = path.stat().st_size
            entries.append({"name": path.name, "bytes": size, "sha256": name["digest"]})
    return sorted(entries, key=_number)


def _has_our_shape(manifest: dict[str, Any]) -> bool:
    """Return whether all keys have the right types and no file name leads out of the folder."""
    files = manifest.get("files")
    version = manifest.get("version")
    lessons = [] if version == 1 else manifest.get("lessons")
    return (
        version in (1, _VERSION)
        and isinstance(manifest.get("description"), dict)
        and isinstance(manifest.get("sha256"), str)
        and isinstance(files, dict)
        and _NETWORK in files
        and all(_is_entry(entry, _DATA_FILE) for entry in files.values())
        and isinstance(lessons, list)
        and all(_is_entry(entry, _LESSON_FILE) for entry in lessons)
        and all(_number(one) < _number(next_) for one, next_ in pairwise(lessons))
    )


def _is_entry(entry: object, form: re.Pattern[str]) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and bool(form.fullmatch(entry["name"]))
        and isinstance(entry.get("bytes"), int)
        and isinstance(entry.get("sha256"), str)
        and len(entry["sha256"]) >= _NAMED_DIGITS
    )


def _number(entry: Mapping[str, Any]) -> int:
    """Return the number of a lesson."""
    return int(entry["name"].partition("-")[0])


def _checksum(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all of the manifest but its own checksum."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return sha256([json.dumps(rest, sort_keys=True).encode()])


def _revision(folder: Path, manifest: Mapping[str, Any]) -> Revision:
    return Revision(folder.resolve(), manifest["sha256"])


def _lessons(manifest: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return manifest["lessons"] if manifest else []


def _manifest(
    description: Mapping[str, Any], files: Mapping[str, Any], lessons: list[dict[str, Any]]
) -> dict[str, Any]:
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "description": dict(description),
        "files": dict(files),
        "lessons": lessons,
    }
    return manifest | {"sha256": _checksum(manifest)}


def _store(
    folder: Path,
    name: str,
    suffix: str,
    read: Callable[[], Iterable[bytes]],
    digest: str | None = None,
) -> dict[str, Any]:
    """Bring a data file into the folder; return its manifest entry."""
    digest = digest or sha256(read())
    stem = f"{name}-{digest[:_NAMED_DIGITS]}"
    path = folder / (stem + suffix if _DATA_FILE.fullmatch(stem + suffix) else stem)
    _bring(path, read, digest)
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _bring(path: Path, read: Callable[[], Iterable[bytes]], digest: str) -> None:
    """Bring a file with a certain digest into the folder, unless it is there already."""

    def checked() -> Iterator[bytes]:
        found = hashlib.sha256()
        for chunk in read():
            found.update(chunk)
            yield chunk
        if not found.hexdigest().startswith(digest):
            raise OSError(
                f"the file to be saved as {path.name} is not what it was: put the former one back, "
                "or begin again with this one"
            )

    if not (path.is_file() and sha256(chunks(path)).startswith(digest)):
        make_folder(path.parent)
        replace_file(path, checked())


def _sealed(card: bytes) -> bytes:
    """Return the text of a card with the comment that tells whether it was edited since."""
    return card + _SEAL.format(sha256([card])).encode()


def _is_ours(name: str) -> bool:
    """Return whether spikehead gives such a name to its locks, data and temporary files."""
    return name == LOCK or bool(_DATA_FILE.fullmatch(name) or _TEMPORARY.fullmatch(name))


def _sweep(folder: Path, manifest: Mapping[str, Any] | None) -> None:
    """Remove the files with names of spikehead's making that the manifest does not name."""
    files = manifest["files"].values() if manifest else ()
    keep = {entry["name"] for entry in [*files, *_lessons(manifest)]}
    lessons = (folder / _LESSONS).glob("*")
    stale = [path for path in folder.iterdir() if _is_ours(path.name) and path.name != LOCK]
    stale += [path for path in lessons if _LESSON_FILE.fullmatch(path.name) or _is_ours(path.name)]
    for path in stale:
        if path.name not in keep:
            with suppress(OSError):
                path.unlink()
