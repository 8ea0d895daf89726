"""What the commands that compare the head with other classifiers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import sources
from spikehead.evaluation.examples import Examples, read_activations
from spikehead.evaluation.methods import Method, colanet, others
from spikehead.heads.colanet.classifier import AUTO
from spikehead.heads.colanet.parameters import RECOMMENDED, CoLaNETParameters

MoreParameters = Annotated[
    Path | None,
    typer.Option(
        "--parameters",
        help="JSON file of hyperparameters: one more row, beside Table 1 and the recommended ones. "
        "They must not have been chosen on the test part.",
    ),
]
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
    int, typer.Option("--members", min=1, max=1000, help="Networks in the head's ensemble.")
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
) -> tuple[list[Examples], float | str | None, sources.Unused]:
    """Return the examples in folders of photos or in .npz files, their saturation, and what is not.

    The saturation is the encoder's, if it knows one; for an .npz file it is left to the first
    batch.
    """
    if all(path.suffix == ".npz" for path in paths):
        if encoder is not None:
            raise typer.BadParameter(
                "activations are encoded already; leave it out, or give photos.",
                param_hint="--encoder",
            )
        return [read_activations(path) for path in paths], "auto", sources.Unused()
    return sources.encode(paths, encoder, threads, cache, no_cache, as_classes)


def named_parameters(file: Path | None) -> dict[str, CoLaNETParameters]:
    """Read the hyperparameters of one more row, by its name, if a file is given."""
    return {file.stem: sources.parameters(file)} if file else {}


def spiking_heads(
    more: Mapping[str, CoLaNETParameters],
    members: int,
    threads: int | None,
    saturation: float | str | None,
) -> list[Method]:
    """Return the spiking head with Table 1, as recommended, and with more parameters by name.

    The saturation is for the first two; where it is not known, the recommended head takes it from
    the first batch, as `learn` does.
    """

    def head(name: str, p: CoLaNETParameters, saturation: float | str | None = None) -> Method:
        name = f"CoLaNET, {name}"
        return colanet(name, p, saturation=saturation, members=members, n_threads=threads)

    return [
        head("Table 1", CoLaNETParameters(), saturation),
        head("recommended", RECOMMENDED, saturation or AUTO),
        *(head(name, parameters) for name, parameters in more.items()),
    ]


def rivals(names: Sequence[str] | None) -> list[Method]:
    """Return the methods to compare with, or those that are named."""
    known = {method.name: method for method in others()}
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(
                f"there is no {name!r}; there are {', '.join(known)}.", param_hint="--against"
            )
    return [method for name, method in known.items() if not names or name in names]
