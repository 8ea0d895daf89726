"""Frames of cameras, streams and video files."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from io import BytesIO
from math import floor
from pathlib import Path

import av
from av.video.frame import VideoFrame
from PIL import Image

from spikehead.watch.sources import Shot, Troubles, lasting

TIMEOUT = 10.0
"""Seconds for which a stream may give nothing until it has broken off."""

_QUALITY = 95  # of the JPEG that a frame becomes, which is what is answered and waits in the queue
_TICK = 0.2  # seconds

# By the system: what opens its cameras.
_CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}

_Open = Callable[[], "av.container.InputContainer"]


def file_frames(
    path: Path, rate: float, stop: threading.Event, troubles: Troubles
) -> Iterator[Shot]:
    """Yield frames of a video file, evenly spaced, as fast as they are taken.

    Parameters
    ----------
    path : Path
        The file.
    rate : float
        Frames for each second of the video, at most.
    stop : threading.Event
        Set when it shall end.
    troubles : Troubles
        Tells what goes wrong.

    Raises
    ------
    OSError
        It is no video, or damaged from some place on.
    """
    due = before = 0.0
    for frame in _frames(partial(av.open, str(path)), str(path), troubles):
        second = frame.time or 0.0
        if second < before:  # the clock of a damaged file, or of several joined ones, begins anew
            due = second
        before = second
        if second >= due:
            due = (floor(second * rate) + 1) / rate
            yield from _shots(frame, time.time(), troubles, second)
        if stop.is_set():
            return


def live_frames(
    source: str, name: str, rate: float, stop: threading.Event, troubles: Troubles
) -> Iterator[Shot]:
    """Yield the newest frame of a camera or stream each time that one is due.

    All frames are decoded as they come, in a thread of its own, and those that nobody has time for
    are left out, so that what is answered is never old. A stream that breaks off is taken up again.

    Parameters
    ----------
    source : str
        The number or the device of a camera, on Windows ``video=`` and its name; or an address.
    name : str
        What messages call it.
    rate : float
        Frames a second, at most.
    stop : threading.Event
        Set when it shall end.
    troubles : Troubles
        Tells what goes wrong.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    newest: queue.Queue[tuple[VideoFrame, float] | Exception] = queue.Queue(1)

    def lay(item: tuple[VideoFrame, float] | Exception) -> None:
        with suppress(queue.Empty):
            newest.get_nowait()
        newest.put(item)

    def read() -> None:
        frames = partial(_frames, partial(_opened, source), name, troubles)
        try:
            for frame in lasting(frames, name, stop, troubles):
                lay((frame, time.time()))
        except Exception as error:
            lay(error)

    threading.Thread(target=read, name=name, daemon=True).start()
    due = time.monotonic()
    while not stop.is_set():
        try:
            item = newest.get(timeout=_TICK)
        except queue.Empty:
            continue
        if isinstance(item, Exception):
            raise item
        yield from _shots(*item, troubles)
        due = max(due + 1 / rate, time.monotonic())
        stop.wait(due - time.monotonic())


def _opened(source: str) -> av.container.InputContainer:
    """Open a camera or a stream."""
    if "://" in source:
        options = {"rtsp_transport": "tcp"} if source.startswith("rtsp") else {}
        return av.open(source, options=options, timeout=TIMEOUT)
    if source.isdecimal() and sys.platform == "linux":
        source = f"/dev/video{source}"
    return av.open(source, format=_CAMERAS.get(sys.platform), timeout=TIMEOUT)


def _frames(open_: _Open, name: str, troubles: Troubles) -> Iterator[VideoFrame]:
    """Yield all whole frames; a broken one costs itself alone.

    Raises
    ------
    OSError
        It cannot be opened, holds no pictures, or breaks off.
    """
    try:
        with open_() as container:
            if not container.streams.video:
                raise OSError(f"{name} holds no pictures")
            for packet in container.demux(container.streams.video[0]):
                frames = []
                with troubles.costing_no_more(
                    f"broken frames of {name} are left out", av.FFmpegError
                ):
                    frames = packet.decode()
                yield from (frame for frame in frames if not frame.is_corrupt)
    except av.FFmpegError as error:
        raise OSError(f"{name} cannot be read: {error.strerror}") from error


def _shots(
    frame: VideoFrame, at: float, troubles: Troubles, second: float | None = None
) -> Iterator[Shot]:
    """Yield a frame, upright, as a photo file; nothing where that cannot be."""
    content = BytesIO()
    with troubles.costing_no_more("a frame makes no photo", av.FFmpegError, ValueError, OSError):
        image = Image.fromarray(frame.to_ndarray(format="rgb24"))
        if frame.rotation:
            image = image.rotate(frame.rotation, expand=True)
        image.save(content, "JPEG", quality=_QUALITY)
    if content.getvalue():
        yield Shot(content.getvalue(), at, second=second)
