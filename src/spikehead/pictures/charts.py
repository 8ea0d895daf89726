"""Figures about many answers: curves, confusions, and the votes of an ensemble."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.pictures import checks
from spikehead.pictures.spikes import caption, draw_boxes, draw_class_rows, highlighted
from spikehead.pictures.style import (
    BLUE,
    GROUND,
    INK,
    LINE,
    ORANGE,
    SERIES,
    axes_or_new,
    one_line,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NUMBERED = 25
"""Classes up to which a confusion matrix shows its numbers."""

MAX_NAMED = 90
"""Classes up to which it shows their names."""

MAX_VOTED = 8
"""Classes of which the votes are shown at most: those that have most."""


@style()
def curves(
    series: Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str = "",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw quantities that go along with each other, such as accuracies over epochs.

    Parameters
    ----------
    series : mapping of str to array of float, shape (n,)
        At most six curves by name; the x axis counts their values from 1.
    x_label, y_label : str
        What the axes show, with its unit.
    title : str, default=""
        The heading.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is no curve, or too many, or they differ in length or are not finite.
    """
    values = [np.asarray(course, np.float64) for course in series.values()]
    if (
        not 1 <= len(values) <= len(SERIES)
        or len({course.shape for course in values}) != 1
        or values[0].ndim != 1
        or not values[0].size
    ):
        raise ValueError(f"give 1 to {len(SERIES)} curves of the same length, at least 1")
    if not np.isfinite(values).all():
        raise ValueError("curves must hold finite numbers")
    from matplotlib.ticker import MaxNLocator

    ax = axes_or_new(ax)
    n = len(values[0])
    for name, course, colour in zip(series, values, SERIES, strict=False):
        ax.plot(
            np.arange(1, n + 1),
            course,
            label=one_line(name),
            color=colour,
            marker="o" if n <= 40 else "",
            markersize=4,
        )
    ax.grid(axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(one_line(x_label))
    ax.set_ylabel(one_line(y_label))
    ax.set_title(one_line(title, 90))
    ax.legend()
    return ax


@style()
def confusion_matrix(
    counts: ArrayLike, *, class_names: Sequence[str], title: str = "", ax: Axes | None = None
) -> Axes:
    """Draw how often each true class (a row) was given each answer (a column).

    Parameters
    ----------
    counts : array of int, shape (n_classes, n_classes)
        Non-negative counts. Each row is shaded by its shares, right answers in blue and wrong ones
        in orange; up to `MAX_NUMBERED` classes also show the numbers.
    class_names : sequence of str
        A name for each class.
    title : str, default=""
        The heading.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the counts are not a square table of non-negative numbers, or the names do not fit.
    """
    table = checks.table(counts, "counts", "(classes, classes)").astype(np.int64)
    n = len(table)
    if table.shape != (n, n) or table.min() < 0:
        raise ValueError("counts is not a square table of non-negative numbers")
    checks.names(class_names, n, "class_names")
    side = min(10.0, 2.5 + 0.45 * n)
    ax = axes_or_new(ax, side, side)
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    row, column = np.nonzero(table)
    colours = [
        (BLUE if true == answer else ORANGE, 0.1 + 0.9 * shares[true, answer])
        for true, answer in zip(row.tolist(), column.tolist(), strict=True)
    ]
    ax.set_facecolor(GROUND)
    draw_boxes(ax, column, row, colours, width=1, height=1)
    if n <= MAX_NUMBERED:
        for x, y in zip(column.tolist(), row.tolist(), strict=True):
            ink = "white" if shares[y, x] > 0.5 else INK
            ax.text(x, y, f"{table[y, x]:,}", color=ink, ha="center", va="center", fontsize=9)
        ax.set_xticks(np.arange(n - 1) + 0.5, minor=True)
        ax.set_yticks(np.arange(n - 1) + 0.5, minor=True)
        ax.grid(which="minor", color="white")
    names = [one_line(name, 24) for name in class_names] if n <= MAX_NAMED else []
    ax.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.set_title(one_line(title, 60))
    return ax


@style()
def class_shares(
    shares: ArrayLike,
    *,
    class_names: Sequence[str],
    predicted: int,
    true: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each class's share of the vote as a bar.

    Parameters
    ----------
    shares : array of float, shape (n_classes,)
        From 0 to 1; the classes with the largest are shown.
    class_names : sequence of str
        A name for each class.
    predicted : int
        The class of the answer, drawn in blue.
    true : int, optional
        The true class, drawn in orange where the answer is another.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is nothing to draw, or the names do not fit.
    """
    (values,) = checks.table(np.atleast_2d(shares), "shares", "of one row")
    checks.names(class_names, len(values), "class_names")
    colours = highlighted(len(values), predicted, true)
    shown = _voted(values, colours)
    ax = axes_or_new(ax, height=1.4 + 0.25 * len(shown))
    draw_class_rows(ax, shown, class_names, predicted, true)
    tones = [colours.get(column, INK) for column in shown.tolist()]
    ax.barh(range(len(shown)), values[shown], height=0.7, color=tones)
    ax.set_xlim(0, 1)
    ax.set_xlabel("how likely the class is")
    _write_shares(ax, values[shown])
    caption(ax, "Shares", "")
    return ax


@style()
def member_votes(
    votes: ArrayLike,
    *,
    class_names: Sequence[str],
    shares: ArrayLike,
    predicted: int,
    true: int | None = None,
    member: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how each member of an ensemble divided its vote, the larger a share the darker.

    Parameters
    ----------
    votes : array of float, shape (n_members, n_classes)
        Each class's share of a member's vote, from 0 to 1.
    class_names : sequence of str
        A name for each class.
    shares : array of float, shape (n_classes,)
        The ensemble's answer; the classes with the largest are shown, and these numbers.
    predicted : int
        The class of the answer, drawn in blue.
    true : int, optional
        The true class, drawn in orange where the answer is another.
    member : int, optional
        A member to point out, as the one that is shown elsewhere.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is nothing to draw, or the shapes do not fit together.
    """
    table = checks.table(votes, "votes", "(members, classes)")
    members, n = table.shape
    totals = np.asarray(shares, float)
    if totals.shape != (n,) or not np.isfinite(totals).all():
        raise ValueError(f"shares must be {n} finite numbers, one for each class")
    checks.names(class_names, n, "class_names")
    checks.index(member, members, "member")
    colours = highlighted(n, predicted, true)
    shown = _voted(totals, colours)
    ax = axes_or_new(ax, height=1.4 + 0.25 * len(shown))
    draw_class_rows(ax, shown, class_names, predicted, true)
    who, row = np.nonzero(table[:, shown] > 0)
    tones = [colours.get(column, INK) for column in shown[row].tolist()]
    draw_boxes(ax, who + 1, row, list(zip(tones, table[who, shown[row]], strict=True)))
    for line in range(members + 1):
        ax.axvline(line + 0.5, color=LINE, linewidth=0.6, zorder=0)
    ax.set_xlim(0.5, members + 0.5)
    ax.set_xticks(range(1, members + 1, -(-members // 20)))
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("member of the ensemble")
    _write_shares(ax, totals[shown])
    caption(ax, "Votes", "" if member is None else f"member {member + 1} is shown below")
    return ax


def _voted(shares: NDArray[np.float64], always: Collection[int]) -> NDArray[np.intp]:
    """Return the classes to show: those asked for, and those with the largest shares."""
    rank = shares.copy()
    rank[list(always)] += 1
    return np.argsort(-rank, kind="stable")[:MAX_VOTED]


def _write_shares(ax: Axes, shares: NDArray[np.float64]) -> None:
    """Write the share of each row at its right end."""
    right = ax.secondary_yaxis("right")
    right.set_yticks(range(len(shares)), [f"{share:.0%}" for share in shares])
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    right.set_ylabel("share")
