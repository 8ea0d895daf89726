"""What a study has found: the best hyperparameters, the course of the search, what mattered."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from spikehead.files import write_file
from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import title_of
from spikehead.tuning.candidates import ranked
from spikehead.tuning.search import NamedRound
from spikehead.tuning.study import Study

_TESTS = "tests"  # the note of a study on the configurations that were measured on the test set

_RANKED_BY = {
    "validation": "Candidates were ranked by accuracy on a validation part of the training set.",
    "paper": (
        "Candidates were ranked by accuracy on the test set, as in the hybrid paper (protocol "
        '"paper"): the accuracy of the best one is too high an estimate.'
    ),
}


class RoundSummary(NamedTuple):
    """One round in the course of a search.

    Attributes
    ----------
    kind : {"genetic", "descent"}
        Who proposed its candidates.
    experiments : int
        Candidates evaluated up to its end.
    stopped : int
        Those of the round that were stopped as hopeless.
    median : float
        Median accuracy of the others, 0 where there are none.
    best : float
        Highest accuracy up to its end.
    """

    kind: str
    experiments: int
    stopped: int
    median: float
    best: float


@dataclass(frozen=True)
class Findings:
    """What a study has found.

    Attributes
    ----------
    head : str
        The kind of the head that was tuned.
    protocol : {"validation", "paper"}
        What ranked the candidates.
    parameters : Hyperparameters
        The best ones.
    accuracy : float
        Their accuracy by the protocol, the mean over the seeds.
    test_accuracies : list of float
        Accuracy on the test set with each seed, once all training examples were learned; empty
        where there is no test set or, under the protocol "paper", nothing to add.
    n_tests : int
        Configurations that were measured on the test set apart from ranking: one, or one more
        for each time the search went on with a larger budget and found a better one.
    course : list of RoundSummary
        The rounds.
    importance : dict of str to float
        Share of each searched hyperparameter in how the accuracy varies.
    ranges : dict of str to (float, float)
        What was searched.
    seconds : float
        Time spent evaluating candidates.
    """

    head: str
    protocol: str
    parameters: Hyperparameters
    accuracy: float
    test_accuracies: list[float]
    n_tests: int
    course: list[RoundSummary]
    importance: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    seconds: float

    @property
    def ranked_by(self) -> str:
        """What ranked the candidates, in a sentence."""
        return _RANKED_BY[self.protocol]

    @property
    def parameters_file(self) -> str:
        """Name of the file of the parameters; it says if they were ranked on the test set."""
        return "parameters" + ("-ranked-by-test" if self.protocol == "paper" else "") + ".json"

    @property
    def test_accuracy(self) -> float | None:
        """Mean accuracy on the test set; None where it was not measured."""
        if self.protocol == "paper":
            return self.accuracy
        n = len(self.test_accuracies)
        return sum(self.test_accuracies) / n if n else None

    @property
    def n_experiments(self) -> int:
        """Candidates evaluated."""
        return self.course[-1].experiments

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            "head": self.head,
            "protocol": self.protocol,
            "ranked_by": self.ranked_by,
            "parameters": self.parameters.to_dict(),
            "accuracy": self.accuracy,
            "test_accuracy": self.test_accuracy,
            "test_accuracies": self.test_accuracies,
            "configurations_tested": self.n_tests,
            "experiments": self.n_experiments,
            "seconds": round(self.seconds, 1),
            "course": [one._asdict() for one in self.course],
            "importance": self.importance,
            "ranges": self.ranges,
        }

    def to_markdown(self) -> str:
        """Return the report, in Markdown."""
        tested = self.test_accuracies
        lines = [
            f"# Tuning of {title_of(self.head)}",
            "",
            f"{self.n_experiments} experiments in {self.seconds:.0f} s. {self.ranked_by}",
            "",
            f"- Best candidate: {self.accuracy:.2%} ({self.protocol})",
        ]
        if tested:
            each = ", ".join(f"{accuracy:.2%}" for accuracy in tested)
            lines += [
                f"- Test set, after learning all training examples: {self.test_accuracy:.2%} "
                f"(seeds: {each}); configurations measured on it: {self.n_tests}"
            ]
        lines += [
            "",
            "| hyperparameter | value | searched | importance | in the paper |",
            "|---|---|---|---|---|",
        ]
        about = self.parameters.about()
        for name, value in self.parameters.to_dict().items():
            ends = "{:.4g} to {:.4g}".format(*self.ranges[name]) if name in self.ranges else "fixed"
            share = f"{self.importance[name]:.1%}" if name in self.importance else ""
            lines += [f"| {name} | {value:.6g} | {ends} | {share} | {about[name].paper} |"]
        lines += [
            "",
            "| round | by | experiments so far | stopped early | median | best so far |",
            "|---|---|---|---|---|---|",
        ]
        for number, one in enumerate(self.course, 1):
            lines += [
                f"| {number} | {one.kind} | {one.experiments} | {one.stopped} | "
                f"{one.median:.2%} | {one.best:.2%} |"
            ]
        return "\n".join(lines) + "\n"


def find(study: Study, head: str, protocol: str) -> Findings:
    """Return what a study has found.

    Parameters
    ----------
    study : Study
        The study.
    head : str
        The kind of the head that it tunes.
    protocol : {"validation", "paper"}
        What ranked its candidates.

    Raises
    ------
    ValueError
        If no candidate could be evaluated.
    """
    rounds = study.rounds
    best = next(iter(ranked(outcome for one in rounds for outcome in one.outcomes)), None)
    if best is None or not best.complete:
        raise ValueError(
            "every candidate was refused, since its weights could overflow a membrane; search "
            "lower max_weight, min_weight or max_synapses"
        )
    space = study.search.space
    parameters = space.parameters(best.values)
    tests = tests_of(study)
    mine = [test for test in tests if test["parameters"] == parameters.to_dict()]
    return Findings(
        head=head,
        protocol=protocol,
        parameters=parameters,
        accuracy=best.accuracy,
        test_accuracies=mine[0]["accuracies"] if mine else [],
        n_tests=len(tests),
        course=_course(rounds),
        importance=study.importance(),
        ranges={name: (found.low, found.high) for name, found in space.ranges.items()},
        seconds=study.seconds,
    )


def tests_of(study: Study) -> list[dict[str, Any]]:
    """Return the configurations of a study that were measured on the test set.

    Raises
    ------
    ValueError
        If the study's note of them is damaged.
    """
    found = study.notes.get(_TESTS, [])
    with suppress(TypeError, KeyError, ValueError):
        return [
            {
                "parameters": dict(test["parameters"]),
                "accuracies": list(map(float, test["accuracies"])),
            }
            for test in found
        ]
    raise ValueError("the study's note of its tests is damaged: begin another study")


def add_test(study: Study, parameters: Hyperparameters, accuracies: list[float]) -> None:
    """Note that a configuration was measured on the test set."""
    test = {"parameters": parameters.to_dict(), "accuracies": accuracies}
    study.note(_TESTS, [*tests_of(study), test])


def write(findings: Findings, folder: Path) -> None:
    """Write the report and the parameters to a folder."""
    files = {
        findings.parameters_file: _json({"head": findings.head, **findings.parameters.to_dict()}),
        "report.json": _json(findings.to_dict()),
        "report.md": findings.to_markdown(),
    }
    for name, text in files.items():
        write_file(folder / name, text.encode())


def _course(rounds: list[NamedRound]) -> list[RoundSummary]:
    summaries: list[RoundSummary] = []
    experiments, best = 0, 0.0
    for one in rounds:
        complete = [outcome.accuracy for outcome in one.outcomes if outcome.complete]
        experiments += len(one.outcomes)
        best = max([best, *complete])
        stopped = len(one.outcomes) - len(complete)
        middle = median(complete) if complete else 0.0
        summaries.append(RoundSummary(one.kind, experiments, stopped, middle, best))
    return summaries


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
