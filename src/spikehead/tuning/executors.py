"""Where candidates are evaluated: in threads of this process, on a Ray cluster, or on a GPU.

Outcomes do not depend on it. Threads, and not processes, since compiled code runs beside other
code of its process, and all candidates read one copy of the data.
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from joblib import cpu_count

from spikehead.heads.parameters import Hyperparameters
from spikehead.tuning.experiment import Experiment, Rungs
from spikehead.tuning.heads import Device

if TYPE_CHECKING:
    from spikehead.cluster import Cluster


class Executor(ABC):
    """Evaluates groups of candidates; a context manager, at whose end all that still runs stops.

    Parameters
    ----------
    experiment : Experiment
        What each candidate goes through.
    """

    group = 1
    """Candidates of a group at most."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    @property
    @abstractmethod
    def size(self) -> int:
        """Groups that are evaluated at the same time, at this moment."""

    @abstractmethod
    def submit(
        self, candidates: Sequence[Hyperparameters], bars: Sequence[float]
    ) -> Future[list[Rungs]]:
        """Begin to evaluate a group, as `Experiment.evaluate` does."""

    def __enter__(self) -> Executor:
        """Return itself."""
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Stop what still runs."""


class Local(Executor):
    """Evaluates a candidate in each of some threads.

    Parameters
    ----------
    experiment : Experiment
        What each candidate goes through.
    n_threads : int, optional
        Default: as many as this process may use.
    """

    device: Device = "cpu"

    def __init__(self, experiment: Experiment, n_threads: int | None = None) -> None:
        super().__init__(experiment)
        self._n_threads = n_threads or cpu_count()
        self._threads = ThreadPoolExecutor(self._n_threads)
        self._stopped = threading.Event()

    @property
    def size(self) -> int:
        """Its threads."""
        return self._n_threads

    def submit(
        self, candidates: Sequence[Hyperparameters], bars: Sequence[float]
    ) -> Future[list[Rungs]]:
        """Begin to evaluate a group."""
        evaluate = self.experiment.evaluate
        return self._threads.submit(evaluate, candidates, bars, self._stopped, self.device)

    def __exit__(self, *_: object) -> None:
        """Stop what still runs, at once."""
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)


class OnGPU(Local):
    """Evaluates all candidates together on a GPU."""

    group = sys.maxsize
    device = "cuda"

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(experiment, n_threads=1)


class OnCluster(Executor):
    """Evaluates a candidate on each CPU of a cluster.

    Parameters
    ----------
    experiment : Experiment
        What each candidate goes through.
    cluster : Cluster
        Where.
    """

    def __init__(self, experiment: Experiment, cluster: Cluster) -> None:
        super().__init__(experiment)
        self._cluster = cluster
        self._shared = cluster.share(experiment)
        self._submitted: list[Future[list[Rungs]]] = []

    @property
    def size(self) -> int:
        """CPUs of the cluster at this moment."""
        return self._cluster.n_cpus

    def submit(
        self, candidates: Sequence[Hyperparameters], bars: Sequence[float]
    ) -> Future[list[Rungs]]:
        """Begin to evaluate a group."""
        future = self._cluster.submit(Experiment.evaluate, self._shared, candidates, bars)
        self._submitted.append(future)
        return future

    def __exit__(self, *_: object) -> None:
        """End the tasks that still run."""
        for future in self._submitted:
            future.cancel()
