"""What the commands that compare the head with other classifiers share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from spikehead.activations import holds_activations
from spikehead.cli import sources
from spikehead.encoders.providers import AUTO
from spikehead.evaluation.examples import read_activations
from spikehead.evaluation.methods import Method, from_outside, others, spiking
from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import (
    DECORRELATED,
    PAPER,
    head_class,
    kind_of,
    title_of,
)

OURS = (DECORRELATED, PAPER)
"""The spiking heads that are compared where none is named."""

Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="METHOD",
        help="Compare with this method only; give it again for more.  [default: all]",
        show_default=False,
    ),
]
Members = Annotated[
    int, typer.Option("--members", min=1, max=1000, help="Networks in the ensemble of CoLaNET.")
]
Seeds = Annotated[
    int,
    typer.Option("--seeds", min=1, max=1000, help="Runs of each method, each in another order."),
]


def read_examples(
    paths: Sequence[Path],
    encoder: str | None,
    threads: int | None,
    cache: Path | None,
    no_cache: bool,
    as_classes: bool,
    provider: str = AUTO,
) -> sources.Encoded:
    """Return the examples in photos or activations, one for each path."""
    if all(map(holds_activations, paths)):
        sources.check_unnamed(encoder)
        return sources.Encoded([read_activations(path) for path in paths], "auto", sources.Unused())
    return sources.encode(paths, encoder, threads, cache, no_cache, as_classes, provider=provider)


class Head(NamedTuple):
    """A spiking head that takes part."""

    name: str
    parameters: Hyperparameters | None
    title: str


def heads(named: Sequence[str] | None) -> list[Head]:
    """Return the spiking heads that are named, or all of ours."""
    found = []
    for one in named or OURS:
        name, parameters = sources.head(one)
        title = title_of(name) + (f", {Path(one).stem}" if parameters else "")
        found.append(Head(name, parameters, title))
    return found


def methods(
    heads: Sequence[Head], members: int, threads: int | None, saturation: float | str | None
) -> list[Method]:
    """Return spiking heads as methods; the saturation is for those that have none of their own."""
    found = []
    for name, parameters, title in heads:
        options: dict[str, Any] = {"encoder_saturation": saturation, "n_threads": threads}
        if head_class(kind_of(name)).has_option("members"):
            options["members"] = members
        found.append(spiking(title, name, parameters, **options))
    return found


def rivals(names: Sequence[str] | None, *, outside: bool = False) -> list[Method]:
    """Return the methods to compare with, or those that are named.

    Those from other packages take part where they are named, or all are asked for.
    """
    known = {method.name: method for method in others()}
    if (outside and not names) or not known.keys() >= {*(names or ())}:  # imported only then
        known |= {method.name: method for method in from_outside()}
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(
                f"there is no {name!r}; there are {', '.join(known)}.", param_hint="--against"
            )
    return [method for name, method in known.items() if not names or name in names]
