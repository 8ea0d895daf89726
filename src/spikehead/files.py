"""Files: only regular ones are read, and one is written whole, in one step, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 20
_SHOWN = 48  # characters of a file's name that its temporary one begins with
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_CREATE = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


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
    with explained(f"cannot write {path}"):
        replace_file(Path(path), [content])


def replace_file(path: Path, content: Iterable[bytes]) -> None:
    """Replace a file in one step; when this returns, the new one is on the disk.

    It is written beside, under a name that nobody can foresee and that must not exist, so that no
    link that somebody has laid there leads elsewhere.
    """
    beside = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(beside, _CREATE, 0o666), "wb") as file:
            for chunk in content:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read it, unless it is a pipe, a device or the like, which might never end.

    Raises
    ------
    OSError
        It cannot be read, or is not a regular file.
    """
    descriptor = os.open(path, _READ)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(f"{path} is not a regular file: put the file itself in its place")


def check_regular(path: Path) -> None:
    """Raise unless a regular file or nothing lies at a path that others are going to open.

    It is not opened: to close a file lets go of the locks that this process has on it.

    Raises
    ------
    OSError
        A folder, a link, a pipe or the like lies there.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(f"{path} is not a regular file")


def check_database(path: Path) -> None:
    """Raise unless SQLite finds regular files or nothing at a path, and beside it.

    Raises
    ------
    OSError
        A folder, a link, a pipe or the like lies there.
    """
    for suffix in ("", "-journal", "-wal", "-shm"):
        check_regular(path.with_name(path.name + suffix))


def no_link(path: str, flags: int) -> int:
    """Open what is no link: the opener for a file that is gone on with, whose name is known."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def read_file(path: str | Path) -> bytes:
    """Return the content of a regular file."""
    with open_regular(path) as file:
        return file.read()


def chunks(path: str | Path) -> Iterator[bytes]:
    """Yield the content of a regular file, piece by piece."""
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def sha256(content: Iterable[bytes]) -> str:
    """Return the SHA-256 of what the pieces make together, in hexadecimal."""
    digest = hashlib.sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest()


def make_folder(folder: Path) -> None:
    """Create a folder, and those above it, where there is none."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
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
def explained(what: str, consequence: str = "") -> Iterator[None]:
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
