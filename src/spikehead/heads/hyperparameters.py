"""Hyperparameters: each stands once, as a field of its head's dataclass, with all that is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from typing import Any, TypeVar

_H = TypeVar("_H", bound="Hyperparameters")


@dataclass(frozen=True)
class About:
    """What is known of a hyperparameter beside its name and default.

    Attributes
    ----------
    low, high : float
        The bounds of what it can be, both included.
    whole : bool
        Whether it is a whole number.
    searched : (float, float) or None
        Between which bounds it is searched, unless told otherwise; None where it is not.
    log : bool
        Whether ratios rather than differences of its values count.
    paper : str
        Its name in the paper; empty where the paper has none.
    """

    low: float
    high: float
    whole: bool
    searched: tuple[float, float] | None
    log: bool
    paper: str


def hyperparameter(
    default: Any,
    low: float = 0,
    high: float = 1,
    *,
    searched: tuple[float, float] | None = None,
    log: bool = False,
    paper: str = "",
) -> Any:
    """Return a field of a `Hyperparameters` dataclass; `About` has what the parameters mean."""
    about = About(low, high, isinstance(default, int), searched, log, paper)
    return field(default=default, metadata={"about": about})


class Hyperparameters:
    """Base of a frozen dataclass whose fields are made by `hyperparameter`."""

    def __post_init__(self) -> None:
        """Check every value against its range."""
        for one in fields(self):  # type: ignore[arg-type]
            value, about, kind = getattr(self, one.name), one.metadata["about"], type(one.default)
            if kind is bool:
                if value not in (0, 1):
                    raise ValueError(f"{one.name} must be true or false, not {value!r}")
            elif not _is_within(value, about):
                word = "a whole number" if about.whole else "a number"
                raise ValueError(
                    f"{one.name} must be {word} from {about.low:g} to {about.high:g}, not {value!r}"
                )
            object.__setattr__(self, one.name, kind(value))

    @classmethod
    def about(cls) -> dict[str, About]:
        """Return what is known of each hyperparameter, by name."""
        return {one.name: one.metadata["about"] for one in fields(cls)}  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls: type[_H], values: dict[str, Any]) -> _H:
        """Make parameters from values by name; a name that does not exist is refused."""
        known = cls.about()
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"{unknown[0]} is not a hyperparameter; there are {', '.join(known)}")
        return cls(**values)


def _is_within(value: Any, about: About) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    whole_enough = not about.whole or float(value).is_integer()
    return whole_enough and bool(about.low <= value <= about.high)
