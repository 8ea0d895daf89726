"""What the neurons of a model do: how much they fire, and how settled they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders import encode_photos
from spikehead.heads.classifiers import SpikingClassifier
from spikehead.models.hybrid import HybridClassifier

STABLE = 1.0
"""Stability from which a neuron learns at half the speed of a new one, or slower."""


@dataclass(frozen=True)
class Firing:
    """Firing and stability of an ensemble; means are over photos and members.

    Attributes
    ----------
    photos : int
        Photos that were presented.
    input_spikes : float
        Spikes of the inputs, per photo.
    active_inputs : float
        Fraction of the inputs that spike at all.
    output_spikes : float
        Spikes of all columns' OUT neurons.
    winner_spikes : float
        Those of the column that spiked most.
    silent : float
        Fraction of the answers of single members in which no neuron fired.
    stability : list of float
        Stability of each L neuron of the ensemble, ascending; empty where the head has none.
    """

    photos: int
    input_spikes: float
    active_inputs: float
    output_spikes: float
    winner_spikes: float
    silent: float
    stability: list[float]

    @property
    def stable(self) -> float:
        """Fraction of the neurons that are stable; NaN where the head has no stability."""
        return float(np.mean(np.array(self.stability) >= STABLE)) if self.stability else np.nan

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; of the stability, where there is one, its quartiles."""
        document = asdict(self)
        if self.stability:
            quartiles = np.percentile(self.stability, [0, 25, 50, 75, 100]).tolist()
            document |= {"stability": quartiles, "stable": self.stable}
        return document


def activations_of(model: HybridClassifier, photos: Sequence[Path]) -> NDArray[np.float32]:
    """Return the activations of the photos that can be read, shape (n_read, n_activations)."""
    batches = encode_photos(photos, model.encoder, model.cache)
    return np.concatenate([model.heard(batch) for batch in batches])


def measure_firing(head: SpikingClassifier, activations: NDArray[np.float32]) -> Firing:
    """Present photos to an ensemble, without learning, and count spikes.

    Parameters
    ----------
    head : SpikingClassifier
        Learns nothing here.
    activations : ndarray of float32, shape (n_photos, n_inputs)
        The photos'; at least one.
    """
    counts = np.abs(head.coding_.spike_counts(activations).astype(np.int16))
    spikes = head.member_spikes(activations).sum(axis=2)
    return Firing(
        photos=len(activations),
        input_spikes=float(counts.sum(axis=1).mean()),
        active_inputs=float((counts > 0).mean()),
        output_spikes=float(spikes.sum(axis=2).mean()),
        winner_spikes=float(spikes.max(axis=2).mean()),
        silent=float((spikes.max(axis=2) == 0).mean()),
        stability=np.sort(getattr(head.network_, "stability", []), axis=None).tolist(),
    )
