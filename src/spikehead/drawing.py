"""Pictures of what the head does: the spikes behind a decision, what it learned, what it confuses.

Drawn with Pillow alone, on a light ground, 1200 pixels wide.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

WIDTH = 1200
"""Width of every picture, in pixels."""

MAX_INPUT_ROWS = 240
"""Inputs that a spike raster shows at most; more are thinned evenly."""

MAX_CLASSES = 64
"""Classes that a spike raster shows at most: those that spike most, or come nearest to it."""

_MARGIN = 40
_PAPER: Colour = (255, 255, 255)
_INK: Colour = (33, 37, 41)
_QUIET: Colour = (118, 125, 133)
_LINE: Colour = (222, 226, 230)
_GROUND: Colour = (246, 247, 249)
_OTHER: Colour = (190, 196, 203)
_BLUE: Colour = (0, 100, 178)
_ORANGE: Colour = (213, 94, 0)
# Distinct for colour-blind readers too (Okabe and Ito).
_SERIES: tuple[Colour, ...] = (
    _BLUE,
    _ORANGE,
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (120, 94, 20),
)
_DIVERGING: tuple[Colour, ...] = (
    (5, 48, 97),
    (33, 102, 172),
    (103, 169, 207),
    (209, 229, 240),
    (255, 255, 255),
    (253, 219, 199),
    (239, 138, 98),
    (178, 24, 43),
    (103, 0, 31),
)


def spike_raster(
    inputs: ArrayLike,
    outputs: ArrayLike,
    *,
    title: str,
    class_names: Sequence[str],
    predicted: int,
    true: int | None = None,
    potentials: ArrayLike | None = None,
    marks: Mapping[str, int] | None = None,
) -> Image.Image:
    """Draw one presentation: what went in, what each column answered, and how near each came.

    Parameters
    ----------
    inputs : array of bool, shape (input_steps, n_inputs)
        Input spikes. More than `MAX_INPUT_ROWS` inputs are thinned evenly.
    outputs : array of bool or int, shape (steps, n_classes)
        Spikes of each column's OUT neuron; in an ensemble the number of members in which it spiked.
        `steps` is at least `input_steps`: the rest of the presentation is silent.
    title : str
        The heading.
    class_names : sequence of str
        A name for each column.
    predicted : int
        The column of the answer, drawn in blue.
    true : int, optional
        The column of the true class, drawn in orange where the answer is another.
    potentials : array of float, shape (steps, n_classes), optional
        The highest potential of the column's L neurons at each step, divided by its threshold.
    marks : mapping of str to int, optional
        Steps to point out, counted from 0, such as ``{"label": 10, "dopamine": 13}``. The picture
        counts steps from 1, as the papers do.

    Returns
    -------
    Image
        An RGB picture `WIDTH` pixels wide.

    Raises
    ------
    ValueError
        The shapes do not fit together, or there is nothing to draw.
    """
    shown_in = _table(inputs, "inputs", "(steps, inputs)").astype(bool)
    spikes = _table(outputs, "outputs", "(steps, classes)").astype(np.int64)
    steps, n_classes = spikes.shape
    ratios = None if potentials is None else _table(potentials, "potentials", "(steps, classes)")
    marks = marks or {}
    _check_names(class_names, n_classes, "class_names")
    if len(shown_in) > steps:
        raise ValueError(f"inputs last {len(shown_in)} steps, longer than the {steps} of outputs")
    if ratios is not None and ratios.shape != spikes.shape:
        raise ValueError(
            f"potentials has the shape {ratios.shape}, and outputs {spikes.shape}: "
            "give one potential for each step and class"
        )
    for name, step in marks.items():
        _check_index(step, steps, f"mark {name!r}")
    _check_index(predicted, n_classes, "predicted")
    if true is not None:
        _check_index(true, n_classes, "true")

    colours = ({} if true is None else {true: _ORANGE}) | {predicted: _BLUE}
    rows = _thinned(shown_in.shape[1], MAX_INPUT_ROWS)
    classes = _most_telling(spikes, list(colours))
    heights = [
        len(rows) * max(2, min(12, 480 // len(rows))),
        len(classes) * max(16, min(26, 480 // len(classes))),
        *([] if ratios is None else [220]),
    ]
    panels = list(_stacked(heights, steps))
    levels = _mark_levels(panels[-1], marks)
    image, draw = _canvas(panels[-1].bottom + 20 * len(set(levels.values())) + 60, title)
    _draw_key(draw, class_names, predicted, true)
    for panel in panels:
        _draw_ground(draw, panel, len(shown_in))
        for step in marks.values():
            _draw_mark(draw, panel, step)
    note = _share(len(rows), shown_in.shape[1], "inputs, evenly chosen")
    _draw_caption(draw, panels[0], "Input spikes", note)
    _draw_input_rows(draw, panels[0], shown_in[:, rows], rows)
    note = _share(len(classes), n_classes, "classes, those that spiked most")
    if spikes.max() > 1:
        note += "; the darker, the more members"
    _draw_caption(draw, panels[1], "Output spikes of the class columns", note, "spikes")
    names = [class_names[index] for index in classes]
    tones = [colours.get(index, _INK) for index in classes.tolist()]
    _draw_class_rows(draw, panels[1], spikes[:, classes], names, tones)
    if ratios is not None:
        note = "the highest of each column, relative to its threshold"
        if n_classes > len(colours):
            note += "; grey: the other classes"
        _draw_caption(draw, panels[2], "Potentials", note)
        _draw_potentials(image, panels[2], ratios, spikes > 0, colours)
    _draw_steps(draw, panels[-1])
    for name, level in levels.items():
        x, y = panels[-1].centre(marks[name]), panels[-1].bottom + 40 + 20 * level
        _text(draw, x, y, name, 15, _INK, "mm", 170)
    return image


def weight_map(
    weights: ArrayLike, *, labels: Sequence[str], title: str, columns: int | None = None
) -> Image.Image:
    """Draw what neurons have learned: for each a small map of its weights over the input picture.

    Blue is negative, white zero, red positive; all maps share one scale, symmetric around zero.

    Parameters
    ----------
    weights : array of float, shape (n_neurons, height, width)
        In any unit. NaN, where a neuron has no synapse, is drawn grey.
    labels : sequence of str
        A label for each neuron, such as its class.
    title : str
        The heading.
    columns : int, optional
        Maps in a row. Chosen for a full grid by default.

    Returns
    -------
    Image
        An RGB picture `WIDTH` pixels wide.

    Raises
    ------
    ValueError
        There is no map to draw, a weight is infinite, or the labels do not fit.
    """
    maps = np.asarray(weights, float)
    if maps.ndim != 3 or 0 in maps.shape:
        raise ValueError(
            f"weights have the shape {maps.shape}: "
            "give at least one map, in the shape (neurons, height, width)"
        )
    if np.isinf(maps).any():
        raise ValueError("weights contain an infinite value: give finite ones, or NaN for none")
    _check_names(labels, len(maps), "labels")
    if columns is None:
        columns = _grid_columns(len(maps))
    if columns < 1:
        raise ValueError(f"columns is {columns}: give at least 1")

    limit = float(np.nanmax(np.abs(maps), initial=0)) or 1.0
    gap, top = 20, 96
    cell = max(8, min(280, (WIDTH - 2 * _MARGIN + gap) // columns - gap))
    enlargement = cell / max(maps.shape[1:])
    if enlargement > 1:
        enlargement = int(enlargement)
    height, width = (max(1, round(side * enlargement)) for side in maps.shape[1:])
    row_height = height + 24 + gap
    left = (WIDTH + gap - min(columns, len(maps)) * (cell + gap)) // 2
    bar_top = top + -(-len(maps) // columns) * row_height + 12
    image, draw = _canvas(bar_top + 74, title)
    for index, (weights_of_one, label) in enumerate(zip(maps, labels, strict=True)):
        x = left + index % columns * (cell + gap) + (cell - width) // 2
        y = top + index // columns * row_height
        draw.rectangle((x - 1, y - 1, x + width, y + height), outline=_LINE)
        small = Image.fromarray(diverging(weights_of_one / limit))
        how = Image.Resampling.NEAREST if enlargement >= 1 else Image.Resampling.BOX
        image.paste(small.resize((width, height), how), (x, y))
        _text(draw, x + width / 2, y + height + 15, label, 15, _INK, "mm", cell + gap - 8)
    _draw_colour_bar(image, draw, bar_top, limit, missing=bool(np.isnan(maps).any()))
    return image


def confusion_matrix(counts: ArrayLike, *, class_names: Sequence[str], title: str) -> Image.Image:
    """Draw how often each true class (a row) was given each answer (a column).

    Parameters
    ----------
    counts : array of int, shape (n_classes, n_classes)
        Non-negative counts. Each row is shaded by its shares; up to 25 classes also show the
        numbers, and more than 90 go without their names.
    class_names : sequence of str
        A name for each class.
    title : str
        The heading.

    Returns
    -------
    Image
        An RGB picture `WIDTH` pixels wide.

    Raises
    ------
    ValueError
        The counts are not a square table of non-negative numbers, or the names do not fit.
    """
    table = _table(counts, "counts", "(classes, classes)").astype(np.int64)
    n = len(table)
    if table.shape != (n, n) or table.min() < 0:
        raise ValueError("counts is not a square table of non-negative numbers")
    _check_names(class_names, n, "class_names")
    gutter = 200
    cell = min(64, (WIDTH - 2 * _MARGIN - gutter) // n)
    if cell == 0:
        raise ValueError(f"counts has {n} classes, more than can be drawn")
    names = list(class_names) if n <= 90 else [""] * n
    size = max(8, min(16, cell - 2))
    longest = max(_font(name, size).getlength(_plain(name)) for name in names)
    room = min(122, int(longest) + 1)
    top = 120 + room
    gap = 1 if cell > 4 else 0
    left = max(_MARGIN + gutter, (WIDTH + gutter - n * cell) // 2)
    image, draw = _canvas(top + n * cell + _MARGIN, title)
    _text(draw, left - 12, top - 16, "true", 15, _QUIET, "rm", gutter)
    _text(draw, left + n * cell / 2, 92, "predicted", 15, _QUIET, "mm", gutter)
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    for row, name in enumerate(names):
        y = top + row * cell
        _text(draw, left - 12, y + cell / 2, name, size, _INK, "rm", gutter - 12)
        _draw_upright(image, left + row * cell + cell // 2, top - 8, name, size, room)
        for column, share in enumerate(shares[row].tolist()):
            x = left + column * cell
            hue = _BLUE if row == column else _ORANGE
            fill = _blend(hue, 0.1 + 0.9 * share) if share else _GROUND
            draw.rectangle((x, y, x + cell - 1 - gap, y + cell - 1 - gap), fill)
            if n <= 25 and share:
                colour = _PAPER if share > 0.5 else _INK
                middle = cell / 2 - 1
                number = str(table[row, column])
                _text(draw, x + middle, y + middle, number, 15, colour, "mm", cell - 4)
    return image


def curves(series: Mapping[str, ArrayLike], *, title: str, x_label: str) -> Image.Image:
    """Draw quantities that go along with each other, such as accuracies over epochs.

    Parameters
    ----------
    series : mapping of str to array of float, shape (n,)
        At most six curves by name; the x axis counts their values from 1.
    title : str
        The heading.
    x_label : str
        What the x axis counts.

    Returns
    -------
    Image
        An RGB picture `WIDTH` pixels wide.

    Raises
    ------
    ValueError
        If there is no curve, or too many, or they differ in length or are not finite.
    """
    table = np.array([np.asarray(values, np.float64) for values in series.values()])
    if not 1 <= len(series) <= len(_SERIES) or table.ndim != 2 or not table.size:
        raise ValueError(f"give 1 to {len(_SERIES)} curves of the same length, at least 1")
    if not np.isfinite(table).all():
        raise ValueError("curves must hold finite numbers")
    low, high = float(table.min()), float(table.max())
    spread = (high - low) or 1.0
    left, right, top, bottom = 110, WIDTH - _MARGIN, 130, 560
    image, draw = _canvas(640, title)
    x = float(left)
    for name, colour in zip(series, _SERIES, strict=False):
        draw.rectangle((x, 83, x + 13, 96), colour)
        x += 24 + _text(draw, x + 22, 90, name, 17, _INK, "lm", 300) + 30
    for part in range(5):
        y = bottom - (bottom - top) * part / 4
        draw.line((left, y, right, y), _LINE)
        _text(draw, left - 12, y, f"{low + spread * part / 4:.4g}", 15, _QUIET, "rm", 90)
    places = np.linspace(left + 8, right - 8, max(table.shape[1], 2))[: table.shape[1]]
    every = max(1, -(-table.shape[1] // 20))
    for number in range(0, table.shape[1], every):
        _text(draw, places[number], bottom + 20, str(number + 1), 15, _QUIET, "mm", 60)
    _text(draw, (left + right) / 2, bottom + 50, x_label, 15, _QUIET, "mm", 400)
    for row, colour in zip(table, _SERIES, strict=False):
        heights = bottom - (bottom - top) * (row - low) / spread
        points = list(zip(places.tolist(), heights.tolist(), strict=True))
        draw.line(points, colour, 3, joint="curve")
        for point in points:
            draw.circle(point, 4, colour)
    return image


def diverging(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return the colours of values from -1 (blue) over 0 (white) to 1 (red); NaN is grey."""
    stops = np.linspace(-1, 1, len(_DIVERGING))
    channels = [np.interp(values, stops, channel) for channel in zip(*_DIVERGING, strict=True)]
    colours = np.stack(channels, axis=-1)
    colours[np.isnan(values)] = _LINE
    pixels: NDArray[np.uint8] = np.rint(colours).astype(np.uint8)
    return pixels


@dataclass(frozen=True)
class _Panel:
    """A part of a spike raster: one column of pixels for each step, between two heights."""

    top: int
    bottom: int
    steps: int
    left = 230
    right = 1100

    def edge(self, step: int) -> int:
        """Return where a step begins."""
        return self.left + round(step * (self.right - self.left) / self.steps)

    def centre(self, step: int) -> int:
        """Return the middle of a step."""
        return (self.edge(step) + self.edge(step + 1)) // 2

    def spike(self, step: int) -> tuple[int, int]:
        """Return the first and the last pixel column of a spike's mark."""
        width = self.edge(step + 1) - self.edge(step)
        first = self.edge(step) + width // 5
        return first, max(first, self.edge(step + 1) - 1 - width // 5)


def _draw_key(
    draw: ImageDraw.ImageDraw, names: Sequence[str], predicted: int, true: int | None
) -> None:
    """Say below the title what the colours mean."""
    entries = [(_BLUE, f"predicted: {names[predicted]}")]
    if true == predicted:
        entries = [(_BLUE, f"predicted, and true: {names[predicted]}")]
    elif true is not None:
        entries.append((_ORANGE, f"true: {names[true]}"))
    x = float(_MARGIN)
    for colour, text in entries:
        draw.rectangle((x, 83, x + 13, 96), colour)
        x += 24 + _text(draw, x + 22, 90, text, 17, _INK, "lm", 500) + 30


def _stacked(heights: Sequence[int], steps: int) -> Iterator[_Panel]:
    """Yield panels of these heights, one below the other."""
    top = 156
    for height in heights:
        yield _Panel(top, top + height, steps)
        top += height + 58


def _draw_ground(draw: ImageDraw.ImageDraw, panel: _Panel, input_steps: int) -> None:
    """Draw a panel's ground, with a line between steps; the silent steps are darker."""
    draw.rectangle((panel.left, panel.top, panel.right - 1, panel.bottom - 1), _GROUND)
    if input_steps < panel.steps:
        start = panel.edge(input_steps)
        draw.rectangle((start, panel.top, panel.right - 1, panel.bottom - 1), (237, 239, 242))
    if panel.steps <= 60:
        for step in range(1, panel.steps):
            x = panel.edge(step)
            draw.line((x, panel.top, x, panel.bottom - 1), _PAPER)


def _draw_mark(draw: ImageDraw.ImageDraw, panel: _Panel, step: int) -> None:
    for y in range(panel.top, panel.bottom, 8):
        x = panel.centre(step)
        draw.line((x, y, x, min(y + 3, panel.bottom - 1)), _QUIET)


def _draw_caption(
    draw: ImageDraw.ImageDraw, panel: _Panel, text: str, note: str, right: str = ""
) -> None:
    y = panel.top - 18
    width = _text(draw, panel.left, y, text, 18, _INK, "lm", 500)
    _text(draw, panel.left + width + 14, y, note, 15, _QUIET, "lm", panel.right - panel.left - 350)
    _text(draw, panel.right + 14, y, right, 15, _QUIET, "lm", 76)


def _draw_input_rows(
    draw: ImageDraw.ImageDraw, panel: _Panel, spikes: NDArray[np.bool_], numbers: NDArray[np.intp]
) -> None:
    height = (panel.bottom - panel.top) // len(numbers)
    for step, row in np.argwhere(spikes):
        first, last = panel.spike(step)
        y = panel.top + row * height
        draw.rectangle((first, y, last, y + height - 1 - (height > 4)), _INK)
    for y, number in ((panel.top + 7, numbers[0]), (panel.bottom - 7, numbers[-1])):
        _text(draw, panel.left - 12, y, f"input {number + 1:,}", 14, _QUIET, "rm", 150)
        if len(numbers) == 1:
            break


def _draw_class_rows(
    draw: ImageDraw.ImageDraw,
    panel: _Panel,
    spikes: NDArray[np.int64],
    names: Sequence[str],
    tones: Sequence[Colour],
) -> None:
    """Draw the spikes of the columns; in an ensemble the more members agree, the darker."""
    height = (panel.bottom - panel.top) // len(names)
    size = min(16, height - 3)
    most = max(1, int(spikes.max()))
    for row, (name, tone) in enumerate(zip(names, tones, strict=True)):
        y, total = panel.top + row * height, int(spikes[:, row].sum())
        if tone != _INK:
            band = (panel.left, y, panel.right - 1, y + height - 1)
            draw.rectangle(band, _blend(tone, 0.13))
        for step in np.flatnonzero(spikes[:, row]).tolist():
            first, last = panel.spike(step)
            fill = _blend(tone, 0.25 + 0.75 * int(spikes[step, row]) / most)
            draw.rectangle((first, y + 2, last, y + height - 3), fill)
        middle = y + height / 2
        _text(draw, panel.left - 12, middle, name, size, tone, "rm", 178)
        _text(draw, panel.right + 14, middle, f"{total:,}", size, tone, "lm", 76)


def _draw_potentials(
    image: Image.Image,
    panel: _Panel,
    potentials: NDArray[np.floating[Any]],
    fired: NDArray[np.bool_],
    colours: Mapping[int, Colour],
) -> None:
    """Draw the course of every potential, the coloured ones on top with a dot for each spike."""
    low = min(0.0, float(potentials.min()))
    high = max(1.25, 1.08 * float(potentials.max()))

    def height(value: float) -> float:
        return panel.bottom - (panel.bottom - panel.top) * (value - low) / (high - low)

    draw = ImageDraw.Draw(image)
    for value, name in ((0.0, "0"), (0.5, "0.5"), (1.0, "threshold")):
        y = round(height(value))
        colour = _INK if value == 1 else _LINE
        draw.line((panel.left, y, panel.right - 1, y), colour)
        _text(draw, panel.left - 12, y, name, 14, _QUIET, "rm", 150)

    # Pillow draws lines with hard edges: draw four times as large, and shrink.
    scale = 4
    box = (panel.left, panel.top - 8, panel.right, panel.bottom + 8)
    large = image.crop(box).resize(((box[2] - box[0]) * scale, (box[3] - box[1]) * scale))
    pen = ImageDraw.Draw(large)
    others = [index for index in range(potentials.shape[1]) if index not in colours]
    for index in [*others, *colours]:
        colour, width = colours.get(index, _OTHER), 3 if index in colours else 1.5
        points = [
            ((panel.centre(step) - box[0]) * scale, (height(value) - box[1]) * scale)
            for step, value in enumerate(potentials[:, index])
        ]
        pen.line(points, colour, round(width * scale), joint="curve")
        if index in colours:
            for step in np.flatnonzero(fired[:, index]):
                pen.circle(points[step], 5 * scale, colour)
    image.paste(large.reduce(scale), box)


def _draw_steps(draw: ImageDraw.ImageDraw, panel: _Panel) -> None:
    y = panel.bottom + 18
    _text(draw, panel.left - 12, y, "step", 15, _QUIET, "rm", 150)
    every = max(1, -(-panel.steps // 20))
    for step in range(0, panel.steps, every):
        _text(draw, panel.centre(step), y, str(step + 1), 15, _QUIET, "mm", 60)


def _mark_levels(panel: _Panel, marks: Mapping[str, int]) -> dict[str, int]:
    """Return for each mark the line its name goes on, so that no names overlap."""
    levels: dict[str, int] = {}
    ends: list[float] = []
    for name, step in sorted(marks.items(), key=lambda mark: mark[1]):
        half = min(170.0, _font(name, 15).getlength(_plain(name))) / 2 + 6
        start, end = panel.centre(step) - half, panel.centre(step) + half
        free = [level for level, taken in enumerate(ends) if taken <= start]
        level = free[0] if free else len(ends)
        ends[level : level + 1] = [end]
        levels[name] = level
    return levels


def _draw_colour_bar(
    image: Image.Image, draw: ImageDraw.ImageDraw, top: int, limit: float, *, missing: bool
) -> None:
    width, height = 360, 14
    left = (WIDTH - width) // 2
    scale = np.linspace(-1, 1, width)[np.newaxis].repeat(height, axis=0)
    image.paste(Image.fromarray(diverging(scale)), (left, top))
    draw.rectangle((left - 1, top - 1, left + width, top + height), outline=_LINE)
    for x, value in ((left, -limit), (left + width // 2, 0.0), (left + width, limit)):
        _text(draw, x, top + height + 16, f"{value:.3g}", 15, _QUIET, "mm", 120)
    if missing:
        x = left + width + 70
        draw.rectangle((x, top, x + 13, top + 13), _LINE)
        _text(draw, x + 22, top + 7, "no synapse", 15, _QUIET, "lm", 120)


def _canvas(height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a blank picture with its title."""
    image = Image.new("RGB", (WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(image)
    _text(draw, _MARGIN, 48, title, 28, _INK, "lm", WIDTH - 2 * _MARGIN)
    return image, draw


def _text(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    text: str,
    size: int,
    colour: Colour,
    anchor: str,
    room: float,
) -> float:
    """Write one line, shortened to the room it has; return its width."""
    font = _font(text, size)
    text = _shortened(_plain(text), font, room)
    draw.text((x, y), text, colour, font, anchor)
    return font.getlength(text)


def _draw_upright(image: Image.Image, x: int, bottom: int, text: str, size: int, room: int) -> None:
    """Write one line upwards, its middle at `x` and its start at `bottom`."""
    font = _font(text, size)
    strip = Image.new("L", (room, 2 * size))
    line = _shortened(_plain(text), font, room)
    ImageDraw.Draw(strip).text((0, size), line, 255, font, "lm")
    image.paste(_INK, (x - size, bottom - room), strip.rotate(90, expand=True))


def _plain(text: str) -> str:
    """Return the text in one line, without what no font can draw."""
    return " ".join(text.encode(errors="replace").decode().split())


def _shortened(text: str, font: Font, room: float) -> str:
    """Return the text, or as much of its start as fits with an ellipsis."""
    if font.getlength(text) <= room:
        return text
    ends = range(1, len(text))
    end = bisect_left(ends, True, key=lambda end: font.getlength(text[:end] + "…") > room)
    return text[:end].rstrip() + "…"


def _font(text: str, size: int) -> Font:
    """Return a font for the text: Pillow's own has ASCII only, so a common one may help out."""
    return _wide_font(size) if not text.isascii() else _own_font(size)


@cache
def _own_font(size: int) -> Font:
    return ImageFont.load_default(size)


@cache
def _wide_font(size: int) -> Font:
    for name in ("DejaVuSans.ttf", "Arial Unicode.ttf", "Arial.ttf", "arial.ttf"):
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return _own_font(size)


def _blend(colour: Colour, strength: float) -> Colour:
    """Return the colour laid on white paper; a strength of 1 is the colour itself."""
    red, green, blue = (round(255 + (channel - 255) * strength) for channel in colour)
    return red, green, blue


def _share(shown: int, total: int, what: str) -> str:
    """Return how many of what are shown; how they were chosen follows a comma in `what`."""
    if total == 1:
        return ""
    return f"{total:,} {what.split(',')[0]}" if shown == total else f"{shown:,} of {total:,} {what}"


def _thinned(n: int, most: int) -> NDArray[np.intp]:
    """Return at most so many of n numbers, evenly chosen, with the first and the last."""
    return np.rint(np.linspace(0, n - 1, min(n, most))).astype(np.intp)


def _most_telling(outputs: NDArray[np.int64], always: Sequence[int]) -> NDArray[np.intp]:
    """Return the columns to show, in order: those asked for, and those that spiked most."""
    rank = outputs.sum(axis=0)
    rank[list(always)] = rank.max() + 1
    return np.sort(np.argsort(-rank, kind="stable")[:MAX_CLASSES])


def _grid_columns(n: int) -> int:
    """Return how many maps to put in a row: near a square, with few places left empty."""
    side = int(np.ceil(np.sqrt(n)))
    return min(range(side, max(side, min(2 * side, 10)) + 1), key=lambda columns: -n % columns)


def _check_names(names: Sequence[str], n: int, argument: str) -> None:
    if len(names) != n:
        raise ValueError(f"{argument} has {len(names)} entries: give {n}, one for each")


def _check_index(index: int, n: int, what: str) -> None:
    if not 0 <= index < n:
        raise ValueError(f"{what} is {index}: give a number from 0 to {n - 1}")


def _table(values: ArrayLike, argument: str, shape: str) -> NDArray[Any]:
    """Return values as a two-dimensional array of finite numbers with something in it."""
    table = np.asarray(values)
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            f"{argument} has the shape {table.shape}: "
            f"give a table {shape} with at least one of each"
        )
    if not np.isfinite(table).all():
        raise ValueError(f"{argument} contains a value that is not finite")
    return table
