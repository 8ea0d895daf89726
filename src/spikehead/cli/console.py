"""What the commands share: where they write, options, progress, and how they fail."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from spikehead.encoders import ActivationCache
from spikehead.pipeline import HybridClassifier

out = Console(highlight=False)
messages = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads to use.  [default: all]", show_default=False)
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder for activations.  [default: SPIKEHEAD_CACHE, or the user's cache folder]",
        show_default=False,
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no activations on disk.")]


def print_json(value: Any) -> None:
    """Print a JSON document for other programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201


@contextmanager
def at_work(
    model: HybridClassifier, cache_folder: Path | None, no_cache: bool
) -> Iterator[HybridClassifier]:
    """Let a model work with the cache that the options ask for."""
    if no_cache:
        yield model
        return
    with ActivationCache(model.encoder, cache_folder) as model.cache:
        yield model


def progress() -> Progress:
    """Return a progress bar on the error stream, so that output stays clean."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    )


def list_skipped(skipped: list[tuple[Path, str]]) -> None:
    """List the photos that could not be read."""
    if skipped:
        noun = "photo" if len(skipped) == 1 else "photos"
        messages.print(f"Skipped {len(skipped)} {noun} that cannot be read:")
        for path, reason in skipped:
            messages.print(f"  {path}: {reason}", markup=False, soft_wrap=True)


def fail(error: BaseException) -> NoReturn:
    """Print an error in one sentence, and exit with 1."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = ": ".join(filter(None, (error.filename, error.strerror.lower())))
    messages.print("[bold red]Error:[/] ", end="")
    messages.print(text, markup=False, soft_wrap=True)
    sys.exit(1)
