"""Where a study is kept: Optuna's storages, opened so that a killed process leaves them whole."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from spikehead.files import check_database, check_regular
from spikehead.names import first_line, shown

_TRIES = 50  # to open a database whose tables another process is making
_PAUSE = 0.1  # seconds between them
_MADE_BY_ANOTHER = ("already exists", "UNIQUE constraint", "duplicate key")


def opened(storage: str) -> BaseStorage:
    """Open what `Study` takes as its storage."""
    if storage.startswith("journal:"):
        path = storage.removeprefix("journal:")
        check_regular(Path(path))
        return JournalStorage(JournalFileBackend(path))
    if storage.startswith("sqlite:"):
        check_database(Path(make_url(storage).database or ""))
        return _database(storage, {"connect_args": {"factory": _SQLite, "timeout": 60.0}})
    return _database(storage, {})


@contextmanager
def usable() -> Iterator[None]:
    """Say in one sentence that the storage, or what it holds, cannot be used."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # what is damaged raises whatever comes to Optuna and its drivers
        reason = shown(first_line(_origin(error)))
        raise OSError(
            f"cannot use the study's storage: {reason}; check that it can be reached and written, "
            "is whole and has room, and give the same command again, or begin another study"
        ) from error


class _SQLite(sqlite3.Connection):
    """One to a database that a killed process leaves whole, and that does not wait for the disk."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")


def _database(storage: str, options: dict[str, Any], tries: int = _TRIES) -> RDBStorage:
    try:
        return RDBStorage(storage, engine_kwargs=options)
    except ImportError as error:
        raise ImportError(
            f"the study's storage needs a driver for its database ({error.__cause__}); for "
            "postgresql+psycopg:// install it with: pip install 'psycopg[binary]'"
        ) from None
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        if not tries or not any(word in str(_origin(error)) for word in _MADE_BY_ANOTHER):
            raise
    time.sleep(_PAUSE)
    return _database(storage, options, tries - 1)


def _origin(error: BaseException) -> BaseException:
    """Return what the database's driver has said, if it has."""
    return getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
