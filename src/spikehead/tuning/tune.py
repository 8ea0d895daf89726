"""Tuning from beginning to end: activations in, hyperparameters and a report out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spikehead.heads.colanet.classifier import CoLaNETClassifier
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.images import split
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.executors import Executor, Local, OnCluster, OnGPU
from spikehead.tuning.experiment import Device, Experiment, shuffled
from spikehead.tuning.findings import Findings, add_test, find, tests_of, write
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.search import Search
from spikehead.tuning.space import SearchSpace
from spikehead.tuning.study import Budget, Study

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

Protocol = Literal["validation", "paper"]
"""What ranks the candidates."""


@dataclass(frozen=True)
class Dataset:
    """What is tuned on: activations and their labels.

    Parameters
    ----------
    activations : ndarray of float, shape (n_examples, n_inputs)
        What is learned; negative activations count as zero (hybrid paper, section 4.2).
    labels : array of shape (n_examples,)
        Their classes, two at least.
    test_activations, test_labels : ndarray, optional
        The test set.

    Raises
    ------
    ValueError
        If shapes or values do not fit.
    """

    activations: NDArray[Any]
    labels: NDArray[Any]
    test_activations: NDArray[Any] | None = None
    test_labels: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        """Check shapes and values."""
        _check("training", self.activations, self.labels)
        if len(np.unique(self.labels)) < 2:
            raise ValueError("there is only one class; tuning needs at least two")
        if (self.test_activations is None) != (self.test_labels is None):
            raise ValueError("a test set needs both activations and labels")
        if self.test_activations is not None and self.test_labels is not None:
            _check("test", self.test_activations, self.test_labels)
            n_inputs, n_test_inputs = self.activations.shape[1], self.test_activations.shape[1]
            if n_test_inputs != n_inputs:
                raise ValueError(
                    f"the test set has {n_test_inputs} activations an example, but the training "
                    f"set {n_inputs}; use one encoder for both"
                )

    @property
    def digest(self) -> str:
        """SHA-256 of all data, in hexadecimal."""
        found = hashlib.sha256()
        for array in (self.activations, self.labels, self.test_activations, self.test_labels):
            if array is not None:
                found.update(f"{array.shape} {array.dtype}".encode())
                found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def tune(
    dataset: Dataset,
    folder: str | Path,
    *,
    protocol: Protocol = "validation",
    ranges: Mapping[str, tuple[float, float]] | None = None,
    fixed: Mapping[str, float] | None = None,
    genetic: GeneticSearch | None = None,
    descent: StochasticDescent | None = None,
    members: int = 15,
    n_seeds: int = 1,
    validation_fraction: float = 0.2,
    seed: int = 0,
    budget: Budget | None = None,
    storage: str | None = None,
    name: str = "spikehead",
    n_threads: int | None = None,
    cluster: Cluster | None = None,
    device: Device = "cpu",
    on_outcome: Callable[[int, float], None] | None = None,
) -> Findings:
    """Search for the hyperparameters with the highest accuracy; call it again to go on.

    The folder receives ``parameters.json``, which `spikehead learn --head` takes, and the
    report as ``report.json`` and ``report.md``; also when the search is interrupted. Parameters
    ranked by the protocol "paper" are named ``parameters-ranked-by-test.json``.

    Parameters
    ----------
    dataset : Dataset
        What to tune on.
    folder : str or Path
        Where the results go; created where it does not exist.
    protocol : {"validation", "paper"}, default="validation"
        What ranks the candidates: accuracy on a part of the training set that they have not
        learned, so that the test set is touched once, at the end; or, as in the hybrid paper,
        accuracy on the test set itself, which makes the best one look better than it is.
    ranges, fixed : mapping, optional
        As in `SearchSpace.of`.
    genetic : GeneticSearch, optional
        Default: the hybrid paper's.
    descent : StochasticDescent, optional
        Default: 12 rounds of 16.
    members : int, default=15
        Networks in an ensemble.
    n_seeds : int, default=1
        Seeds with which each candidate is measured: `seed`, the next one, and so on.
    validation_fraction : float, default=0.2
        Share of each class that ranks the candidates; they learn the others.
    seed : int, default=0
        Decides every draw; not negative.
    budget : Budget, optional
        When to end before the search is done. Default: then.
    storage : str, optional
        As in `Study`. Default: the SQLite database ``study.sqlite`` in the folder.
    name : str, default="spikehead"
        Name of the study in the storage.
    n_threads : int, optional
        Candidates evaluated at the same time. Default: as many as this process may use.
    cluster : Cluster, optional
        Where candidates are evaluated, one on each CPU. Default: on this machine.
    device : {"cpu", "cuda"}, default="cpu"
        Where this machine computes: ``"cuda"`` is an NVIDIA GPU, with the same result.
    on_outcome : callable, optional
        Called now and then with the number of finished candidates and the highest accuracy.

    Returns
    -------
    Findings
        The best hyperparameters and the course of the search.

    Raises
    ------
    ValueError
        If an argument is out of range, or the study was begun with other settings.
    OSError
        If the folder or the storage cannot be used.
    """
    if protocol not in get_args(Protocol):
        raise ValueError(
            f"protocol must be one of {', '.join(get_args(Protocol))}, not {protocol!r}"
        )
    if n_seeds < 1:
        raise ValueError(f"n_seeds must be at least 1, not {n_seeds}")
    if not 0 <= seed <= 2**32 - n_seeds:
        raise ValueError(f"seed must be from 0 to {2**32 - n_seeds}, not {seed}")
    if device not in get_args(Device):
        raise ValueError(f"device must be one of {', '.join(get_args(Device))}, not {device!r}")
    if device == "cuda":
        if cluster:
            raise ValueError("a cluster computes on CPUs; give either a cluster or the device cuda")
        from spikehead.heads.colanet.cuda import check_gpu

        check_gpu()
    folder = Path(folder)
    seeds = range(seed, seed + n_seeds)
    space = SearchSpace.of(dataset.activations, ranges, fixed)
    search = Search(space, genetic or GeneticSearch(), descent or StochasticDescent(), seed)
    experiment = _ranking(dataset, protocol, validation_fraction, members, seeds)
    settings = {
        "data": dataset.digest,
        "protocol": protocol,
        "validation_fraction": validation_fraction if protocol == "validation" else None,
        "members": members,
        "n_seeds": n_seeds,
    }
    folder.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{(folder / 'study.sqlite').resolve().as_posix()}"
    study = Study(storage or database, name, search, settings)
    try:
        study.run(_executor(experiment, n_threads, cluster, device), budget, on_outcome)
    except KeyboardInterrupt:
        if any(outcome.complete for one in study.rounds for outcome in one.outcomes):
            write(find(study, protocol), folder)
        raise
    best = find(study, protocol).parameters
    if protocol == "validation":
        _test(dataset, study, best, members, seeds, n_threads)
    found = find(study, protocol)
    write(found, folder)
    return found


def _ranking(
    dataset: Dataset,
    protocol: Protocol,
    validation_fraction: float,
    members: int,
    seeds: Sequence[int],
) -> Experiment:
    """Return the experiment that ranks the candidates."""
    X, y = dataset.activations, dataset.labels
    if protocol == "validation":
        learned, held_out = split(map(str, y), validation_fraction)
        if not len(held_out):
            raise ValueError("every class has one example only; validation needs at least two")
        return Experiment(
            X[learned], y[learned], X[held_out], y[held_out], members=members, seeds=seeds
        )
    if dataset.test_activations is None or dataset.test_labels is None:
        raise ValueError("the paper's protocol ranks by accuracy on the test set; give one")
    return Experiment(
        X, y, dataset.test_activations, dataset.test_labels, members=members, seeds=seeds
    )


def _executor(
    experiment: Experiment, n_threads: int | None, cluster: Cluster | None, device: Device
) -> Executor:
    if cluster:
        return OnCluster(experiment, cluster)
    return OnGPU(experiment) if device == "cuda" else Local(experiment, n_threads)


def _test(
    dataset: Dataset,
    study: Study,
    parameters: CoLaNETParameters,
    members: int,
    seeds: Sequence[int],
    n_threads: int | None,
) -> None:
    """Measure a configuration that learned all training examples on the test set, once."""
    if dataset.test_activations is None:
        return
    if any(test["parameters"] == parameters.to_dict() for test in tests_of(study)):
        return
    X, X_test = np.maximum(dataset.activations, 0), np.maximum(dataset.test_activations, 0)
    accuracies = []
    for seed in seeds:
        head = CoLaNETClassifier(
            **parameters.to_dict(), members=members, n_threads=n_threads, random_state=seed
        )
        order = shuffled(len(X), seed)
        head.fit(X[order], dataset.labels[order])
        accuracies.append(float(head.score(X_test, dataset.test_labels)))
    add_test(study, parameters, accuracies)


def _check(which: str, activations: NDArray[Any], labels: NDArray[Any]) -> None:
    if activations.ndim != 2 or not activations.size or activations.dtype.kind != "f":
        raise ValueError(
            f"the {which} activations must be floating-point numbers in the shape (examples, "
            f"inputs), not {activations.dtype} in the shape {activations.shape}"
        )
    if labels.shape != activations.shape[:1]:
        raise ValueError(
            f"the {which} set has {len(activations)} examples but labels in the shape "
            f"{labels.shape}; give one label an example"
        )
    if labels.dtype.kind not in "biuUS":
        raise ValueError(f"the {which} labels must be whole numbers or text, not {labels.dtype}")
    if not np.isfinite(activations).all():
        raise ValueError(f"the {which} activations hold NaN or infinity")
