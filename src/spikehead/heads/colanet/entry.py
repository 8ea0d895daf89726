"""What engines check before compiled code, which trusts its arguments, sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import STEPS, SpikeTrains
from spikehead.compilation import compiled
from spikehead.heads.colanet.network import Network


def check_draws(network: Network) -> None:
    """Refuse a network whose synapses or phases lie outside what there is.

    Raises
    ------
    ValueError
        If one does.
    """
    for name, limit in (("synapses", network.n_inputs), ("phases", STEPS)):
        values = getattr(network, name)
        if values.size and not 0 <= values.min() <= values.max() < limit:
            raise ValueError(f"{name} of the network must be from 0 to {limit - 1}")


def check_trains(trains: SpikeTrains, n_inputs: int, *, known: bool = False) -> None:
    """Refuse spike trains that a network cannot read.

    Parameters
    ----------
    trains : SpikeTrains
        The stream.
    n_inputs : int
        Inputs of the network.
    known : bool, default=False
        Whether the inputs that spike were looked at before; only how they are grouped is new.

    Raises
    ------
    ValueError
        If they have other inputs, or their arrays do not fit each other.
    """
    if trains.n_inputs != n_inputs:
        raise ValueError(
            f"a network of {n_inputs} inputs cannot read spike trains of {trains.n_inputs}"
        )
    inputs, offsets, patterns = trains.inputs, trains.offsets, trains.patterns
    arrays = (inputs, np.int32, 1), (offsets, np.int64, 2), (patterns, np.int32, 2)
    whole = all(
        array.dtype == kind and array.ndim == ndim and array.flags.c_contiguous
        for array, kind, ndim in arrays
    )
    n_groups = patterns.shape[-1]
    if not (
        whole
        and patterns.shape == (STEPS, n_groups)
        and offsets.shape[1] == n_groups + 1 <= STEPS + 1
        and not (patterns >> STEPS).any()
        and _ascend(read_only(offsets), len(inputs))
        and (known or _exist(read_only(inputs.view(np.uint32)), read_only(offsets), n_inputs))
    ):
        raise ValueError(
            "spike trains must have the arrays that SpikeTrains describes, and their offsets and "
            "inputs lie within them: make them with the functions of spikehead.coding"
        )


def check_inputs(inputs: NDArray[np.int32], n_inputs: int) -> None:
    """Refuse inputs that spike but do not exist.

    Raises
    ------
    ValueError
        If there is one.
    """
    if inputs.size and not 0 <= inputs.min() <= inputs.max() < n_inputs:
        raise ValueError(f"inputs that spike must be from 0 to {n_inputs - 1}")


def checked_columns(
    labels: NDArray[np.integer[Any]], trains: SpikeTrains, network: Network
) -> NDArray[np.int32]:
    """Return the columns of the presentations' classes as int32.

    Raises
    ------
    ValueError
        If there is not one for each presentation, or the network has no such column.
    """
    within = labels.shape == (len(trains),) and labels.dtype.kind in "iu"
    if not within or (labels.size and not 0 <= labels.min() <= labels.max() < network.n_columns):
        raise ValueError(
            f"labels must be whole numbers, one for each of the {len(trains)} presentations, that "
            f"count the {network.n_columns} columns from 0"
        )
    columns: NDArray[np.int32] = labels.astype(np.int32)
    return columns


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view that cannot be written: Numba compiles once for all kinds of memory."""
    view: NDArray[Any] = np.asarray(array).view()
    view.flags.writeable = False
    return view


@compiled
def _ascend(offsets: Any, end: int) -> bool:
    """Tell whether the offsets of each presentation ascend from 0 to `end` at most."""
    found = True
    for p in range(len(offsets)):
        last = 0
        for group in range(offsets.shape[1]):
            found &= last <= offsets[p, group] <= end
            last = offsets[p, group]
    return found


@compiled
def _exist(inputs: Any, offsets: Any, n_inputs: int) -> bool:
    """Tell whether each input that spikes is one of those that there are; none is negative."""
    highest = np.uint32(0)
    for p in range(len(offsets)):
        for place in range(offsets[p, 0], offsets[p, -1]):
            highest = max(highest, inputs[place])
    return bool(n_inputs > highest)
