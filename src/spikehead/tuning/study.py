"""The study: a search whose every step is kept, so that it can stop anywhere and go on.

Each round of candidates follows from the seed and the outcomes of the rounds before, and nothing
else. A study that is opened again therefore proposes the same rounds, and evaluates only what its
storage does not hold yet. Several processes may work on one study: each claims a candidate before
it evaluates it, and renews its claims while it lives.
"""

from __future__ import annotations

import json
import math
import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import numba

from spikehead.files import check_database, check_regular
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.names import first_line, shown
from spikehead.tuning.candidates import Outcome, Round
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.population import Experiment, cost
from spikehead.tuning.space import SearchSpace, Values

try:
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import FrozenTrial, Trial, TrialState
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError
except ModuleNotFoundError:
    raise ImportError(
        "tuning needs Optuna; install it with: pip install 'spikehead[tune]'"
    ) from None

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

CLAIM_RENEWED = 15.0
"""Seconds after which a process renews its claims on the candidates that it evaluates."""

CLAIM_LAPSES = 120.0
"""Seconds after which a claim that was not renewed is void: its process, or its host, is gone."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_TRIES = 50  # to open a database whose tables another process is making
_MADE_BY_ANOTHER = ("already exists", "UNIQUE constraint", "duplicate key")
_AHEAD = 1  # candidates that wait for a CPU, so that none waits for the storage
_POLL = 1.0  # seconds between two looks at what other processes do
_CANDIDATE, _CLAIM, _SETTINGS = "candidate", "claim", "settings"


class NamedRound(NamedTuple):
    """A round of the search.

    Attributes
    ----------
    kind : {"genetic", "descent"}
        Who proposed it.
    outcomes : sequence of Outcome
        Its candidates, in the order in which they were proposed.
    """

    kind: str
    outcomes: Round


@dataclass(frozen=True)
class Plan:
    """What a search does: generations of the genetic search, then rounds of descent.

    Parameters
    ----------
    space : SearchSpace
        Where to search.
    genetic : GeneticSearch
        The genetic search.
    descent : StochasticDescent
        The descent from its best candidate.
    seed : int, default=0
        Decides every draw; not negative.
    """

    space: SearchSpace
    genetic: GeneticSearch = field(default_factory=GeneticSearch)
    descent: StochasticDescent = field(default_factory=StochasticDescent)
    seed: int = 0

    def propose(self, rounds: Sequence[NamedRound]) -> tuple[str, list[Values]]:
        """Return the kind and the candidates of the next round; none where the search is over."""
        before = [one.outcomes for one in rounds if one.kind == "genetic"]
        after = [one.outcomes for one in rounds if one.kind == "descent"]
        if not after and len(before) < self.genetic.generations:
            bred = self.genetic.propose(self.space, before, self.seed)
            if bred:
                return "genetic", bred
        if len(after) < self.descent.rounds:
            return "descent", self.descent.propose(self.space, before, after, self.seed)
        return "descent", []

    def bars(self, rounds: Sequence[NamedRound]) -> list[float]:
        """Return what the next round's candidates must reach at each rung.

        Whoever does worse than every parent did at the same point is hopeless. The first
        generation has no parents, and nobody in it is stopped.
        """
        generations = [one.outcomes for one in rounds if one.kind == "genetic"]
        parents = self.genetic.pool(generations) if generations else []
        rungs = [one.rungs for one in parents if one.complete]
        return [min(column) for column in zip(*rungs, strict=True)]

    @property
    def n_experiments(self) -> int:
        """Candidates of the whole search, at most."""
        return self.genetic.n_candidates + self.descent.rounds * self.descent.neighbours

    def to_dict(self) -> dict[str, Any]:
        """Return the plan, ready for JSON."""
        return {
            "space": self.space.to_dict(),
            "genetic": vars(self.genetic).copy(),
            "descent": vars(self.descent).copy(),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Budget:
    """When a study ends before its plan is done.

    Parameters
    ----------
    experiments : int, optional
        Candidates evaluated, those of earlier calls included.
    seconds : float, optional
        Time spent evaluating, that of earlier calls included. Candidates under way are finished.

    Raises
    ------
    ValueError
        If a limit is not positive.
    """

    experiments: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check the limits."""
        for name in ("experiments", "seconds"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ValueError(f"the budget in {name} must be above 0, not {limit}")

    def room(self, experiments: int, seconds: float) -> int:
        """Return how many more candidates may begin after some experiments and seconds."""
        if self.seconds is not None and seconds >= self.seconds:
            return 0
        return sys.maxsize if self.experiments is None else max(self.experiments - experiments, 0)


class Study:
    """A search in an Optuna storage.

    Parameters
    ----------
    storage : str
        An Optuna storage: a database URL such as ``sqlite:///study.sqlite`` or
        ``postgresql+psycopg://host/database``, or ``journal:`` and a file.
    name : str
        Name of the study in the storage.
    plan : Plan
        What it does.
    settings : mapping
        All that decides the outcomes beside the plan, ready for JSON: a study goes on only with
        the settings that it began with.

    Raises
    ------
    ValueError
        If the storage holds a study of this name with another plan or other settings.
    OSError
        If the storage cannot be used, now or later.
    ImportError
        If a database's driver is not installed.
    """

    def __init__(self, storage: str, name: str, plan: Plan, settings: Mapping[str, Any]) -> None:
        self.plan = plan
        self._distributions = _distributions(plan.space)
        self._mine: dict[int, Trial] = {}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with _usable_storage():
            self._study = optuna.create_study(
                storage=_opened(storage),
                study_name=name,
                sampler=optuna.samplers.RandomSampler(),  # of no use here: every value is given
                direction="maximize",
                load_if_exists=True,
            )
        self._check_settings({**settings, **plan.to_dict()})

    def run(
        self,
        experiment: Experiment,
        budget: Budget | None = None,
        *,
        n_workers: int | None = None,
        cluster: Cluster | None = None,
        device: str = "cpu",
        on_outcome: Callable[[int, float], None] | None = None,
    ) -> None:
        """Search until the plan is done or the budget is used up.

        Parameters
        ----------
        experiment : Experiment
            Evaluates the candidates.
        budget : Budget, optional
            When to end before.
        n_workers : int, optional
            Candidates evaluated at the same time, a thread each. Default: as many as this process
            may use. Outcomes do not depend on it.
        cluster : Cluster, optional
            Where candidates are evaluated, a task each. Default: in threads of this process.
        device : {"cpu", "cuda"}, default="cpu"
            Where this process computes: on an NVIDIA GPU (``"cuda"``) it evaluates all candidates
            of a round together. Outcomes do not depend on it.
        on_outcome : callable, optional
            Called now and then with the number of finished candidates and the highest accuracy.
        """
        rounds: list[NamedRound] = []
        workers: _Threads | _Tasks | _GPU
        if cluster:
            workers = _Tasks(experiment, cluster)
        elif device == "cuda":
            workers = _GPU(experiment)
        else:
            workers = _Threads(experiment, n_workers or numba.get_num_threads())
        with workers as pool:
            try:
                while True:
                    kind, candidates = self.plan.propose(rounds)
                    proposal = _Proposal(len(rounds), kind, candidates, self.plan.bars(rounds))
                    outcomes = self._run_round(proposal, pool, budget or Budget(), on_outcome)
                    if outcomes:
                        rounds.append(NamedRound(kind, outcomes))
                    if not candidates or len(outcomes) < len(candidates):
                        return
            finally:
                with _usable_storage():
                    for number in self._mine:
                        self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
                self._mine.clear()

    @property
    def rounds(self) -> list[NamedRound]:
        """All rounds so far; the last one may be incomplete."""
        found: dict[tuple[int, str], dict[int, Outcome]] = {}
        with _usable_storage():
            for trial in self._study.get_trials(deepcopy=False, states=_FINISHED):
                candidate = self._candidate(trial)
                one = found.setdefault((candidate.round, candidate.kind), {})
                one.setdefault(candidate.place, _outcome(trial))
        return [
            NamedRound(kind, [one[place] for place in sorted(one)])
            for (_, kind), one in sorted(found.items())
        ]

    @property
    def seconds(self) -> float:
        """Time in which at least one of the finished candidates was being evaluated."""
        with _usable_storage():
            return _seconds(self._study.get_trials(deepcopy=False))

    def importance(self) -> dict[str, float]:
        """Return the share of each searched hyperparameter in how the accuracy varies.

        Functional ANOVA on the candidates that were measured to the end (Hutter et al., 2014);
        empty where there are too few of them, or all are equally good.
        """
        with _usable_storage():
            trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if len({trial.value for trial in trials}) < 2:
                return {}
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.plan.seed)
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(share) for name, share in found.items()}

    @property
    def notes(self) -> dict[str, Any]:
        """What `note` has kept."""
        with _usable_storage():
            return dict(self._study.user_attrs)

    def note(self, name: str, value: Any) -> None:
        """Keep something with the study, ready for JSON."""
        with _usable_storage():
            self._study.set_user_attr(name, value)

    # ------------------------------------------------------------ one round

    def _run_round(
        self,
        proposal: _Proposal,
        pool: _Threads | _Tasks | _GPU,
        budget: Budget,
        on_outcome: Callable[[int, float], None] | None,
    ) -> list[Outcome]:
        """Evaluate what nobody has; return the outcomes, in the order of the candidates."""
        everyone = [self.plan.space.parameters(values) for values in proposal.candidates]
        longest_first = sorted(range(len(everyone)), key=lambda place: -cost(everyone[place]))
        running: dict[Future[tuple[float, ...]], Trial] = {}
        while True:
            with _usable_storage():
                now = self._survey(proposal)
            if on_outcome:
                on_outcome(now.n_finished, now.best)
            free = [p for p in longest_first if p not in now.done and p not in now.taken]
            room = budget.room(now.n_finished + len(running), now.seconds)
            asked = free[: min(pool.size + _AHEAD - len(running), room)]
            with _usable_storage():
                trials = {place: self._claimed(proposal, place) for place in asked}
            mine = {place: trial for place, trial in trials.items() if trial}
            if mine:
                futures = pool.submit([everyone[place] for place in mine], proposal.bars)
                running.update(zip(futures, mine.values(), strict=True))
            if running:
                finished, _ = wait(running, CLAIM_RENEWED, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._keep(running.pop(future), future, pool.n_rungs)
                with _usable_storage():
                    self._renew_claims()
            elif now.taken and room:
                time.sleep(_POLL)  # for candidates that other processes have
            elif not free or not room:
                return [now.done[place] for place in sorted(now.done)]

    def _survey(self, proposal: _Proposal) -> _Survey:
        """Look at what is done, and void claims that have lapsed."""
        done: dict[int, Outcome] = {}
        taken: set[int] = set()
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            candidate = self._candidate(trial)
            if trial.state is TrialState.RUNNING and self._lapsed(trial):
                self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                continue
            if candidate.round != proposal.number:
                continue
            if not proposal.holds(candidate, trial.params):
                raise ValueError(f"its trial {trial.number} was never proposed")
            if trial.state in _FINISHED:
                done.setdefault(candidate.place, _outcome(trial))
            elif trial.state is TrialState.RUNNING:
                taken.add(candidate.place)
        finished = [trial for trial in trials if trial.state in _FINISHED]
        best = max((trial.value or 0.0 for trial in finished), default=0.0)
        return _Survey(done, taken, len(finished), best, _seconds(finished))

    def _claimed(self, proposal: _Proposal, place: int) -> Trial | None:
        """Claim a candidate; None if another process was faster.

        A trial is made with all that tells whose and which it is, in one transaction, so that of
        two processes with one candidate at least the later one sees both. Optuna's ``ask`` takes
        several, and in SQLite two processes can be given the same trial.
        """
        candidate = _Candidate(proposal.number, proposal.kind, place)._asdict()
        claim = {**_claim(), "token": uuid4().hex}
        self._study.add_trial(
            optuna.create_trial(
                state=TrialState.RUNNING,
                params=proposal.candidates[place],
                distributions=self._distributions,
                user_attrs={_CANDIDATE: candidate, _CLAIM: claim},
            )
        )
        rivals = [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.user_attrs.get(_CANDIDATE) == candidate and trial.state is not TrialState.FAIL
        ]
        mine = next(trial for trial in rivals if trial.user_attrs[_CLAIM] == claim)
        if mine is not rivals[0]:
            self._study.tell(mine.number, state=TrialState.FAIL)
            return None
        self._mine[mine.number] = Trial(self._study, mine._trial_id)
        return self._mine[mine.number]

    def _keep(self, trial: Trial, future: Future[tuple[float, ...]], n_rungs: int) -> None:
        """Store an outcome. One that came after its claim had lapsed is left to the others."""
        refusal = future.exception()
        if refusal and not isinstance(refusal, ValueError):
            raise refusal
        rungs = () if refusal else future.result()
        del self._mine[trial.number]
        with _usable_storage(), suppress(optuna.exceptions.UpdateFinishedTrialError):
            if refusal:
                trial.set_user_attr("refused", str(refusal))
            for step, accuracy in enumerate(rungs):
                trial.report(accuracy, step)
            if len(rungs) == n_rungs:
                self._study.tell(trial, rungs[-1], skip_if_finished=True)
            else:
                self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)

    def _renew_claims(self) -> None:
        for trial in self._mine.values():
            if time.time() - trial.user_attrs[_CLAIM]["time"] > CLAIM_RENEWED:
                with suppress(optuna.exceptions.UpdateFinishedTrialError):
                    trial.set_user_attr(_CLAIM, _claim())

    def _candidate(self, trial: FrozenTrial) -> _Candidate:
        """Return which candidate a trial is."""
        found: Any = trial.user_attrs.get(_CANDIDATE)
        with suppress(TypeError):
            candidate = _Candidate(**found)
            if candidate.is_possible and trial.params.keys() == self.plan.space.ranges.keys():
                return candidate
        raise ValueError(f"its trial {trial.number} is no candidate of this search")

    def _lapsed(self, trial: FrozenTrial) -> bool:
        """Tell whether the process that evaluates a candidate is gone."""
        if trial.number in self._mine:
            return False
        claim = trial.user_attrs[_CLAIM]
        if time.time() - claim["time"] > CLAIM_LAPSES:
            return True
        return bool(claim["host"] == socket.gethostname() and not _is_alive(claim["process"]))

    def _check_settings(self, settings: dict[str, Any]) -> None:
        """Keep the settings of a new study; refuse others for an old one."""
        settings = json.loads(json.dumps(settings))
        known = self.notes.get(_SETTINGS)
        if known is None:
            self.note(_SETTINGS, settings)
            return
        known = known if isinstance(known, dict) else {}
        for name, value in settings.items():
            if known.get(name) != value:
                raise ValueError(
                    f"the study was begun with other settings: {name} was "
                    f"{json.dumps(known.get(name))}, not {json.dumps(value)}; repeat the command "
                    "that began it, or name another study"
                )


class _Candidate(NamedTuple):
    """Which candidate a trial is."""

    round: int
    kind: str
    place: int

    @property
    def is_possible(self) -> bool:
        numbers = isinstance(self.round, int) and isinstance(self.place, int)
        return numbers and self.round >= 0 and self.kind in ("genetic", "descent")


class _Proposal(NamedTuple):
    """A round that is to be evaluated."""

    number: int
    kind: str
    candidates: list[Values]
    bars: Sequence[float] = ()

    def holds(self, candidate: _Candidate, values: Values) -> bool:
        """Tell whether it proposes a candidate with such values."""
        return (
            candidate.kind == self.kind
            and 0 <= candidate.place < len(self.candidates)
            and all(
                math.isclose(values[name], value, rel_tol=1e-9)
                for name, value in self.candidates[candidate.place].items()
            )
        )


class _Survey(NamedTuple):
    """What a study holds at one moment."""

    done: dict[int, Outcome]  # of the round, by place
    taken: set[int]  # places that are being evaluated
    n_finished: int
    best: float
    seconds: float


class _Threads:
    """Threads that evaluate candidates; left, they stop at once."""

    def __init__(self, experiment: Experiment, size: int) -> None:
        self.size = size
        self.n_rungs = experiment.n_rungs
        self._experiment = experiment
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(size)

    def submit(
        self, candidates: Sequence[CoLaNETParameters], bars: Sequence[float]
    ) -> list[Future[tuple[float, ...]]]:
        evaluate = self._experiment.evaluate
        return [self._threads.submit(evaluate, p, bars, self._stop) for p in candidates]

    def __enter__(self) -> _Threads:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)


class _Tasks:
    """Tasks of a cluster that evaluate a candidate each; left, they end."""

    def __init__(self, experiment: Experiment, cluster: Cluster) -> None:
        self.n_rungs = experiment.n_rungs
        self._cluster = cluster
        self._experiment = cluster.share(experiment)
        self._submitted: list[Future[tuple[float, ...]]] = []

    @property
    def size(self) -> int:
        return self._cluster.n_cpus

    def submit(
        self, candidates: Sequence[CoLaNETParameters], bars: Sequence[float]
    ) -> list[Future[tuple[float, ...]]]:
        evaluate, shared = Experiment.evaluate, self._experiment
        futures = [self._cluster.submit(evaluate, shared, p, bars) for p in candidates]
        self._submitted += futures
        return futures

    def __enter__(self) -> _Tasks:
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._submitted:
            future.cancel()


class _GPU:
    """A GPU that evaluates all candidates of a round together; left, it stops at once."""

    size = 1_000_000  # every candidate there is

    def __init__(self, experiment: Experiment) -> None:
        self.n_rungs = experiment.n_rungs
        self._experiment = experiment
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1)

    def submit(
        self, candidates: Sequence[CoLaNETParameters], bars: Sequence[float]
    ) -> list[Future[tuple[float, ...]]]:
        evaluate = self._experiment.evaluate_on_gpu
        together = self._thread.submit(evaluate, candidates, bars, self._stop)

        def outcome(place: int) -> tuple[float, ...]:
            self._experiment.check(candidates[place])
            return together.result()[place]

        return [self._thread.submit(outcome, place) for place in range(len(candidates))]

    def __enter__(self) -> _GPU:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.shutdown(cancel_futures=True)


class _Database(sqlite3.Connection):
    """A database that a killed process leaves whole, and that does not wait for the disk."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")


def _distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    return {
        name: IntDistribution(int(found.low), int(found.high), log=found.log)
        if found.whole
        else FloatDistribution(found.low, found.high, log=found.log)
        for name, found in space.ranges.items()
    }


def _opened(storage: str) -> optuna.storages.BaseStorage:
    if storage.startswith("journal:"):
        path = storage.removeprefix("journal:")
        check_regular(Path(path))
        return optuna.storages.JournalStorage(JournalFileBackend(path))
    if storage.startswith("sqlite:"):
        check_database(Path(make_url(storage).database or ""))
        return _database(storage, {"connect_args": {"factory": _Database, "timeout": 60.0}})
    return _database(storage, {})


def _database(
    storage: str, options: dict[str, Any], tries: int = _TRIES
) -> optuna.storages.RDBStorage:
    try:
        return optuna.storages.RDBStorage(storage, engine_kwargs=options)
    except ImportError as error:
        raise ImportError(
            f"the study's storage needs a driver for its database ({error.__cause__}); for "
            "postgresql+psycopg:// install it with: pip install 'psycopg[binary]'"
        ) from None
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        if not tries or not any(word in str(_origin(error)) for word in _MADE_BY_ANOTHER):
            raise
    time.sleep(_POLL / 10)
    return _database(storage, options, tries - 1)


def _outcome(trial: FrozenTrial) -> Outcome:
    rungs = tuple(trial.intermediate_values[step] for step in sorted(trial.intermediate_values))
    return Outcome(trial.params, rungs, trial.state is TrialState.COMPLETE)


def _seconds(trials: Sequence[FrozenTrial]) -> float:
    """Return for how long at least one of some trials was under way."""
    spans = sorted(
        (trial.datetime_start.timestamp(), trial.datetime_complete.timestamp())
        for trial in trials
        if trial.state in _FINISHED and trial.datetime_start and trial.datetime_complete
    )
    total, until = 0.0, float("-inf")
    for start, end in spans:
        total += max(end - max(start, until), 0.0)
        until = max(until, end)
    return total


def _claim() -> dict[str, Any]:
    return {"host": socket.gethostname(), "process": os.getpid(), "time": time.time()}


def _is_alive(process: int) -> bool:
    """Tell whether a process of this host may be alive; a claim of this one would be known."""
    if process == os.getpid():
        return False
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def _usable_storage() -> Iterator[None]:
    """Say in one sentence that the storage, or what it holds, cannot be used."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # what is damaged raises whatever comes to Optuna and its drivers
        cause = _origin(error)
        reason = shown(first_line(cause))
        raise OSError(
            f"cannot use the study's storage: {reason}; check that it can be reached and written, "
            "is whole and has room, and give the same command again, or begin another study"
        ) from error


def _origin(error: BaseException) -> BaseException:
    """Return what the database's driver has said, if it has."""
    return getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
