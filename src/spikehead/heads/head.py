"""What every head is: a network of columns, which grows with the classes that it meets."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spikehead.state import Stateful, Variable, whole_number

_Own = TypeVar("_Own", bound="ColumnarNetwork")


class ColumnarNetwork(Stateful):
    """A network with one column a class, which grows by columns.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    n_columns : int
        Number of columns.

    Attributes
    ----------
    parameters : Hyperparameters
        Its hyperparameters.
    presentations : int
        Presentations learned so far.
    n_members : int
        Networks that see the same stream and learn independently; one, where nothing is said.
    """

    parameters: Any
    presentations: int
    n_members: int = 1

    def __init__(self, n_inputs: int, n_columns: int) -> None:
        self.n_inputs = n_inputs
        self.n_columns = 0
        self._start()
        self.add_columns(n_columns)

    @property
    def n_neurons(self) -> int:
        """Neurons of each member; one a column, where nothing is said."""
        return self.n_columns

    def add_columns(self, n_columns: int) -> None:
        """Add columns that know nothing yet; what was learned stays as it is."""
        larger = copy.copy(self)
        larger.n_columns += whole_number("n_columns", n_columns, 0)
        grown = {
            variable.name: larger._extended(variable, getattr(self, variable.name))
            for variable in self.variables
            if self._shape(variable) != larger._shape(variable)
        }
        # All at once: where memory runs out in between, nothing is added.
        vars(self).update(grown, n_columns=larger.n_columns)

    def grown(self: _Own, n_columns: int) -> _Own:
        """Return a network with more columns, which know nothing yet; this one stays as it is."""
        other = copy.copy(self)
        other.add_columns(n_columns)
        for variable, value in self._learned():
            if getattr(other, variable.name) is value:
                setattr(other, variable.name, copy.copy(value))
        return other

    def without_column(self: _Own, column: int) -> _Own:
        """Return a network that lacks one of the columns; this one stays as it is.

        The other columns keep all that they have, and move up.

        Parameters
        ----------
        column : int
            Which column.
        """
        other = copy.copy(self)
        other.n_columns -= 1
        for variable in self.variables:
            value, shape = getattr(self, variable.name), self._shape(variable)
            kept = other._shape(variable)
            if shape == kept:
                value = copy.copy(value)
            else:
                axis = next(place for place, size in enumerate(shape) if size != kept[place])
                size = shape[axis] // self.n_columns
                value = np.delete(value, np.s_[column * size : (column + 1) * size], axis)
            setattr(other, variable.name, value)
        return other

    def _extended(self, variable: Variable, old: NDArray[Any]) -> NDArray[Any]:
        """Return an array with the columns that this network has more than it."""
        shape = self._shape(variable)
        axis = next(place for place, size in enumerate(old.shape) if size != shape[place])
        new = range(old.shape[axis], shape[axis])
        more = self._initial(variable, (*shape[:axis], len(new), *shape[axis + 1 :]), new)
        return np.concatenate([old, more], axis=axis) if old.size else more
