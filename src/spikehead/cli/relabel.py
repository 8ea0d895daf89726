"""spikehead relabel: learn photos under the right label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import corrections, options


def relabel(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos; folders of photos; or @list.txt, a file that names one on each line."
        ),
    ],
    label: Annotated[str, typer.Argument(help="The right class.")],
    threads: options.Threads = None,
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    provider: options.Provider = "auto",
    as_json: options.Json = False,
) -> None:
    """Learn photos that were learned under a wrong label under the right one instead.

    They are taken out as by unlearn, and learned under the label, in one step. A new class is
    added.
    """
    corrections.take_out(
        model,
        photos,
        label,
        threads=threads,
        cache=cache,
        no_cache=no_cache,
        provider=provider,
        as_json=as_json,
    )
