"""The model that answers: as it is in its folder now, with a queue for what it does not know."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spikehead.encoders import Encoder, encode_photos
from spikehead.images import UnreadablePhoto, read_photo
from spikehead.models.answers import Verdict
from spikehead.models.hybrid import HybridClassifier
from spikehead.models.queue import LIMIT, Queue
from spikehead.models.schema import MANIFEST
from spikehead.watch.sources import Shot, Troubles

_VIEW = (16, 16)  # what tells whether two pictures look the same: so many grey levels, ...
_DIFFERENT = 20  # of which one differs by so many of 255,
_VIEWS = 64  # and so many pictures of which it is remembered


@dataclass(frozen=True)
class Sighting:
    """What the model says of a shot.

    Attributes
    ----------
    shot : Shot
        The shot.
    verdict : Verdict
        What it says.
    classes : list of str
        The classes that it knows.
    changed : bool
        Whether it says something else than of the shot before: another class, or whether unknown.
    queued : str or None
        The name of the photo in the queue, if it was laid there.
    """

    shot: Shot
    verdict: Verdict
    classes: list[str]
    changed: bool
    queued: str | None


class Watcher:
    """Answers shots by the model in a folder, which others may teach meanwhile.

    Nothing is written but the queue. What looks like another picture lately laid there is not laid
    there again; of a stream, an unknown frame is laid there when the answer has just changed.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    source : str
        What is watched, as it is called in the queue.
    troubles : Troubles
        Tells what goes wrong.
    n_threads : int, optional
        Default: as many as this process may use.
    send_back : float, optional
        Share of known photos that may be taken for unknown. Default: the model's.
    place : callable, optional
        Takes the model's encoder and returns it, to be computed elsewhere. Default: on the CPU.
    limit : int, default=500
        Photos that wait in the queue at most; 0 lays none there.

    Attributes
    ----------
    model : HybridClassifier
        The model as it was when it was looked at last.
    queue : Queue
        Its queue.

    Raises
    ------
    FileNotFoundError, ValueError
        As `HybridClassifier.load` raises them; or the model takes no photos, or knows no class.
    """

    def __init__(
        self,
        folder: str | Path,
        source: str,
        troubles: Troubles,
        *,
        n_threads: int | None = None,
        send_back: float | None = None,
        place: Callable[[Encoder], Encoder] | None = None,
        limit: int = LIMIT,
    ) -> None:
        self.queue = Queue(folder, limit)
        self._folder = Path(folder)
        self._source = source
        self._troubles = troubles
        self._n_threads = n_threads
        self._send_back = send_back
        self._place = place
        self._stamp = self._stamped()
        self.model = self._loaded()
        self._said: tuple[str, bool] | None = None
        self._views: deque[NDArray[np.int16]] = deque(maxlen=_VIEWS)

    def answer(self, shot: Shot) -> Sighting:
        """Say what is on a shot, and lay it into the queue if that is unknown.

        Parameters
        ----------
        shot : Shot
            The shot.

        Raises
        ------
        UnreadablePhoto
            It cannot be read.
        """
        self._follow()
        encoder = self.model.encoder
        batch = next(encode_photos([shot.content], encoder, batch_size=1, n_threads=1))
        if batch.problems:
            raise UnreadablePhoto(batch.problems[0])
        (verdict,) = self.model.judge(self.model.heard(batch))
        said = verdict.label, verdict.unknown
        changed, self._said = said != self._said, said
        queued = None
        if verdict.unknown and self.queue.limit and (changed or shot.photo):
            with self._troubles.costing_no_more("an unknown photo is lost to the queue", OSError):
                queued = self._laid(shot, verdict)
        return Sighting(shot, verdict, self.model.classes, changed, queued)

    def _laid(self, shot: Shot, verdict: Verdict) -> str | None:
        """Lay a shot into the queue, unless it looks like another, and return its name there."""
        grey = read_photo(shot.content).convert("L").resize(_VIEW, Image.Resampling.BOX)
        view = np.asarray(grey, np.int16)
        view -= np.int16(np.median(view))  # the light may change
        if any(np.abs(view - other).max() < _DIFFERENT for other in self._views):
            return None
        name = self.queue.add(
            shot.content,
            label=verdict.label,
            familiarity=verdict.familiarity,
            source=str(shot.photo or self._source),
        )
        self._views.append(view)
        return name

    def _follow(self) -> None:
        """Take up what others have made of the model."""
        what = f"{self._folder} was changed and cannot be read; it answers as before"
        with self._troubles.costing_no_more(what, OSError, ValueError):
            if (stamp := self._stamped()) != self._stamp:
                self.model, self._stamp = self._loaded(self.model.encoder), stamp

    def _stamped(self) -> tuple[int, int, int] | None:
        """Return what is another one once the model was saved, taught, corrected or removed."""
        with suppress(FileNotFoundError):
            found = (self._folder / MANIFEST).stat()
            return found.st_ino, found.st_mtime_ns, found.st_size
        return None

    def _loaded(self, encoder: Encoder | None = None) -> HybridClassifier:
        """Return the model; it goes on with an encoder that is at work, if it is the same."""
        model = HybridClassifier.load(self._folder, n_threads=self._n_threads)
        model.encoder.preprocessing  # noqa: B018 - says so if the model takes no photos
        if encoder and encoder.fingerprint == model.encoder.fingerprint:
            model.encoder = encoder
        elif self._place:
            model.encoder = self._place(model.encoder)
        if not model.classes:
            raise ValueError("the model has learned nothing yet; teach it with learn")
        if self._send_back is not None:
            model.send_back = self._send_back
        return model
