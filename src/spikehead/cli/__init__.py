"""The command line: one file a command."""

from __future__ import annotations

import signal
import sys
import warnings
from io import TextIOWrapper
from typing import Annotated, Any

import typer

import spikehead
from spikehead.cli import classes, encoder
from spikehead.cli.commands import Debug, group
from spikehead.interrupts import stopping_once

COMMANDS = {
    "demo": "Teach a model handwritten digits, with one more class half-way, and measure it.",
    "learn": "Learn photos, each once; run it again with more photos or classes to go on.",
    "predict": "Name the class of each photo, how likely it is, and how familiar the photo is.",
    "evaluate": "Measure the model on labelled photos that it has not learned; nothing is learned.",
    "suggest": "Choose the unlabelled photos that would teach the model most, with its guess of "
    "each.",
    "check": "Find photos whose label is probably wrong, the most doubtful first, with the likely "
    "class.",
    "compare": "Compare the spiking head with other classifiers on the same activations, learned "
    "in one pass.",
    "continual": "Let a stream change as it goes, and measure what is kept, beside other one-pass "
    "classifiers.",
    "benchmark": "Judge learners that learn online by many kinds of streams, each learned in one "
    "pass.",
    "tune": "Search for good hyperparameters: a genetic search, then descent from the best.",
    "export": "Write a model as ONNX, for ONNX Runtime; or what spikes in it as NIR, for spiking "
    "hardware.",
    "serve": "Serve a model: a page where anyone can teach it by camera or files, and a REST "
    "interface.",
    "watch": "Answer what comes, as it comes: new photos of a folder, a camera, a stream, a video.",
    "unlearn": "Take photos out: the model becomes one that has never learned them, up to "
    "rounding.",
    "relabel": "Learn photos that were learned under a wrong label under the right one instead.",
    "undo": "Undo the last lesson of the service, or the last change of a class.",
    "merge": "Merge models that learned apart into the one that has learned all of it.",
    "push": "Push a model to the Hugging Face Hub, with its card and all that it was taught.",
    "pull": "Pull a model from the Hugging Face Hub.",
    "info": "Show what a model knows: classes, encoder, hyperparameters, size.",
}


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"spikehead {spikehead.__version__}")
        raise typer.Exit


def _options(
    debug: Debug = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Have the options that stand before a command."""


app = group(
    __name__, COMMANDS, options=_options, help=spikehead.__doc__, pretty_exceptions_enable=False
)
app.add_typer(classes.app, name="class")
app.add_typer(encoder.app, name="encoder")


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.

    SIGTERM stops it in the same way; then it ends by that signal, as who sent it expects.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what it cannot show is written as escapes
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning
    chosen: dict[str, Any] = {}
    try:
        with stopping_once() as signals:
            app(prog_name="spikehead", obj=chosen)
    except (ValueError, OSError, ImportError, MemoryError) as error:
        if "debug" in chosen:
            raise
        from spikehead.cli.console import fail

        fail(error)
    except KeyboardInterrupt:
        from spikehead.cli.console import messages

        messages.print("Stopped.")
        sys.exit(130)
    except SystemExit:
        if signals[:1] == [signal.SIGTERM]:
            sys.stdout.flush()
            signal.raise_signal(signal.SIGTERM)
        raise


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    from spikehead.cli.console import show_warning

    show_warning(message)
