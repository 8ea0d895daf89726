"""The record of the benchmark, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from spikehead.evaluation.benchmark import Cell, Record, lead, measure, measure_costs, sheets
from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import Method, others
from spikehead.evaluation.protocols import Data


def some_data(seed: int = 0) -> Data:
    random = np.random.default_rng(seed)
    y = np.repeat(["a", "b", "c"], 30)
    X = np.float32(random.normal(size=(90, 5)) + 3 * np.eye(5)[np.repeat([0, 1, 2], 30)])
    return Data("some", *Examples(X, y).divided())


def counted(calls: list[int], **how: Any) -> Method:
    (mean,) = (method for method in others() if method.name == "nearest class mean")

    def make(seed: int) -> Any:
        calls.append(seed)
        return mean.make(seed)

    return Method("counted", make, mean.state, mean.operations, **how)


def test_nothing_is_measured_twice(tmp_path: Path) -> None:
    data, calls = some_data(), list[int]()
    learners = [counted(calls)]
    record = Record(tmp_path / "record.json")
    record.admit(data)
    asked = ["one pass", "few"]
    for cell, points in measure(record.missing([data], asked, learners, 2)[:3], [data], learners):
        record.add(cell, points)
    record.save()
    assert calls == [0, 0, 1]

    again = Record(tmp_path / "record.json")
    again.admit(data)
    assert again.to_dict() == record.to_dict()
    missing = again.missing([data], asked, learners, 2)
    assert missing == [Cell("some", "few", "counted", 1)]
    assert again.missing([data], asked, learners, 3)[-1] == Cell("some", "few", "counted", 2)
    with pytest.raises(ValueError, match=r"was measured on other data under the name some"):
        again.admit(some_data(seed=1))


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}', '{"format": 1, "data": 3}'])
def test_another_file_is_no_record(content: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"is no record of this version's benchmark"):
        Record(path)
    assert path.read_text() == content


def test_who_sees_all_at_once_takes_part_where_all_come_at_once(tmp_path: Path) -> None:
    record, learners = Record(tmp_path / "r.json"), [counted([], offline=True, seeded=False)]
    found = record.missing([some_data()], ["one pass", "few", "class after class"], learners, 5)
    assert found == [Cell("some", "one pass", "counted", 0)]


def test_a_lead_is_paired() -> None:
    random = np.random.default_rng(0)
    ours, best = random.normal(0.9, 0.01, 5), random.normal(0.8, 0.01, 5)
    figures = {
        "ours": dict(enumerate(ours)),
        "best": dict(enumerate(best)),
        "worse": {0: 0.7, 1: 0.6},
        "offline": {0: 0.99},
    }
    found = lead(figures, "ours", ["best", "worse", "absent"])
    test = stats.ttest_rel(ours, best)
    interval = test.confidence_interval(0.95)
    assert found is not None
    assert found.best == "best"
    assert found.half_width is not None
    np.testing.assert_allclose(
        (found.mean - found.half_width, found.mean + found.half_width),
        (interval.low, interval.high),
    )
    assert lead(figures, "ours", ["absent"]) is None
    assert lead(figures, "absent", ["best"]) is None


def test_a_sheet_has_the_best_first_and_who_sees_all_last(tmp_path: Path) -> None:
    record = Record(tmp_path / "record.json")
    record.admit(some_data())
    for learner, order, figure in [
        ("ours", 0, 0.5),
        ("ours", 1, 0.7),
        ("weak", 0, 0.25),
        ("strong", 0, 0.875),
        ("strong", 1, 0.9),
        ("all at once", 0, 1.0),
    ]:
        record.add(Cell("some", "one pass", learner, order), {"all": figure})
    (sheet,) = sheets(record, "ours", ["all at once"])
    assert sheet.rows == [
        ["strong", "88.75 ± 1.77"],
        ["ours", "60.00 ± 14.14"],
        ["weak", "25.00"],
        ["all at once", "100.00"],
        ["lead of ours", "-28.75 ± 111.18 (strong)"],
    ]
    assert "| weak | 25.00 |\n" in sheet.markdown()


def test_costs_are_those_of_what_was_learned() -> None:
    data = some_data()
    costs = measure_costs(
        data, [m for m in others() if m.name in ("nearest class mean", "logistic regression")]
    )
    assert costs.keys() == {"nearest class mean"}
    assert costs["nearest class mean"].state_bytes == 3 * 5 * 8 + 3 * 8
    assert costs["nearest class mean"].answer == 3 * 5
    assert (costs["nearest class mean"].lesson_time, costs["nearest class mean"].answer_time) == (
        1,
        1,
    )
