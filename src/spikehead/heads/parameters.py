"""What hyperparameters of every head are: numbers within their ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from typing import Any, TypeVar

_Own = TypeVar("_Own", bound="Hyperparameters")


def number(default: float, low: float, high: float, **metadata: Any) -> Any:
    """Return a dataclass field of a hyperparameter; its metadata has its ``range``.

    Parameters
    ----------
    default : float or int
        Its default; of an int, every value must be a whole number.
    low, high : float
        The smallest and the largest value.
    **metadata
        What else is to be known of it.
    """
    return field(default=default, metadata={"range": (low, high), **metadata})


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of a head: fields made by `number`, or truth values.

    Raises
    ------
    ValueError
        If a value is outside its range; the sentence names it.
    """

    def __post_init__(self) -> None:
        """Check every value against its range."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(one.default, bool):
                if value not in (0, 1):
                    raise ValueError(f"{one.name} must be true or false, not {value!r}")
                object.__setattr__(self, one.name, bool(value))
                continue
            low, high = one.metadata["range"]
            whole = isinstance(one.default, int)
            kind = "a whole number" if whole else "a number"
            real = isinstance(value, Real) and not isinstance(value, bool)
            if not real or (whole and not float(value).is_integer()) or not low <= value <= high:
                raise ValueError(
                    f"{one.name} must be {kind} from {low:g} to {high:g}, not {value!r}"
                )
            object.__setattr__(self, one.name, int(value) if whole else float(value))

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls: type[_Own], values: Mapping[str, Any]) -> _Own:
        """Make hyperparameters from values by name; a name that does not exist is refused."""
        known = [one.name for one in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"{unknown[0]} is not a hyperparameter; there are {', '.join(known)}")
        return cls(**values)
