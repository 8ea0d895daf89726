"""Why a photo was given its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS
from spikehead.encoders import encode_photos
from spikehead.heads.colanet import reference
from spikehead.images import read_photo
from spikehead.pictures.charts import MAX_VOTED, member_votes
from spikehead.pictures.maps import weight_maps
from spikehead.pictures.spikes import MAX_CLASSES, spike_raster
from spikehead.pictures.style import new_figure, one_line, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from spikehead.models.hybrid import HybridClassifier


@dataclass(frozen=True)
class _Decision:
    """What happened in an ensemble; `seen` and the rest are of the member that agrees most."""

    shares: NDArray[np.float64]
    votes: NDArray[np.float64]  # [member, class]
    member: int
    seen: reference.Presentation
    spikes: NDArray[np.bool_]  # [step, class]
    potentials: NDArray[np.float64]  # over the threshold: [step, class]
    pulls: NDArray[np.float64]  # weights times spikes: [class, input]

    @property
    def predicted(self) -> int:
        return int(self.shares.argmax())


@style()
def explain(model: HybridClassifier, photo: str | Path, *, true: str | None = None) -> Figure:
    """Draw what led to a photo's class, from what went in to what pulled which way.

    The photo as the encoder sees it, and how each member of the ensemble voted; then, of the member
    that agrees most with the answer, the spikes that went in, what each class's column answered and
    how near each came to its threshold; and, for the answer and its rival, how much each input
    pushed the neuron that came nearest to firing (red), or held it back (blue). The rival is the
    true class, where that is another, or else the one with the next largest share.

    Parameters
    ----------
    model : HybridClassifier
        It learns nothing here.
    photo : str or Path
        The photo.
    true : str, optional
        Its true class, where it is known.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the photo cannot be read, or the model has learned nothing yet.
    """
    photo, names = Path(photo), model.classes
    decision = _decide(model, photo)
    predicted = decision.predicted
    known = names.index(true) if true in names else None
    others = [column for column in np.argsort(-decision.shares).tolist() if column != predicted]
    rival = known if known not in (None, predicted) else next(iter(others), None)

    pulls, labels = _compared(decision.pulls, names, predicted, rival)
    maps = _as_pictures(pulls)
    heights = [
        1.3 + 0.22 * min(len(names), MAX_VOTED),
        6.4 + 0.2 * min(len(names), MAX_CLASSES),
        0.9 + 2.7 * maps.shape[1] / maps.shape[2],
    ]
    figure = new_figure(10, sum(heights) + 0.6)
    figure.suptitle(_title(photo, names[predicted], true, known), x=0.01, ha="left")
    top, middle, bottom = figure.subfigures(3, 1, squeeze=False, height_ratios=heights)[:, 0]
    seen, voted = top.subplots(1, 2, width_ratios=[1, 4])
    seen.imshow(model.encoder.preprocessing.frame(read_photo(photo)), cmap="gray")
    seen.set_axis_off()
    member_votes(
        decision.votes,
        class_names=names,
        shares=decision.shares,
        predicted=predicted,
        true=known,
        member=decision.member,
        ax=voted,
    )
    spike_raster(
        decision.seen.input,
        decision.spikes,
        class_names=names,
        predicted=predicted,
        true=known,
        potentials=decision.potentials,
        figure=middle,
    )
    weight_maps(maps, labels=labels, columns=3, quantity="weight × spikes", figure=bottom)
    bottom.suptitle("What pulled which way", x=0.01, ha="left", fontsize=11)
    return figure


def _compared(
    pulls: NDArray[np.float64], names: Sequence[str], predicted: int, rival: int | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the pulls for the answer, for its rival, and what the first has more, each named."""
    shown, labels = [pulls[predicted]], [one_line(names[predicted], 14)]
    if rival is not None:
        shown += [pulls[rival], pulls[predicted] - pulls[rival]]
        labels += [one_line(names[rival], 14)]
        labels += [" − ".join(labels)]
    totals = [f"{pull.sum():+.1f} in all".replace("-", "−") for pull in shown]
    labels = [f"{label}: {total}" for label, total in zip(labels, totals, strict=True)]
    return np.array(shown), labels


def _as_pictures(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return rows of values for each input as pictures: a square, or nearly two squares wide.

    NaN stands where there is no input.
    """
    n = values.shape[1]
    side = int(np.sqrt(n))
    height = side if side * side == n else max(1, int(np.sqrt(n / 2)))
    pictures = np.full((len(values), height * -(-n // height)), np.nan)
    pictures[:, :n] = values
    return pictures.reshape(len(values), height, -1)


def _decide(model: HybridClassifier, photo: Path) -> _Decision:
    """Present a photo to every member, as the reference tells it step by step."""
    if not model.classes:
        raise ValueError("the model has learned nothing yet; teach it with learn")
    (batch,) = encode_photos([photo], model.encoder, model.cache)
    for problem in batch.problems.values():
        raise ValueError(f"{photo}: {problem}")
    network = model.head.network_
    size = network.parameters.microcolumns
    activations = model.heard(batch)
    (shares,) = model.head.predict_proba(activations)
    (members,) = reference.run(network, model.head.coding_.to_answer(activations))
    spikes = np.array([member.out(size) for member in members])
    votes = spikes.sum(axis=1) / np.maximum(1, spikes.sum(axis=(1, 2)))[:, None]
    others = np.delete(votes, shares.argmax(), axis=1).max(axis=1, initial=0)
    best = int((votes[:, shares.argmax()] - others).argmax())
    seen = members[best]
    ratios = (seen.potentials / seen.thresholds).reshape(len(seen.potentials), -1, size)
    nearest = ratios[:STEPS].max(axis=0).argmax(axis=1)
    weights = np.array(
        [network.weight_map(column, best)[neuron] for column, neuron in enumerate(nearest)]
    )
    pulls = weights * seen.input.sum(axis=0)
    return _Decision(shares, votes, best, seen, spikes[best], ratios.max(axis=2), pulls)


def _title(photo: Path, answer: str, true: str | None, known: int | None) -> str:
    name = one_line(f"{photo.parent.name}/{photo.name}", 40)
    unknown = (
        "" if true is None or known is not None else f" (truly {true}, which it does not know)"
    )
    return one_line(f"Why {one_line(answer, 24)}? {name}{unknown}", 80)
