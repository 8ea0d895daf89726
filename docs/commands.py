"""Write the reference of the commands from the commands themselves: a hook of mkdocs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from spikehead import cli

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page


def reference() -> str:
    """Return the help of all commands, in Markdown, without a heading."""
    commands = get_command(cli.app)
    _load(commands)
    context = typer.Context(commands, info_name="spikehead")
    text = get_docs_for_click(obj=commands, ctx=context, name="spikehead")
    return text.partition("\n")[2]


def _load(group: Any) -> None:
    for command in group.commands.values():
        if hasattr(command, "commands"):
            _load(command)
        else:
            command.load()


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Add the reference to its page."""
    if page.file.src_uri != "reference/commands.md":
        return markdown
    return markdown + "\n" + reference()
