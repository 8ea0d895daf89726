"""What happens in a presentation: spikes of the inputs, of the columns, and potentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikehead.pictures import checks
from spikehead.pictures.style import (
    BLUE,
    GROUND,
    INK,
    LINE,
    ORANGE,
    QUIET,
    axes_or_new,
    new_figure,
    one_line,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

PALE = "#b8bec4"

MAX_INPUTS = 240
"""Inputs that are shown at most; more are thinned evenly."""

MAX_CLASSES = 64
"""Classes that are shown at most: those that spike most."""


@style()
def spike_raster(
    inputs: ArrayLike,
    outputs: ArrayLike,
    *,
    class_names: Sequence[str],
    predicted: int,
    true: int | None = None,
    potentials: ArrayLike | None = None,
    marks: Mapping[str, int] | None = None,
    title: str = "",
    figure: FigureBase | None = None,
) -> FigureBase:
    """Draw one presentation: what went in, what each column answered, and how near each came.

    Parameters
    ----------
    inputs : array of bool, shape (input_steps, n_inputs)
        As `input_spikes` takes it.
    outputs : array of bool or int, shape (steps, n_classes)
        As `output_spikes` takes it. `steps` is at least `input_steps`: the rest is silent.
    class_names : sequence of str
        A name for each column.
    predicted : int
        The column of the answer, drawn in blue.
    true : int, optional
        The column of the true class, drawn in orange where the answer is another.
    potentials : array of float, shape (steps, n_classes), optional
        As the function of that name takes it.
    marks : mapping of str to int, optional
        Steps to point out, counted from 0, such as ``{"label": 10, "dopamine": 13}``.
    title : str, default=""
        The heading.
    figure : Figure or SubFigure, optional
        Where to draw. Default: a new one.

    Returns
    -------
    Figure or SubFigure
        Its axes share the steps, counted from 1 as in the papers.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or there is nothing to draw.
    """
    spikes_in = checks.table(inputs, "inputs", "(steps, inputs)")
    spikes_out = checks.table(outputs, "outputs", "(steps, classes)")
    steps, n_classes = spikes_out.shape
    if len(spikes_in) > steps:
        raise ValueError(f"inputs last {len(spikes_in)} steps, longer than the {steps} of outputs")
    for name, step in (marks or {}).items():
        checks.index(step, steps, f"mark {name!r}")
    heights = [3.2, 0.6 + 0.2 * min(n_classes, MAX_CLASSES), 2.0][: 2 + (potentials is not None)]
    if figure is None:
        figure = new_figure(10, sum(heights) + 1)
    figure.suptitle(one_line(title, 90), x=0.01, ha="left")
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    axes: list[Axes] = panels[:, 0].tolist()
    who: Any = {"class_names": class_names, "predicted": predicted, "true": true}
    input_spikes(spikes_in, ax=axes[0])
    output_spikes(spikes_out, **who, ax=axes[1])
    if potentials is not None:
        _draw_potentials(potentials, spikes_out, **who, ax=axes[2])
    for ax in axes:
        _set_clock(ax, steps, len(spikes_in))
        ax.set_xlabel("step" if ax is axes[-1] else "")
        ax.tick_params(labelbottom=ax is axes[-1])
    _mark(axes, marks or {})
    return figure


@style()
def input_spikes(inputs: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw the spikes of the inputs, one row an input and one mark a spike.

    Parameters
    ----------
    inputs : array of bool or int, shape (steps, n_inputs)
        Input spikes; those below zero are of off lines, and paler. More than `MAX_INPUTS` inputs
        are thinned evenly.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    spikes = np.sign(checks.table(inputs, "inputs", "(steps, inputs)").astype(int))
    ax = axes_or_new(ax)
    steps, n = spikes.shape
    rows = np.rint(np.linspace(0, n - 1, min(n, MAX_INPUTS))).astype(np.intp)
    step, row = np.nonzero(spikes[:, rows])
    tones = [INK if sign > 0 else PALE for sign in spikes[step, rows[row]]]
    draw_boxes(ax, step + 1, rows[row] + 1, tones, height=0.8 * n / len(rows))
    _set_clock(ax, steps, steps)
    ax.set_ylim(n + 0.5, 0.5)
    ax.set_yticks(sorted({1, n}), [f"{number:,}" for number in sorted({1, n})])
    ax.set_ylabel("input")
    note = _part(len(rows), n, "inputs, evenly chosen")
    if (spikes < 0).any():
        note += "; paler: of off lines"
    caption(ax, "Input spikes", note)
    return ax


@style()
def output_spikes(
    outputs: ArrayLike,
    *,
    class_names: Sequence[str],
    predicted: int | None = None,
    true: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the spikes of the columns' OUT neurons, one row a class, with their number at its end.

    Parameters
    ----------
    outputs : array of bool or int, shape (steps, n_classes)
        Spikes of each column's OUT neuron; in an ensemble the number of members in which it spiked,
        and then the more, the darker. Of more than `MAX_CLASSES` those that spiked most are shown.
    class_names : sequence of str
        A name for each column.
    predicted : int, optional
        The column of the answer, drawn in blue.
    true : int, optional
        The column of the true class, drawn in orange where the answer is another.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is nothing to draw, or the names or columns do not fit.
    """
    spikes = checks.table(outputs, "outputs", "(steps, classes)").astype(np.int64)
    steps, n = spikes.shape
    checks.names(class_names, n, "class_names")
    colours = highlighted(n, predicted, true)
    shown = _most_telling(spikes, list(colours))
    ax = axes_or_new(ax, height=1.4 + 0.22 * len(shown))
    draw_class_rows(ax, shown, class_names, predicted, true)
    step, row = np.nonzero(spikes[:, shown])
    strength = spikes[step, shown[row]] / max(1, spikes.max())
    tones = [colours.get(column, INK) for column in shown[row].tolist()]
    draw_boxes(ax, step + 1, row, list(zip(tones, 0.2 + 0.8 * strength, strict=True)))
    _set_clock(ax, steps, steps)
    totals = ax.secondary_yaxis("right")
    totals.set_yticks(range(len(shown)), [f"{total:,}" for total in spikes.sum(axis=0)[shown]])
    totals.set_ylabel("spikes")
    totals.tick_params(length=0)
    totals.spines["right"].set_visible(False)
    note = _part(len(shown), n, "classes, those that spiked most")
    if spikes.max() > 1:
        note += "; the darker, the more members"
    caption(ax, "Output spikes of the class columns", note)
    return ax


@style()
def potentials(
    ratios: ArrayLike,
    fired: ArrayLike,
    *,
    class_names: Sequence[str],
    predicted: int | None = None,
    true: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how near each column came to firing, step by step, with a dot where it fired.

    Parameters
    ----------
    ratios : array of float, shape (steps, n_classes)
        The highest potential of the column's L neurons, divided by its threshold.
    fired : array of bool, shape (steps, n_classes)
        Where the column's OUT neuron spiked.
    class_names : sequence of str
        A name for each column.
    predicted : int, optional
        The column of the answer, drawn in blue.
    true : int, optional
        The column of the true class, drawn in orange where the answer is another.
    ax : Axes, optional
        Where to draw. Default: those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is nothing to draw, or the shapes, names or columns do not fit.
    """
    courses = checks.table(ratios, "potentials", "(steps, classes)")
    spikes = checks.table(fired, "outputs", "(steps, classes)").astype(bool)
    if courses.shape != spikes.shape:
        raise ValueError(
            f"potentials has the shape {courses.shape}, and outputs {spikes.shape}: "
            "give one potential for each step and class"
        )
    steps, n = courses.shape
    checks.names(class_names, n, "class_names")
    colours = highlighted(n, predicted, true)
    ax = axes_or_new(ax)
    clock = np.arange(1, steps + 1)
    for column in [*(column for column in range(n) if column not in colours), *colours]:
        known = column in colours
        ax.plot(
            clock,
            courses[:, column],
            color=colours.get(column, PALE),
            linewidth=2.2 if known else 1,
            label=row_name(class_names, column, predicted, true) if known else "_other",
            marker="o" if known else "",
            markevery=np.flatnonzero(spikes[:, column]).tolist(),
        )
    ax.axhline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="threshold")
    _set_clock(ax, steps, steps)
    ax.set_ylim(min(0, courses.min()), max(1.4, 1.25 * courses.max()))
    ax.set_ylabel("potential / threshold")
    note = "the highest of each column"
    caption(ax, "Potentials", f"{note}; grey: the other classes" if n > len(colours) else note)
    ax.legend(loc="upper right", ncols=3, frameon=False)
    return ax


_draw_potentials = potentials  # where an argument has the name


def highlighted(n: int, predicted: int | None, true: int | None) -> dict[int, str]:
    """Return the colours of the classes that stand out: the answer, and the truth that it missed.

    The answer comes last, so that it is drawn on top.
    """
    checks.index(predicted, n, "predicted")
    checks.index(true, n, "true")
    missed = {} if true in (None, predicted) else {true: ORANGE}
    return missed | ({} if predicted is None else {predicted: BLUE})


def row_name(
    class_names: Sequence[str], column: int, predicted: int | None, true: int | None
) -> str:
    """Return a class's name with what it is here."""
    roles = [role for role, of in (("predicted", predicted), ("true", true)) if of == column]
    name = one_line(class_names[column])
    return f"{' and '.join(roles)}: {name}" if roles else name


def draw_class_rows(
    ax: Axes,
    columns: NDArray[np.intp],
    class_names: Sequence[str],
    predicted: int | None,
    true: int | None,
) -> None:
    """Let each row of the axes be a class, from the top; those that stand out have a band."""
    colours = highlighted(len(class_names), predicted, true)
    labels = [row_name(class_names, column, predicted, true) for column in columns.tolist()]
    ax.set_ylim(len(columns) - 0.5, -0.5)
    ax.set_yticks(range(len(columns)), labels, parse_math=False)
    ax.tick_params(axis="y", length=0)
    for row, (column, label) in enumerate(zip(columns.tolist(), ax.get_yticklabels(), strict=True)):
        label.set_color(colours.get(column, INK))
        if column in colours:
            ax.axhspan(row - 0.5, row + 0.5, color=colours[column], alpha=0.1, linewidth=0)


def draw_boxes(
    ax: Axes,
    x: NDArray[Any],
    y: NDArray[Any],
    colours: Any,
    *,
    width: float = 0.7,
    height: float = 0.76,
) -> None:
    """Draw a box around each point, in the units of the axes: one artist, a path for each box."""
    from matplotlib.collections import PolyCollection

    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    boxes = np.stack([x, y], axis=1)[:, None] + corners
    ax.add_collection(PolyCollection(list(boxes), facecolors=colours, linewidths=0))


def _set_clock(ax: Axes, steps: int, input_steps: int) -> None:
    """Let the axes run over all steps, counted from 1; the silent ones are darker."""
    if input_steps < steps:
        ax.axvspan(input_steps + 0.5, steps + 0.5, color=GROUND, zorder=-1, linewidth=0)
    every = -(-steps // 20)
    ax.set_xlim(0.5, steps + 0.5)
    ax.set_xticks(range(1, steps + 1, every))
    ax.set_xlabel("step")


def _mark(axes: Sequence[Axes], marks: Mapping[str, int]) -> None:
    """Point out steps in all panels, and name them above the first."""
    named: dict[int, list[str]] = {}
    for name, step in marks.items():
        named.setdefault(step + 1, []).append(one_line(name))
    for step, names in named.items():
        for ax in axes:
            ax.axvline(step, color=QUIET, linewidth=1, linestyle=(0, (2, 2)), zorder=0.5)
        tag = {"facecolor": "white", "edgecolor": LINE, "boxstyle": "round"}
        axes[0].text(
            step,
            0.5,
            ", ".join(names),
            transform=axes[0].get_xaxis_transform(),
            ha="center",
            fontsize=9,
            bbox=tag,
        )


def caption(ax: Axes, title: str, note: str) -> None:
    """Write what the axes show, and at the right, smaller, what is to be said of it."""
    ax.set_title(title)
    ax.set_title(note, loc="right", color=QUIET, fontsize=9, fontweight="normal")


def _part(shown: int, total: int, what: str) -> str:
    """Return how many of what are shown; how they were chosen follows a comma in `what`."""
    if total == 1:
        return ""
    return f"{total:,} {what.split(',')[0]}" if shown == total else f"{shown:,} of {total:,} {what}"


def _most_telling(outputs: NDArray[np.int64], always: Sequence[int]) -> NDArray[np.intp]:
    """Return the columns to show, in order: those asked for, and those that spiked most."""
    rank = outputs.sum(axis=0)
    rank[list(always)] = rank.max() + 1
    return np.sort(np.argsort(-rank, kind="stable")[:MAX_CLASSES])
