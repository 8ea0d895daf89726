"""Write the reference of the commands from the commands themselves: a hook of mkdocs."""

from mkdocs.structure.pages import Page
from typer.cli import app
from typer.testing import CliRunner

ARGUMENTS = ["spikehead.cli", "utils", "docs", "--name", "spikehead"]


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Add the output of `typer spikehead.cli utils docs`, less its heading, to its page."""
    if page.file.src_uri != "reference/commands.md":
        return markdown
    reference = CliRunner().invoke(app, ARGUMENTS, catch_exceptions=False).output
    return markdown + "\n" + reference.partition("\n")[2]
