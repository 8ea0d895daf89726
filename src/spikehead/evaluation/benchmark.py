"""The benchmark: a matrix of learners, data and protocols, measured cell by cell and kept.

A cell is one learner on one stream, in one order. What is measured is added to a record, a JSON
file, and is not measured again, however often the work is stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

from spikehead.evaluation.methods import Method, accuracy, learn_stream, others
from spikehead.evaluation.protocols import PROTOCOLS, Data
from spikehead.files import write_file

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

__all__ = [
    "Cell",
    "Costs",
    "Lead",
    "Record",
    "Sheet",
    "cost_sheet",
    "lead",
    "markdown_table",
    "measure",
    "measure_costs",
    "sheets",
]

FORMAT = 1

DIGITS = 6
"""Of a figure that are kept."""

PAUSE = 2.0
"""Seconds between two times that a record is written while it grows."""

ROUNDS = 5
"""How often learners take turns where time is measured; the median counts."""

UNIT_OF_TIME = "nearest class mean"
"""The learner whose times are one."""

TIMED = 512
"""Examples that are learned and answered there."""


_INNERMOST = re.compile(r"\{[^{}]*\}|\[[^][{}]*\]")


class Cell(NamedTuple):
    """One learner on one stream."""

    data: str
    protocol: str
    learner: str
    order: int


@dataclass(frozen=True)
class Costs:
    """What a learner keeps and computes.

    Attributes
    ----------
    state_bytes : int
        Size of what must be kept to go on learning and to answer.
    lesson, answer : float
        Operations of each; None where they are not counted.
    lesson_time, answer_time : float
        Time of each, over that of `UNIT_OF_TIME`; learned 32 at a time, and answered all at once:
        medians of turns that both took in one run.
    """

    state_bytes: int
    lesson: float | None
    answer: float | None
    lesson_time: float
    answer_time: float


class Record:
    """What has been measured, in a JSON file.

    Parameters
    ----------
    path : str or Path
        Where it is; it is made where it is missing.

    Attributes
    ----------
    data : dict
        Of each data set how large it is, and a digest of it.
    cells : dict
        Of each `Cell` the figures at its points, in their order.
    costs : dict
        Of each data set the `Costs` of learners.

    Raises
    ------
    ValueError
        If the file is no such record.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.data: dict[str, dict[str, Any]] = {}
        self.cells: dict[Cell, dict[str, float | None]] = {}
        self.costs: dict[str, dict[str, Costs]] = {}
        self._saved = -PAUSE
        if not self.path.exists():
            return
        try:
            document = json.loads(self.path.read_text("utf-8"))
            if document["format"] != FORMAT:
                raise ValueError
            self.data = dict(document["data"])
            self.cells = dict(_cells(document["results"]))
            self.costs = {
                data: {learner: Costs(**values) for learner, values in costs.items()}
                for data, costs in document["costs"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ValueError(
                f"{self.path} is no record of this version's benchmark: name another file"
            ) from None

    def admit(self, data: Data) -> None:
        """Take up a data set; one that is there already must be the same.

        Raises
        ------
        ValueError
            If another data set was measured under this name.
        """
        digest = hashlib.sha256()
        for part in (data.train, data.test):  # other circumstances follow from them
            digest.update(np.ascontiguousarray(part.X).tobytes())
            digest.update("\0".join(map(str, part.y)).encode())
        facts = {
            "train": len(data.train),
            "test": len(data.test),
            "classes": len(np.unique(data.train.y)),
            "activations": data.train.X.shape[1],
            "sha256": digest.hexdigest(),
        }
        if self.data.setdefault(data.name, facts) != facts:
            raise ValueError(
                f"{self.path} was measured on other data under the name {data.name}: name another "
                "record"
            )

    def add(self, cell: Cell, points: dict[str, float | None]) -> None:
        """Keep the figures of a cell; the file is written every few seconds."""
        self.cells[cell] = {
            name: figure if figure is None else round(figure, DIGITS)
            for name, figure in points.items()
        }
        if time.monotonic() > self._saved + PAUSE:
            self.save()

    def save(self) -> None:
        """Write the file; an older one stays whole until the new one is."""
        text = json.dumps(self.to_dict(), indent=1)
        write_file(self.path, (_INNERMOST.sub(_on_one_line, text) + "\n").encode())
        self._saved = time.monotonic()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        results: dict[str, dict[str, dict[str, Any]]] = {}
        for (data, protocol, learner, order), points in self.cells.items():
            table = results.setdefault(data, {}).setdefault(
                protocol, {"points": list(points), "figures": {}}
            )
            table["figures"].setdefault(learner, {})[str(order)] = list(points.values())
        return {
            "format": FORMAT,
            "data": self.data,
            "results": results,
            "costs": {
                data: {learner: vars(value) for learner, value in costs.items()}
                for data, costs in self.costs.items()
            },
        }

    def missing(
        self,
        data: Sequence[Data],
        protocols: Iterable[str],
        learners: Iterable[Method],
        orders: int,
    ) -> list[Cell]:
        """Return the cells that are asked for and not measured yet, order after order."""
        asked = product(range(orders), data, protocols, learners)
        cells = [
            Cell(one.name, protocol, learner.name, order)
            for order, one, protocol, learner in asked
            if PROTOCOLS[protocol].offline or not learner.offline
            if learner.seeded or order == 0
        ]
        return [cell for cell in cells if cell not in self.cells]

    def figures(self, data: str, protocol: str) -> dict[str, dict[str, dict[int, float]]]:
        """Return the figures of a stream: of each point, of each learner, of each order."""
        found: dict[str, dict[str, dict[int, float]]] = {}
        for cell, points in self.cells.items():
            if (cell.data, cell.protocol) == (data, protocol):
                for point, figure in points.items():
                    if figure is not None:
                        learners = found.setdefault(point, {})
                        learners.setdefault(cell.learner, {})[cell.order] = figure
        return found


def _cells(
    results: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[Cell, dict[str, float | None]]]:
    """Yield the cells of a record's results, and their points."""
    for data, protocols in results.items():
        for protocol, table in protocols.items():
            for learner, orders in table["figures"].items():
                for order, figures in orders.items():
                    points = dict(zip(table["points"], figures, strict=True))
                    yield Cell(data, protocol, learner, int(order)), points


def _on_one_line(found: re.Match[str]) -> str:
    return " ".join(found[0].split())


# ------------------------------------------------------------ measuring


def measure(
    cells: Sequence[Cell],
    data: Sequence[Data],
    learners: Sequence[Method],
    cluster: Cluster | None = None,
) -> Iterator[tuple[Cell, dict[str, float | None]]]:
    """Measure cells: here, one after the other, or on a cluster, as they are done.

    Parameters
    ----------
    cells : sequence of Cell
        What to measure.
    data, learners : sequences
        Those that the cells name.
    cluster : Cluster, optional
        Where; the learners must be such that they can be sent there.

    Yields
    ------
    (Cell, dict)
        Its figures at its points.
    """
    sets, makers = {one.name: one for one in data}, {one.name: one for one in learners}
    if cluster is None:
        for cell in cells:
            yield cell, _measured(sets[cell.data], makers[cell.learner], cell)
        return
    shared = {name: cluster.share(one) for name, one in sets.items()}
    futures = {
        cluster.submit(_measured, shared[cell.data], makers[cell.learner], cell): cell
        for cell in cells
    }
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def _measured(data: Data, learner: Method, cell: Cell) -> dict[str, float | None]:
    """Let a learner go through a stream."""
    classes = np.unique(data.train.y)
    estimator = learner.make(cell.order)
    found = {}
    for point in PROTOCOLS[cell.protocol].points(data, cell.order):
        learned = learner.heard(point.learned)
        if learner.offline:
            estimator.fit(learned.X, learned.y)
        else:
            learn_stream(estimator, learned, classes)
        found[point.name] = point.measure(estimator, learner.heard(point.asked))
    return found


def measure_costs(data: Data, learners: Sequence[Method]) -> dict[str, Costs]:
    """Measure what learners keep and compute; in turns, so that all meet the same machine.

    Parameters
    ----------
    data : Data
        Its first `TIMED` examples are learned and answered.
    learners : sequence of Method
        Offline ones are left out; `UNIT_OF_TIME` takes its turns in any case.
    """
    stream, classes = data.train.shuffled(0)[:TIMED], np.unique(data.train.y)
    online = {learner.name: learner for learner in learners if not learner.offline}
    if not online:
        return {}
    (unit,) = (method for method in others() if method.name == UNIT_OF_TIME)
    turns = {unit.name: unit} | online
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    learned = {}
    for _, learner in product(range(ROUNDS + 1), turns.values()):
        estimator = learned[learner.name] = learner.make(0)
        lessons, asked = learner.heard(stream), learner.heard(data.test[:TIMED])
        started = time.perf_counter()
        learn_stream(estimator, lessons, classes)
        between = time.perf_counter()
        accuracy(estimator, asked)
        times[learner.name].append((between - started, time.perf_counter() - between))
    medians = {name: np.median(rounds[1:], axis=0) for name, rounds in times.items()}  # 0 compiles
    costs = {}
    for name, learner in online.items():
        asked = learner.heard(data.test[:TIMED])
        answer, lesson = learner.operations(learned[name], asked.X)
        kept = sum(array.nbytes for array in learner.state(learned[name]))
        ratios = (medians[name] / medians[unit.name]).round(DIGITS).tolist()
        costs[name] = Costs(kept, lesson, answer, *ratios)
    return costs


# ------------------------------------------------------------ what it says


class Lead(NamedTuple):
    """By how much a learner is ahead of the best other one that learns in one pass."""

    best: str
    """The other one: that over which the mean lead is smallest."""
    mean: float
    half_width: float | None
    """Of the 95 % interval, paired over orders; None from one order."""

    def __str__(self) -> str:
        """Return it in points, with its interval, and over whom."""
        width = "" if self.half_width is None else f" ± {100 * self.half_width:.2f}"
        return f"{100 * self.mean:+.2f}{width} ({self.best})"


def lead(
    figures: Mapping[str, Mapping[int, float]], name: str, others: Iterable[str]
) -> Lead | None:
    """Return the lead of a learner at a point, order by order, so that what they share falls out.

    Parameters
    ----------
    figures : mapping
        Of learners, of orders; as in `Record.figures`.
    name : str
        The learner.
    others : iterable of str
        With whom it is compared.

    Returns
    -------
    Lead or None
        None where it shares no order with another one.
    """
    ours = figures.get(name, {})
    found = []
    for other in others:
        theirs = figures.get(other, {})
        if leads := [ours[order] - theirs[order] for order in ours if order in theirs]:
            found.append((float(np.mean(leads)), other, leads))
    if not found:
        return None
    mean, best, leads = min(found)
    if len(leads) < 2:
        return Lead(best, mean, None)
    width: float = stats.t.ppf(0.975, len(leads) - 1) * stats.sem(leads)
    return Lead(best, mean, float(width))


@dataclass(frozen=True)
class Sheet:
    """What was measured of one protocol on one data set, as it is shown.

    Attributes
    ----------
    data, protocol, question : str
        What was measured.
    header : list of str
        Above the columns: the learner, then the points.
    rows : list of list of str
        A learner each: its name, then mean and standard deviation over the orders in percent; the
        best one-pass learners first, offline ones last.
    """

    data: str
    protocol: str
    question: str
    header: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """Return it as a heading and a table."""
        table = markdown_table(self.header, self.rows)
        return f"### {self.data}: {self.protocol}\n\n{self.question}\n\n{table}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def sheets(record: Record, ours: str, offline: Iterable[str] = ()) -> list[Sheet]:
    """Return what a record says, data set after data set.

    Parameters
    ----------
    record : Record
        What was measured.
    ours : str
        The learner whose lead is shown in the last row.
    offline : iterable of str
        Learners that see all examples at once.
    """
    found = []
    for data, protocol in product(record.data, PROTOCOLS.values()):
        points = record.figures(data, protocol.name)
        if points:
            found.append(_sheet(data, protocol.name, protocol.question, points, ours, {*offline}))
    return found + [cost_sheet(data, costs) for data, costs in record.costs.items() if costs]


def cost_sheet(data: str, costs: Mapping[str, Costs]) -> Sheet:
    """Return what learners keep and compute on a data set.

    Parameters
    ----------
    data : str
        The data set.
    costs : mapping of str to Costs
        Of each learner.
    """
    rows = [
        [
            learner,
            f"{cost.state_bytes / 1e6:.2f}",
            "" if cost.lesson is None else f"{cost.lesson:,.0f}",
            "" if cost.answer is None else f"{cost.answer:,.0f}",
            f"{cost.lesson_time:.1f}",
            f"{cost.answer_time:.1f}",
        ]
        for learner, cost in costs.items()
    ]
    question = f"Times are over those of the {UNIT_OF_TIME}, measured in turns in one run."
    header = ["", "state, MB", "operations: lesson", "answer", "time: lesson", "answer"]
    return Sheet(data, "costs", question, header, rows)


def _sheet(
    data: str,
    protocol: str,
    question: str,
    points: Mapping[str, Mapping[str, Mapping[int, float]]],
    ours: str,
    offline: set[str],
) -> Sheet:
    learners = dict.fromkeys(learner for figures in points.values() for learner in figures)
    means = {
        learner: np.mean(
            [
                np.mean(list(figures[learner].values()))
                for figures in points.values()
                if learner in figures
            ]
        )
        for learner in learners
    }
    rows = [
        [learner, *(_spread(figures.get(learner, {})) for figures in points.values())]
        for learner in sorted(learners, key=lambda one: (one in offline, -means[one]))
    ]
    others = [learner for learner in learners if learner != ours and learner not in offline]
    leads = [lead(figures, ours, others) for figures in points.values()]
    if any(leads):
        rows.append([f"lead of {ours}", *("" if one is None else str(one) for one in leads)])
    return Sheet(data, protocol, question, ["", *points], rows)


def _spread(figures: Mapping[int, float]) -> str:
    values = [100 * value for value in figures.values()]
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"
