"""What the commands print, and where: output, messages, warnings, errors."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spikehead.names import shown

if TYPE_CHECKING:
    from spikehead.images import LeftOut


class _Console(Console):
    """Prints text as it is: no markup, no codes for emoji, and control characters as escapes.

    Names of classes and files are in nearly all that is printed. So a text is one line, whatever is
    in it, and what is more, or has a style, is several texts, or a `rich.text.Text`. What
    does not go to a terminal has lines as long as they come, so that no name is cut.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = 100_000

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text), **options)


out = _Console()
messages = _Console(stderr=True)


def print_lines(text: str) -> None:
    """Print text of the program's own that has several lines."""
    for line in text.splitlines():
        out.print(line, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a JSON document for other programs; in ASCII, so that every stream takes it whole."""
    print(json.dumps(value, indent=2))  # noqa: T201


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print a list of facts by name."""
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        table.add_row(name.replace("_", " "), str(value))
    out.print(table)


def table(first: str, *others: str) -> Table:
    """Return an empty table whose first column is names and whose others are numbers."""
    made = Table(first, *others, box=None)
    made.columns[0].no_wrap = True
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def percent(values: Sequence[float | None]) -> str:
    """Return the mean and standard deviation of fractions in percent; nothing of none."""
    known = [100 * value for value in values if value is not None]
    if not known:
        return ""
    spread = f"±{statistics.stdev(known):.2f}" if len(known) > 1 else ""
    return f"{statistics.fmean(known):.2f}{spread}"


def tell(sentence: str) -> None:
    """Say something that is no part of the output."""
    messages.print(f"{sentence[0].upper()}{sentence[1:]}.", soft_wrap=True)


def tell_left_out(left_out: LeftOut) -> None:
    """Tell what lies among photos and is not used."""
    for sentence in left_out.sentences():
        messages.print(sentence, soft_wrap=True)


def list_skipped(skipped: list[tuple[Path, str]]) -> None:
    """List the photos that could not be read."""
    if skipped:
        noun = "photo" if len(skipped) == 1 else "photos"
        messages.print(f"Skipped {len(skipped)} {noun} that cannot be read:")
        for path, reason in skipped:
            messages.print(f"  {path}: {reason}", soft_wrap=True)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning in one sentence, as `warnings.showwarning` does in its own form."""
    _print_marked("Warning: ", "bold yellow", str(message))


def fail(error: BaseException) -> NoReturn:
    """Print an error in one sentence, and exit with 1."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = ": ".join(filter(None, (error.filename, error.strerror.lower())))
    _print_marked("Error: ", "bold red", text)
    sys.exit(1)


def _print_marked(mark: str, style: str, text: str) -> None:
    messages.print(Text(mark, style=style), text, sep="", soft_wrap=True)
