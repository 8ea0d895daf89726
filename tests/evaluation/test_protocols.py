"""Every stream is what its protocol says it is."""

from __future__ import annotations

import numpy as np
import pytest

from spikehead.evaluation.examples import Examples
from spikehead.evaluation.protocols import PROTOCOLS, Data, Point

CLASSES = np.array(list("abcde"))


def some_data(seed: int = 0) -> Data:
    """Return examples whose first feature is their number, so that each can be told again."""
    random = np.random.default_rng(seed)
    y = np.repeat(CLASSES, [60, 60, 60, 61, 59])
    X = np.float32(random.normal(size=(len(y), 4)))
    X[:, 0] = np.arange(len(y))
    train, test = Examples(X, y).divided()
    brighter = [Examples(part.X + np.float32([0, 9, 9, 9]), part.y) for part in (train, test)]
    return Data("some", train, test, [("as is", train, test), ("brighter", *brighter)])


DATA = some_data()


def points(name: str, seed: int = 0) -> list[Point]:
    return list(PROTOCOLS[name].points(DATA, seed))


def numbers(points: list[Point]) -> list[int]:
    return [int(number) for point in points for number in point.learned.X[:, 0]]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_example_is_learned_once_and_none_of_the_test_part(name: str) -> None:
    found = points(name)
    assert len({point.name for point in found}) == len(found)
    assert all(len(point.asked) for point in found)
    if name in ("shifted", "scaled", "rotated", "unit length", "sensor"):
        n = sum(len(point.learned) for point in found)
        assert n <= len(DATA.train)
        return
    if name == "domains":  # each example once in each of them
        found = found[::3]
    learned = numbers(found)
    assert len(learned) == len({*learned})
    assert {*learned} <= {*DATA.train.X[:, 0].astype(int).tolist()}
    again, other = (numbers(points(name, seed)) for seed in (0, 1))
    assert numbers(points(name)) == again != other


def test_few_examples_of_each_class_are_nested() -> None:
    found = points("few")
    assert [point.name for point in found] == [f"{n} a class" for n in (1, 2, 5, 10, 20)]
    total = np.zeros(len(CLASSES), int)
    for point, n in zip(found, (1, 2, 5, 10, 20), strict=True):
        total += [(point.learned.y == name).sum() for name in CLASSES]
        assert total.tolist() == [n] * len(CLASSES)


def test_one_class_comes_after_the_other() -> None:
    (point,) = points("class after class")
    changes = (point.learned.y[1:] != point.learned.y[:-1]).sum()
    assert changes == len(CLASSES) - 1
    assert len(point.learned) == len(DATA.train)


def test_a_late_class_comes_last_and_alone() -> None:
    found = points("late class")
    late = str(found[0].asked.y[0])
    assert {*found[0].asked.y} == {late}
    assert late not in found[1].asked.y
    assert [(point.learned.y == late).sum() for point in found[::2]] == [1, 4, 15]
    assert [len(point.learned) for point in found[1::2]] == [0, 0, 0]
    assert found[0].learned.y[-1] == late


def test_three_stand_against_all() -> None:
    rare, other = points("uneven")
    assert sorted((rare.learned.y == name).sum() for name in {*rare.learned.y})[0] == 3
    assert {*rare.asked.y} != {*other.asked.y}


@pytest.mark.parametrize("percent", [10, 20, 40])
def test_so_many_labels_are_wrong_wherever_they_stand(percent: int) -> None:
    (point,) = points(f"wrong labels, {percent}%")
    right = dict(zip(DATA.train.X[:, 0].tolist(), DATA.train.y.tolist(), strict=True))
    wrong = [
        right[x] != y for x, y in zip(point.learned.X[:, 0].tolist(), point.learned.y, strict=True)
    ]
    n = round(percent / 100 * len(wrong))
    assert sum(wrong) == n
    first_half = sum(wrong[: len(wrong) // 2])
    assert abs(first_half - n / 2) < 4 * np.sqrt(n / 4)  # independent of the order


def test_circumstances_come_there_and_back() -> None:
    found = points("domains")
    assert [point.name for point in found] == [
        "as is, there",
        "brighter, there",
        "brighter, back",
        "as is, back",
    ]
    assert all(len(point.asked) == 2 * len(DATA.test) for point in found)
    assert found[1].learned.X[:, 1:].mean() > 7 > found[0].learned.X[:, 1:].mean()
    assert not list(PROTOCOLS["domains"].points(Data("one", DATA.train, DATA.test), 0))


def test_what_is_unknown_was_never_learned() -> None:
    first, second = points("unknown")
    assert len({*first.learned.y}) == 4
    known = np.isin(DATA.test.y, first.learned.y)
    assert first.asked.y.tolist() == known.tolist() == second.asked.y.tolist()

    class Knowing:
        def score_samples(self, X: object) -> object:
            return known + 0.0

    class Silent:
        pass

    class Guessing:
        def score_samples(self, X: object) -> object:
            return np.zeros(len(known))

    assert [p.measure(Knowing(), p.asked) for p in (first, second)] == [1, 1]
    assert [p.measure(Silent(), p.asked) for p in (first, second)] == [None, None]
    assert [p.measure(Guessing(), p.asked) for p in (first, second)] == [0.5, 0]


def test_features_are_changed_alike_in_both_parts() -> None:
    for name in ("shifted", "scaled", "rotated"):
        five, rest = points(name)
        stream = Examples.joined([five.learned, rest.learned])
        order = np.argsort(stream.y, kind="stable")
        design = np.hstack([DATA.test.X, np.ones((len(DATA.test), 1))])
        change, *_ = np.linalg.lstsq(design, five.asked.X, rcond=None)
        expected = np.hstack([DATA.train.X, np.ones((len(DATA.train), 1))]) @ change
        tree = {tuple(np.round(row, 2)) for row in expected.tolist()}
        close = [tuple(np.round(row, 2)) in tree for row in stream.X[order].tolist()]
        assert np.mean(close) > 0.9, name
    five, _ = points("unit length")
    assert np.allclose(np.linalg.norm(five.learned.X, axis=1), 1)
