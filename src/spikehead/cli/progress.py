"""Progress bars: on the error stream, so that output stays clean, and on terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text

from spikehead.cli.console import messages
from spikehead.names import shown


class _Description(ProgressColumn):
    """What a progress bar is about, printed like all other text."""

    def render(self, task: Task) -> Text:
        return Text(shown(task.description))


def bar(*columns: ProgressColumn) -> Progress:
    """Return a progress bar, which counts unless it is given other columns."""
    return Progress(
        _Description(),
        BarColumn(),
        *(columns or (MofNCompleteColumn(), TimeRemainingColumn())),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    )


@contextmanager
def download(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a download is."""
    with bar(DownloadColumn()) as shown:
        task = shown.add_task(f"Fetching {what}", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def keep_that_of_the_hub_to_terminals() -> None:
    """Let the Hugging Face Hub's own progress bars be on terminals only."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not messages.is_terminal:
        disable_progress_bars()
