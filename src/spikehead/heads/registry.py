"""The kinds of heads: each is found by its name, those of other packages too.

A package adds one by an entry point of the group ``spikehead.heads``: the name of the kind, and
where its `spikehead.heads.classifiers.SpikingClassifier` is, as in ``my_head = "package:MyHead"``.
"""

from __future__ import annotations

from importlib import metadata

from spikehead.heads.classifiers import SpikingClassifier

GROUP = "spikehead.heads"

COLANET = "colanet"
"""The kind of heads that were saved before there were others."""

_OWN = {
    COLANET: "spikehead.heads.colanet.classifier:CoLaNETClassifier",
    "decorrelated": "spikehead.heads.decorrelated.classifier:DecorrelatedColumns",
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
            f"there is no head {name!r}; there are {', '.join(sorted(known))} (another package "
            f"adds one by an entry point of the group {GROUP})"
        )
    found: type[SpikingClassifier] = known[name].load()
    return found
