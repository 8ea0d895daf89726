"""How a model answered before it learned, and what is told when that has changed."""

import numpy as np
import pytest

from spikehead.models.record import NEW, RIGHT, UNKNOWN, Trend, Trends, last_change, stored_record


def changes(bits):
    """Return where a change is seen, bit by bit, by a peer."""
    drift = pytest.importorskip("river.drift.binary").HDDMA(two_sided_test=True)
    seen = []
    for place, bit in enumerate(bits.tolist(), start=1):
        drift.update(bit)
        if drift.drift_detected:
            seen.append(place)
    return seen


def test_changes_are_seen_where_the_peer_sees_them():
    rng = np.random.default_rng(0)
    some = 0
    for _ in range(40):
        parts = [rng.random(rng.integers(20, 300)) < rng.random() for _ in range(3)]
        bits = np.concatenate(parts)
        seen = changes(bits)
        some += bool(seen)
        start, cut = last_change(bits)
        assert start == [0, 0, *seen][-2]
        # The last one begins before it is seen, and is not there before it is seen.
        if seen:
            assert start < cut < seen[-1]
            assert last_change(bits[: seen[-1] - 1]) != (start, cut)
        else:
            assert (start, cut) == (0, 0)
    assert 20 < some < 40


def test_a_fall_is_seen_soon_and_a_steady_stream_left_alone():
    rng = np.random.default_rng(1)

    def seen_after(share):
        fallen = np.concatenate([rng.random(120) < 0.95, rng.random(400) < share])
        return next(n for n in range(400) if last_change(fallen[: 120 + n]) != (0, 0))

    delays = {share: [seen_after(share) for _ in range(10)] for share in (0.5, 0.7)}
    assert 15 < np.median(delays[0.5]) < 25
    assert 60 < np.median(delays[0.7]) < 100
    for share, most in (0.95, 0), (0.7, 5):
        steady = rng.random((100, 1000)) < share
        assert sum(last_change(bits) != (0, 0) for bits in steady) <= most


def test_shares_are_of_classes_that_were_known():
    record = np.array([NEW, NEW | UNKNOWN, RIGHT, RIGHT, 0, UNKNOWN, RIGHT | UNKNOWN], np.uint8)
    assert Trends.of(record) == (
        Trend(0.6, 5, None, 0),
        Trend(0.4, 5, None, 0),
        Trend(0.2, 5, None, 0),
    )
    assert Trends.of(record).worse() == []
    assert Trends.of(record[:2]).right == Trend(None, 0, None, 0)


def test_what_became_worse_is_told_until_it_is_better_again():
    fine, mixed = [RIGHT] * 60, [UNKNOWN, RIGHT] * 30
    worse = Trends.of(np.array(fine + mixed, np.uint8))
    assert worse.worse() == [
        "it is right less often: 50% of its last 60 answers, and 100% of 60 before",
        "it says unknown more often: 50% of its last 60 answers, and 0% of 60 before",
    ]
    assert Trends.of(np.array(fine + mixed + fine * 3, np.uint8)).worse() == []


def test_an_older_model_knew_what_was_right():
    assert stored_record({"prequential": np.array([True, False])}).tolist() == [RIGHT, 0]
