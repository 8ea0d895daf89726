"""The keeper of a model that is taught while it answers."""

from __future__ import annotations

import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders import EncodedBatch, Encoder, encode_photos
from spikehead.heads.classifiers import LearnsNoMore
from spikehead.models import storage
from spikehead.models.answers import Verdict
from spikehead.models.hybrid import HybridClassifier
from spikehead.models.lessons import LEARN, StoredLesson
from spikehead.names import class_name

KEPT_PHOTOS = 1000
"""Photos of the last lessons that are kept: what can be undone, and what new classes mix with. A
lesson without photos counts as one."""


class Conflict(ValueError):  # noqa: N818 - as HTTP calls it
    """What is asked does not go with what the model knows."""


class State(NamedTuple):
    """What a model knows at one time.

    Attributes
    ----------
    model : HybridClassifier
        The model; it does not change any more.
    lessons : tuple of StoredLesson
        Its last lessons, in order; each can be undone, the last one first.
    """

    model: HybridClassifier
    lessons: tuple[StoredLesson, ...]


@dataclass(frozen=True)
class Recognition:
    """What the model says of one photo.

    Attributes
    ----------
    verdict : Verdict
        Its class, how likely each class is, how familiar the photo is.
    shares : dict of str to float
        How likely each class is, by its name.
    spikes : ndarray of int, shape (n_steps, n_classes)
        In how many members each class's OUT neuron spiked, step by step.
    """

    verdict: Verdict
    shares: dict[str, float]
    spikes: NDArray[np.intp]


class Teacher:
    """Keeps a model that many may ask while one at a time teaches it.

    The model is never changed. It follows from the model folder and the lessons in it
    (`HybridClassifier.taught`); a lesson is first learned by a copy, then written to the disk, and
    then the copy takes the model's place. So whoever asks meanwhile meets one model or the other,
    a lesson that cannot be written has changed nothing, and to undo one is to leave it out.

    As long as it is there, until `close` or the end of a ``with`` block, no other program changes
    the model folder.

    Parameters
    ----------
    folder : str or Path
        A saved model.
    n_threads : int, optional
        Default: as many as this process may use.
    send_back : float, optional
        Share of known photos that may be taken for unknown. Default: the model's.
    place : callable, optional
        Takes the model's encoder and returns it, to be computed elsewhere. Default: on the CPU.

    Attributes
    ----------
    folder : Path
        The model folder.
    state : State
        The model as it is now.

    Raises
    ------
    ModelInUseError
        Another program is at work on the model.
    FileNotFoundError, ValueError
        As `HybridClassifier.load` raises them; or the model takes no photos.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        n_threads: int | None = None,
        send_back: float | None = None,
        place: Callable[[Encoder], Encoder] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._turn = threading.Lock()
        with ExitStack() as holds:
            holds.enter_context(storage.writing(folder))
            lessons = storage.read_lessons(folder)
            self._saved = HybridClassifier.load(folder, n_threads=n_threads, lessons=False)
            self._saved.encoder.preprocessing  # noqa: B018 - says so if the model takes no photos
            if send_back is not None:
                self._saved.send_back = send_back
            if place:
                self._saved.encoder = place(self._saved.encoder)
            self._warm_up()
            self.state = State(self._saved.taught(lessons), tuple(lessons))
            self._hold = holds.pop_all()

    def close(self) -> None:
        """Let other programs work on the model again; this one then only answers."""
        with self._turn:
            self._hold.close()

    def __enter__(self) -> Teacher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recognise(self, photos: Sequence[bytes]) -> tuple[list[Recognition], dict[int, str]]:
        """Say what is on photos.

        Parameters
        ----------
        photos : sequence of bytes
            The contents of photo files.

        Returns
        -------
        recognitions : list of Recognition
            One for each photo that can be read, in order.
        problems : dict of int to str
            Why the others cannot be read, by position.

        Raises
        ------
        Conflict
            The model knows no class yet.
        """
        model = self._knowing()
        encoded = self.encode(photos)
        return _recognitions(model, model.heard(encoded)), encoded.problems

    def suggest(
        self, batches: Sequence[EncodedBatch], number: int
    ) -> tuple[list[int], list[Recognition], int]:
        """Choose the photos that would teach most (`HybridClassifier.suggest`).

        Parameters
        ----------
        batches : sequence of EncodedBatch
            The photos, as `encode` gives them.
        number : int
            How many to choose.

        Returns
        -------
        places : list of int
            Their places among those that were encoded, those that teach most first.
        recognitions : list of Recognition
            What the model says of them.
        known : int
            Photos that were learned already, which are never chosen.

        Raises
        ------
        Conflict
            The model knows no class yet, or its head cannot tell.
        """
        model = self._knowing()
        digests, activations = _together(model, batches)
        with _conflicts():
            places = model.instructive(digests, activations, number)
        known = sum(bool(model.learned_as(digest)) for digest in digests)
        return places, _recognitions(model, activations[places]), known

    def check(self, label: str, batches: Sequence[EncodedBatch]) -> list[tuple[int, str, float]]:
        """Tell how doubtful it is that photos are of a class (`HybridClassifier.doubts`).

        Parameters
        ----------
        label : str
            The class.
        batches : sequence of EncodedBatch
            The photos, as `encode_lesson` gives them.

        Returns
        -------
        list of (int, str, float)
            The place among those that were encoded, the other class that is most likely, and the
            doubt of each photo, the most doubtful first.

        Raises
        ------
        Conflict
            The model knows no other class, or its head cannot tell.
        """
        model = self._knowing()
        digests, activations = _together(model, batches)
        with _conflicts():
            return model.doubts(label, digests, activations)

    def encode(self, photos: Sequence[bytes]) -> EncodedBatch:
        """Encode photos, all in one batch.

        Parameters
        ----------
        photos : sequence of bytes
            The contents of photo files.
        """
        encoder = self.state.model.encoder
        # Few are decoded at a time, since a large photo takes much memory.
        return next(encode_photos(photos, encoder, batch_size=len(photos), n_threads=2))

    def encode_lesson(self, photos: Sequence[bytes]) -> EncodedBatch:
        """Encode photos that are to be taught; what cannot be learned is a problem, too.

        Parameters
        ----------
        photos : sequence of bytes
            The contents of photo files.
        """
        return self.state.model.learnable(self.encode(photos))

    def teach(self, label: str, photos: Sequence[bytes]) -> tuple[int, dict[int, str]]:
        """Teach photos of a class; when this returns, the lesson is on the disk.

        Parameters
        ----------
        label : str
            The class; a new one is added.
        photos : sequence of bytes
            The contents of photo files. One that was learned before under this label is left out.

        Returns
        -------
        learned : int
            Photos that were learned.
        problems : dict of int to str
            Why others cannot be read or learned, by position.

        Raises
        ------
        OSError
            The lesson cannot be written; the model is as it was.
        """
        batch = self.encode_lesson(photos)
        return self.teach_encoded(label, [batch]), batch.problems

    def teach_encoded(self, label: str, batches: Sequence[EncodedBatch]) -> int:
        """Teach photos that are encoded already, as `teach` does.

        Parameters
        ----------
        label : str
            The class; a new one is added.
        batches : sequence of EncodedBatch
            The photos, as `encode_lesson` gives them.

        Returns
        -------
        int
            Photos that were learned.

        Raises
        ------
        OSError
            The lesson cannot be written; the model is as it was.
        """
        digests, activations = _together(self._saved, batches)
        if not digests:
            return 0
        hashes = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
        return self._add(self._lesson(label, hashes, activations))

    def add_class(self, label: str) -> None:
        """Add a class without photos; when this returns, it is on the disk.

        Raises
        ------
        Conflict
            The class is known.
        OSError
            It cannot be written; the model is as it was.
        """
        model = self.state.model
        if label in model.classes:
            raise Conflict(f"the class {label!r} is known already")
        self._add(self._lesson(label))

    def correct(self, action: str, label: str, into: str = "") -> None:
        """Rename, merge or remove a class; when this returns, it is on the disk.

        It can be undone like a lesson.

        Parameters
        ----------
        action : {"rename", "merge", "remove"}
            What to do.
        label : str
            The class.
        into : str, optional
            Its new name, or the class that it becomes part of.

        Raises
        ------
        Conflict
            As `HybridClassifier.rename_class`, `merge_class` and `remove_class` refuse it.
        OSError
            It cannot be written; the model is as it was.
        """
        classes = self.state.model.classes
        with _conflicts():  # names are kept as the classes have them
            label, into = class_name(label, classes), into and class_name(into, classes)
        self._add(self._lesson(label, action=action, into=into))

    def take_out(
        self, names: Sequence[str], batches: Sequence[EncodedBatch], label: str | None = None
    ) -> list[list[str]]:
        """Take photos out, or learn them under another label, and save the model.

        Nothing of them stays in the folder, and so no lesson before can be undone any more.

        Parameters
        ----------
        names : sequence of str
            What an error calls each photo.
        batches : sequence of EncodedBatch
            The photos, as `encode` gives them.
        label : str, optional
            The right label. Default: they are not learned again.

        Returns
        -------
        list of list of str
            Under which class each was learned.

        Raises
        ------
        Conflict
            As `HybridClassifier.take_out` refuses it.
        OSError
            The model cannot be saved; it is as it was.
        """
        digests, activations = _together(self._saved, batches)
        with self._turn:
            model = self.state.model.taught([])
            model.revision = self._saved.revision
            with _conflicts():
                was = model.take_out(names, digests, activations, label)
            model.save(self.folder)
            self._saved, self.state = model, State(model, ())
            return was

    def undo(self) -> StoredLesson:
        """Undo the last lesson, and return it; when this returns, it is gone from the disk.

        Raises
        ------
        Conflict
            There is no lesson to undo.
        OSError
            It cannot be removed; the model is as it was.
        """
        with self._turn:
            if not self.state.lessons:
                raise Conflict("there is no lesson to undo")
            *earlier, last = self.state.lessons
            model = self._saved.taught(earlier)
            self._saved.revision = storage.remove_lesson(
                self.folder, last.number, since=self._saved.revision
            )
            self.state = State(model, tuple(earlier))
            return last

    def write_archive(self, path: Path) -> None:
        """Write the model as it is now to a zip file: a model folder, its lessons saved into it."""
        name = self.folder.resolve().name
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "w") as archive:
            self.state.model.save(Path(folder, name))
            for file in sorted(Path(folder, name).glob("[!.]*")):
                archive.write(file, f"{name}/{file.name}")

    def _knowing(self) -> HybridClassifier:
        """Return the model as it is now, if it knows a class."""
        model = self.state.model
        if not model.classes:
            raise Conflict("the model has learned nothing yet; teach it a class")
        return model

    def _warm_up(self) -> None:
        """Learn and answer once, on a copy: what is compiled at first use takes seconds."""
        blank = np.ones((1, self._saved.encoder.n_activations), np.float32)
        lesson = StoredLesson(0, "", 0.0, np.zeros((1, 32), np.uint8), blank)
        head = self._saved.head
        with suppress(LearnsNoMore):
            head = self._saved.taught([lesson]).head
        head.predict_proba(blank)
        head.out_spikes(blank)

    def _lesson(
        self,
        label: str,
        digests: NDArray[np.uint8] | None = None,
        activations: NDArray[np.float32] | None = None,
        action: str = LEARN,
        into: str = "",
    ) -> StoredLesson:
        """Return a lesson that has no number yet; by default of no photos."""
        if digests is None or activations is None:
            digests = np.empty((0, 32), np.uint8)
            activations = np.empty((0, self._saved.encoder.n_activations), np.float32)
        return StoredLesson(0, label, time.time(), digests, activations, action, into)

    def _add(self, lesson: StoredLesson) -> int:
        """Learn a lesson, keep it, and return how many photos were new."""
        with self._turn:
            before, lessons = self.state
            number = lessons[-1].number + 1 if lessons else 1
            record = before.anticipate(lesson.label, lesson.activations)
            lesson = replace(lesson, number=number, record=record)
            lessons = (*lessons, lesson)
            with _conflicts():
                model = self._saved.taught(lessons)
            learned = sum(model.photos_learned.values()) - sum(before.photos_learned.values())
            if learned or lesson.corrects or lesson.label not in before.classes:
                self._saved.revision = storage.add_lesson(
                    self.folder, lesson, since=self._saved.revision
                )
                self.state = State(model, lessons)
                self._save_the_oldest()
            return learned

    def _save_the_oldest(self) -> None:
        """Save the older half of the lessons into the model once there are many."""
        lessons = self.state.lessons
        if sum(max(len(lesson.digests), 1) for lesson in lessons) <= KEPT_PHOTOS:
            return
        half = len(lessons) // 2
        saved = self._saved.taught(lessons[:half])
        # The lessons are safe as they are; if this fails, it is tried again after the next one.
        with suppress(OSError):
            saved.save(self.folder)
            self._saved = saved
            self.state = State(saved.taught(lessons[half:]), lessons[half:])


def _together(
    model: HybridClassifier, batches: Sequence[EncodedBatch]
) -> tuple[list[bytes], NDArray[np.float32]]:
    """Return the digests of photos in several batches, and what the head hears of them."""
    digests = [digest for batch in batches for digest in batch.digests]
    return digests, np.concatenate([model.heard(batch) for batch in batches])


def _recognitions(model: HybridClassifier, activations: NDArray[np.float32]) -> list[Recognition]:
    """Return what a model says of photos."""
    if not len(activations):
        return []
    verdicts, spikes = model.judge(activations), model.out_spikes(activations)
    return [
        Recognition(verdict, dict(zip(model.classes, verdict.shares.tolist(), strict=True)), raster)
        for verdict, raster in zip(verdicts, spikes, strict=True)
    ]


@contextmanager
def _conflicts() -> Iterator[None]:
    """Let what the model refuses be a conflict."""
    try:
        yield
    except ValueError as error:
        raise Conflict(str(error)) from None
