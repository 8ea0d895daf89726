"""spikehead pull: a model from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, progress
from spikehead.cli.commands import needs


def pull(
    repository: Annotated[str, typer.Argument(help="USER/NAME on the Hub.")],
    model: Annotated[
        Path | None,
        typer.Argument(help="Folder for it.  [default: NAME]", show_default=False),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch, tag or commit.  [default: main]", show_default=False),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Replace the model that is in the folder, with all that it was taught.",
        ),
    ] = False,
) -> None:
    """Pull a model from the Hugging Face Hub.

    Files that were fetched before, by a pull that was stopped for one, are not fetched again.
    """
    with needs("hub"):
        from spikehead.models import hub
    progress.keep_that_of_the_hub_to_terminals()
    folder = hub.pull(repository, model, revision=revision, replace=replace)
    console.out.print(f"Pulled {repository} to {folder}.", soft_wrap=True)
