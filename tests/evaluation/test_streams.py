"""Streams of tasks: what comes when, and the measures of what is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from spikehead.evaluation.examples import Examples
from spikehead.evaluation.methods import Method, spiking
from spikehead.evaluation.streams import (
    Course,
    Task,
    class_incremental,
    follow,
    mislabelled,
    new_class,
    permuted,
)
from spikehead.heads.colanet.classifier import CoLaNETClassifier
from spikehead.heads.colanet.parameters import CoLaNETParameters

NAN = np.nan


@pytest.fixture
def examples():
    """Twenty examples of each of five classes; the first activation is their number."""
    X = np.arange(200, dtype=np.float32).reshape(100, 2)
    return Examples(X, np.array(list("abcde") * 20))


def test_measures_are_those_of_the_papers():
    course = Course(
        np.array([[0.9, NAN, NAN], [0.7, 0.8, NAN], [0.5, 0.9, 1.0]]), np.array([10, 20, 10])
    )
    assert course.average_accuracy == pytest.approx((0.5 + 0.9 + 1.0) / 3)
    assert course.accuracy == pytest.approx((5 + 18 + 10) / 40)
    assert course.backward_transfer == pytest.approx(((0.5 - 0.9) + (0.9 - 0.8)) / 2)
    assert course.forgetting == pytest.approx(((0.9 - 0.5) + (0.8 - 0.9)) / 2)


def test_forgetting_is_from_the_best_and_backward_transfer_from_the_first():
    course = Course(
        np.array([[0.6, NAN, NAN], [0.9, 0.8, NAN], [0.7, 0.8, 1.0]]), np.array([10, 10, 10])
    )
    assert course.forgetting == pytest.approx(0.2 / 2)
    assert course.backward_transfer == pytest.approx(0.1 / 2)


def test_tasks_without_test_examples_do_not_count():
    course = Course(
        np.array([[0.9, NAN, NAN], [0.7, NAN, NAN], [0.5, NAN, 1.0]]), np.array([10, 0, 10])
    )
    assert course.average_accuracy == course.accuracy == pytest.approx(0.75)
    assert course.forgetting == -course.backward_transfer == pytest.approx(0.4)
    assert course.to_dict()["accuracies"][0] == [0.9, None, None]
    alone = Course(np.ones((1, 1)), np.array([10]))
    assert (alone.forgetting, alone.backward_transfer) == (None, None)


def test_classes_come_in_parts(examples):
    tasks = list(class_incremental(examples, examples[:10], 2, seed=0))
    assert sorted(", ".join(task.name for task in tasks).split(", ")) == list("abcde")
    for task in tasks:
        classes = set(task.name.split(", "))
        assert set(task.train.y) == set(task.test.y) == classes
        assert len(task.train) == 20 * len(classes)
    assert len(list(class_incremental(examples, examples, 9, seed=0))) == 5
    names = {next(class_incremental(examples, examples, 2, seed)).name for seed in range(9)}
    assert len(names) > 1


def test_permuted_activations_are_the_same_in_another_order():
    X = np.random.default_rng(0).random((6, 30)).astype(np.float32)
    whole = Examples(X, np.array(list("ababab")))
    tasks = list(permuted(whole, whole[:2], 4, seed=1))
    assert (tasks[0].train.X == X).all()
    for task in tasks:
        assert (np.sort(task.train.X, axis=1) == np.sort(X, axis=1)).all()
        assert (task.train.X[:2] == task.test.X).all()
        assert (task.train.y == whole.y).all()
    assert len({task.train.X[0].tobytes() for task in tasks}) == 4


def test_a_new_class_comes_last_with_few_examples(examples):
    others, new = new_class(examples, examples[:10], "c", 3, seed=0)
    assert sorted(set(others.train.y)) == sorted(set(others.test.y)) == list("abde")
    assert (new.train.y.tolist(), set(new.test.y)) == (["c"] * 3, {"c"})
    assert new.name == "c, 3 examples"
    many = list(new_class(examples, examples, "c", 99, seed=0))[1]
    assert len(many.train) == 20


@given(fraction=st.floats(0, 1), n_classes=st.integers(2, 6), seed=st.integers(0, 99))
def test_wrong_labels_are_as_many_as_asked_and_wrong(fraction, n_classes, seed):
    X = np.zeros((60, 1), np.float32)
    whole = Examples(X, np.array([f"c{n % n_classes}" for n in range(60)]))
    noisy = mislabelled(whole, np.unique(whole.y), fraction, seed)
    assert (noisy.y != whole.y).sum() == round(60 * fraction)
    assert set(noisy.y) <= set(whole.y)
    assert noisy.X is whole.X


@pytest.mark.parametrize("seed", range(20))
def test_wrong_labels_and_the_examples_of_a_new_class_come_at_any_time(seed):
    whole = Examples(np.arange(1000, dtype=np.float32)[:, None], np.array(list("ab") * 500))
    noisy = mislabelled(whole, np.unique(whole.y), 0.4, seed).shuffled(seed)
    right = whole.shuffled(seed)
    assert (noisy.X == right.X).all()
    early = (noisy.y != right.y)[:500].sum()  # of 400, by chance half
    assert 150 < early < 250
    few = list(new_class(whole, whole, "b", 100, seed))[1].train
    assert set(few.X[:, 0]) != set(whole[whole.y == "b"].shuffled(seed)[:100].X[:, 0])


class Echo:
    """Answers the class that it met last, and keeps what it learned."""

    def __init__(self):
        self.seen = []

    def partial_fit(self, X, y, classes):
        assert classes.tolist() == list("abcde")
        self.seen += y.tolist()

    def predict(self, X):
        return np.full(len(X), self.seen[-1])


def test_a_method_is_measured_on_what_came_so_far(examples):
    made = []

    def make(seed):
        made.append(Echo())
        return made[-1]

    tasks = [Task(name, *[examples[examples.y == name]] * 2) for name in "cab"]
    course = follow(
        Method("echo", make, lambda _: [], lambda *_: (0.0, 0.0)), tasks, np.unique(examples.y), 0
    )
    assert made[0].seen == ["c"] * 20 + ["a"] * 20 + ["b"] * 20
    expected = [[1, NAN, NAN], [0, 1, NAN], [0, 0, 1]]
    assert np.array_equal(course.accuracies, expected, equal_nan=True)
    assert (course.forgetting, course.backward_transfer) == (1.0, -1.0)


def test_a_stream_of_one_task_is_learned_as_by_the_head_alone():
    X, y = load_digits(return_X_y=True)
    whole = Examples(X.astype(np.float32), y.astype(str))
    train, test = whole[:600], whole[600:]
    parameters = CoLaNETParameters(saturation=16)
    course = follow(
        spiking("head", "colanet", parameters, members=2),
        [Task("all", train, test)],
        np.unique(whole.y),
        3,
    )
    alone = CoLaNETClassifier(saturation=16, members=2, random_state=3)
    order = np.random.RandomState(3).permutation(600)
    assert course.accuracy == alone.fit(train.X[order], train.y[order]).score(test.X, test.y)
