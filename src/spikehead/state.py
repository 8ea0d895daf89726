"""State: all that something has learned, as one table, over which saving and checking loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _nothing(*_: object) -> float:
    return 0.0


@dataclass(frozen=True)
class Variable:
    """A part of a state: an array, or a counter.

    Attributes
    ----------
    name : str
        The attribute of what has the state.
    dtype : type
        Of the array's values; of a counter `int`, which Python does not bound.
    axes : tuple of str
        What each axis counts: attributes of what has the state. One of them, at most, grows with
        the columns.
    limits : tuple of float
        The smallest and the largest value that is possible.
    initial : callable
        What the values start from: takes what has the state, and the range of what is new on the
        axis that grows; returns an array that can be broadcast. Default: zero.
    whole : bool
        Whether all values are whole numbers, though of a floating-point type.
    symmetric : bool
        Whether the last two axes are symmetric, so that a saved state holds one triangle.
    saved : bool
        Whether learning changes it; what it does not is drawn anew and never saved.
    optional : bool
        Whether a saved state may lack it, since older versions did not know it: it then starts
        anew.
    """

    name: str
    dtype: type
    axes: tuple[str, ...] = ()
    limits: tuple[float, float] = (-np.inf, np.inf)
    initial: Callable[[Any, range], ArrayLike] = _nothing
    whole: bool = False
    symmetric: bool = False
    saved: bool = True
    optional: bool = False


class Stateful:
    """Something with a state that is one table, over which all that is done with it loops.

    Attributes
    ----------
    variables : tuple of Variable
        All that learning changes, and what was drawn by lot at the beginning.
    """

    variables: tuple[Variable, ...] = ()

    def state(self) -> dict[str, Any]:
        """Return copies of all that learning changes, by name; of a symmetric array one triangle.

        Returns
        -------
        dict of ndarray or int
            As `restore` takes them.
        """
        return {
            variable.name: _triangle(value) if variable.symmetric else copy.copy(value)
            for variable, value in self._learned()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up an earlier state of one that was made with the same arguments.

        Parameters
        ----------
        state : mapping of str to ndarray or int
            That of `state`; copied.

        Raises
        ------
        ValueError
            If something is missing, or is not such as this can have; nothing is changed.
        """
        found = {
            variable.name: self._checked(variable, state.get(variable.name))
            for variable, _ in self._learned()
            if variable.name in state or not variable.optional
        }
        vars(self).update(found)

    def check(self) -> None:
        """Refuse arrays that are not of the shapes and types that the table says.

        Raises
        ------
        ValueError
            If one is not; the sentence names it.
        """
        for variable in self.variables:
            array = getattr(self, variable.name)
            shape = self._shape(variable)
            if variable.dtype is not int and (
                array.shape != shape or array.dtype != variable.dtype
            ):
                raise ValueError(
                    f"{variable.name} of the network must be {np.dtype(variable.dtype)} in the "
                    f"shape {shape}, not {array.dtype} in the shape {array.shape}"
                )

    def make_writable(self) -> None:
        """Copy what lies in a file or cannot be written, as joblib gives it to its workers."""
        for variable, array in self._learned():
            if variable.dtype is not int and (
                type(array) is not np.ndarray or not array.flags.carray
            ):
                setattr(self, variable.name, np.array(array, order="C"))

    def _start(self) -> None:
        """Give every variable the values from which it starts."""
        for variable in self.variables:
            shape = self._shape(variable)
            setattr(self, variable.name, self._initial(variable, shape, range(0)))

    def _initial(self, variable: Variable, shape: tuple[int, ...], new: range) -> Any:
        if variable.dtype is int:
            return 0
        array: NDArray[Any] = np.zeros(shape, variable.dtype)
        values = variable.initial(self, new)
        if np.any(values):  # zeros take no memory before they are written
            array[...] = values
        return array

    def _learned(self) -> Iterator[tuple[Variable, Any]]:
        """Yield all that learning changes."""
        for variable in self.variables:
            if variable.saved:
                yield variable, getattr(self, variable.name)

    def _shape(self, variable: Variable) -> tuple[int, ...]:
        return tuple(getattr(self, axis) for axis in variable.axes)

    def _checked(self, variable: Variable, value: Any) -> Any:
        """Return a copy of what takes the place of a variable, if it can."""
        name, dtype, (low, high) = variable.name, variable.dtype, variable.limits
        if dtype is int:
            return whole_number(name, value, 0)
        shape = self._shape(variable)
        if variable.symmetric:
            shape = (*shape[:-2], shape[-1] * (shape[-1] + 1) // 2)
        alike = isinstance(value, np.ndarray) and value.shape == shape and value.dtype == dtype
        if variable.whole:
            if not alike or not _whole(value, low, high):
                raise ValueError(
                    f"{name} must be whole numbers from {low:g} to {high:g} as {np.dtype(dtype)} "
                    f"in the shape {shape}"
                )
        elif not alike or not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite {np.dtype(dtype)} values in the shape {shape}")
        elif value.size and (value.min() < low or value.max() > high):
            raise ValueError(
                f"{name} must be from {low:g} to {high:g}, and some are {value.min():g} or "
                f"{value.max():g}"
            )
        return _square(value) if variable.symmetric else np.array(value, order="C")


def _whole(values: NDArray[Any], low: float, high: float) -> bool:
    """Return whether all values are whole numbers within limits."""
    return bool(np.all((values == np.rint(values)) & (low <= values) & (values <= high)))


def _triangle(square: NDArray[Any]) -> NDArray[Any]:
    """Return the upper triangles of symmetric matrices, row after row."""
    rows, columns = np.triu_indices(square.shape[-1])
    return np.asarray(square[..., rows, columns])


def _square(triangle: NDArray[Any]) -> NDArray[Any]:
    """Return symmetric matrices of which the upper triangles are given."""
    size = int(np.sqrt(2 * triangle.shape[-1]))
    square = np.empty((*triangle.shape[:-1], size, size), triangle.dtype)
    rows, columns = np.triu_indices(size)
    square[..., rows, columns] = triangle
    square[..., columns, rows] = triangle
    return square


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return a whole number within bounds; of anything else, say that `name` must be one."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        bounds = f"from {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be a whole number {bounds}, not {value!r}")
    return int(value)


def fraction(name: str, value: Any) -> float:
    """Return a number from 0 to 1; of anything else, say that `name` must be one."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 <= float(value) <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {value!r}")
    return float(value)
