"""One writer at a time: who works on a folder holds its lock, and says in it who that is."""

from __future__ import annotations

import atexit
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from spikehead.files import make_folder, open_regular
from spikehead.names import shown

LOCK = ".lock"
"""Name of the file in the folder that is locked."""

PATIENCE = 1.0
"""Seconds to wait for a program that only saves something; one that works there takes longer."""

_SIGNATURE_BYTES = 4096


class ModelInUseError(OSError):
    """Another program is at work on the model."""


class ModelChangedError(OSError):
    """Another program has changed, moved or removed the model meanwhile."""


@dataclass
class _Hold:
    """What this process holds, for as long as one of its parts does."""

    folder: Path
    lock: FileLock
    made: bool
    signature: bytes = b""
    depth: int = 0
    turn: threading.RLock = field(default_factory=threading.RLock)

    def sign(self, descriptor: int) -> None:
        holder = {
            "program": _program(),
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": time.time(),
        }
        self.signature = json.dumps(holder).encode()
        os.ftruncate(descriptor, 0)
        # Windows locks the first byte against readers, too.
        os.write(descriptor, b"\n" + self.signature)

    def check(self) -> None:
        if _signature(self.folder) != self.signature:
            raise ModelChangedError(
                f"{self.folder} was moved or removed, or another program took it over, while this "
                "one was at work on it; nothing was written: see where it is, and begin again"
            )


_held: dict[Path, _Hold] = {}
_registry = threading.RLock()  # a teacher that is forgotten lets go wherever its thread is


@contextmanager
def held(folder: str | Path) -> Iterator[_Hold]:
    """Hold a folder, made where there is none, against other processes; within this one, nest it.

    The system frees it when the process ends, however it ends. A process that was forked off holds
    nothing.

    Parameters
    ----------
    folder : str or Path
        The folder. One that was made for it and is still empty at the end is removed.

    Raises
    ------
    ModelInUseError
        Another process holds it; the message says who, and since when.
    ModelChangedError
        It is held by this process, but is not where it was.
    OSError
        It cannot be written.
    """
    hold = _enter(Path(folder).resolve())
    try:
        hold.check()
        yield hold
    finally:
        _leave(hold)


@contextmanager
def changing(folder: str | Path) -> Iterator[None]:
    """Hold a folder for one change, made by one thread at a time.

    Raises
    ------
    OSError
        As in `held`.
    """
    with held(folder) as hold, hold.turn:
        hold.check()
        yield


def _enter(folder: Path) -> _Hold:
    with _registry:
        if folder not in _held:
            _held[folder] = _taken(folder)
        _held[folder].depth += 1
        return _held[folder]


def _taken(folder: Path) -> _Hold:
    made = not folder.is_dir()
    make_folder(folder)
    lock = FileLock(
        folder / LOCK,
        thread_local=False,
        on_acquired=lambda descriptor: hold.sign(descriptor),
    )
    hold = _Hold(folder, lock, made)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise ModelInUseError(
            f"{folder} is in use by {_holder(folder)}: wait until it is done, or stop it"
        ) from None
    return hold


def _leave(hold: _Hold) -> None:
    with _registry:
        if _held.get(hold.folder) is not hold:
            return  # this process was forked off meanwhile, or ends
        hold.depth -= 1
        if not hold.depth:
            del _held[hold.folder]
            _release(hold)


def _release(hold: _Hold) -> None:
    with suppress(OSError):
        hold.check()
        os.truncate(hold.folder / LOCK, 0)
        if hold.made and os.listdir(hold.folder) == [LOCK]:  # noqa: PTH208
            (hold.folder / LOCK).unlink()
            hold.folder.rmdir()
    hold.lock.release()


@atexit.register
def _release_all() -> None:
    while _held:
        _release(_held.popitem()[1])


def _forget() -> None:
    """Start anew in a process that was forked off: it holds nothing."""
    global _registry
    _held.clear()
    _registry = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _program() -> str:
    """Return what a user calls this program."""
    name = Path(sys.argv[0]).stem if sys.argv else ""
    return " ".join([name, *sys.argv[1:2]]) if name == "spikehead" else name or "python"


def _signature(folder: Path) -> bytes:
    """Return what the last holder of a folder has signed with; nothing where there is none."""
    try:
        with open_regular(folder / LOCK) as file:
            file.seek(1)
            return file.read(_SIGNATURE_BYTES)
    except OSError:
        return b""


def _holder(folder: Path) -> str:
    """Return who holds a folder, and since when, as far as it is known."""
    try:
        signed = json.loads(_signature(folder))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(signed["since"]))
        who = f"{signed['program']} (process {signed['process']} on {signed['host']})"
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return "another program"
    return f"{shown(who)[:200]} since {since}"
