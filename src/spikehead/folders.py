"""Where spikehead keeps what it can make again, and what it trusts there."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

CACHE_VARIABLE = "SPIKEHEAD_CACHE"
"""The environment variable that names another cache folder."""


def default_cache_folder() -> Path:
    """Return ``SPIKEHEAD_CACHE`` if it is set, else ``spikehead`` in the user's cache folder.

    Raises
    ------
    OSError
        The user has no home, and `temporary_folder` cannot stand in for it.
    """
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder)
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        parent = "~/Library/Caches"
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(parent).expanduser() / "spikehead"
    except RuntimeError:
        return temporary_folder()


def temporary_folder() -> Path:
    """Return a folder of this user, and of nobody else, among the system's temporary files.

    Raises
    ------
    OSError
        It cannot be made, or somebody else has made it.
    """
    user = getattr(os, "geteuid", int)()
    folder = Path(tempfile.gettempdir()) / f"spikehead-{user}"
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    if not is_private(folder):
        raise OSError(
            f"{folder} belongs to somebody else: name a folder of your own in the environment "
            f"variable {CACHE_VARIABLE}"
        )
    return folder


def is_private(folder: Path) -> bool:
    """Return whether a folder is this user's, and nobody else can change or exchange it.

    Where the system has no owners and modes as POSIX does, every folder counts as private.
    """
    if os.name != "posix":
        return True
    user = os.geteuid()
    own, *above = (path.lstat() for path in (folder, *folder.resolve().parents))
    return (
        stat.S_ISDIR(own.st_mode)
        and own.st_uid == user
        and not own.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        and all(
            path.st_uid in (0, user)
            and (not path.st_mode & stat.S_IWOTH or path.st_mode & stat.S_ISVTX)
            for path in above
        )
    )
