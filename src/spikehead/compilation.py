"""How functions are compiled, and where the compiled code is kept between two runs.

It is kept beside the package, or else in the user's cache folder, or else among the system's
temporary files: wherever this user can write and nobody else can, since what lies there is run.
Where there is no such place, functions are compiled anew in each process.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

from spikehead.folders import default_cache_folder, is_private, temporary_folder

_PACKAGE = Path(__file__).parent

INLINED = (
    *("coding.py", "randomness.py"),
    *sorted(path.relative_to(_PACKAGE).as_posix() for path in _PACKAGE.glob("heads/*/*.py")),
)
"""The modules whose functions and constants become part of what is compiled in others, beside
those of the same folder."""


def compiled(function: Callable[..., Any], *, fastmath: Collection[str] = ()) -> Any:
    """Compile a function with Numba when it is first called, or take the code from an earlier run.

    Parameters
    ----------
    function : callable
        It must not need the interpreter: the compiled code runs without its lock.
    fastmath : collection of str, optional
        What may be assumed of arithmetic, as LLVM names it. Default: nothing.
    """
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy", fastmath={*fastmath})(function)
    if _folder() is not None:
        dispatcher._cache = _Cache(function)
    return dispatcher


def thread_count(n_threads: int | None) -> int:
    """Return how many threads an engine runs: as many as are asked for, or as may be used.

    Parameters
    ----------
    n_threads : int or None
        From 1; None for as many as this process may use.

    Raises
    ------
    ValueError
        If it is something else.
    """
    whole = isinstance(n_threads, Integral) and not isinstance(n_threads, bool)
    if n_threads is not None and not (whole and n_threads >= 1):
        raise ValueError(
            f"n_threads must be a whole number from 1, or None for all, not {n_threads!r}"
        )
    return n_threads or int(numba.get_num_threads())


@lru_cache
def _folder() -> Path | None:
    """Return where compiled code is kept, if there is a place for it."""
    if wanted := getattr(numba.config, "CACHE_DIR", None):
        return Path(wanted)
    name = Path("compiled", hashlib.sha256(bytes(_PACKAGE)).hexdigest()[:12])
    places: tuple[Callable[[], Path], ...] = (
        lambda: _PACKAGE / "__pycache__",
        lambda: default_cache_folder() / name,
        lambda: temporary_folder() / name,
    )
    for place in places:
        with suppress(OSError):
            folder = place()
            folder.mkdir(0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            if is_private(folder):
                return folder
    return None


@lru_cache
def _stamp(file: str) -> str:
    """Return a hash of all the sources that the compiled code of a module comes from."""
    found = hashlib.sha256()
    neighbours = sorted(Path(file).parent.glob("*.py"))
    for path in (*neighbours, *(_PACKAGE / name for name in INLINED)):
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Tells Numba where the code of a function is kept, and of which sources it is."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._file = file
        self._name = f"{function.__module__}-{function.__code__.co_firstlineno}"

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator:
        return cls(function, file)

    def get_cache_path(self) -> str:
        return str(_folder())

    def get_source_stamp(self) -> str:
        return _stamp(self._file)

    def get_disambiguator(self) -> str:
        return self._name


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's cache, which is no reason to fail: what is damaged or missing is compiled anew."""

    _impl_class = _Implementation

    def load_overload(self, *arguments: Any) -> Any:
        try:
            return super().load_overload(*arguments)
        except Exception:  # whatever unpickling a damaged file raises
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, *arguments: Any) -> None:
        with suppress(OSError):
            super().save_overload(*arguments)
