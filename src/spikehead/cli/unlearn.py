"""spikehead unlearn: take photos out of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import corrections, options


def unlearn(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos; folders of photos; or @list.txt, a file that names one on each line."
        ),
    ],
    threads: options.Threads = None,
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    provider: options.Provider = "auto",
    as_json: options.Json = False,
) -> None:
    """Take photos out: the model becomes one that has never learned them, up to rounding.

    A photo is known by its content, not by its name. Decorrelated columns take it back from its
    activations; CoLaNET learns all other photos again from the activation cache, in the same order,
    and refuses where one is missing. What can be undone becomes part of the model.
    """
    corrections.take_out(
        model,
        photos,
        None,
        threads=threads,
        cache=cache,
        no_cache=no_cache,
        provider=provider,
        as_json=as_json,
    )
