"""DecorrelatedColumns: scikit-learn's contract, and what it does without asking for anything."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise
from typing import Any

import joblib
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.coding import signed_counts
from spikehead.heads.decorrelated import reference

X, Y = load_digits(return_X_y=True)
X = X - X[:1000].mean(axis=0)  # of either sign
NAMES = np.array([f"digit {label}" for label in Y])
N = 240


def head(**options: Any) -> DecorrelatedColumns:
    return DecorrelatedColumns(**({"n_threads": 1} | options))


def assert_same(one: DecorrelatedColumns, other: DecorrelatedColumns) -> None:
    assert one.classes_.tolist() == other.classes_.tolist()
    assert one.columns_.tolist() == other.columns_.tolist()
    ours, theirs = one.network_.state(), other.network_.state()
    for name, value in ours.items():
        assert np.array_equal(value, theirs[name]), name


# The check shuffles what it repeats. Classes and cosines are those of any order; how sure the head
# is was learned from its answers on the way.
ORDER = {
    f"check_sample_weight_equivalence_on_{kind}_data": "how sure it is depends on the order"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks([DecorrelatedColumns(n_threads=1)], expected_failed_checks=lambda _: ORDER)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_it_is_an_estimator_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_it_is_at_least_ridge_regression_in_one_pass() -> None:
    found = head().fit(X[:1000], NAMES[:1000])
    ridge = RidgeClassifier().fit(X[:1000], NAMES[:1000])  # offline
    assert found.score(X[1000:], NAMES[1000:]) > ridge.score(X[1000:], NAMES[1000:])


@given(cuts=st.sets(st.integers(1, N - 1), max_size=5), n_threads=st.sampled_from([1, 2, None]))
@settings(max_examples=15, deadline=None)
def test_neither_pieces_nor_threads_nor_late_classes_matter(
    cuts: set[int], n_threads: int | None
) -> None:
    whole, pieces = head().partial_fit(X[:N], NAMES[:N]), head(n_threads=n_threads)
    answers: list[str] = []
    for first, last in pairwise([0, *sorted(cuts), N]):
        pieces.partial_fit(X[first:last], NAMES[first:last])
        pieces = pickle.loads(pickle.dumps(pieces))
        answers += pieces.prequential_predictions_.tolist()
    # Which columns they get depends on the pieces, what they know does not.
    for name in ("weights", "energies", "counts"):
        ours, theirs = (getattr(one.network_, name)[one.columns_] for one in (whole, pieces))
        assert np.array_equal(ours, theirs)
    assert np.array_equal(whole.network_.lateral(), pieces.network_.lateral())
    assert (whole.predict(X) == pieces.predict(X)).all()
    assert (whole.prequential_predictions_[N // 2 :] == answers[N // 2 :]).mean() > 0.98


def test_it_tells_what_was_unknown_before_it_was_learned() -> None:
    found = head().partial_fit(X[:N], NAMES[:N])
    asked, threshold = copy.deepcopy(found), found.unfamiliar_below()
    found.partial_fit(X[N : N + 99], NAMES[N : N + 99])
    unknown = []
    for x, name in zip(X[N : N + 99], NAMES[N : N + 99], strict=True):
        unknown += (asked.score_samples(x[None]) < threshold).tolist()
        asked.partial_fit(x[None], [name])
    assert 0 < np.mean(unknown) < 1
    assert found.prequential_unknown_.tolist() == unknown


def test_it_answers_as_the_reference_spikes() -> None:
    found = head().fit(X[:N], NAMES[:N])
    counts = signed_counts(X[N : N + 30], 4.0)
    happened = reference.run(found.network_, counts)
    spikes = np.array([now.spikes for now in happened])
    assert (found.out_spikes(X[N : N + 30]) == spikes).all()
    assert spikes.any()
    # The most spikes win; among equal ones the highest potential that is left.
    expected = [
        max(range(10), key=lambda c, now=now: (now.spikes[:, c].sum(), now.residuals[c]))
        for now in happened
    ]
    assert found.predict(X[N : N + 30]).tolist() == found.classes_[expected].tolist()
    cosines = np.array([now.cosines for now in happened])
    odds = np.exp(cosines / np.exp(found.network_.log_temperature))
    assert found.predict_proba(X[N : N + 30]) == pytest.approx(odds / odds.sum(1, keepdims=True))
    assert (found.score_samples(X[N : N + 30]) == cosines.max(axis=1)).all()


def test_one_class_is_a_beginning_and_new_ones_come_at_any_time() -> None:
    found = head().partial_fit(X[:1], NAMES[:1])
    assert found.predict(X[:3]).tolist() == ["digit 0"] * 3
    assert found.predict_proba(X[:1]).tolist() == [[1]]
    found.partial_fit(X[1:3], NAMES[1:3])
    assert found.predict(X[:3]).tolist() == NAMES[:3].tolist()
    found.add_classes(["unseen"])
    assert (found.predict(X[:50]) != "unseen").all()
    assert (found.decision_function(X[:3])[:, -1] == 0).all()


def test_scale_and_sign_of_features_do_not_matter() -> None:
    one = head().fit(X[:N], NAMES[:N])
    for factor in (1e-200, -3.0, 1e200):
        other = head().fit(factor * X[:N], NAMES[:N])
        answers = other.predict(factor * X)
        assert (answers == one.predict(X)).mean() > (0.999 if factor < 0 else 0.99)


def test_a_weight_is_how_often_an_example_is_learned() -> None:
    weights = np.arange(N) % 3
    one = head().fit(X[:N], NAMES[:N], sample_weight=weights.astype(float))
    assert_same(one, head().fit(X[:N].repeat(weights, axis=0), NAMES[:N].repeat(weights)))
    two = head().partial_fit(X[:9], NAMES[:9]).partial_fit(X[:N], NAMES[:N], sample_weight=weights)
    assert two.network_.presentations == 9 + weights.sum()
    before = copy.deepcopy(two)
    for wrong in (weights - 1, weights / 2, weights[:-1], weights * np.nan, 0 * weights):
        with pytest.raises(ValueError, match=r"[Ss]ample_?.?weight"):
            two.partial_fit(X[:N], NAMES[:N], sample_weight=wrong)
    assert_same(two, before)


@pytest.mark.parametrize("place", [0, 5])
def test_of_a_silent_example_nothing_is_learned(place: int) -> None:
    silent = X[:N].copy()
    silent[place] = 0
    one = head().fit(silent, NAMES[:N])
    heard = np.arange(N) != place
    other = head().partial_fit(silent[heard], NAMES[:N][heard], classes=np.unique(NAMES))
    assert_same(one, other)
    assert len(one.prequential_predictions_) == N
    shares = one.predict_proba(silent[[place, place]])
    assert shares.sum(axis=1) == pytest.approx(1)
    nothing = head().fit(np.zeros((2, 5)), ["a", "b"])
    assert nothing.predict(np.ones((1, 5))).tolist() == ["a"]


def test_a_refused_call_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = head().fit(X[:N], NAMES[:N])
    before = copy.deepcopy(found)
    spoiled = X[:N].copy()
    spoiled[-1, 3] = np.inf
    for data, labels in (
        (spoiled, NAMES[:N]),
        (X[:N, :9], NAMES[:N]),
        (X[:N], np.arange(N)),
        (X[:N], NAMES[: N - 1]),
        (X[:0], NAMES[:0]),
    ):
        with pytest.raises(ValueError, match=r".+") as refused:
            found.partial_fit(data, labels)
        assert "\n" not in str(refused.value)
        assert_same(found, before)
    with pytest.raises(ValueError, match=r"^lam must be a number from 0.001 to 1000, not 0$"):
        head(lam=0).fit(X[:9], NAMES[:9])
    free = psutil.virtual_memory()._replace(available=8 * 64 * 16)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(MemoryError, match="a width of 16 fits"):
        found.fit(X[:N], NAMES[:N])
    assert_same(found, before)


def test_state_in_the_memory_of_a_file_learns_on(tmp_path: Any) -> None:
    one = head().fit(X[:160], NAMES[:160])
    joblib.dump(one, tmp_path / "head")
    other = joblib.load(tmp_path / "head", mmap_mode="r")
    assert isinstance(other.network_.inhibition, np.memmap)
    for found in (one, other):
        found.partial_fit(X[160:N], NAMES[160:N])
    assert_same(one, other)


def test_a_state_is_taken_up_bit_for_bit() -> None:
    one = head(width=20).fit(X[:160], NAMES[:160])
    other = head(width=20).resume(one.classes_, one.state(), n_features=64)
    assert (other.decision_function(X) == one.decision_function(X)).all()
    assert_same(other.partial_fit(X[160:N], NAMES[160:N]), one.partial_fit(X[160:N], NAMES[160:N]))


def test_merged_heads_answer_as_the_one_that_saw_both_streams():
    X, y = load_digits(return_X_y=True)
    names = np.array([f"digit {label}" for label in y])
    first, second = np.flatnonzero(y[:1200] < 7), np.flatnonzero(y[:1200] > 3)
    first, second = first[first % 2 == 0], second[second % 2 == 1]
    one, other = (
        DecorrelatedColumns(n_threads=1).fit(X[part], names[part]) for part in (first, second)
    )
    both = np.concatenate([second, first])
    whole = DecorrelatedColumns(n_threads=1).fit(X[both], names[both])
    for merged in (one.merge(other), other.merge(one)):
        assert merged.classes_.tolist() == whole.classes_.tolist()
        assert merged.network_.presentations == len(both)
        np.testing.assert_array_equal(merged.predict(X[1200:]), whole.predict(X[1200:]))
        np.testing.assert_allclose(
            merged.decision_function(X[1200:]), whole.decision_function(X[1200:]), atol=1e-6
        )
    assert (len(one.classes_), len(other.classes_)) == (7, 6)
    merged.partial_fit(X[:1], ["new"])
    with pytest.raises(ValueError, match="cannot be merged with a head of another kind"):
        one.merge(CoLaNETClassifier())
    with pytest.raises(ValueError, match="heads with lam 1 and 2 cannot be merged"):
        one.merge(DecorrelatedColumns(lam=2).fit(X[:9], names[:9]))
    with pytest.raises(ValueError, match="CoLaNET cannot be merged: what they know depends on"):
        CoLaNETClassifier().merge(one)
