"""Activations on disk, so that no photo is encoded twice."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.encoder import Encoder

_VARIABLE = "SPIKEHEAD_CACHE"
_TIMEOUT = 60.0  # seconds to wait for another process

_T = TypeVar("_T")


def default_cache_folder() -> Path:
    """Return ``SPIKEHEAD_CACHE`` if it is set, else ``spikehead`` in the user's cache folder."""
    if folder := os.environ.get(_VARIABLE):
        return Path(folder)
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        parent = "~/Library/Caches"
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(parent).expanduser() / "spikehead"


class ActivationCache:
    """The activations that an encoder gave, by the SHA-256 of the photo's file.

    One SQLite database for each encoder fingerprint, written batch by batch: a process that is
    killed loses one batch at most, and several processes can share it. A damaged database is set
    aside with a warning and begun anew. It can be used from several threads, and as a context
    manager, which closes it.

    Parameters
    ----------
    encoder : Encoder
        The encoder whose activations they are.
    folder : str or Path, optional
        Where the databases lie; created where it does not exist. Default: that of
        `default_cache_folder`.

    Attributes
    ----------
    path : Path
        The database.

    Raises
    ------
    OSError
        The database cannot be written, now or later: the disk is full, or the like.
    """

    def __init__(self, encoder: Encoder, folder: str | Path | None = None) -> None:
        self.path = Path(folder or default_cache_folder()) / f"{encoder.fingerprint}.sqlite"
        self._n_activations = encoder.n_activations
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._use(lambda _: None)

    def get(self, digest: bytes) -> NDArray[np.float32] | None:
        """Return the activations for a photo, shape (n_activations,); None if they are not here.

        Parameters
        ----------
        digest : bytes
            SHA-256 of the photo's file.
        """
        found = self._use(
            lambda connection: connection.execute(
                "SELECT activations, checksum FROM activations WHERE digest = ?", (digest,)
            ).fetchone()
        )
        if found is None:
            return None
        blob, checksum = found
        if len(blob) != 4 * self._n_activations or zlib.crc32(blob) != checksum:
            return None
        return np.frombuffer(blob, "<f4").astype(np.float32)

    def put(self, activations: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keep the activations for some photos: all of them or, if it fails, none.

        Parameters
        ----------
        activations : mapping of bytes to ndarray of float32, shape (n_activations,)
            What the encoder gave, by the SHA-256 of the photo's file.
        """
        blobs = {digest: row.astype("<f4").tobytes() for digest, row in activations.items()}
        rows = [(digest, blob, zlib.crc32(blob)) for digest, blob in blobs.items()]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO activations VALUES (?, ?, ?)", rows)

        self._use(insert)

    def close(self) -> None:
        """Close the database; it opens again when it is used."""
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> ActivationCache:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the database."""
        self.close()

    def _use(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do something with the database, and do it again with a new one if this one is damaged."""
        with self._lock:
            try:
                try:
                    return work(self._opened())
                except sqlite3.DatabaseError as error:
                    if type(error) is not sqlite3.DatabaseError:  # full, locked, read-only...
                        raise
                    self._set_aside(error)
                    return work(self._opened())
            except (OSError, sqlite3.Error) as error:
                raise OSError(
                    f"cannot use the activation cache {self.path}: {error}; make room there, or "
                    f"name another folder in the environment variable {_VARIABLE}"
                ) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=_TIMEOUT, check_same_thread=False)
            self._connection.executescript(
                """
                PRAGMA synchronous = NORMAL;
                CREATE TABLE IF NOT EXISTS activations
                    (digest BLOB PRIMARY KEY, activations BLOB NOT NULL, checksum INTEGER NOT NULL);
                """
            )
        return self._connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None
        aside = self.path.with_suffix(".damaged")
        self.path.replace(aside)
        self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)
        warnings.warn(
            f"the activation cache {self.path} is damaged ({error}): it was set aside as "
            f"{aside.name}, and photos are encoded again",
            stacklevel=4,
        )
