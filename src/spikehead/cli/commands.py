"""How commands are put together: to list them imports none, and each is imported when it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

STANDING_ALONE = {"--ray": "local"}
"""Options whose value may be left out, and what they mean then: Typer knows no such options."""


def _set_debug(context: typer.Context, value: bool) -> None:
    if value:
        context.ensure_object(dict)["debug"] = True


Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        callback=_set_debug,
        expose_value=False,
        help="Show the traceback of an error.",
    ),
]
"""An option of every command, which may stand before the command's name, too."""


class LazyCommand(TyperCommand):
    """A command that is imported when it is asked for more than its name and first line of help.

    Until then, its callback is what imports its function.
    """

    loaded = False

    def load(self) -> None:
        """Become the command that the function makes."""
        if self.callback and not self.loaded:
            command = _command(self.callback())
            self.callback, self.help = command.callback, command.help
            self.params = [*command.params, *_command(shared).params]
            self.loaded = True

    def make_context(self, *arguments: Any, **options: Any) -> Any:  # noqa: D102
        self.load()
        return super().make_context(*arguments, **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: D102
        followers = [*args[1:], "--"]
        return super().parse_args(
            ctx,
            [
                f"{argument}={STANDING_ALONE[argument]}"
                if argument in STANDING_ALONE and follower.startswith("-")
                else argument
                for argument, follower in zip(args, followers, strict=False)
            ],
        )


def shared(debug: Debug = False) -> None:
    """Have the options that every command has."""


def group(
    package: str,
    commands: Mapping[str, str],
    *,
    options: Callable[..., None] = shared,
    **settings: Any,
) -> typer.Typer:
    """Return an app of commands.

    Parameters
    ----------
    package : str
        Where they are: each is a function in a module, and both have its name.
    commands : mapping of str to str
        The first line of each one's help, by name.
    options : callable, optional
        What is called before a command; its parameters are the options of the group.
    settings
        What else `typer.Typer` takes.
    """
    # Help by Rich would take longer to import than all else that starts.
    app = typer.Typer(callback=options, no_args_is_help=True, rich_markup_mode=None, **settings)
    for name, line in commands.items():
        app.command(name, cls=LazyCommand, short_help=line)(_import(f"{package}.{name}:{name}"))
    return app


def _import(function: str) -> Callable[[], Callable[..., None]]:
    return lambda: resolve_name(function)


def _command(function: Callable[..., None]) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(function)
    return get_command(app)


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Say which extra to install if what is imported here is missing."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f'{error}: pip install "spikehead[{extra}]"') from error
