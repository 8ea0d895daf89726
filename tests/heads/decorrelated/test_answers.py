"""What a head learns from its own answers: against plain NumPy, and on streams of digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from spikehead import CoLaNETClassifier, DecorrelatedColumns
from spikehead.coding import signed_counts
from spikehead.heads.decorrelated import cpu, reference, rules
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import RECORD, DecorrelatedParameters

X, Y = load_digits(return_X_y=True)
ORDER = np.random.RandomState(0).permutation(len(X))
X, Y = X[ORDER], Y[ORDER]
KNOWN = Y < 7
LEARNED = np.flatnonzero(KNOWN)[:800]
ASKED = np.flatnonzero(KNOWN)[800:]


@pytest.fixture(scope="module")
def head() -> DecorrelatedColumns:
    return DecorrelatedColumns(n_threads=1).fit(X[LEARNED], Y[LEARNED])


def test_answers_are_noted_as_the_equations_say() -> None:
    network = Network(DecorrelatedParameters(), 64, 7)
    labels = Y[LEARNED][:150]
    happened = reference.run(network, signed_counts(X[LEARNED][:150], 4.0), labels)
    log_temperature, squares = np.log(0.05), 1.0
    kept = []
    for now, label in zip(happened, labels, strict=True):
        z, known = now.cosines, np.isfinite(now.cosines)
        if not known[label]:
            continue
        temperature = np.exp(log_temperature)
        p = np.exp(z / temperature) / np.exp(z / temperature).sum()
        kept.append((z.max(), p[label]))
        slope = (z[label] - p[known] @ z[known]) / temperature
        squares += slope**2
        log_temperature -= 0.5 * slope / np.sqrt(squares)
    assert network.answered == len(kept) < 150
    assert network.log_temperature == pytest.approx(log_temperature, abs=1e-3)
    assert network.slopes == pytest.approx(squares, rel=1e-3)
    familiarities, chances = np.transpose(kept)
    n = len(kept)
    assert network.familiarities[:n] == pytest.approx(familiarities, abs=1e-6)
    assert network.chances[:n] == pytest.approx(chances, abs=1e-3)
    # The second half of them: of m, the (m + 1) / 10-th smallest.
    latest = np.sort(familiarities[n // 2 :])
    expected = latest[int(0.1 * (len(latest) + 1)) - 1]
    assert network.exceeded(network.familiarities, 0.1) == pytest.approx(expected, abs=1e-6)
    assert network.exceeded(network.familiarities, 1 / (len(latest) + 2)) == -np.inf


def test_a_long_stream_is_kept_evenly_and_alike_by_both_engines() -> None:
    cosines = np.random.default_rng(0).random((3 * RECORD, 2))
    cosines[::7, 1] = -np.inf
    columns = np.tile([0, 1], len(cosines) // 2)
    slow, fast = (Network(DecorrelatedParameters(), 3, 2) for _ in range(2))
    for row, column in zip(cosines, columns, strict=True):
        rules.note(row, column, *slow.own_answers)
    cpu._note(cosines, columns, fast.own_answers)
    for ours, theirs in zip(slow.own_answers, fast.own_answers, strict=True):
        assert np.array_equal(ours, theirs)
    noted = np.isfinite(cosines[np.arange(len(cosines)), columns])
    own = cosines[noted].max(axis=1).astype(np.float32)
    assert fast.answered == len(own) > 2 * RECORD
    assert fast.familiarities[: fast.latest.stop].tolist() == own[::4].tolist()
    assert not fast.familiarities[fast.latest.stop :].any()


def test_promises_hold_on_a_stream_like_the_one_learned(head: DecorrelatedColumns) -> None:
    strange = X[~KNOWN]
    assert head.n_answered_ == pytest.approx(400, abs=5)
    assert head.predict_unknown(X[ASKED]).mean() < 0.08
    assert head.predict_unknown(strange).mean() > 0.5
    assert head.score_samples(X[ASKED]).mean() > head.score_samples(strange).mean() + 0.1
    right = np.arange(len(ASKED)), np.searchsorted(head.classes_, Y[ASKED])
    for coverage in (0.9, 0.98):
        sets = head.predict_sets(X[ASKED], coverage)
        assert sets[right].mean() > coverage - 0.03
        assert (sets.argmax(axis=1)[sets.sum(axis=1) == 1]).size
        assert sets[np.arange(len(sets)), head.judge(X[ASKED]).scores.argmax(axis=1)].all()
    assert (head.predict_sets(X[ASKED], 0.98) >= head.predict_sets(X[ASKED], 0.9)).all()
    # Probabilities are about as high as answers are right; shares of OUT spikes are far too low.
    shares, correct = head.predict_proba(X[ASKED]), head.predict(X[ASKED]) == Y[ASKED]
    assert (head.classes_[shares.argmax(axis=1)] == head.predict(X[ASKED])).all()
    assert abs(shares.max(axis=1).mean() - correct.mean()) < 0.05


def test_before_there_are_enough_answers_nothing_is_unknown() -> None:
    few = DecorrelatedColumns(n_threads=1).fit(X[LEARNED][:30], Y[LEARNED][:30])
    assert few.unfamiliar_below() == -np.inf
    assert not few.predict_unknown(X).any()
    assert few.predict_sets(X[:5], 0.99).all()


def test_a_state_of_before_opens_and_has_answered_nothing(head: DecorrelatedColumns) -> None:
    new = {"familiarities", "chances", "answered", "log_temperature", "slopes"}
    state = {name: value for name, value in head.state().items() if name not in new}
    opened = DecorrelatedColumns(n_threads=1).resume(head.classes_, state, n_features=64)
    assert (opened.predict(X[ASKED]) == head.predict(X[ASKED])).all()
    assert (opened.n_answered_, opened.unfamiliar_below()) == (0, -np.inf)
    assert opened.network_.temperature == pytest.approx(0.05, rel=1e-5)


def test_merged_heads_keep_the_second_halves_of_both() -> None:
    one, other = (
        DecorrelatedColumns(n_threads=1).fit(X[part], Y[part])
        for part in (LEARNED[:300], LEARNED[300:500])
    )
    merged = one.merge(other).network_
    parts = one.network_, other.network_
    assert merged.answered == sum(part.answered for part in parts)
    halves = np.concatenate([part.familiarities[part.latest] for part in parts])
    own = merged.familiarities[merged.latest]
    assert len(own) == pytest.approx(len(halves), abs=1)
    assert len(set(halves.tolist()) - set(own.tolist())) <= 1
    temperatures = [part.temperature for part in parts]
    assert min(temperatures) < merged.temperature < max(temperatures)
    nothing = DecorrelatedColumns(n_threads=1).begin(64).add_classes(["a"])
    assert nothing.merge(nothing).n_answered_ == 0


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan, "0.1", True])
def test_what_is_no_share_is_refused(head: DecorrelatedColumns, share: Any) -> None:
    with pytest.raises(ValueError, match="send_back must be a number from 0 to 1, not"):
        DecorrelatedColumns(send_back=share).fit(X[:9], Y[:9])
    with pytest.raises(ValueError, match="coverage must be a number from 0 to 1, not"):
        head.predict_sets(X[:2], share)


def test_colanet_tells_how_familiar_and_no_more() -> None:
    found = CoLaNETClassifier(members=2).fit(X[LEARNED][:300], Y[LEARNED][:300])
    familiarity = found.score_samples(X[ASKED])
    spikes = found.out_spikes(X[ASKED]).sum(axis=1).max(axis=1)
    assert familiarity.tolist() == (spikes / (2 * 15)).tolist()
    assert 0 < familiarity.max() <= 1
    assert not found.predict_unknown(X).any()
    with pytest.raises(ValueError, match="keeps no account of its own answers"):
        found.predict_sets(X[:2])
