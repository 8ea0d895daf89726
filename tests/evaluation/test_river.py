"""River's learners take part, and ours in River."""

import numpy as np
import pytest

pytest.importorskip("river")

from river import checks, naive_bayes
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

from spikehead import DecorrelatedColumns
from spikehead.evaluation.river import FromRiver
from spikehead.heads.river import RiverColumns


@pytest.mark.parametrize(
    "check", list(checks.yield_checks(RiverColumns())), ids=lambda c: c.__name__
)
def test_it_is_an_estimator_of_river(check):
    check(RiverColumns())


def test_it_answers_as_the_head_does():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    there = RiverColumns(lam=2)
    for x, label in zip(X[:100], y[:100], strict=True):
        there.learn_one(dict(enumerate(x)), f"iris {label}")
    here = DecorrelatedColumns(lam=2).partial_fit(X[:100], y[:100])
    answers = [there.predict_one(dict(enumerate(x))) for x in X[100:]]
    assert answers == [f"iris {label}" for label in here.predict(X[100:])]


def test_a_learner_of_river_learns_what_it_is_given():
    X, y = load_iris(return_X_y=True)
    ours = FromRiver(naive_bayes.GaussianNB()).partial_fit(X, y, classes=[0, 1, 2])
    theirs = GaussianNB().fit(X, y)
    assert np.mean(ours.predict(X) == theirs.predict(X)) > 0.98
    nothing = FromRiver(naive_bayes.GaussianNB()).partial_fit(X[:0], y[:0], classes=[7, 8])
    assert nothing.predict(X[:2]).tolist() == [7, 7]
