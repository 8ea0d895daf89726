"""A photo that runs through the layers of a spiking network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from spikehead.pictures.style import QUIET, new_figure, one_line, style

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

_COLOURS = "magma"
_MAX_LAYERS = 8
_MAX_STEPS = 12


@style()
def layer_spikes(
    layers: Mapping[str, ArrayLike], *, title: str = "", figure: FigureBase | None = None
) -> FigureBase:
    """Draw where a layer's neurons spike, step by step, below the layers that it hears.

    A row is a layer and a column a time step; the brighter a place, the more of its channels spike.
    Each panel has a scale of its own.

    Parameters
    ----------
    layers : mapping of str to array of int, shape (steps, channels, height, width)
        The spikes of up to 8 layers, 1 or -1, in up to 12 steps, by the layers' names.
    title : str, default=""
        What stands above.
    figure : Figure, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there is no layer, too many, or one of another shape.
    """
    spikes = {name: np.asarray(each) for name, each in layers.items()}
    if not 1 <= len(spikes) <= _MAX_LAYERS:
        raise ValueError(f"there are {len(spikes)} layers: give from 1 to {_MAX_LAYERS}")
    for name, each in spikes.items():
        if each.ndim != 4 or not each.size or len(each) > _MAX_STEPS:
            raise ValueError(
                f"the spikes of {name} have the shape {each.shape}: give (steps, channels, height, "
                f"width), with up to {_MAX_STEPS} steps"
            )
    steps = max(map(len, spikes.values()))
    figure = figure or new_figure(1.1 * steps + 1, 1.2 * len(spikes) + 0.6)
    grid = figure.subplots(len(spikes), steps, squeeze=False)
    for row, (name, each) in zip(grid, spikes.items(), strict=True):
        row[0].set_ylabel(one_line(name, 20), rotation=0, ha="right", va="center")
        shares = np.abs(each).mean(axis=1)
        for step, ax in enumerate(row):
            ax.set(xticks=[], yticks=[])
            if step < len(shares):
                ax.imshow(shares[step], cmap=_COLOURS, vmin=0, interpolation="nearest")
            else:
                ax.set_axis_off()
    for step, ax in enumerate(grid[0]):
        ax.set_title(f"step {step}", color=QUIET, fontsize="small")
    figure.suptitle(title)
    return figure
