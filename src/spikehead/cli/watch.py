"""spikehead watch: answers as photos or frames come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from spikehead.cli import console, options, sources
from spikehead.cli.commands import needs
from spikehead.cli.predict import said, why_none_unknown
from spikehead.interrupts import asked_to_stop
from spikehead.models.queue import LIMIT, Queue
from spikehead.watch.outlets import Send, webhook
from spikehead.watch.sources import Shot, Troubles
from spikehead.watch.watcher import Sighting, Watcher

RATE = 1.0
"""Frames a second, unless another rate is asked for."""


def watch(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|CAMERA|URL|VIDEO",
            help="Folder into which photos come; number or device of a camera, as 0; address of a "
            "stream, as rtsp://camera/live; or a video file.",
        ),
    ],
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Frames a second to answer at most.  [default: 1]", show_default=False
        ),
    ] = None,
    on_change: Annotated[
        bool, typer.Option("--on-change", help="Give an answer only if it is not the one before.")
    ] = False,
    existing: Annotated[
        bool, typer.Option("--existing", help="Begin with the photos that the folder holds.")
    ] = False,
    queue: Annotated[
        int,
        typer.Option(min=0, help="Unknown photos to keep for a teacher at most, the newest ones."),
    ] = LIMIT,
    post_to: Annotated[
        str | None,
        typer.Option(
            "--webhook", metavar="URL", help="Post each answer there, too.", show_default=False
        ),
    ] = None,
    publish_to: Annotated[
        str | None,
        typer.Option(
            "--mqtt",
            metavar="URL",
            help="Publish each answer, too: mqtt://USER:PASSWORD@HOST:PORT/TOPIC, or mqtts.",
            show_default=False,
        ),
    ] = None,
    send_back: options.SendBack = None,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
) -> None:
    """Answer what comes, as it comes: new photos of a folder, a camera, a stream, a video.

    Each answer is a line of JSON. Unknown photos wait for a teacher in the folder `queue` of the
    model. Others may teach the model meanwhile. Ctrl-C or SIGTERM ends it.
    """
    open_, name = _opened(source, rate, existing, model)
    troubles = Troubles(console.show_warning)
    with ExitStack() as stack:
        sends: list[Send] = [partial(_print, troubles)]
        if post_to:
            sends.append(stack.enter_context(_given("--webhook", webhook, post_to, troubles)))
        if publish_to:
            with needs("mqtt"):
                from spikehead.watch.mqtt import mqtt
            sends.append(stack.enter_context(_given("--mqtt", mqtt, publish_to, troubles)))
        watcher = Watcher(
            model,
            name,
            troubles,
            n_threads=threads,
            send_back=send_back,
            place=partial(sources.placed, provider=provider),
            limit=queue,
        )
        if why := why_none_unknown(watcher.model):
            console.messages.print(why, soft_wrap=True)
        console.messages.print(f"Watching {name} - Ctrl-C ends it.", soft_wrap=True)
        stop = stack.enter_context(asked_to_stop())
        for shot in open_(stop=stop, troubles=troubles):
            sighting = _answered(watcher, shot, troubles)
            if sighting and (sighting.changed or not on_change):
                line = json.dumps(_document(sighting, name))
                for send in sends:
                    send(line)


def _opened(
    source: str, rate: float | None, existing: bool, model: Path
) -> tuple[Callable[..., Iterator[Shot]], str]:
    """Return what gives the shots of a source, and what the source is called."""
    path = Path(source)
    if path.is_dir():
        if rate is not None:
            raise typer.BadParameter(
                "the photos of a folder are answered as they come; leave it out.",
                param_hint="--rate",
            )
        with needs("watch"):
            from spikehead.watch.folder import new_photos
        return partial(new_photos, path, existing=existing, but=Queue(model).folder), source
    if existing:
        raise typer.BadParameter("it is for a folder; leave it out.", param_hint="--existing")
    with needs("watch"):
        from spikehead.watch.video import file_frames, live_frames
    rate = rate or RATE
    if path.is_file():
        return partial(file_frames, path, rate), source
    camera = source.isdecimal() or source.startswith("video=") or path.is_char_device()
    if camera or "://" in source:
        name = _called(source)
        return partial(live_frames, source, name, rate), name
    raise FileNotFoundError(
        f"{source} does not exist: give a folder, a video file, the number of a camera, or an "
        "address such as rtsp://camera/live"
    )


def _called(source: str) -> str:
    """Return what a camera is called, or an address without what may be secret in it."""
    if "://" not in source:
        return f"camera {source}"
    parts = urlsplit(source)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@contextmanager
def _given(
    option: str,
    outlet: Callable[[str, Troubles], AbstractContextManager[Send]],
    url: str,
    troubles: Troubles,
) -> Iterator[Send]:
    """Open an outlet that an option names."""
    with ExitStack() as stack:
        try:
            send = stack.enter_context(outlet(url, troubles))
        except ValueError as error:
            raise typer.BadParameter(f"{error}.", param_hint=option) from None
        yield send


def _answered(watcher: Watcher, shot: Shot, troubles: Troubles) -> Sighting | None:
    """Answer a shot; one that cannot be answered is told of, a frame once of many in a row."""
    try:
        sighting = watcher.answer(shot)
    except (ValueError, OSError, MemoryError) as error:
        if shot.photo:
            troubles.tell(f"{shot.photo}: {error}")
        else:
            troubles.met("answer", f"a frame cannot be answered: {error}")
        return None
    troubles.over("answer")
    return sighting


def _document(sighting: Sighting, source: str) -> dict[str, Any]:
    """Return an answer as JSON values."""
    shot = sighting.shot
    at = datetime.fromtimestamp(shot.time, timezone.utc).isoformat(timespec="milliseconds")
    place = {"photo": shot.photo and str(shot.photo), "second": shot.second}
    return {
        "time": at,
        "source": source,
        **{key: value for key, value in place.items() if value is not None},
        **said(sighting.verdict, sighting.classes),
        "queued": sighting.queued,
    }


def _print(troubles: Troubles, line: str) -> None:
    """Print an answer, unless the disk is full to which it goes."""
    try:
        print(line, flush=True)  # noqa: T201
    except BrokenPipeError:  # nobody reads any more
        raise
    except OSError as error:
        troubles.met("output", f"answers cannot be printed: {error}")
    else:
        troubles.over("output")
