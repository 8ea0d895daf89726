"""The heads: each is found by its name, those of other packages too.

A package adds one by an entry point of the group ``spikehead.heads``: the name of the kind, and
where its `spikehead.heads.classifiers.SpikingClassifier` is, as in ``my_head = "package:MyHead"``.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from spikehead.heads.classifiers import SpikingClassifier
from spikehead.heads.parameters import Hyperparameters

GROUP = "spikehead.heads"

COLANET = "colanet"
"""The kind of heads that were saved before there were others."""

RETIRED = "colanet-0.2"
"""The kind of heads that version 0.2 taught by rules that are gone; no new model has it."""

DECORRELATED = "decorrelated"
"""The head without conditions, which a new model has by default."""

PAPER = "paper"
"""CoLaNET with Table 1 of the hybrid paper."""

DEFAULT_HEAD = DECORRELATED
"""The head of a new model where none is named."""

_PRESETS = {PAPER: COLANET}

_OWN = {
    COLANET: "spikehead.heads.colanet.classifier:CoLaNETClassifier",
    RETIRED: "spikehead.heads.colanet.retired:RetiredCoLaNET",
    DECORRELATED: "spikehead.heads.decorrelated.classifier:DecorrelatedColumns",
}


def kinds() -> dict[str, metadata.EntryPoint]:
    """Return where each kind of head is, by its name; nothing is imported."""
    found = {one.name: one for one in metadata.entry_points(group=GROUP)}
    own = {name: metadata.EntryPoint(name, where, GROUP) for name, where in _OWN.items()}
    return found | own


def head_class(name: str) -> type[SpikingClassifier]:
    """Return the estimator of a kind of head.

    Raises
    ------
    ValueError
        If there is no such kind; the sentence names those that there are.
    """
    known = kinds()
    if name not in known:
        raise ValueError(
            f"there is no head {name!r}; there are "
            f"{', '.join(sorted({*known, *_PRESETS} - {RETIRED}))} "
            f"(another package adds one by an entry point of the group {GROUP})"
        )
    found: type[SpikingClassifier] = known[name].load()
    return found


def kind_of(name: str) -> str:
    """Return the kind of the head that a name stands for; a kind's own name is one, too."""
    return _PRESETS.get(name, name)


def kind_with(parameters: Hyperparameters) -> str:
    """Return the kind of head that has these hyperparameters.

    Raises
    ------
    ValueError
        If there is none.
    """
    for kind in kinds():
        if head_class(kind).hyperparameters is type(parameters):
            return kind
    raise ValueError(f"{type(parameters).__name__} are the hyperparameters of no head")


def title_of(name: str) -> str:
    """Return what tables call the head that a name stands for."""
    title = head_class(kind_of(name)).title
    return f"{title}, {name}" if name in _PRESETS else title


def new_head(
    name: str, parameters: Hyperparameters | None = None, **options: Any
) -> SpikingClassifier:
    """Return a head that has learned nothing, by its name.

    Parameters
    ----------
    name : str
        A kind of head; or ``"paper"``, which is CoLaNET with Table 1.
    parameters : Hyperparameters, optional
        Default: those that the name stands for.
    **options
        As `SpikingClassifier.for_features` takes them.

    Raises
    ------
    ValueError
        If there is no such head, or it has no such option.
    """
    found = head_class(kind_of(name))
    return found.for_features(parameters or (name if name in _PRESETS else None), **options)
