"""Work spread over a Ray cluster: functions run on its CPUs, and a machine lost is made good."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from spikehead.names import first_line

try:
    import ray
    from ray._private import worker
    from ray.exceptions import RayError, RayTaskError
except ImportError:
    raise ImportError(
        "a cluster needs Ray; install it with: pip install 'spikehead[ray]'"
    ) from None

T = TypeVar("T")

_TIMEOUT = 10.0  # seconds for a cluster to answer; Ray itself would try for minutes


@dataclass(frozen=True)
class Shared:
    """A value that lies in the cluster; `Cluster.share` makes it, `Cluster.submit` takes it."""

    reference: ray.ObjectRef[Any]


class Cluster:
    """A Ray cluster, joined; a context manager, which leaves it.

    A task has one CPU, and should compute with one thread. One whose process or machine is lost
    runs again elsewhere, up to three times. Every machine needs spikehead in the same version.
    Where this process has joined a cluster before, that one is used, and stays joined.

    Parameters
    ----------
    address : str, default="local"
        ``"local"`` starts Ray on this machine, until it is left; ``"auto"`` joins the cluster that
        this machine belongs to, ``"HOST:PORT"`` the one that is there.

    Raises
    ------
    OSError
        If there is no such cluster, or it does not let this process in: one that asks for
        authentication needs ``RAY_AUTH_MODE=token`` in the environment, and its token in
        ``~/.ray/auth_token`` or the file that ``RAY_AUTH_TOKEN_PATH`` names.
    """

    def __init__(self, address: str = "local") -> None:
        self._leaves = not ray.is_initialized()
        if self._leaves:
            _join(address)
        self._task: Any = ray.remote(num_cpus=1)(_run)

    @property
    def n_cpus(self) -> int:
        """CPUs of the cluster at this moment, one at least."""
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return max(int(resources.get("CPU", 0)), 1)

    def share(self, value: Any) -> Shared:
        """Put a value into the cluster, once for many tasks.

        Parameters
        ----------
        value : object
            Goes to each machine once. Its processes share the memory of its arrays, which they can
            only read.
        """
        return Shared(ray.put(value))

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Run a function as a task.

        Parameters
        ----------
        function : callable
            The function.
        *arguments
            Its arguments. For a `Shared` one it receives the value.

        Returns
        -------
        Future
            What the function returns or raises, or an OSError where the cluster cannot run it. The
            task ends when the future is cancelled.
        """
        future: Future[T] = Future()
        reference = self._task.remote(function, arguments)

        def settle(answer: Future[T]) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if error := answer.exception():
                future.set_exception(_cause(error))
            else:
                future.set_result(answer.result())

        def end(future: Future[T]) -> None:
            if future.cancelled():
                ray.cancel(reference, force=True)

        reference.future().add_done_callback(settle)
        future.add_done_callback(end)
        return future

    def __enter__(self) -> Cluster:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the cluster; tasks that still run end."""
        if self._leaves:
            ray.shutdown()


def _join(address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    dashboard = False if address == "local" else None
    try:
        host, colon, port = address.rpartition(":")
        if colon:
            socket.create_connection((host, int(port)), _TIMEOUT).close()
        with _silence():
            ray.init(
                address,
                include_dashboard=dashboard,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        # It would tell of lost machines among what is printed, a JSON document for one.
        worker.print_to_stdstream = lambda *_, **__: None
    except Exception as error:  # Ray's errors have no base of their own
        raise OSError(
            f"cannot join a Ray cluster at {address!r} ({_first_sentence(error)}): give auto, "
            "HOST:PORT, or no address to start Ray on this machine; for a cluster that asks for "
            "authentication, set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file of its "
            "token"
        ) from error


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what Ray's machinery writes past Python, as while it joins, out of the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _run(function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    return function(*(_held(a.reference) if isinstance(a, Shared) else a for a in arguments))


@lru_cache(maxsize=1)
def _held(reference: ray.ObjectRef[Any]) -> Any:
    """Return a shared value; a process keeps the last one, since to unpickle it may take long."""
    return ray.get(reference)


def _cause(error: BaseException) -> BaseException:
    """Return what went wrong in the words of the function, or of the cluster in one sentence."""
    if isinstance(error, RayTaskError):
        cause: BaseException = error.cause
        return cause
    if isinstance(error, RayError):
        return OSError(f"the Ray cluster cannot run a task: {_first_sentence(error)}")
    return error


def _first_sentence(error: BaseException) -> str:
    return first_line(error).split(". ")[0]
