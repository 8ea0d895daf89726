"""spikehead push: a model to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console, progress
from spikehead.cli.commands import needs


def push(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    repository: Annotated[
        str, typer.Argument(help="USER/NAME on the Hub; made where there is none.")
    ],
    revision: Annotated[
        str | None,
        typer.Option(
            help="Branch to push to; made where there is none.  [default: main]",
            show_default=False,
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository private.")
    ] = False,
) -> None:
    """Push a model to the Hugging Face Hub, with its card and all that it was taught.

    Log in with `hf auth login` before, or set HF_TOKEN.
    """
    with needs("hub"):
        from spikehead.models import hub
    progress.keep_that_of_the_hub_to_terminals()
    commit = hub.push(model, repository, revision=revision, private=private)
    console.out.print(f"Pushed {model}: {commit}", soft_wrap=True)
