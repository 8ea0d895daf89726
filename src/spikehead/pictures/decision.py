"""Why a photo was given its class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders import encode_photos
from spikehead.heads.account import Account
from spikehead.images import read_photo
from spikehead.pictures.charts import MAX_VOTED, class_shares, member_votes
from spikehead.pictures.maps import weight_maps
from spikehead.pictures.spikes import MAX_CLASSES, output_spikes, spike_raster
from spikehead.pictures.style import new_figure, one_line, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from spikehead.models.hybrid import HybridClassifier


@style()
def explain(model: HybridClassifier, photo: str | Path, *, true: str | None = None) -> Figure:
    """Draw what led to a photo's class, from what went in to what pulled which way.

    The photo as the encoder sees it, and how each member of the ensemble voted, or of a single
    network each class's share; then, of the member that agrees most with the answer, the spikes
    that went in, what each class's column answered and how near each came to its threshold; and,
    for the answer and its rival, how much each input pushed the neuron that came nearest to firing
    (red), or held it back (blue). The rival is the true class, where that is another, or else the
    one with the next largest share. Where inputs inhibit each other, also what that left of their
    spikes, and what the columns of the answer and its rival have come to look for. A head of
    another package is drawn as far as it tells (`spikehead.heads.account.Account`).

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
    shares, account = _answered(model, photo)
    predicted = int(shares.argmax())
    known = names.index(true) if true in names else None
    others = [column for column in np.argsort(-shares).tolist() if column != predicted]
    rival = known if known not in (None, predicted) else next(iter(others), None)

    rows = _map_rows(account, names, predicted, rival)
    heights = [
        1.3 + 0.22 * min(len(names), MAX_VOTED),
        (1.2 if account.input is None else 6.4) + 0.2 * min(len(names), MAX_CLASSES),
        *(0.9 + 2.7 * row.maps.shape[1] / row.maps.shape[2] for row in rows),
    ]
    figure = new_figure(10, sum(heights) + 0.6)
    figure.suptitle(_title(photo, names[predicted], true, known), x=0.01, ha="left")
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    who: Any = {"class_names": names, "predicted": predicted, "true": known}
    seen, voted = parts[0].subplots(1, 2, width_ratios=[1, 4])
    seen.imshow(model.encoder.preprocessing.frame(read_photo(photo)), cmap="gray")
    seen.set_axis_off()
    if len(account.spikes) > 1:
        member_votes(account.votes, shares=shares, member=account.member, ax=voted, **who)
    else:
        class_shares(shares, ax=voted, **who)
    spikes = account.spikes[account.member]
    if account.input is None:
        output_spikes(spikes, ax=parts[1].subplots(), **who)
    else:
        spike_raster(account.input, spikes, potentials=account.potentials, figure=parts[1], **who)
    for row, part in zip(rows, parts[2:], strict=True):
        weight_maps(row.maps, labels=row.labels, columns=3, quantity=row.quantity, figure=part)
        part.suptitle(row.title, x=0.01, ha="left", fontsize=11)
    return figure


class _MapRow(NamedTuple):
    """Up to three maps over the inputs, on one scale."""

    title: str
    quantity: str
    labels: list[str]
    maps: NDArray[np.float64]


def _map_rows(
    account: Account, names: Sequence[str], predicted: int, rival: int | None
) -> list[_MapRow]:
    """Return what there is to show of the inputs."""
    if account.input is None or account.weights is None:
        return []
    counts, weights = account.input.sum(axis=0, dtype=np.int64), account.weights
    pulls, labels = _compared(weights * counts, names, predicted, rival)
    totals = [f"{pull.sum():+.1f} in all".replace("-", "−") for pull in pulls]
    totalled = [f"{label}: {total}" for label, total in zip(labels, totals, strict=True)]
    rows = [_MapRow("What pulled which way", "weight × spikes", totalled, _as_pictures(pulls))]
    if account.excitation is None:
        return rows
    lateral = np.array([counts, counts - account.excitation, account.excitation])
    sought, labels = _compared(weights, names, predicted, rival)
    return [
        _MapRow(
            "The lateral layer at work",
            "spikes",
            ["spikes, on and off", "explained by what is known", "what is left"],
            _as_pictures(lateral),
        ),
        _MapRow("What the columns look for", "weight", labels, _as_pictures(sought)),
        *rows,
    ]


def _compared(
    values: NDArray[np.float64], names: Sequence[str], predicted: int, rival: int | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Return values for the answer, for its rival, and what the first has more, each named."""
    shown, labels = [values[predicted]], [one_line(names[predicted], 14)]
    if rival is not None:
        shown += [values[rival], values[predicted] - values[rival]]
        labels += [one_line(names[rival], 14)]
        labels += [" − ".join(labels)]
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


def _answered(model: HybridClassifier, photo: Path) -> tuple[NDArray[np.float64], Account]:
    """Return each class's share of the vote for a photo, and what happened meanwhile."""
    if not model.classes:
        raise ValueError("the model has learned nothing yet; teach it with learn")
    (batch,) = encode_photos([photo], model.encoder, model.cache)
    for problem in batch.problems.values():
        raise ValueError(f"{photo}: {problem}")
    activations = model.heard(batch)
    return model.vote(activations)[0], model.head.account(activations)


def _title(photo: Path, answer: str, true: str | None, known: int | None) -> str:
    name = one_line(f"{photo.parent.name}/{photo.name}", 40)
    unknown = (
        "" if true is None or known is not None else f" (truly {true}, which it does not know)"
    )
    return one_line(f"Why {one_line(answer, 24)}? {name}{unknown}", 80)
