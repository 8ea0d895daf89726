"""Weights, and what else is positive or negative, as small maps over the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.pictures import checks
from spikehead.pictures.style import (
    LINE,
    axes_or_new,
    new_figure,
    one_line,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

_COLOURS, _MISSING = "RdBu_r", "#ced4da"


@style()
def weight_map(
    weights: ArrayLike, *, label: str = "", limit: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what a neuron has learned: its weights over the input picture.

    Blue is negative, nearly white zero, red positive.

    Parameters
    ----------
    weights : array of float, shape (height, width)
        In any unit. NaN, where the neuron has no synapse, is drawn grey.
    label : str, default=""
        What stands above it, such as the neuron's class.
    limit : float, optional
        The magnitude that is darkest. Default: the largest.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is no map to draw, or a weight is infinite.
    """
    (one,) = _maps(np.asarray(weights, float)[None])
    return _draw(one, label, limit or _limit(one), axes_or_new(ax, 4, 4))


@style()
def weight_maps(
    weights: ArrayLike,
    *,
    labels: Sequence[str],
    columns: int | None = None,
    quantity: str = "weight",
    title: str = "",
    figure: FigureBase | None = None,
) -> FigureBase:
    """Draw what several neurons have learned, each as `weight_map` does, on one scale.

    Parameters
    ----------
    weights : array of float, shape (n_neurons, height, width)
        In any unit. NaN, where a neuron has no synapse, is drawn grey.
    labels : sequence of str
        A label for each neuron, such as its class.
    columns : int, optional
        Maps in a row. Default: chosen for a full grid.
    quantity : str, default="weight"
        What the colours mean.
    title : str, default=""
        The heading.
    figure : Figure or SubFigure, optional
        Where to draw. Default: a new one.

    Returns
    -------
    Figure or SubFigure

    Raises
    ------
    ValueError
        If there is no map to draw, a weight is infinite, or the labels do not fit.
    """
    maps = _maps(np.asarray(weights, float))
    checks.names(labels, len(maps), "labels")
    columns = _grid_columns(len(maps)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns is {columns}: give at least 1")
    rows = -(-len(maps) // columns)
    if figure is None:
        height = 8.6 / columns * min(1, maps.shape[1] / maps.shape[2])
        figure = new_figure(10, 0.6 + rows * (height + 0.35))
    figure.suptitle(one_line(title, 90), x=0.01, ha="left")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(maps) :]:
        ax.set_axis_off()
    shown = axes.flat[: len(maps)]
    for ax, one, label in zip(shown, maps, labels, strict=True):
        _draw(one, label, _limit(maps), ax)
    scale = figure.colorbar(shown[0].images[0], ax=axes, shrink=0.8, aspect=30, pad=0.02)
    scale.set_label(f"{quantity} (grey: no synapse)" if np.isnan(maps).any() else quantity)
    scale.outline.set_visible(False)
    return figure


def _maps(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    if weights.ndim != 3 or 0 in weights.shape:
        raise ValueError(
            f"weights have the shape {weights.shape}: "
            "give at least one map, in the shape (neurons, height, width)"
        )
    if np.isinf(weights).any():
        raise ValueError("weights contain an infinite value: give finite ones, or NaN for none")
    return weights


def _limit(weights: NDArray[np.float64]) -> float:
    return float(np.nanmax(np.abs(weights), initial=0)) or 1.0


def _draw(weights: NDArray[np.float64], label: str, limit: float, ax: Axes) -> Axes:
    from matplotlib import colormaps

    colours = colormaps[_COLOURS].with_extremes(bad=_MISSING)
    ax.imshow(weights, cmap=colours, vmin=-limit, vmax=limit)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color(LINE)
    ax.set_title(one_line(label), loc="center", fontsize=10, fontweight="normal", pad=5)
    return ax


def _grid_columns(n: int) -> int:
    """Return how many maps to put in a row: near a square, with few places left empty."""
    side = int(np.ceil(np.sqrt(n)))
    return min(range(side, max(side, min(2 * side, 10)) + 1), key=lambda columns: -n % columns)
