"""Learning in shards, where a cluster is a function that is called: tests/test_cluster has Ray."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikehead import HybridClassifier
from spikehead.models import shards
from spikehead.models.shards import Shards


class Cluster:
    """Runs each task at once, on copies, as another process would."""

    def __init__(self, n_cpus: int) -> None:
        self.n_cpus = n_cpus
        self.lessons: list[int] = []

    def share(self, value: Any) -> Any:
        return value

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if function.__name__ == "_taught":
            self.lessons.append(len(arguments[1]))
        future: Future[Any] = Future()
        future.set_result(function(*pickle.loads(pickle.dumps(arguments))))
        return future


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD", 40)


def test_a_lesson_in_shards_is_that_of_one_pass(
    digit_photos: Callable[[int], Path], tmp_path: Path
) -> None:
    """See that nothing is lost or counted twice: of photos, classes, answers and what is known."""
    folder = digit_photos(330)
    photos = sorted(folder.rglob("*.png"), key=lambda path: path.name)
    copied = photos[0].with_name("copied.png")
    shutil.copy(photos[0], copied)
    (folder / "digit 1" / "broken.png").write_bytes(b"no photo")
    alone, together = (
        HybridClassifier("intensities:8", head="decorrelated", n_threads=1) for _ in range(2)
    )
    cluster = Cluster(3)
    for model in (alone, together):
        model.learn(photos[:30], [photo.parent.name for photo in photos[:30]])
    there = [alone.learn(folder), together.learn(folder, cluster=cluster)]
    for lesson in there:
        assert (lesson.learned, lesson.known, len(lesson.skipped)) == (300, 31, 1)
        assert (lesson.waiting, lesson.done, lesson.total) == (0, 332, 332)
    # A round of three shards, each but the last learned twice, and what is left.
    assert sum(cluster.lessons) > 300
    assert together.classes == alone.classes
    assert together.photos_learned == alone.photos_learned
    assert sum(together.photos_learned.values()) == together.head.network_.presentations == 330
    np.testing.assert_array_equal(together.prequential, alone.prequential)
    ours, theirs = (model.head.network_.weights for model in (together, alone))
    np.testing.assert_allclose(ours, theirs, atol=1e-6 * np.abs(theirs).max())
    assert together.head.n_threads == 1
    together.save(tmp_path / "model")
    again = HybridClassifier.load(tmp_path / "model", n_threads=1).learn(folder, cluster=cluster)
    assert (again.learned, again.known) == (0, 331)


def test_what_is_small_or_cannot_be_merged_is_learned_in_one_place() -> None:
    model = HybridClassifier("intensities:2", head="decorrelated", n_threads=1)
    found = Shards.of(model.head, 119, Cluster(16))
    assert found
    assert (found.n_shards, found.n_photos) == (2, 80)
    assert Shards.of(model.head, 79, Cluster(16)) is None
    assert Shards.of(model.head, 1000, Cluster(1)) is None
    for other in (
        HybridClassifier("intensities:2", head="decorrelated", horizon=50),
        HybridClassifier("intensities:2", head="paper"),
    ):
        assert Shards.of(other.head, 1000, Cluster(16)) is None
