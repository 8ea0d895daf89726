"""CoLaNETClassifier: scikit-learn's contract, the stream's order, and what it says to bad input."""

from __future__ import annotations

import copy
import pickle
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.metrics import get_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from spikehead import CoLaNETClassifier
from spikehead.coding import AUTO_PERCENTILE, STEPS, bernoulli_trains, even_trains
from spikehead.heads import classifiers
from spikehead.heads.colanet import reference
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[
    Y_DIGITS
]
N = 240  # digits of most tests

EXPECTED_FAILED_CHECKS = {
    "check_decision_proba_consistency": "its data has negative values, which rate coding refuses",
    "check_sample_weight_equivalence_on_dense_data": "it shuffles, and order matters",
    "check_sample_weight_equivalence_on_sparse_data": "likewise",
}


def head(**options: Any) -> CoLaNETClassifier:
    """Return a small classifier for the digits, whose pixels go from 0 to 16."""
    return CoLaNETClassifier(**({"saturation": 16, "members": 3} | options))


def coded_digits(coding: str, n: int = N) -> NDArray[Any]:
    if coding != "events":
        return np.asarray(X_DIGITS[:n])
    trains = bernoulli_trains(X_DIGITS[:n], 16.0)
    return np.array([trains.raster(index) for index in range(n)])


def in_columns(found: CoLaNETClassifier) -> list[Any]:
    """Return the classes in the order of the network's columns."""
    named = dict(zip(found.columns_.tolist(), found.classes_.tolist(), strict=True))
    return [named[column] for column in range(found.network_.n_columns)]


def assert_same(one: CoLaNETClassifier, other: CoLaNETClassifier) -> None:
    """See that two classifiers hold the same state, bit for bit."""
    assert one.classes_.tolist() == other.classes_.tolist()
    assert one.columns_.tolist() == other.columns_.tolist()
    assert (one.network_.resources == other.network_.resources).all()
    assert (one.network_.stability == other.network_.stability).all()
    assert one.network_.presentations == other.network_.presentations
    assert one.network_.resource_updates == other.network_.resource_updates


# ---------------------------------------------------------------- scikit-learn


@parametrize_with_checks(
    [CoLaNETClassifier(members=2)], expected_failed_checks=lambda _: EXPECTED_FAILED_CHECKS
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_it_is_an_estimator_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_it_works_in_a_pipeline_a_grid_search_and_cross_validation() -> None:
    pipeline = make_pipeline(MinMaxScaler(clip=True), head(saturation=1.0))
    X, y = X_DIGITS[:500], NAMES[:500]
    assert cross_val_score(pipeline, X, y, cv=3).min() > 0.5  # chance: 0.1
    grid = {
        "colanetclassifier__saturation": np.array([1e6, 1.0]),
        "colanetclassifier__microcolumns": np.arange(1, 3),
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["colanetclassifier__saturation"] == 1.0
    assert search.predict(X_DIGITS[500:503]).dtype == NAMES.dtype


@pytest.mark.parametrize("everywhere", [True, False])
def test_named_features_come_through_a_pipeline(everywhere: bool) -> None:
    pandas = pytest.importorskip("pandas")
    pixels = [f"pixel {number}" for number in range(64)]
    X = pandas.DataFrame(X_DIGITS[:N], columns=pixels)
    pipeline = make_pipeline(MinMaxScaler(clip=True), head(saturation=1.0))
    with config_context(transform_output="pandas" if everywhere else "default"):
        if not everywhere:
            pipeline.set_output(transform="pandas")
        pipeline.fit(X, NAMES[:N])
        assert pipeline[-1].feature_names_in_.tolist() == pixels
        with config_context(transform_output="default"):
            plain = make_pipeline(MinMaxScaler(clip=True), head(saturation=1.0))
            expected = plain.fit(X_DIGITS[:N], NAMES[:N]).predict_proba(X_DIGITS[:N])
        assert (pipeline.predict_proba(X) == expected).all()
        again = pipeline[-1].fit(X_DIGITS[:N] / 16, NAMES[:N])
    assert not hasattr(again, "feature_names_in_")


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_state_in_the_memory_of_a_file_learns_on(tmp_path: Path, mode: Any) -> None:
    one = head().fit(X_DIGITS[:160], NAMES[:160])
    joblib.dump(one, tmp_path / "head")
    content = (tmp_path / "head").read_bytes()
    other = joblib.load(tmp_path / "head", mmap_mode=mode)
    assert isinstance(other.network_.resources, np.memmap)
    assert (other.predict_proba(X_DIGITS[160:N]) == one.predict_proba(X_DIGITS[160:N])).all()
    for found in (one, other):
        found.partial_fit(X_DIGITS[160:N], NAMES[160:N])
    assert_same(one, other)
    assert (other.predict_proba(X_DIGITS) == one.predict_proba(X_DIGITS)).all()
    assert (tmp_path / "head").read_bytes() == content


def test_workers_learn_on_from_memory_that_they_share() -> None:
    one = head().fit(X_DIGITS[:160], NAMES[:160])
    learn = joblib.delayed(CoLaNETClassifier.partial_fit)
    with joblib.Parallel(n_jobs=2, max_nbytes=100) as workers:  # larger arrays are shared
        found = workers(learn(one, X_DIGITS[160:N], NAMES[160:N]) for _ in range(2))
    one.partial_fit(X_DIGITS[160:N], NAMES[160:N])
    for other in found:
        assert_same(other, one)


def test_a_pickle_of_another_version_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    found = head().fit(X_DIGITS[:20], NAMES[:20])
    with monkeypatch.context() as patched:
        patched.setattr(classifiers, "_version", lambda: "0.0.7")
        pickled = pickle.dumps(found)
    with pytest.warns(
        InconsistentVersionWarning,
        match=r"^this CoLaNETClassifier was pickled by spikehead 0\.0\.7, and",
    ):
        assert_same(pickle.loads(pickled), found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(pickle.loads(pickle.dumps(found)), found)


def test_clone_keeps_the_options_and_nothing_else() -> None:
    fitted = head(microcolumns=2, grow=True, coding="bernoulli").fit(X_DIGITS[:N], Y_DIGITS[:N])
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "classes_")


@pytest.mark.parametrize("coding", ["even", "bernoulli", "events"])
@pytest.mark.parametrize(
    "duplicate",
    [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy],
    ids=["pickle", "deepcopy"],
)
def test_a_duplicate_predicts_and_goes_on_learning_bit_for_bit(duplicate: Any, coding: str) -> None:
    X, y = coded_digits(coding), Y_DIGITS[:N]
    one = head(coding=coding).fit(X[:160], y[:160])
    other = duplicate(one)
    state = one.network_.resources.copy()
    assert (other.decision_function(X) == one.decision_function(X)).all()
    other.partial_fit(X[160:], y[160:])
    assert (one.network_.resources == state).all()
    assert_same(one.partial_fit(X[160:], y[160:]), other)
    assert (other.decision_function(X) == one.decision_function(X)).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("coding", ["even", "bernoulli"])
def test_a_state_is_taken_up_bit_for_bit(order: Any, coding: str) -> None:
    one = head(coding=coding).fit(X_DIGITS[:160], NAMES[:160])
    more = X_DIGITS[160:], NAMES[160:]
    state = one.state()
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            state[name] = np.array(value, order=order)
            state[name].setflags(write=False)
    other = head(coding=coding).resume(one.classes_, state, n_features=64)
    assert (other.predict_proba(X_DIGITS) == one.predict_proba(X_DIGITS)).all()
    assert_same(other.partial_fit(*more), one.partial_fit(*more))


# ---------------------------------------------------------------- what it learns


def test_digits_are_learned_in_one_pass() -> None:
    X, X_test, y, y_test = train_test_split(
        X_DIGITS, NAMES, test_size=0.2, stratify=NAMES, random_state=0
    )
    accuracy = CoLaNETClassifier(saturation=16).fit(X, y).score(X_test, y_test)
    assert accuracy > GaussianNB().fit(X, y).score(X_test, y_test)  # which is offline
    assert accuracy > 0.84


def test_the_ensemble_votes_as_the_specification_says() -> None:
    found = head(members=4, microcolumns=2, stochastic_stimulation=0.5)
    found.fit(X_DIGITS[:N], Y_DIGITS[:N])
    X = np.concatenate([X_DIGITS[N : N + 40], np.zeros((1, 64))])
    happened = reference.run(found.network_, even_trains(X, 16.0))
    shares, potentials = np.zeros((41, 10)), np.zeros((41, 10))
    for index, members in enumerate(happened):
        for now in members:
            out = now.out(2).sum(axis=0)
            if out.sum():
                shares[index] += out / out.sum() / 4
            ratio = (now.potentials[:STEPS] / now.thresholds).max(axis=0)
            potentials[index] += ratio.reshape(10, 2).max(axis=1)
    # Column by column: the highest share, among these the highest potential.
    expected = [
        max(range(10), key=lambda c, i=i: (round(shares[i, c], 9), potentials[i, c]))
        for i in range(41)
    ]
    assert found.predict(X).tolist() == expected
    assert found.decision_function(X) == pytest.approx(shares, abs=2e-9)
    voted = shares.sum(axis=1) > 0
    assert 0 < voted.sum() < 41
    normalised = shares[voted] / shares[voted].sum(axis=1, keepdims=True)
    assert found.predict_proba(X)[voted] == pytest.approx(normalised, abs=1e-7)


def test_it_is_tested_on_each_example_before_it_learns_it() -> None:
    # Without noise an answer does not depend on how many examples came before.
    stream = head(stochastic_stimulation=0.0, grow=True)
    stream.partial_fit(X_DIGITS[:30], NAMES[:30])
    asked = copy.deepcopy(stream)
    stream.partial_fit(X_DIGITS[30:130], NAMES[30:130])
    answers = []
    for x, name in zip(X_DIGITS[30:130], NAMES[30:130], strict=True):
        answers += asked.predict(x[None]).tolist()
        asked.partial_fit(x[None], [name])
        assert asked.prequential_predictions_.tolist() == answers[-1:]
    assert stream.prequential_predictions_.tolist() == answers
    assert 0 < np.mean(stream.prequential_predictions_ == NAMES[30:130]) < 1


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_probabilities_add_up_and_agree_with_predictions(n_classes: int, noise: float) -> None:
    known = np.isin(Y_DIGITS, range(n_classes))
    found = head(stochastic_stimulation=noise).fit(X_DIGITS[known], NAMES[known])
    X = np.concatenate([X_DIGITS[:300], np.zeros((1, 64)), np.full((1, 64), 16)])
    shares, predicted = found.predict_proba(X), found.predict(X)
    assert shares.shape == (302, n_classes)
    assert (shares >= 0).all()
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (found.classes_[shares.argmax(axis=1)] == predicted).all()
    scores = found.decision_function(X)
    if n_classes == 2:
        assert scores.shape == (302,)
        assert (found.classes_[(scores > 0).astype(int)] == predicted).all()
    else:
        assert (found.classes_[scores.argmax(axis=1)] == predicted).all()


@pytest.mark.parametrize("coding", ["even", "bernoulli", "events"])
def test_an_answer_does_not_depend_on_the_others(coding: str) -> None:
    X = coded_digits(coding)
    found = head(coding=coding, stochastic_stimulation=0.5).fit(X, Y_DIGITS[:N])
    together = found.decision_function(X)
    assert (found.decision_function(X[::-1]) == together[::-1]).all()
    assert (found.decision_function(X[7:8]) == together[7:8]).all()


@pytest.mark.parametrize("noise", [0.0, 0.016])
def test_a_silent_example_gets_the_same_class_always(noise: float) -> None:
    found = head(stochastic_stimulation=noise).fit(X_DIGITS[:N], NAMES[:N])
    silent = np.zeros((3, 64))
    together = found.predict(np.concatenate([X_DIGITS[:50], silent]))[-3:]
    assert len(set(together)) == 1
    assert (found.predict(silent) == together).all()
    assert found.predict_proba(silent).sum(axis=1) == pytest.approx(1)
    if noise == 0:
        assert found.predict_proba(silent) == pytest.approx(0.1)
        assert together[0] == found.classes_[0]


def test_string_labels_are_numbers_by_another_name() -> None:
    by_name = head().fit(X_DIGITS[:N], np.char.add("digit ", Y_DIGITS[:N].astype(str)))
    by_number = head().fit(X_DIGITS[:N], Y_DIGITS[:N])
    assert by_name.classes_.tolist() == [f"digit {n}" for n in range(10)]
    expected = [f"digit {n}" for n in by_number.predict(X_DIGITS[N : N + 60])]
    assert by_name.predict(X_DIGITS[N : N + 60]).tolist() == expected


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize("coding", ["even", "bernoulli"])
def test_sparse_activations_are_dense_ones(container: Any, coding: str) -> None:
    dense = head(coding=coding, saturation="auto").fit(X_DIGITS[:N], Y_DIGITS[:N])
    thin = head(coding=coding, saturation="auto").fit(container(X_DIGITS[:N]), Y_DIGITS[:N])
    assert_same(thin, dense)
    assert (thin.predict_proba(container(X_DIGITS)) == dense.predict_proba(X_DIGITS)).all()


def test_two_threads_or_all_of_them_learn_the_same() -> None:
    found = [
        head(n_threads=n, microcolumns=2).fit(X_DIGITS[:N], Y_DIGITS[:N]) for n in (1, 2, 3, None)
    ]
    for other in found[1:]:
        assert_same(other, found[0])
        assert (other.predict_proba(X_DIGITS) == found[0].predict_proba(X_DIGITS)).all()


def test_random_state_decides_noise_and_synapses() -> None:
    def fitted(random_state: Any) -> CoLaNETClassifier:
        options: dict[str, Any] = {"max_synapses": 20, "stochastic_stimulation": 0.5}
        return head(random_state=random_state, **options).fit(X_DIGITS[:N], Y_DIGITS[:N])

    assert_same(fitted(3), fitted(np.int64(3)))
    assert_same(fitted(np.random.RandomState(3)), fitted(np.random.RandomState(3)))
    assert (fitted(3).network_.synapses != fitted(4).network_.synapses).any()
    assert (fitted(None).network_.synapses != fitted(None).network_.synapses).any()


def test_saturation_is_taken_from_the_first_batch_and_kept() -> None:
    found = head(saturation="auto")
    found.partial_fit(X_DIGITS[:50], Y_DIGITS[:50], classes=range(10))
    first = X_DIGITS[:50]
    expected = np.percentile(first[first > 0], AUTO_PERCENTILE)
    assert found.parameters_.saturation == pytest.approx(expected)
    found.partial_fit(1000 * X_DIGITS[50:], Y_DIGITS[50:])
    assert found.parameters_.saturation == pytest.approx(expected)
    assert found.saturation == "auto"


@pytest.mark.parametrize("coding", ["even", "events"])
def test_saturation_of_nothing_is_one(coding: str) -> None:
    X = np.zeros((4, STEPS, 5) if coding == "events" else (4, 5))
    found = head(saturation="auto", coding=coding).fit(X, [0, 1, 0, 1])
    assert found.parameters_.saturation == 1.0
    assert found.predict(X).tolist() == [found.predict(X)[0]] * 4


def test_events_can_have_a_saturation_that_they_do_not_need() -> None:
    X = coded_digits("events")
    auto = head(saturation="auto", coding="events").fit(X, Y_DIGITS[:N])
    assert_same(auto, head(coding="events").fit(X.astype(float), Y_DIGITS[:N]))


# ---------------------------------------------------------------- the stream


@pytest.mark.parametrize("coding", ["even", "bernoulli"])
def test_it_learns_the_stream_in_its_order(coding: str) -> None:
    order = np.random.default_rng(5).permutation(N)
    X, y = X_DIGITS[order], Y_DIGITS[order]
    found = head(coding=coding, random_state=9).fit(X, NAMES[order])
    p = CoLaNETParameters(saturation=16.0)
    expected = Network(p, n_inputs=64, n_columns=10, n_members=3, seed=9)
    trains = (
        even_trains(X, 16.0) if coding == "even" else bernoulli_trains(X, 16.0, seed=9, first=1)
    )
    columns = np.searchsorted(np.unique(NAMES), NAMES[order]).astype(np.int32)
    reference.run(expected, trains, columns)
    assert (found.network_.resources == expected.resources).all()
    assert (found.network_.stability == expected.stability).all()
    in_another_order = head(coding=coding, random_state=9).fit(X_DIGITS[:N], NAMES[:N])
    assert (in_another_order.network_.resources != expected.resources).any()
    assert (np.bincount(y) == np.bincount(Y_DIGITS[:N])).all()


@given(
    cuts=st.sets(st.integers(1, N - 1), max_size=6),
    coding=st.sampled_from(["even", "bernoulli", "events"]),
    grow=st.booleans(),
)
@settings(max_examples=25)
def test_fit_is_partial_fit_in_pieces_of_any_size(cuts: set[int], coding: str, grow: bool) -> None:
    X, y = coded_digits(coding), NAMES[:N]
    whole = head(coding=coding).fit(X, y)
    pieces = head(coding=coding, grow=grow)
    for first, last in pairwise([0, *sorted(cuts), N]):
        pieces.partial_fit(X[first:last], y[first:last], classes=np.unique(NAMES))
        pieces.predict(X[:3])
    assert_same(pieces, whole)


@given(cuts=st.sets(st.integers(1, N - 1), max_size=6))
@settings(max_examples=15)
def test_growing_does_not_depend_on_the_pieces_either(cuts: set[int]) -> None:
    X, y = X_DIGITS[:N], NAMES[:N]
    whole = head(grow=True).partial_fit(X, y)
    pieces = head(grow=True)
    for first, last in pairwise([0, *sorted(cuts), N]):
        pieces.partial_fit(X[first:last], y[first:last])
    assert_same(pieces, whole)
    assert in_columns(whole) == list(dict.fromkeys(y.tolist()))


def test_fit_forgets_what_was_learned() -> None:
    found = head().fit(X_DIGITS[100:], NAMES[100:])
    assert_same(found.fit(X_DIGITS[:N], Y_DIGITS[:N]), head().fit(X_DIGITS[:N], Y_DIGITS[:N]))


def test_more_than_a_batch_at_once() -> None:
    X, y = np.tile(X_DIGITS, (2, 1)), np.tile(Y_DIGITS, 2)
    whole = head(coding="bernoulli", members=1).fit(X, y)
    pieces = head(coding="bernoulli", members=1).fit(X[:1797], y[:1797])
    assert_same(pieces.partial_fit(X[1797:], y[1797:]), whole)
    assert (whole.predict(X)[:1797] == whole.predict(X_DIGITS)).all()


# ---------------------------------------------------------------- new classes


@pytest.mark.parametrize("explicit", [True, False])
def test_a_class_can_be_added_afterwards(explicit: bool) -> None:
    chosen = np.isin(NAMES, ["zero", "four", "six", "seven"])
    X, X_test, y, y_test = train_test_split(
        X_DIGITS[chosen], NAMES[chosen], test_size=0.2, shuffle=False
    )
    found = head(grow=not explicit).fit(X[y != "seven"], y[y != "seven"])
    before = found.network_.resources.copy()
    if explicit:
        assert found.add_classes(["seven"]) is found
        assert (found.network_.resources[:, :3] == before).all()
        assert (found.predict(X_test) != "seven").all()  # it knows nothing yet
    found.partial_fit(X, y)
    assert in_columns(found) == ["four", "six", "zero", "seven"]
    assert found.predict_proba(X_test).shape == (len(X_test), 4)
    assert (found.predict(X_test)[y_test == "seven"] == "seven").mean() > 0.8
    assert found.score(X_test, y_test) > 0.9


def test_a_growing_classifier_can_start_with_one_class() -> None:
    found = head(grow=True).partial_fit(X_DIGITS[:1], NAMES[:1])
    assert found.classes_.tolist() == ["zero"]
    assert found.predict(X_DIGITS[:3]).tolist() == ["zero"] * 3
    assert found.predict_proba(np.zeros((2, 64))).tolist() == [[1], [1]]
    found.partial_fit(X_DIGITS[1:3], NAMES[1:3])
    assert in_columns(found) == ["zero", "one", "two"]
    longer = found.partial_fit(X_DIGITS[:1], ["a much longer name"])
    assert in_columns(longer)[-1] == "a much longer name"


def test_classes_keep_the_type_in_which_they_were_given() -> None:
    y = Y_DIGITS[:N].astype(float)
    assert head().partial_fit(X_DIGITS[:N], y, classes=range(10)).classes_.dtype == int
    text = head().partial_fit(X_DIGITS[:9], NAMES[:9].astype(object), classes=np.unique(NAMES))
    assert text.classes_.dtype == NAMES.dtype
    assert text.predict(X_DIGITS[:1]).dtype == NAMES.dtype


def test_classes_are_added_once_each_in_their_order() -> None:
    found = head().fit(X_DIGITS[:N], Y_DIGITS[:N]).add_classes([30, 20, 30])
    assert in_columns(found) == [*range(10), 30, 20]
    assert found.classes_.tolist() == [*range(10), 20, 30]
    with pytest.raises(ValueError, match=r"^label '20' is of another type than the classes"):
        found.add_classes(["20"])
    assert found.add_classes([]).classes_.tolist() == [*range(10), 20, 30]


@pytest.mark.parametrize("grow", [True, False])
def test_what_scorers_read_is_sorted_whatever_came_first(grow: bool) -> None:
    order = np.argsort(Y_DIGITS[:N] < 5, kind="stable")  # 5 to 9 come first
    X, y = X_DIGITS[:N][order], Y_DIGITS[:N][order]
    found = head(grow=grow)
    if grow:
        found.partial_fit(X, y)
    else:
        found.partial_fit(X[:40], y[:40], classes=range(5, 10))
        found.add_classes(np.unique(y[40:])[::-1][-5:]).partial_fit(X[40:], y[40:])
    assert found.classes_.tolist() == list(range(10))
    assert in_columns(found) != list(range(10))
    truth, X_test = Y_DIGITS[1000:], X_DIGITS[1000:]
    shares, scores = found.predict_proba(X_test), found.decision_function(X_test)
    answers = found.predict(X_test)
    assert (shares.argmax(axis=1) == answers).all()
    assert (scores.argmax(axis=1) == answers).all()
    happened = reference.run(found.network_, even_trains(X_test[:9], 16.0))
    outs = np.sum([[now.out(1) for now in members] for members in happened], axis=1)
    spikes = found.out_spikes(X_test[:9])
    assert spikes.any()
    for name, column in zip(found.classes_, found.columns_, strict=True):
        assert (spikes[:, :, name] == outs[:, :, column]).all()
    right = [roc_auc_score(truth == c, shares[:, c]) for c in range(10)]
    assert get_scorer("roc_auc_ovr")(found, X_test, truth) == pytest.approx(np.mean(right))
    assert np.mean(right) > 0.8
    expected = -np.log(shares[np.arange(len(truth)), truth].clip(np.finfo(float).eps)).mean()
    assert get_scorer("neg_log_loss")(found, X_test, truth) == pytest.approx(-expected)


def test_two_classes_score_for_the_one_that_is_sorted_last() -> None:
    chosen = np.flatnonzero(np.isin(Y_DIGITS, (3, 8)))
    chosen = chosen[np.argsort(-Y_DIGITS[chosen[:150]], kind="stable")]  # eights come first
    X, y = X_DIGITS[chosen], Y_DIGITS[chosen]
    found = head(grow=True).partial_fit(X, y)
    assert (found.classes_.tolist(), in_columns(found)) == ([3, 8], [8, 3])
    assert ((found.decision_function(X) > 0) == (found.predict(X) == 8)).all()
    ranks = found.predict_proba(X)[:, 1].argsort(kind="stable")
    assert (found.decision_function(X)[ranks[1:]] >= found.decision_function(X)[ranks[:-1]]).all()
    assert get_scorer("roc_auc")(found, X, y) > 0.9


# ---------------------------------------------------------------- bad input

FITTED = head().fit(X_DIGITS[:N], Y_DIGITS[:N])


def fitted(**options: Any) -> CoLaNETClassifier:
    return copy.deepcopy(FITTED).set_params(**options)


def changed(value: float) -> NDArray[np.float64]:
    X = X_DIGITS[:N].copy()
    X[3, 4] = value
    return X


NOT_FINITE = "X holds NaN or infinity; every activation must be a finite number"
NEGATIVE = (
    "Negative values in data passed to X; activations must not be negative: set negative ones to "
    "zero with np.maximum(X, 0), or split each feature into two, its positive and its negative part"
)
MISSING = "Input y contains NaN."
TEN = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, NOT_FINITE), (np.inf, NOT_FINITE), (-np.inf, NOT_FINITE), (-0.5, NEGATIVE)],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "predict_proba"])
def test_bad_activations_are_refused(method: str, value: float, said: str, as_sparse: bool) -> None:
    X = sparse.csr_array(changed(value)) if as_sparse else changed(value)
    found = fitted()
    y = [Y_DIGITS[:N]] if "fit" in method else []
    with pytest.raises(ValueError, match=r"^(X holds|Negative)") as error:
        getattr(found, method)(X, *y)
    assert str(error.value) == said
    if method != "fit":
        assert_same(found, FITTED)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: fitted().predict(X_DIGITS[:5, :60]),
            "X has 60 features, but CoLaNETClassifier is expecting 64 features as input.",
        ),
        (
            lambda: fitted().partial_fit(X_DIGITS[:5, :60], Y_DIGITS[:5]),
            "X has 60 features, but CoLaNETClassifier is expecting 64 features as input.",
        ),
        (
            lambda: head().fit(X_DIGITS[:0], Y_DIGITS[:0]),
            "Found array with 0 sample(s) (shape=(0, 64)) while a minimum of 1 is required by "
            "CoLaNETClassifier.",
        ),
        (
            lambda: head(coding="events").fit(np.zeros((0, 10, 4)), []),
            "Found array with 0 sample(s) (shape=(0, 10, 4)) while a minimum of 1 is required by "
            "CoLaNETClassifier.",
        ),
        (
            lambda: head().fit(X_DIGITS[:5], [7] * 5),
            "there is only one class, 7: a classifier needs at least two, or grow=True",
        ),
        (
            lambda: head().fit(X_DIGITS[:2], ["cat", 1]),
            "labels must be of one type, not of number and text",
        ),
        (
            lambda: head().fit(X_DIGITS[:3], np.array([1, "cat", True], object)),
            "labels must be of one type, not of number and text and true or false",
        ),
        (lambda: head().fit(X_DIGITS[:2], np.array(["cat", None], object)), MISSING),
        (lambda: head().fit(X_DIGITS[:2], np.array(["cat", np.nan], object)), MISSING),
        (lambda: head().fit(X_DIGITS[:2], [None, "cat"]), MISSING),
        (lambda: head().fit(X_DIGITS[:2], [0, np.nan]), MISSING),
        (lambda: fitted().partial_fit(X_DIGITS[:2], [0, np.nan]), MISSING),
        (lambda: fitted().add_classes([20, None]), MISSING),
        (
            lambda: head(grow=True).begin(64).partial_fit(X_DIGITS[:2], [1, 2]),
            "label 1 is of another type than class names; use one type for all labels",
        ),
        (lambda: head().begin(0), "n_features must be a whole number from 1, not 0"),
        (lambda: head().begin(6.5), "n_features must be a whole number from 1, not 6.5"),
        (
            lambda: head().fit(X_DIGITS[:5], Y_DIGITS[:4]),
            "X has 5 examples but y has 4 labels",
        ),
        (
            lambda: head().fit(X_DIGITS[:5], None),
            "CoLaNETClassifier requires y to be passed, but the target y is None",
        ),
        (
            lambda: head().partial_fit(X_DIGITS[:5], Y_DIGITS[:5]),
            "the first call of partial_fit needs classes, all labels of the stream; or set "
            "grow=True to add classes as they come",
        ),
        (
            lambda: head().partial_fit(X_DIGITS[:5], Y_DIGITS[:5], classes=[0, 1, 2]),
            "label 3 is not among the classes 0, 1, 2; add it with add_classes, or set grow=True",
        ),
        (
            lambda: fitted().partial_fit(X_DIGITS[:5], NAMES[:5]),
            f"label 'zero' is not among the classes {TEN}; add it with add_classes, or set "
            "grow=True",
        ),
        (
            lambda: fitted(grow=True).partial_fit(X_DIGITS[:5], NAMES[:5]),
            f"label 'zero' is of another type than the classes {TEN}; use one type for all labels",
        ),
        (
            lambda: fitted().partial_fit(X_DIGITS[:5], Y_DIGITS[:5], classes=[0, 1]),
            f"classes 0, 1 differ from those of earlier calls, {TEN}; add_classes adds new ones",
        ),
        (lambda: fitted().add_classes([10, 4]), "class 4 is known already"),
        (
            lambda: fitted().add_classes(["ten"]),
            f"label 'ten' is of another type than the classes {TEN}; use one type for all labels",
        ),
        (
            lambda: head(coding="rate").fit(X_DIGITS[:5], Y_DIGITS[:5]),
            "coding must be one of even, bernoulli, events, not 'rate'",
        ),
        (
            lambda: head(coding="events").fit(X_DIGITS[:5], Y_DIGITS[:5]),
            'with coding="events", X must hold 0 and 1 in the shape (n_samples, 10, n_features), '
            "not float64 in the shape (5, 64)",
        ),
        (
            lambda: head(coding="events").fit(np.full((5, 10, 4), 2), Y_DIGITS[:5]),
            'with coding="events", X must hold 0 and 1 in the shape (n_samples, 10, n_features), '
            "not int64 in the shape (5, 10, 4)",
        ),
        (
            lambda: (
                head(coding="events").fit(np.ones((2, 10, 4)), [0, 1]).predict(np.ones((2, 10, 3)))
            ),
            "X has 3 features, but CoLaNETClassifier is expecting 4 features as input",
        ),
        (
            lambda: head(max_synapses=10**6).fit(np.zeros((2, 40_000)), [0, 1]),
            "max_synapses: 40000 synapses of weights up to 1.65234 could overflow a 32-bit "
            "membrane; with these weights it can be at most 31730",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r".+") as error:
        call()
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("potentiation", -1, "must be a number from 0 to 1000, not -1"),
        ("relative_depression", np.nan, "must be a number from 0 to 1000, not nan"),
        ("stability_rate", "fast", "must be a number from 0 to 1000, not 'fast'"),
        ("max_weight", 8, "must be a number from 0.001 to 7.99, not 8"),
        ("min_weight", -1, "must be a number from 0 to 7.99, not -1"),
        ("microcolumns", 0, "must be a whole number from 1 to 1000, not 0"),
        ("threshold_excess", 2, "must be a number from 0 to 1, not 2"),
        ("silent_synapses", 0, "must be positive, or -1 for no renormalisation, not 0"),
        ("saturation", 0, "must be a number from 1e-09 to 1e+09, not 0"),
        ("saturation", "high", "must be a number or \"auto\", not 'high'"),
        ("stochastic_stimulation", 9, "must be a number from 0 to 8, not 9"),
        ("max_synapses", 0, "must be a whole number from 1 to 1e+06, not 0"),
        ("members", 0, "must be a whole number from 1 to 1000, not 0"),
        ("members", 1.5, "must be a whole number from 1 to 1000, not 1.5"),
        ("random_state", -1, "must be from 0 to 4294967295, not -1"),
        ("n_threads", 0, "must be a whole number from 1, or None for all, not 0"),
        ("n_threads", "all", "must be a whole number from 1, or None for all, not 'all'"),
    ],
)
def test_an_option_out_of_range_is_refused(option: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{option} ") as error:
        head(**{option: value}).fit(X_DIGITS[:9], Y_DIGITS[:9])
    assert str(error.value) == f"{option} {said}"


def test_a_refused_call_changes_nothing() -> None:
    found = head()
    with pytest.raises(ValueError, match=r"^label 3 is not among"):
        found.partial_fit(X_DIGITS[:5], Y_DIGITS[:5], classes=[0, 1, 2])
    found.partial_fit(X_DIGITS[:N], Y_DIGITS[:N], classes=range(10))
    for X, y in ((X_DIGITS[:2], [0, 10]), (X_DIGITS[:2], ["a", "b"]), (X_DIGITS[:2], [0])):
        with pytest.raises(ValueError, match=r"^(label|X has)"):
            found.partial_fit(X, y)
    assert_same(found, FITTED)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "out_spikes"])
def test_it_must_be_fitted_first(method: str) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(head(), method)(X_DIGITS)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        head().add_classes([1])
    refused = head()
    for y in ([7, 7], [0], None):
        with pytest.raises(ValueError, match=r"^(there is only|X has|CoLaNETClassifier requires)"):
            refused.fit(X_DIGITS[:2], y)
    assert vars(refused) == vars(head())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(refused, method)(X_DIGITS)
    with pytest.raises(NotFittedError, match="knows no class yet"):
        getattr(head(grow=True).begin(64), method)(X_DIGITS)
