"""The queue of a model: photos that wait for a teacher.

They lie in the folder ``queue`` of the model folder. Each is a plain photo, as it came, named after
its SHA-256, and beside it, hidden, is what the model said of it::

    queue/<16 hex>.<format>             the photo
    queue/.<16 hex>.<format>.json       what the model said of it

To teach by hand, move photos into folders named after their classes, in the queue or elsewhere, and
let the model learn that folder. What a photo is called follows from what it is, and each file is
written whole or not at all; so any number of programs may use a queue at the same time, nothing is
locked, and the same photo waits once.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spikehead.files import explained, read_file, sha256, write_file
from spikehead.images import photo_format
from spikehead.models.schema import QUEUE
from spikehead.names import shown

LIMIT = 500
"""Photos that wait at most, unless a queue is given another limit."""

_PHOTO = re.compile(r"[0-9a-f]{16}\.[a-z0-9]+")
_BESIDE = re.compile(
    rf"\.+(?P<photo>{_PHOTO.pattern})(\.json)?(?P<temporary>\.[0-9a-f]{{16}}\.tmp)?"
)
_AGE = 3600.0  # seconds after which nobody can be writing a file any more


@dataclass(frozen=True)
class QueuedPhoto:
    """A photo that waits for a teacher.

    Attributes
    ----------
    name : str
        That of its file.
    time : float
        When it was laid into the queue, in seconds since 1970.
    label : str or None
        The class that the model found most like it; None where that is not known any more.
    familiarity : float or None
        How familiar it was to the model, from 0 to 1.
    source : str
        Where it is from.
    """

    name: str
    time: float
    label: str | None = None
    familiarity: float | None = None
    source: str = ""


class Queue:
    """The photos of a model that wait for a teacher.

    Parameters
    ----------
    model : str or Path
        The model folder.
    limit : int, default=500
        Photos that wait at most; when more come, the oldest go.

    Attributes
    ----------
    folder : Path
        Where they lie; it is made with the first one.
    """

    def __init__(self, model: str | Path, limit: int = LIMIT) -> None:
        self.folder = Path(model) / QUEUE
        self.limit = limit

    def add(
        self,
        content: bytes,
        *,
        label: str | None = None,
        familiarity: float | None = None,
        source: str = "",
    ) -> str | None:
        """Lay a photo into the queue, unless it waits there, or lies there in a folder of a class.

        Parameters
        ----------
        content : bytes
            Of the photo file.
        label, familiarity, source
            As of `QueuedPhoto`.

        Returns
        -------
        str or None
            Its name there, or None where it was there.

        Raises
        ------
        UnreadablePhoto
            It is no photo.
        OSError
            It cannot be written; the queue is as it was.
        """
        name = f"{sha256([content])[:16]}.{photo_format(content)}"
        if next(self.folder.glob(f"**/{name}"), None):
            return None
        facts = {"class": label, "familiarity": familiarity, "source": source}
        with explained(f"cannot lay a photo into {self.folder}"):
            self.folder.mkdir(exist_ok=True)
            write_file(self._facts(name), json.dumps(facts).encode())
            write_file(self.folder / name, content)
            self._tidy()
        return name

    def photos(self) -> list[QueuedPhoto]:
        """Return the photos that wait, those that came last first.

        Raises
        ------
        OSError
            The queue cannot be read.
        """
        return [self._described(name, at) for name, at in self._names()]

    def __len__(self) -> int:
        """Return how many photos wait."""
        return len(self._names())

    def read(self, name: str) -> bytes:
        """Return the content of a photo, which goes on waiting: teach it, and then `discard` it.

        Parameters
        ----------
        name : str
            As `photos` names it.

        Raises
        ------
        FileNotFoundError
            No such photo waits.
        OSError
            It cannot be read.
        """
        return read_file(self._path(name))

    def discard(self, name: str) -> None:
        """Take a photo out of the queue.

        Parameters
        ----------
        name : str
            As `photos` names it.

        Raises
        ------
        FileNotFoundError
            No such photo waits.
        OSError
            It cannot be removed.
        """
        self._path(name).unlink()
        self._facts(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """Return where a photo waits."""
        path = self.folder / name
        if not (_PHOTO.fullmatch(name) and path.is_file()):
            raise FileNotFoundError(f"no photo of the name {shown(name)} waits in {self.folder}")
        return path

    def _facts(self, name: str) -> Path:
        """Return where it stands what the model said of a photo."""
        return self.folder / f".{name}.json"

    def _names(self) -> list[tuple[str, float]]:
        """Return the names of the photos that wait, and since when, those that came last first."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                if _PHOTO.fullmatch(entry.name):
                    with suppress(FileNotFoundError):  # another program has taken it
                        found.append((entry.stat().st_mtime, entry.name))
        return [(name, at) for at, name in sorted(found, reverse=True)]

    def _described(self, name: str, at: float) -> QueuedPhoto:
        try:
            facts = json.loads(read_file(self._facts(name)))
            return QueuedPhoto(name, at, facts["class"], facts["familiarity"], facts["source"])
        except (OSError, ValueError, KeyError, TypeError):
            return QueuedPhoto(name, at)  # somebody has meddled with it

    def _tidy(self) -> None:
        """Let the oldest go, and what crashes have left, or photos that are taken elsewhere."""
        for name, _ in self._names()[self.limit :]:
            with suppress(FileNotFoundError):
                self.discard(name)
        for path in self.folder.glob(".*"):
            found = _BESIDE.fullmatch(path.name)
            if found and (found["temporary"] or not (self.folder / found["photo"]).exists()):
                with suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > _AGE:
                        path.unlink()
