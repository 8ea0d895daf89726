"""The hyperparameters of decorrelated columns, and the constants of their clock and arithmetic."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from typing import Any

from spikehead.coding import STEPS

DISCHARGE_STEPS = 10
"""Steps after the input in which columns answer: a column spikes this often at most."""

BLOCK = 32
"""Lessons after which the lateral layer is consolidated; until then their traces are kept."""

UNIT = 2.0**30
"""Steps of weight, potential, excitation and energy in 1.0."""

TRACE_UNIT = 2.0**26
"""Steps of a trace in 1.0: the product of two has 52 fraction bits, and is at most 1."""

LATERAL_UNIT = 2.0**42
"""Steps of a lateral weight in 1.0."""

MAX_INPUTS = 2**15
"""Inputs at most, so that every sum is below 2**53: ``STEPS**2 * MAX_INPUTS * UNIT < 2**52``."""


def _number(default: float, low: float, high: float, search: str) -> Any:
    """Return a hyperparameter with its range and the scale on which it is searched."""
    return field(default=default, metadata={"range": (low, high), "search": search})


@dataclass(frozen=True)
class DecorrelatedParameters:
    """Hyperparameters of decorrelated columns.

    Each field's metadata has its ``range``, and in ``search`` the scale on which it is worth
    searching: ``"linear"``, ``"log"``, or ``"no"``.

    Parameters
    ----------
    lam : float, default=1.0
        How slowly inputs come to inhibit each other, relative to the power of an example: the
        penalty of a ridge regression.
    scale : float, default=4.0
        How many root mean squares an activation has from which an input spikes at every step (s).
    threshold : float, default=0.2
        A column's threshold, relative to what its own examples excite (f).
    width : int, default=2048
        Inputs that can inhibit each other at most: where there are more, they lie on as many
        dendritic branches as are needed, drawn at random, and inhibit those of their branch only.
    horizon : int, default=0
        Examples of a class after which older ones are forgotten: a column's mean moves by no less
        than 1 / `horizon`, and lateral inhibition fades as fast as that many examples of every
        class come. For streams whose labels change their meaning; classes that stay away are
        forgotten with the rest, and such a head can neither be merged nor unlearn. 0: never.

    Raises
    ------
    ValueError
        If a value is outside its range; the sentence names it.
    """

    lam: float = _number(1.0, 1e-3, 1e3, "log")
    scale: float = _number(4.0, 0.1, 100.0, "log")
    threshold: float = _number(0.2, 1e-3, 1.0, "log")
    width: int = _number(2048, 1, MAX_INPUTS, "no")
    horizon: int = _number(0, 0, 2**31, "no")

    def __post_init__(self) -> None:
        """Check every value against its range."""
        for one in fields(self):
            value, (low, high) = getattr(self, one.name), one.metadata["range"]
            whole = isinstance(one.default, int)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not low <= value <= high or (whole and not float(value).is_integer()):
                kind = "a whole number" if whole else "a number"
                raise ValueError(
                    f"{one.name} must be {kind} from {low:g} to {high:g}, not {value!r}"
                )
            object.__setattr__(self, one.name, int(value) if whole else float(value))

    def power(self, width: int) -> float:
        """Return what a branch's own energy is measured against (l0).

        With `lam` 1 it is the squared length of an example that is nowhere clipped.

        Parameters
        ----------
        width : int
            Inputs of a branch.
        """
        return self.lam * width * (STEPS / self.scale) ** 2

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DecorrelatedParameters:
        """Make parameters from values by name; a name that does not exist is refused."""
        known = [one.name for one in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"{unknown[0]} is not a hyperparameter; there are {', '.join(known)}")
        return cls(**values)
