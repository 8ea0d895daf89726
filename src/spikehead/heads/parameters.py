"""What hyperparameters of every head are: numbers within their ranges, each in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from typing import Any, TypeVar

_Own = TypeVar("_Own", bound="Hyperparameters")


@dataclass(frozen=True)
class About:
    """What is known of a hyperparameter beside its name and default.

    Attributes
    ----------
    low, high : float
        The smallest and the largest value.
    searched : (float, float) or None
        Between which values it is searched, unless told otherwise; None where it is not.
    log : bool
        Whether ratios rather than differences of its values count.
    paper : str
        Its name in the paper; empty where the paper has none.
    """

    low: float
    high: float
    searched: tuple[float, float] | None = None
    log: bool = False
    paper: str = ""


def number(default: float, low: float, high: float, **more: Any) -> Any:
    """Return a dataclass field of a hyperparameter; its metadata has what is known `About` it.

    Parameters
    ----------
    default : float or int
        Its default; of an int, every value must be a whole number.
    low, high, **more
        As of `About`.
    """
    return field(default=default, metadata={"about": About(low, high, **more)})


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of a head: fields made by `number`.

    Raises
    ------
    ValueError
        If a value is outside its range; the sentence names it.
    """

    def __post_init__(self) -> None:
        """Check every value against its range."""
        for name, about in self.about().items():
            value, kind = getattr(self, name), type(self.defaults()[name])
            if not _is_within(value, about, whole=kind is int):
                word = "a whole number" if kind is int else "a number"
                raise ValueError(
                    f"{name} must be {word} from {about.low:g} to {about.high:g}, not {value!r}"
                )
            object.__setattr__(self, name, kind(value))

    @classmethod
    def about(cls) -> dict[str, About]:
        """Return what is known of each hyperparameter, by name."""
        return {one.name: one.metadata["about"] for one in fields(cls)}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the default of each hyperparameter, by name; its type is that of the values."""
        return {one.name: one.default for one in fields(cls)}

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls: type[_Own], values: Mapping[str, Any]) -> _Own:
        """Make hyperparameters from values by name; a name that does not exist is refused."""
        known = cls.about()
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"{unknown[0]} is not a hyperparameter; there are {', '.join(known)}")
        return cls(**values)


def _is_within(value: Any, about: About, *, whole: bool) -> bool:
    real = isinstance(value, Real) and not isinstance(value, bool)
    return real and about.low <= value <= about.high and (not whole or float(value).is_integer())
