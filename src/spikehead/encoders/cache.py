"""Activations on disk, so that no photo is encoded twice."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders.encoder import Encoder
from spikehead.files import check_database
from spikehead.folders import CACHE_VARIABLE, default_cache_folder

_TIMEOUT = 60.0  # seconds to wait for another process

# SQLite's words for what keeps a database that may be whole from being used.
_HINDRANCES = (
    "attempt to write a readonly database",
    "database is locked",
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
)

_T = TypeVar("_T")


class ActivationCache:
    """The activations that an encoder gave, by the SHA-256 of the photo's file.

    One SQLite database for each encoder fingerprint, and each provider that computes it (its
    rounding is its own), written batch by batch: a process that is killed loses one batch at most,
    and several processes can share it. Each entry has a checksum over the encoder, the photo and
    the activations: one that is damaged, or stands in the place of another, counts as missing. A
    damaged database is set aside and begun anew, and one that cannot be used is done without, each
    with a warning: what happens to a cache never stops the work.
    It can be used from several threads, and as a context manager, which closes it.

    Parameters
    ----------
    encoder : Encoder
        The encoder whose activations they are.
    folder : str or Path, optional
        Where the databases lie; created where it does not exist. Default: that of
        `default_cache_folder`.
    """

    def __init__(self, encoder: Encoder, folder: str | Path | None = None) -> None:
        self._folder = folder
        provider = getattr(encoder, "provider", "cpu")
        self._encoder = encoder.fingerprint + (f"-{provider}" if provider != "cpu" else "")
        self._n_activations = encoder.n_activations
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._usable = True
        self._use(lambda _: None)

    @property
    def path(self) -> Path:
        """The database."""
        return Path(self._folder or default_cache_folder()) / f"{self._encoder}.sqlite"

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
        if not isinstance(blob, bytes) or checksum != self._checksum(digest, blob):
            return None
        return np.frombuffer(blob, "<f4", self._n_activations).astype(np.float32)

    def put(self, activations: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keep the activations for some photos: all of them or, if it fails, none.

        Parameters
        ----------
        activations : mapping of bytes to ndarray of float32, shape (n_activations,)
            What the encoder gave, by the SHA-256 of the photo's file.
        """
        blobs = {digest: row.astype("<f4").tobytes() for digest, row in activations.items()}
        rows = [(digest, blob, self._checksum(digest, blob)) for digest, blob in blobs.items()]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO activations VALUES (?, ?, ?)", rows)

        self._use(insert)

    def close(self) -> None:
        """Close the database; it opens again when it is used."""
        with self._lock:
            self._close()

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

    def _checksum(self, digest: bytes, blob: bytes) -> bytes:
        return hashlib.sha256(b"%s %s %s" % (self._encoder.encode(), digest, blob)).digest()

    def _use(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do something with the database: a new one if it is damaged, none if there can be none."""
        with self._lock:
            if not self._usable:
                return None
            try:
                try:
                    return work(self._opened())
                except (sqlite3.Error, UnicodeDecodeError) as error:
                    if str(error) in _HINDRANCES:
                        raise
                    self._set_aside()
                    return work(self._opened())
            except (OSError, sqlite3.Error) as error:
                self._do_without(error)
                return None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            check_database(self.path)
            self._connection = sqlite3.connect(self.path, timeout=_TIMEOUT, check_same_thread=False)
            self._connection.executescript(
                """
                PRAGMA synchronous = NORMAL;
                PRAGMA trusted_schema = OFF;
                PRAGMA cell_size_check = ON;
                CREATE TABLE IF NOT EXISTS activations
                    (digest BLOB PRIMARY KEY, activations BLOB NOT NULL, checksum BLOB NOT NULL);
                """
            )
        return self._connection

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _set_aside(self) -> None:
        self._close()
        aside = self.path.with_suffix(".damaged")
        self.path.replace(aside)
        self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)
        warnings.warn(
            f"the activation cache {self.path} is damaged: it was set aside as {aside.name}, and "
            "photos are encoded again",
            stacklevel=4,
        )

    def _do_without(self, error: Exception) -> None:
        self._close()
        self._usable = False
        try:
            where = f" {self.path}"
        except OSError:  # there is no place for one
            where = ""
        warnings.warn(
            f"cannot use the activation cache{where} ({error}): photos are encoded without it; "
            f"name another folder with --cache or in the environment variable {CACHE_VARIABLE}",
            stacklevel=4,
        )
