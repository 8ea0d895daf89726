"""The model folder: what it holds, and how it is saved so that a crash never harms it.

A model is a folder of plain files::

    model.json                           what the model is, and the list of its other files
    network-<12 hex>.safetensors         the arrays of the network
    <attachment>-<12 hex>.<suffix>       files the model needs, the encoder for one
    lessons/<number>-<12 hex>.safetensors    what it was taught since it was saved, lesson by lesson
    README.md                            a model card for people; sealed by a checksum, so that one
                                         that was edited by hand is left alone
    .lock                                who is at work on the model; the system frees it
    queue/                               photos that wait for a teacher (`spikehead.models.queue`);
                                         no part of the model, so no copy or push takes them along

Data files and lessons carry the start of their SHA-256 in their names, so nothing that the old
model needs is ever overwritten. They are written first, down to the disk; then ``model.json``,
which names them, is replaced in one step, and that step alone turns the old model into the new one,
whether the network is saved, a lesson is added or taken off, or another model takes the place; then
what nothing refers to any more is removed. A lesson is a file of its own, so that it is kept at the
cost of its own size and not of the model's. Nothing is ever pickled. What the files are called and
what ``model.json`` says stands in `spikehead.models.schema`.

One program at a time works on a model (`writing`); those that read it never wait.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from numpy.typing import NDArray

from spikehead.files import (
    chunks,
    explained,
    make_folder,
    read_file,
    replace_file,
    sha256,
    write_file,
)
from spikehead.models.arrays import packed, unpacked
from spikehead.models.lessons import StoredLesson
from spikehead.models.lock import LOCK, ModelChangedError, changing, held
from spikehead.models.schema import (
    CARD,
    LESSONS,
    MANIFEST,
    NETWORK,
    Manifest,
    StoredFile,
    check_attachment,
    data_file,
    is_model,
    lesson_file,
    may_be_left_over,
    read_manifest,
)

__all__ = [
    "Revision",
    "StoredModel",
    "add_lesson",
    "check_destination",
    "check_replaceable",
    "copy",
    "is_model",
    "load",
    "read_lessons",
    "remove_lesson",
    "save",
    "write_card",
    "writing",
]

_SEAL = "<!-- Written by spikehead ({}). Edit this card, and spikehead leaves it alone. -->\n"

_T = TypeVar("_T")


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
        read_manifest(folder)
    elif folder.is_dir():
        with explained(f"cannot read {folder}"):
            names = [path.name for path in folder.iterdir()]
        foreign = sorted(name for name in names if not may_be_left_over(name))
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
    network = packed(arrays)
    sources = {name: Path(path) for name, path in (attachments or {}).items()}
    for name in sources:
        check_attachment(name)
    check_destination(folder)

    def saved(old: Manifest | None) -> Manifest:
        files = {NETWORK: _store(folder, NETWORK, ".safetensors", lambda: [network])}
        for name, source in sources.items():
            digest = (digests or {}).get(name)
            files[name] = _store(folder, name, source.suffix, partial(chunks, source), digest)
        lessons = [lesson for lesson in old.lessons if lesson.number not in learned] if old else []
        return Manifest(dict(description), files, lessons)

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
    path = Path(folder) / CARD
    with changing(folder):
        if path.exists():
            with explained(f"cannot read {path}"):
                present = read_file(path)
            if present != _sealed(present.rpartition(b"<!--")[0]):
                return False
        write_file(path, _sealed(text.encode(errors="replace")))
        return True


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

    def copied(_: Manifest | None) -> Manifest:
        for file in manifest.files.values():
            _bring(folder / file.name, partial(chunks, source / file.name), file.sha256)
        for lesson in manifest.lessons:
            name = f"{LESSONS}/{lesson.name}"
            _bring(folder / name, partial(chunks, source / name), lesson.sha256)
        return manifest

    with explained(f"cannot write {folder}", "; what was there is unchanged"), held(folder):
        check_replaceable(folder, replace=replace)
        try:
            _commit(folder, None, copied)
        except FileNotFoundError as error:
            raise OSError(f"{source} was saved while it was copied: try again") from error
        if (source / CARD).is_file():
            replace_file(folder / CARD, chunks(source / CARD))
        else:
            (folder / CARD).unlink(missing_ok=True)


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
    content = lesson.packed()
    digest = sha256([content])
    file = StoredFile(lesson_file(lesson.number, digest), len(content), digest)

    def added(old: Manifest | None) -> Manifest:
        old = old or read_manifest(folder)
        if any(one.number == lesson.number for one in old.lessons):
            raise FileExistsError(
                f"another program is teaching the model in {folder}: stop one of them"
            )
        _bring(folder / LESSONS / file.name, lambda: [content], digest)
        lessons = sorted([*old.lessons, file], key=lambda one: one.number)
        return replace(old, lessons=lessons)

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

    def removed(old: Manifest | None) -> Manifest:
        old = old or read_manifest(folder)
        lessons = [lesson for lesson in old.lessons if lesson.number != number]
        if len(lessons) == len(old.lessons):
            raise FileNotFoundError(
                f"{folder} has no lesson {number} any more: another program has saved the model "
                "together with it"
            )
        return replace(old, lessons=lessons)

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


def _read(folder: Path, read: Callable[[Path, Manifest], _T]) -> _T:
    """Read files that a manifest names, all of one time."""
    while True:
        manifest = read_manifest(folder)
        try:
            return read(folder, manifest)
        except FileNotFoundError:
            if read_manifest(folder) == manifest:
                raise
        # The model was saved in between, and this one is the one to read.


def _load_files(folder: Path, manifest: Manifest) -> StoredModel:
    attachments = {}
    for name, file in manifest.files.items():
        path = folder / file.name
        content = _whole(path, file, "restore the model from a copy", keep=name == NETWORK)
        if name == NETWORK:
            arrays = unpacked(path, content)
        else:
            attachments[name] = path
    return StoredModel(
        manifest.description,
        arrays,
        attachments,
        _load_lessons(folder, manifest),
        Revision(folder.resolve(), manifest.sha256),
    )


def _load_lessons(folder: Path, manifest: Manifest) -> list[StoredLesson]:
    lessons = []
    for file in manifest.lessons:
        path = folder / LESSONS / file.name
        remedy = (
            "restore it from a copy, or let the model go on without it by "
            f"spikehead.models.storage.remove_lesson({str(folder)!r}, {file.number})"
        )
        content = _whole(path, file, remedy, keep=True)
        lessons.append(StoredLesson.unpacked(file.number, path, content, remedy=remedy))
    return lessons


def _checked(folder: Path, manifest: Manifest) -> Manifest:
    """Return a manifest once all that it names is known to be whole."""
    _load_files(folder, manifest)
    return manifest


def _whole(path: Path, file: StoredFile, remedy: str, *, keep: bool) -> bytes:
    """Check a file against what the manifest says of it; return its content if it is to be kept."""
    with explained(f"cannot read {path}"):
        try:
            size = path.stat().st_size
            content = [b""] if size != file.bytes else chunks(path)
            found = b"".join(content) if keep else b""
            digest = sha256([found] if keep else content)
        except FileNotFoundError:
            raise FileNotFoundError(f"{path} is missing: {remedy}") from None
    if size != file.bytes or not digest.startswith(file.sha256):
        raise ValueError(f"{path} is damaged (its checksum is not the one in {MANIFEST}): {remedy}")
    return found


def _commit(
    folder: Path,
    since: Revision | None,
    change: Callable[[Manifest | None], Manifest],
) -> Revision:
    """Change a model folder: write what is new, replace the manifest, and clear what is old away.

    `change` gets the old manifest, brings what is new into the folder, and returns the new one.
    """
    path = folder / MANIFEST
    with changing(folder):
        before = read_file(path) if is_model(folder) else None
        old = None if before is None else read_manifest(folder)
        if since and old and since.folder == folder.resolve() and since.sha256 != old.sha256:
            raise ModelChangedError(
                f"the model in {folder} has been changed since it was loaded here; nothing was "
                "written: load it again and repeat what you did, or save to another folder"
            )
        try:
            new = change(old)
            replace_file(path, [new.content()])
        except BaseException:
            _take_back(folder, before)
            raise
        _sweep(folder, new)
        return Revision(folder.resolve(), new.sha256)


def _take_back(folder: Path, before: bytes | None) -> None:
    """Bring the manifest back that was there before a change that failed, and sweep."""
    path = folder / MANIFEST
    with suppress(OSError, ValueError):
        if before is None:
            path.unlink(missing_ok=True)
        elif read_file(path) != before:
            replace_file(path, [before])
        _sweep(folder, read_manifest(folder) if before else None)


def _store(
    folder: Path,
    name: str,
    suffix: str,
    read: Callable[[], Iterable[bytes]],
    digest: str | None = None,
) -> StoredFile:
    """Bring a data file into the folder."""
    digest = digest or sha256(read())
    path = folder / data_file(name, digest, suffix)
    _bring(path, read, digest)
    return StoredFile(path.name, path.stat().st_size, digest)


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


def _sweep(folder: Path, manifest: Manifest | None) -> None:
    """Remove the files with names of spikehead's making that the manifest does not name."""
    named = [*manifest.files.values(), *manifest.lessons] if manifest else []
    keep = {LOCK, *(file.name for file in named)}
    for path in [*folder.iterdir(), *(folder / LESSONS).glob("*")]:
        name = path.relative_to(folder).as_posix()
        if may_be_left_over(name) and path.name not in keep:
            with suppress(OSError):
                path.unlink()
