"""The command line: one file a command."""

from __future__ import annotations

import sys
import warnings
from io import TextIOWrapper

import typer

from spikehead.cli import (
    compare,
    continual,
    demo,
    encoder,
    evaluate,
    export,
    hub,
    info,
    learn,
    predict,
    serve,
    tune,
)
from spikehead.cli.console import fail, messages, show_warning

app = typer.Typer(
    help="A spiking head that learns online, in one pass, on top of any frozen vision encoder.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="Every command takes --debug, which shows the traceback of an error.",
)
for command in (
    demo.demo,
    learn.learn,
    predict.predict,
    evaluate.evaluate,
    compare.compare,
    continual.continual,
    tune.tune,
    export.export,
    serve.serve,
    hub.push,
    hub.pull,
    info.info,
):
    app.command()(command)

app.add_typer(encoder.app, name="encoder")


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what it cannot show is written as escapes
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    warnings.showwarning = show_warning
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        app(_with_addresses(arguments), prog_name="spikehead")
    except (ValueError, OSError, ImportError, MemoryError) as error:
        if debug:
            raise
        fail(error)
    except KeyboardInterrupt:
        messages.print("Stopped.")
        sys.exit(130)


def _with_addresses(arguments: list[str]) -> list[str]:
    """Give --ray an address where it has none: Typer knows no options that may stand alone."""
    followers = [*arguments[1:], "--"]
    return [
        "--ray=local" if argument == "--ray" and follower.startswith("-") else argument
        for argument, follower in zip(arguments, followers, strict=False)
    ]
