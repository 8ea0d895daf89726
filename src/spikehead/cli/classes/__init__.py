"""The commands of spikehead class: one file a command."""

from __future__ import annotations

from spikehead.cli.commands import group

COMMANDS = {
    "rename": "Give a class another name.",
    "merge": "Make one class of two, as if all had been learned under one name.",
    "remove": "Take a class out; the others answer as they did without it.",
}

app = group(__name__, COMMANDS, help="Rename, merge and remove classes; undo takes it back.")
