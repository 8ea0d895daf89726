"""Write the table of hyperparameters from the hyperparameters themselves: a hook of mkdocs."""

from __future__ import annotations

from spikehead import RECOMMENDED, CoLaNETParameters

PLACE = "<!-- hyperparameters -->"


def table() -> str:
    """Return the table, in Markdown."""
    lines = ["| Here | In the paper | Default | Recommended | Searched |", "| --- " * 5 + "|"]
    for name, about in CoLaNETParameters.about().items():
        default, recommended = getattr(CoLaNETParameters, name), getattr(RECOMMENDED, name)
        cells = [
            f"`{name}`",
            about.paper,
            str(default),
            "" if recommended == default else str(recommended),
            "{:g} to {:g}".format(*about.searched) if about.searched else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Add the table to its place on a page."""
    return markdown.replace(PLACE, table())
