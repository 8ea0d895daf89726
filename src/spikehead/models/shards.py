"""Learning in shards: the machines of a cluster learn parts of a stream, and their heads merge."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from spikehead.heads.classifiers import SpikingClassifier

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

SHARD = 8192
"""Photos of a shard at least: to merge one takes a fifth of the time in which it is learned."""


@dataclass(frozen=True)
class Shards:
    """In how many shards a cluster learns a stream.

    Attributes
    ----------
    cluster : Cluster
        The cluster.
    n_shards : int
        Shards that are learned at the same time.
    """

    cluster: Cluster
    n_shards: int

    @classmethod
    def of(cls, head: SpikingClassifier, n_photos: int, cluster: Cluster | None) -> Shards | None:
        """Cut a stream of photos; None where it is too short, or the head cannot be merged.

        Parameters
        ----------
        head : SpikingClassifier
            What is to learn.
        n_photos : int
            How many there are.
        cluster : Cluster or None
            The cluster, if there is one.
        """
        if cluster is None or not head.mergeable:
            return None
        n_shards = min(cluster.n_cpus, n_photos // SHARD)
        return cls(cluster, n_shards) if n_shards > 1 else None

    @property
    def n_photos(self) -> int:
        """Photos that are learned at the same time."""
        return self.n_shards * SHARD

    def taught(
        self,
        head: SpikingClassifier,
        activations: NDArray[np.float32],
        labels: Sequence[str],
        new_classes: Sequence[str],
    ) -> SpikingClassifier:
        """Return the head that has learned examples, too, up to rounding; this one stays as it is.

        Each shard is learned twice, all of them at the same time: by a head that knows nothing
        yet, and then by the one that all shards before it make together. So every example is
        answered, before it is learned, by a head that has learned the stream until then.

        Parameters
        ----------
        head : SpikingClassifier
            One that is `mergeable`.
        activations : ndarray of float32, shape (n_examples, n_features)
            The stream, in order.
        labels : sequence of str
            Its classes.
        new_classes : sequence of str
            Those that the head does not know.
        """
        first = copy.copy(head)
        if new_classes:
            first.add_classes(new_classes)
        blank = clone(first).begin(first.n_features_in_).add_classes(first.classes_)
        n_shards = min(self.n_shards, max(len(labels) // SHARD, 1))
        places = np.array_split(np.arange(len(labels)), n_shards)
        shards = [(activations[part], np.asarray(labels)[part]) for part in places]
        apart = [self.cluster.submit(_taught, blank, *shard) for shard in shards[:-1]]
        starts = accumulate(apart, lambda whole, task: whole.merge(task.result()), initial=first)
        tasks = [
            self.cluster.submit(_taught, start, *shard)
            for start, shard in zip(starts, shards, strict=True)
        ]
        heads = [task.result() for task in tasks]
        whole: SpikingClassifier = heads[-1].set_params(n_threads=head.n_threads)
        for answered in ("prequential_predictions_", "prequential_unknown_"):
            setattr(whole, answered, np.concatenate([getattr(one, answered) for one in heads]))
        return whole


def _taught(
    head: SpikingClassifier, activations: NDArray[np.float32], labels: NDArray[Any]
) -> SpikingClassifier:
    """Learn on one CPU."""
    head.n_threads = 1
    return head.partial_fit(activations, labels)
