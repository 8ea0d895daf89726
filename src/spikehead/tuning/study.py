"""The study: a search whose every step is kept, so that it can stop anywhere and go on.

Each round of candidates follows from the seed and the outcomes of the rounds before, and nothing
else. A study that is opened again therefore proposes the same rounds, and evaluates only what its
storage does not hold yet. Several processes may work on one study: each claims a candidate before
it evaluates it, and renews its claims while it lives (`spikehead.tuning.claims`).
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import COLANET
from spikehead.tuning import claims
from spikehead.tuning.candidates import Outcome
from spikehead.tuning.executors import Executor
from spikehead.tuning.experiment import Experiment, Rungs
from spikehead.tuning.search import NamedRound, Search
from spikehead.tuning.space import SearchSpace, Values

try:
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
    from optuna.trial import FrozenTrial, Trial, TrialState

    from spikehead.tuning.database import opened, usable
except ModuleNotFoundError:
    raise ImportError(
        "tuning needs Optuna; install it with: pip install 'spikehead[tune]'"
    ) from None

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_AHEAD = 1  # groups of candidates that wait for a CPU, so that none waits for the storage
_POLL = 1.0  # seconds between two looks at what other processes do
_CANDIDATE, _CLAIM, _SETTINGS = "candidate", "claim", "settings"
_RULES_OFF = {"per_spike": False, "max_depressions": -1, "homeostasis": False}


@dataclass(frozen=True)
class Budget:
    """When a study ends before its search is done.

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
    search : Search
        What it does.
    settings : mapping
        All that decides the outcomes beside the search, ready for JSON: a study goes on only with
        the settings that it began with.

    Raises
    ------
    ValueError
        If the storage holds a study of this name with another search or other settings.
    OSError
        If the storage cannot be used, now or later.
    ImportError
        If a database's driver is not installed.
    """

    def __init__(
        self, storage: str, name: str, search: Search, settings: Mapping[str, Any]
    ) -> None:
        self.search = search
        self._distributions = _distributions(search.space)
        self._mine: dict[int, Trial] = {}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with usable():
            self._study = optuna.create_study(
                storage=opened(storage),
                study_name=name,
                sampler=optuna.samplers.RandomSampler(),  # of no use here: every value is given
                direction="maximize",
                load_if_exists=True,
            )
        self._check_settings({**settings, **search.to_dict()})

    def run(
        self,
        executor: Executor,
        budget: Budget | None = None,
        on_outcome: Callable[[int, float], None] | None = None,
    ) -> None:
        """Go on until the search is done or the budget is used up.

        Parameters
        ----------
        executor : Executor
            Evaluates the candidates; it is used up afterwards.
        budget : Budget, optional
            When to end before.
        on_outcome : callable, optional
            Called now and then with the number of finished candidates and the highest accuracy.
        """
        rounds: list[NamedRound] = []
        with executor:
            try:
                while True:
                    kind, candidates = self.search.propose(rounds)
                    proposal = _Proposal(len(rounds), kind, candidates, self.search.bars(rounds))
                    outcomes = self._run_round(proposal, executor, budget or Budget(), on_outcome)
                    if outcomes:
                        rounds.append(NamedRound(kind, outcomes))
                    if not candidates or len(outcomes) < len(candidates):
                        return
            finally:
                with usable():
                    for number in self._mine:
                        self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
                self._mine.clear()

    @property
    def rounds(self) -> list[NamedRound]:
        """All rounds so far; the last one may be incomplete."""
        found: dict[tuple[int, str], dict[int, Outcome]] = {}
        with usable():
            for trial in self._study.get_trials(deepcopy=False, states=_FINISHED):
                position = self._position(trial)
                one = found.setdefault((position.round, position.kind), {})
                one.setdefault(position.place, _outcome(trial))
        return [
            NamedRound(kind, [one[place] for place in sorted(one)])
            for (_, kind), one in sorted(found.items())
        ]

    @property
    def seconds(self) -> float:
        """Time in which at least one of the finished candidates was being evaluated."""
        with usable():
            return _seconds(self._study.get_trials(deepcopy=False))

    def importance(self) -> dict[str, float]:
        """Return the share of each searched hyperparameter in how the accuracy varies.

        Functional ANOVA on the candidates that were measured to the end (Hutter et al., 2014);
        empty where there are too few of them, or all are equally good.
        """
        with usable():
            trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if len({trial.value for trial in trials}) < 2:
                return {}
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.search.seed)
            found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(share) for name, share in found.items()}

    @property
    def notes(self) -> dict[str, Any]:
        """What `note` has kept."""
        with usable():
            return dict(self._study.user_attrs)

    def note(self, name: str, value: Any) -> None:
        """Keep something with the study, ready for JSON."""
        with usable():
            self._study.set_user_attr(name, value)

    # ------------------------------------------------------------ one round

    def _run_round(
        self,
        proposal: _Proposal,
        executor: Executor,
        budget: Budget,
        on_outcome: Callable[[int, float], None] | None,
    ) -> list[Outcome]:
        """Evaluate what nobody has; return the outcomes, in the order of the candidates."""
        everyone = [self.search.space.parameters(values) for values in proposal.candidates]
        cost = executor.experiment.cost
        longest_first = sorted(range(len(everyone)), key=lambda place: -cost(everyone[place]))
        running: dict[Future[list[Rungs]], tuple[Trial, ...]] = {}
        while True:
            with usable():
                now = self._survey(proposal)
            if on_outcome:
                on_outcome(now.n_finished, now.best)
            free = [p for p in longest_first if p not in now.done and p not in now.taken]
            room = budget.room(now.n_finished + len(self._mine), now.seconds)
            groups = max(executor.size + _AHEAD - len(running), 0)
            asked = free[: min(executor.group * groups, room)]
            mine: list[tuple[Hyperparameters, Trial]] = []
            for place in asked:
                with usable():
                    trial = self._claimed(proposal, place)
                if trial and self._passes(trial, everyone[place], executor.experiment):
                    mine.append((everyone[place], trial))
            for start in range(0, len(mine), executor.group):
                group, trials = zip(*mine[start : start + executor.group], strict=True)
                running[executor.submit(group, proposal.bars)] = trials
            if running:
                finished, _ = wait(running, claims.RENEWED, return_when=FIRST_COMPLETED)
                for future in finished:
                    for trial, rungs in zip(running.pop(future), future.result(), strict=True):
                        self._keep(trial, rungs, executor.experiment.n_rungs)
                with usable():
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
            position = self._position(trial)
            is_anothers = trial.state is TrialState.RUNNING and trial.number not in self._mine
            if is_anothers and claims.has_lapsed(trial.user_attrs[_CLAIM]):
                self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                continue
            if position.round != proposal.number:
                continue
            if not proposal.holds(position, trial.params):
                raise ValueError(f"its trial {trial.number} was never proposed")
            if trial.state in _FINISHED:
                done.setdefault(position.place, _outcome(trial))
            elif trial.state is TrialState.RUNNING:
                taken.add(position.place)
        finished = [trial for trial in trials if trial.state in _FINISHED]
        best = max((trial.value or 0.0 for trial in finished), default=0.0)
        return _Survey(done, taken, len(finished), best, _seconds(finished))

    def _claimed(self, proposal: _Proposal, place: int) -> Trial | None:
        """Claim a candidate; None if another process was faster.

        A trial is made with all that tells whose and which it is, in one transaction, so that of
        two processes with one candidate at least the later one sees both. Optuna's ``ask`` takes
        several, and in SQLite two processes can be given the same trial.
        """
        position = _Position(proposal.number, proposal.kind, place)._asdict()
        claim = {**claims.claim(), "token": uuid4().hex}
        self._study.add_trial(
            optuna.create_trial(
                state=TrialState.RUNNING,
                params=proposal.candidates[place],
                distributions=self._distributions,
                user_attrs={_CANDIDATE: position, _CLAIM: claim},
            )
        )
        rivals = [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.user_attrs.get(_CANDIDATE) == position and trial.state is not TrialState.FAIL
        ]
        mine = next(trial for trial in rivals if trial.user_attrs[_CLAIM] == claim)
        if mine is not rivals[0]:
            self._study.tell(mine.number, state=TrialState.FAIL)
            return None
        self._mine[mine.number] = Trial(self._study, mine._trial_id)
        return self._mine[mine.number]

    def _passes(self, trial: Trial, parameters: Hyperparameters, experiment: Experiment) -> bool:
        """Tell whether a candidate can be evaluated; store that it is refused if it cannot."""
        try:
            experiment.check(parameters)
        except ValueError as refusal:
            with usable(), suppress(optuna.exceptions.UpdateFinishedTrialError):
                trial.set_user_attr("refused", str(refusal))
            self._keep(trial, (), experiment.n_rungs)
            return False
        return True

    def _keep(self, trial: Trial, rungs: Rungs, n_rungs: int) -> None:
        """Store an outcome. One that came after its claim had lapsed is left to the others."""
        del self._mine[trial.number]
        with usable(), suppress(optuna.exceptions.UpdateFinishedTrialError):
            for step, accuracy in enumerate(rungs):
                trial.report(accuracy, step)
            if len(rungs) == n_rungs:
                self._study.tell(trial, rungs[-1], skip_if_finished=True)
            else:
                self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)

    def _renew_claims(self) -> None:
        for trial in self._mine.values():
            if claims.is_old(trial.user_attrs[_CLAIM]):
                with suppress(optuna.exceptions.UpdateFinishedTrialError):
                    trial.set_user_attr(_CLAIM, claims.claim())

    def _position(self, trial: FrozenTrial) -> _Position:
        """Return which candidate a trial is."""
        found: Any = trial.user_attrs.get(_CANDIDATE)
        with suppress(TypeError):
            position = _Position(**found)
            if position.is_possible and trial.params.keys() == self.search.space.ranges.keys():
                return position
        raise ValueError(f"its trial {trial.number} is no candidate of this search")

    def _check_settings(self, settings: dict[str, Any]) -> None:
        """Keep the settings of a new study; refuse others for an old one."""
        settings = json.loads(json.dumps(settings))
        found = self.notes.get(_SETTINGS)
        if found is None:
            self.note(_SETTINGS, settings)
            return
        known = _as_now(found) if isinstance(found, dict) else {}
        for name, value in settings.items():
            if known.get(name) != value:
                raise ValueError(
                    f"the study was begun with other settings: {name} was "
                    f"{json.dumps(known.get(name))}, not {json.dumps(value)}; repeat the command "
                    "that began it, or name another study"
                )


class _Position(NamedTuple):
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

    def holds(self, position: _Position, values: Values) -> bool:
        """Tell whether it proposes a candidate with such values."""
        return (
            position.kind == self.kind
            and 0 <= position.place < len(self.candidates)
            and all(
                math.isclose(values[name], value, rel_tol=1e-9)
                for name, value in self.candidates[position.place].items()
            )
        )


class _Survey(NamedTuple):
    """What a study holds at one moment."""

    done: dict[int, Outcome]  # of the round, by place
    taken: set[int]  # places that are being evaluated
    n_finished: int
    best: float
    seconds: float


def _as_now(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a study as they are written now.

    Those of version 0.2 name no head: it was CoLaNET, with rules that are gone and can be off.
    """
    if "head" in settings:
        return settings
    settings = {"head": COLANET, **settings}
    with suppress(KeyError, TypeError, AttributeError):  # damaged: they are others, then
        space = settings["space"]
        fixed = {n: v for n, v in space["fixed"].items() if _RULES_OFF.get(n) != v}
        settings["space"] = {**space, "fixed": fixed}
    return settings


def _distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    return {
        name: IntDistribution(int(found.low), int(found.high), log=found.log)
        if found.whole
        else FloatDistribution(found.low, found.high, log=found.log)
        for name, found in space.ranges.items()
    }


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
