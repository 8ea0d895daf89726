"""The baselines against scikit-learn, and against what they would find offline."""

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import EmpiricalCovariance
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from spikehead.evaluation.rivals import (
    CosineClassMean,
    KernelLDA,
    NearestClassMean,
    Prototypes,
    RandomProjectionRidge,
    SingleLayerANN,
    Standardised,
    StoredNeighbours,
    StreamingLDA,
    StreamingRidge,
)

ONE_PASS = [
    CosineClassMean,
    NearestClassMean,
    Prototypes,
    StreamingLDA,
    lambda: KernelLDA(500),
    StreamingRidge,
    lambda: RandomProjectionRidge(100),
    lambda: Standardised(SGDClassifier(loss="log_loss", shuffle=False, random_state=0)),
    StoredNeighbours,
]


@pytest.fixture(scope="module")
def digits():
    """Digits, as many of each class; and others to answer."""
    X, y = load_digits(return_X_y=True)
    train = np.sort(np.concatenate([np.flatnonzero(y == digit)[:100] for digit in range(10)]))
    rest = np.setdiff1d(np.arange(len(y)), train)
    return X[train], y[train], X[rest], y[rest]


def learned(estimator, X, y, batch=32):
    for start in range(0, len(X), batch):
        part = slice(start, start + batch)
        estimator.partial_fit(X[part], y[part], classes=np.unique(y))
    return estimator


def test_nearest_class_mean_is_that_of_scikit_learn(digits):
    X, y, X_new, _ = digits
    rng = np.random.default_rng(0)  # NearestCentroid warns of features that are always the same
    X, X_new = (part + rng.random(part.shape) for part in (X, X_new))
    ours, theirs = learned(NearestClassMean(), X, y), NearestCentroid().fit(X, y)
    assert ours.means_ == pytest.approx(theirs.centroids_)
    assert (ours.predict(X_new) == theirs.predict(X_new)).all()


def test_streaming_lda_is_lda_with_the_covariance_within_classes(digits):
    X, y, X_new, _ = digits
    ours = learned(StreamingLDA(shrinkage=0.01), X, y)

    class Shrunk(EmpiricalCovariance):
        def fit(self, X, y=None):
            covariance = np.cov(X.T, bias=True)
            self.covariance_ = covariance
            return self

    theirs = LinearDiscriminantAnalysis("lsqr", covariance_estimator=Shrunk()).fit(X, y)
    within = theirs.covariance_
    assert ours.scatter_ / len(X) == pytest.approx(within)
    shrunk = 0.99 * within + 0.01 * np.eye(64)
    likelihoods = [stats.multivariate_normal(m, shrunk).logpdf(X_new) for m in theirs.means_]
    assert (ours.predict(X_new) == np.argmax(likelihoods, axis=0)).all()


def test_streaming_ridge_is_ridge_with_the_penalty_of_least_gcv_error(digits):
    X, y, X_new, _ = digits
    targets, centred = np.eye(10)[y], X - X.mean(axis=0)
    spread = np.linalg.eigvalsh(centred.T @ centred).clip(0)
    errors = {}
    for penalty in np.logspace(-6, 1, 8) * spread.mean():
        theirs = Ridge(penalty).fit(X, targets)
        squares = ((targets - theirs.predict(X)) ** 2).sum()
        freedom = 1 + (spread / (spread + penalty)).sum()
        errors[squares / (len(X) - freedom) ** 2] = theirs
    best = errors[min(errors)]
    ours = learned(StreamingRidge(), X, y)
    assert (ours.predict(X_new) == best.predict(X_new).argmax(axis=1)).all()
    assert ours.coef_ == pytest.approx(best.coef_, abs=1e-6)
    assert ours.intercept_ == pytest.approx(best.intercept_, abs=1e-6)


def test_random_projection_is_ridge_on_rectified_features(digits):
    X, y, X_new, _ = digits
    ours = learned(RandomProjectionRidge(50, random_state=3), X, y)
    features = [np.maximum(part @ ours.projection_, 0) for part in (X, X_new)]
    plain = learned(StreamingRidge(), features[0], y)
    assert (ours.predict(X_new) == plain.predict(features[1])).all()


def test_neighbours_are_those_of_scikit_learn(digits):
    X, y, X_new, _ = digits
    ours, theirs = learned(StoredNeighbours(), X, y), KNeighborsClassifier(5).fit(X, y)
    assert (ours.predict(X_new) == theirs.predict(X_new)).all()


@pytest.mark.parametrize("make", ONE_PASS)
def test_every_baseline_learns_digits_and_answers_only_what_it_met(digits, make):
    X, y, X_new, y_new = digits
    assert learned(make(), X, y).score(X_new, y_new) > 0.8
    early = y < 5
    estimator = make()
    estimator.partial_fit(X[early], y[early], classes=range(10))
    assert set(estimator.predict(X_new)) <= set(range(5))
    two = (y == 3) | (y == 8)
    assert make().fit(X[two], y[two]).score(X[two], y[two]) > 0.9
    with pytest.raises(ValueError, match="the first call of partial_fit needs classes"):
        make().partial_fit(X, y)


def test_ann_runs_the_epochs_asked_for(digits):
    X, y, X_new, y_new = digits
    ann = SingleLayerANN(epochs=12).fit(X, y)
    assert ann.t_ == 12 * len(X)
    assert [weights.shape for weights in ann.coefs_] == [(64, 1000), (1000, 10)]
    assert ann.score(X_new, y_new) > 0.9
