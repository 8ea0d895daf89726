"""spikehead push and pull: models on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikehead.cli import console


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
    with console.needs("hub"):
        from spikehead import hub
    _show_progress_on_terminals_only()
    commit = hub.push(model, repository, revision=revision, private=private)
    console.out.print(f"Pushed {model}: {commit}", soft_wrap=True)


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
    with console.needs("hub"):
        from spikehead import hub
    _show_progress_on_terminals_only()
    folder = hub.pull(repository, model, revision=revision, replace=replace)
    console.out.print(f"Pulled {repository} to {folder}.", soft_wrap=True)


def _show_progress_on_terminals_only() -> None:
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not console.messages.is_terminal:
        disable_progress_bars()
