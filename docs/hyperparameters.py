"""Write the table of hyperparameters from the hyperparameters themselves: a hook of mkdocs."""

from __future__ import annotations

from spikehead import CoLaNETParameters

PLACE = "<!-- hyperparameters -->"


def table() -> str:
    """Return the table, in Markdown."""
    lines = ["| Here | In the paper | Default | Searched |", "| --- " * 4 + "|"]
    for name, about in CoLaNETParameters.about().items():
        cells = [
            f"`{name}`",
            about.paper,
            str(getattr(CoLaNETParameters, name)),
            "{:g} to {:g}".format(*about.searched) if about.searched else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Add the table to its place on a page."""
    return markdown.replace(PLACE, table())
