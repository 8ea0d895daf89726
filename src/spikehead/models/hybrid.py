"""HybridClassifier: a frozen encoder and a spiking head, from photos to class names."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from spikehead.activations import Row, labelled, named
from spikehead.encoders import (
    DEFAULT,
    ActivationCache,
    EncodedBatch,
    Encoder,
    Given,
    check_restorable,
    encode_photos,
    restore_encoder,
)
from spikehead.files import chunks, sha256
from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import DEFAULT_HEAD, head_class, kind_of, kind_with, kinds, new_head
from spikehead.images import LeftOut, Photo, PhotoFolder
from spikehead.interrupts import uninterrupted
from spikehead.models import storage
from spikehead.models.answers import (
    FEW_EXAMPLES,
    Answer,
    Checked,
    Doubt,
    Learned,
    Suggested,
    Verdict,
)
from spikehead.models.card import ModelCard
from spikehead.models.lessons import StoredLesson
from spikehead.models.obtain import obtain_encoder
from spikehead.models.photos import LearnedPhotos, known_after
from spikehead.models.record import NEW, RIGHT, Trends, as_record, stored_record
from spikehead.models.schema import Description, Head, Measurement, whole
from spikehead.models.shards import Shards
from spikehead.models.storage import Revision, StoredModel
from spikehead.names import class_name, class_names
from spikehead.state import fraction

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

ORDERS = ("shuffled", "as-given")

_SILENT = "its activations are all zero, so that no input spikes and nothing can be learned from it"

_BATCH = 2048  # photos that are learned again at a time, which bounds memory


class HybridClassifier:
    """Classifies photos: a frozen encoder, and a spiking head that goes on learning.

    Parameters
    ----------
    encoder : str or Encoder, default="efficientnet_lite0"
        As `spikehead.models.obtain.obtain_encoder` takes it, or an encoder of your own.
    head : str, optional
        By its name, as `spikehead.heads.registry` knows it. ``"decorrelated"`` is
        `DecorrelatedColumns`; ``"paper"`` is CoLaNET with Table 1 and the saturation that the
        encoder knows; and another package may add some. Default: the head whose hyperparameters
        `parameters` are, or else ``"decorrelated"``.
    parameters : Hyperparameters, optional
        Hyperparameters of the head. Default: those that its name stands for.
    seed : int, default=0
        Decides what the head draws by lot, and the order of a shuffled stream.
    cache : ActivationCache, optional
        Where activations are kept. Default: nowhere.
    n_threads : int, optional
        Default: as many as this process may use.
    **options
        Other options of the head's estimator, as ``members=3`` of `CoLaNETClassifier`.

    Attributes
    ----------
    encoder : Encoder
        The encoder.
    head : SpikingClassifier
        The spiking head.
    classes : list of str
        The classes known so far.
    measurement : Measurement or None
        An accuracy for the model card, measured on photos that it has not learned.
    revision : Revision or None
        Where, and as what, it was last loaded or saved.

    Examples
    --------
    >>> model = HybridClassifier("pixels:8")  # doctest: +SKIP
    >>> model.learn("photos")  # one folder a class  # doctest: +SKIP
    >>> model.predict(["a.jpg"])  # doctest: +SKIP
    ['cat']
    """

    def __init__(
        self,
        encoder: str | Encoder = DEFAULT,
        *,
        head: str | None = None,
        parameters: Hyperparameters | None = None,
        seed: int = 0,
        cache: ActivationCache | None = None,
        n_threads: int | None = None,
        **options: Any,
    ) -> None:
        self.encoder = (
            obtain_encoder(encoder, n_threads=n_threads) if isinstance(encoder, str) else encoder
        )
        # A file that is replaced while the model works would be saved as its encoder otherwise.
        self._files = {role: sha256(chunks(path)) for role, path in self.encoder.files.items()}
        self.cache = cache
        name = head or (kind_with(parameters) if parameters else DEFAULT_HEAD)
        self.head = new_head(
            name,
            parameters,
            encoder_saturation=self.encoder.saturation,
            seed=seed,
            n_threads=n_threads,
            **options,
        )
        self.head.begin(self.encoder.n_activations)
        self._kind = kind_of(name)
        self.measurement: Measurement | None = None
        self.revision: Revision | None = None
        self._seed = seed
        self._learned = LearnedPhotos()
        self._lessons: frozenset[tuple[int, float]] = frozenset()
        self._record = bytearray()

    @property
    def classes(self) -> list[str]:
        """The classes known so far, in the order of the columns."""
        return [str(name) for name in self.head.classes_[self._in_columns()]]

    @property
    def photos_learned(self) -> dict[str, int]:
        """How many photos of each class were learned."""
        return dict(zip(self.classes, self._learned.counts(len(self.classes)), strict=True))

    @property
    def prequential(self) -> NDArray[np.bool_]:
        """Whether each photo was answered right just before it was learned, in that order.

        The spikes of the presentation in which a photo is learned give the answer, so it costs
        nothing; its mean over a stretch of the stream is the prequential, or test-then-train,
        accuracy (Dawid, 1984; Gama et al., 2013). A photo of a lesson (`taught`) was answered when
        the lesson was given.
        """
        return self.record & RIGHT > 0

    @property
    def record(self) -> NDArray[np.uint8]:
        """How each photo was answered before it was learned (`spikehead.models.record`)."""
        return np.frombuffer(bytes(self._record), np.uint8)

    @property
    def trends(self) -> Trends:
        """How often its answers to its own stream were right, unknown or corrected of late."""
        return Trends.of(self.record)

    def learn(
        self,
        photos: str | Path | PhotoFolder | Sequence[str | Path],
        labels: Sequence[str | int] | None = None,
        *,
        order: str = "shuffled",
        cluster: Cluster | None = None,
        on_batch: Callable[[Learned], None] | None = None,
    ) -> Learned:
        """Learn photos, each once; a photo learned before under the same label is left out.

        Parameters
        ----------
        photos : path, PhotoFolder or sequence of paths
            A folder with a sub-folder for each class; or photos, with `labels`. Of a model whose
            encoder is ``activations:N``, activations: a file or a folder, as
            `spikehead.activations` has them.
        labels : sequence of str or int, optional
            The class of each photo, as `spikehead.names.class_name` takes it.
        order : {"shuffled", "as-given"}, default="shuffled"
            Shuffled by the model's seed, or as given (of a folder: class after class).
        cluster : Cluster, optional
            Where photos are encoded and, by a head that can be merged, many of them learned
            (`spikehead.models.shards`). Default: on this machine.
        on_batch : callable, optional
            Called after each batch with the lesson so far: to show progress, or to save.

        Returns
        -------
        Learned
            What was learned and what was skipped.

        Raises
        ------
        ValueError
            If there is no readable photo, a label is none, or the arguments do not fit each other.
        """
        found = self._labelled(photos, labels)
        stream = self._ordered(found.photos, order)
        lesson = Learned(total=len(stream), left_out=found.left_out)
        shards = Shards.of(self.head, len(stream), cluster)
        waiting: list[EncodedBatch] = []
        contents = self._contents(stream)
        for encoded in encode_photos(contents, self.encoder, self.cache, cluster=cluster):
            batch = self.learnable(encoded)
            lesson.skipped += [(stream[i].path, why) for i, why in batch.problems.items()]
            lesson.waiting += len(batch.indices)
            waiting.append(batch)
            last = lesson.done == lesson.total
            if last or not shards or lesson.waiting >= shards.n_photos:
                self._learn_batch(EncodedBatch.joined(waiting), stream, lesson, shards)
                waiting.clear()
            if on_batch:
                on_batch(lesson)
        if len(lesson.skipped) == len(stream):
            raise ValueError(none_readable(lesson.skipped))
        lesson.warning = self.head.coding_.losses(lesson.shares, f"the encoder {self.encoder.name}")
        if lesson.warning:
            warnings.warn(lesson.warning, stacklevel=2)
        return lesson

    def classify(self, photos: str | Path | Iterable[str | Path | Photo]) -> Iterator[Answer]:
        """Answer photo by photo, in order; one that cannot be read gets an answer that says so.

        Parameters
        ----------
        photos : path or iterable of paths
            Photos; or one photo, a folder of photos, a list of them, or activations, as
            `spikehead.activations.named` takes it.

        Yields
        ------
        Answer
        """
        self._check_taught()
        given = _given(photos)
        paths = [photo.path for photo in given]
        for batch in encode_photos(self._contents(given), self.encoder, self.cache):
            answers = {
                index: Answer(paths[index], None, np.empty(0), problem=problem)
                for index, problem in batch.problems.items()
            }
            answers |= zip(batch.indices, self._answered(batch, paths), strict=True)
            yield from (answers[index] for index in sorted(answers))

    def suggest(
        self,
        photos: str | Path | Iterable[str | Path],
        number: int = 20,
        *,
        on_photo: Callable[[int, int], None] | None = None,
    ) -> Suggested:
        """Choose the unlabelled photos that would teach most: unsure ones, and unlike each other.

        Photos that were learned, under whatever label, are left out; of the same file, all but one.

        Parameters
        ----------
        photos : path or iterable of paths
            Photos, folders of photos and lists of them, as `spikehead.activations.named` takes
            them.
        number : int, default=20
            How many to choose.
        on_photo : callable, optional
            Called with the number of photos done and of all photos, to show progress.

        Returns
        -------
        Suggested

        Raises
        ------
        ValueError
            If no photo can be read, `number` is not a whole number from 1, or the head cannot tell
            (`SpikingClassifier.suggest`).
        """
        self._check_taught()
        # Before the photos are encoded, if it is refused.
        self.head.suggest(self._blank(), number)
        given, left_out = named([photos] if isinstance(photos, (str, Path)) else photos)
        paths = [photo.path for photo in given]
        found = Suggested(photos=len(paths), left_out=left_out)
        answers: list[Answer] = []
        digests: list[bytes] = []
        rows = []
        contents = self._contents(given)
        for batch in map(self.learnable, encode_photos(contents, self.encoder, self.cache)):
            found.skipped += [(paths[index], why) for index, why in batch.problems.items()]
            answers += self._answered(batch, paths)
            digests += batch.digests
            rows.append(self.heard(batch))
            if on_photo:
                on_photo(len(answers) + len(found.skipped), len(paths))
        if paths and not answers:
            raise ValueError(none_readable(found.skipped))
        if answers:
            chosen = self.instructive(digests, np.concatenate(rows), number)
            found.answers = [answers[place] for place in chosen]
        found.known = sum(bool(answer.learned_as) for answer in answers)
        return found

    def instructive(
        self, digests: Sequence[bytes], activations: NDArray[np.float32], number: int
    ) -> list[int]:
        """Choose the photos that would teach most, as `suggest` does, of encoded ones.

        Parameters
        ----------
        digests : sequence of bytes
            SHA-256 of each photo's file.
        activations : ndarray of float32, shape (n_photos, n_activations)
            As for `vote`.
        number : int
            How many to choose.

        Returns
        -------
        list of int
            Their places, those that teach most first.

        Raises
        ------
        ValueError
            As `suggest` raises it.
        """
        new: dict[bytes, int] = {}
        for place, digest in enumerate(digests):
            if not self.learned_as(digest):
                new.setdefault(digest, place)
        places = np.array(list(new.values()), np.intp)
        if not len(places):
            return []
        return places[self.head.suggest(activations[places], number)].tolist()  # type: ignore[no-any-return]

    def check(
        self,
        photos: str | Path | PhotoFolder | Sequence[str | Path],
        labels: Sequence[str | int] | None = None,
        *,
        on_batch: Callable[[Learned], None] | None = None,
    ) -> Checked:
        """Find labels of photos that are probably wrong.

        A copy of the model learns those photos that are new to it; then each is left out in turn,
        and answered. The model itself stays as it is.

        Parameters
        ----------
        photos : path, PhotoFolder or sequence of paths
            As `learn` takes them.
        labels : sequence of str or int, optional
            Likewise.
        on_batch : callable, optional
            Called after each batch with the copy's lesson so far, to show progress.

        Returns
        -------
        Checked

        Raises
        ------
        ValueError
            As `learn` raises it; if there is one class only; or if the head cannot tell
            (`SpikingClassifier.leave_one_out`).
        """
        if self.classes:  # before the photos are encoded, if it is refused
            self.head.leave_one_out(self._blank(), self.classes[:1])
        found = self._labelled(photos, labels)
        pupil = self._copy()
        lesson = Learned(total=len(found.photos), left_out=found.left_out)
        paths = [photo.path for photo in found.photos]
        read: list[Photo] = []
        rows = []
        contents = self._contents(found.photos)
        for batch in map(self.learnable, encode_photos(contents, self.encoder, self.cache)):
            lesson.skipped += [(paths[index], why) for index, why in batch.problems.items()]
            lesson.waiting += len(batch.indices)
            pupil._learn_batch(batch, found.photos, lesson, None)
            read += [found.photos[index] for index in batch.indices]
            rows.append(pupil.heard(batch))
            if on_batch:
                on_batch(lesson)
        if not read:
            raise ValueError(none_readable(lesson.skipped))
        if len(pupil.classes) == 1:
            raise ValueError(
                f"all photos are of one class, {pupil.classes[0]}: to doubt a label takes another"
            )
        scores = pupil._doubts(np.concatenate(rows), [photo.label for photo in read])
        doubts = [
            Doubt(read[place].path, read[place].label, likely, doubt)
            for place, likely, doubt in scores
        ]
        scored = {place for place, _, _ in scores}
        unscored = [
            (photo.path, f"no other photo tells of the class {photo.label}")
            for place, photo in enumerate(read)
            if place not in scored
        ]
        return Checked(doubts, unscored, lesson.skipped, lesson.left_out)

    def doubts(
        self, label: str, digests: Sequence[bytes], activations: NDArray[np.float32]
    ) -> list[tuple[int, str, float]]:
        """Tell how doubtful it is that photos are of a class, as `check` does, of encoded ones.

        Parameters
        ----------
        label : str
            The class.
        digests : sequence of bytes
            SHA-256 of each photo's file.
        activations : ndarray of float32, shape (n_photos, n_activations)
            As for `vote`.

        Returns
        -------
        list of (int, str, float)
            The place, the other class that is most likely and the doubt (`Doubt`) of each photo of
            which something can be said, the most doubtful first.

        Raises
        ------
        ValueError
            If there is no other class, or the head cannot tell.
        """
        self._check_taught()
        self.head.leave_one_out(self._blank(), self.classes[:1])  # refused at once, where it is
        if not set(self.classes) - {label}:
            raise ValueError(f"{label!r} is the only class: to doubt it takes another")
        pupil, new = self._copy(), dict[bytes, int]()
        for place, digest in enumerate(digests):
            if label not in self.learned_as(digest):
                new.setdefault(digest, place)
        if new:
            added = [label] if label not in self.classes else []
            rows = activations[list(new.values())]
            pupil._learn(list(new), [label] * len(new), rows, added)
        return pupil._doubts(activations, [label] * len(activations))

    def _doubts(
        self, activations: NDArray[np.float32], labels: Sequence[str]
    ) -> list[tuple[int, str, float]]:
        """Return the place, the likely class and the doubt of learned photos, as `doubts` does."""
        alike = self.head.leave_one_out(activations, labels)
        own = self.head.classes_ == np.asarray(labels)[:, None]
        likely = np.where(own, -np.inf, alike)
        doubts = likely.max(axis=1) - alike[own]
        return [
            (place, str(self.head.classes_[likely[place].argmax()]), float(doubts[place]))
            for place in np.argsort(-doubts, kind="stable").tolist()
            if not np.isnan(doubts[place])
        ]

    def learned_as(self, digest: bytes) -> list[str]:
        """Return the classes under whose names a photo was learned.

        Parameters
        ----------
        digest : bytes
            SHA-256 of its file.
        """
        return [
            name for column, name in enumerate(self.classes) if (digest, column) in self._learned
        ]

    @property
    def send_back(self) -> float | None:
        """Share of known photos that may be taken for unknown; None where it learns no threshold.

        It may be changed at any time.

        Raises
        ------
        ValueError
            If it is set to what is not from 0 to 1, or the head learns no threshold.
        """
        return getattr(self.head, "send_back", None)

    @send_back.setter
    def send_back(self, share: float) -> None:
        if not self.head.has_option("send_back"):
            raise ValueError(
                f"a head of {self.head.title} does not learn which photos are unknown: it has no "
                "send_back"
            )
        self.head.set_params(send_back=fraction("send_back", share))

    def heard(self, batch: EncodedBatch) -> NDArray[np.float32]:
        """Return what the head hears of a batch, as `SpikingClassifier.heard` has it.

        Parameters
        ----------
        batch : EncodedBatch
            Encoded photos.
        """
        return self.head.heard(batch.given)

    def learnable(self, batch: EncodedBatch) -> EncodedBatch:
        """Return a batch without the photos of which the head hears nothing; they have a problem.

        Parameters
        ----------
        batch : EncodedBatch
            Encoded photos.
        """
        return batch.only(self.head.hears(self.heard(batch)), _SILENT)

    def judge(self, activations: NDArray[np.float32]) -> list[Verdict]:
        """Return what the model says of photos.

        Parameters
        ----------
        activations : ndarray of float32, shape (n_photos, n_activations)
            What the head hears of photos (`heard`).
        """
        judged = self.head.judge(activations)
        scores, shares = (part[:, self._in_columns()] for part in (judged.scores, judged.shares))
        unknown = judged.familiarity < self.head.unfamiliar_below()
        photos, classes = self.photos_learned, self.classes
        labels = [classes[column] for column in scores.argmax(axis=1)]
        familiarity = [None if np.isnan(one) else float(one) for one in judged.familiarity]
        few = [photos[label] <= FEW_EXAMPLES for label in labels]
        return list(map(Verdict, labels, shares, familiarity, unknown.tolist(), few))

    def anticipate(self, label: str, activations: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the record of photos that are to be learned: how they are answered now.

        Parameters
        ----------
        label : str
            Their class.
        activations : ndarray of float32, shape (n_photos, n_activations)
            What the head hears of them (`heard`).

        Returns
        -------
        ndarray of uint8, shape (n_photos,)
            As `spikehead.models.record` has it.
        """
        if not (self._has_photos(label) and len(activations)):
            return np.full(len(activations), NEW, np.uint8)
        verdicts = self.judge(activations)
        right = np.array([verdict.label == label for verdict in verdicts])
        return as_record(right, np.array([verdict.unknown for verdict in verdicts]))

    def likely(self, answer: Answer, coverage: float) -> list[str]:
        """Return the classes that hold the right one with a certain probability, likeliest first.

        Parameters
        ----------
        answer : Answer
            That of a photo that could be read.
        coverage : float
            The probability, from 0 to 1; `SpikingClassifier.predict_sets` says what it rests on.

        Raises
        ------
        ValueError
            If the coverage is not from 0 to 1, or the head does not learn what is likely.
        """
        threshold = self.head.unlikely_below(coverage)
        ranked = sorted(zip(-answer.shares, self.classes, strict=True), key=lambda pair: pair[0])
        return [name for share, name in ranked if -share >= threshold or name == answer.label]

    def vote(self, activations: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how likely each class is, in the order of `classes`.

        Parameters
        ----------
        activations : ndarray of float32, shape (n_photos, n_activations)
            What the head hears of photos (`heard`).

        Returns
        -------
        ndarray of float64, shape (n_photos, n_classes)
        """
        return self.head.predict_proba(activations)[:, self._in_columns()]

    def out_spikes(self, activations: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return in how many members each class spikes, step by step, in the order of `classes`.

        Parameters
        ----------
        activations : ndarray of float32, shape (n_photos, n_activations)
            As for `vote`.

        Returns
        -------
        ndarray of int, shape (n_photos, n_steps, n_classes)
        """
        return self.head.out_spikes(activations)[:, :, self._in_columns()]

    def predict(self, photos: str | Path | Iterable[str | Path]) -> list[str]:
        """Return the class of each photo.

        Parameters
        ----------
        photos : path or iterable of paths
            As `classify` takes them.

        Raises
        ------
        ValueError
            If a photo cannot be read.
        """
        return [str(answer.label) for answer in self._answers(photos)]

    def predict_proba(self, photos: str | Path | Iterable[str | Path]) -> NDArray[np.float64]:
        """Return how likely each class is, shape (n_photos, n_classes).

        Parameters
        ----------
        photos : path or iterable of paths
            As `classify` takes them.

        Raises
        ------
        ValueError
            If a photo cannot be read.
        """
        rows = [answer.shares for answer in self._answers(photos)]
        return np.array(rows).reshape(len(rows), len(self.classes))

    def predict_unknown(self, photos: str | Path | Iterable[str | Path]) -> list[bool]:
        """Return whether each photo seems to be of no class that the model knows.

        Parameters
        ----------
        photos : path or iterable of paths
            As `classify` takes them.

        Raises
        ------
        ValueError
            If a photo cannot be read.
        """
        return [answer.unknown for answer in self._answers(photos)]

    def _answers(self, photos: str | Path | Iterable[str | Path]) -> Iterator[Answer]:
        for answer in self.classify(photos):
            if answer.problem:
                raise ValueError(f"{answer.path}: {answer.problem}")
            yield answer

    def save(self, folder: str | Path) -> None:
        """Save the model to a folder; a crash at any moment leaves the old one whole.

        The lessons in the folder that the model has learned go in the same step: they are in it
        now. Ctrl-C waits until the model is saved.

        Parameters
        ----------
        folder : str or Path
            A model folder, an empty folder, or one that does not exist yet.

        Raises
        ------
        ModelInUseError
            If another program is at work on the model there.
        ModelChangedError
            If the model was loaded from there, or saved there, and another has changed it since.
            To keep others out, hold `spikehead.models.storage.writing` from before loading
            until after saving.
        ValueError
            If there are lessons that the model has not learned, of another encoder; or if the
            encoder is of a kind that is not registered (`spikehead.encoders.register`), so that
            `load` could not open it again.
        OSError
            If the folder holds other things, or cannot be written; the sentence says what to do.
        """
        check_restorable(self.encoder)
        with uninterrupted(), storage.writing(folder):
            lessons = storage.read_lessons(folder) if storage.is_model(folder) else []
            learned = [one.number for one in lessons if one.identity in self._lessons]
            self._check_fit(folder, [one for one in lessons if one.number not in learned])
            self.revision = storage.save(
                folder,
                self._description().to_dict(),
                self._arrays(),
                attachments=self.encoder.files,
                digests=self._files,
                learned=learned,
                since=self.revision,
            )
            # The model is saved; a card that cannot be written is no reason to say otherwise.
            with suppress(OSError):
                self.write_card(folder)

    def _check_fit(self, folder: str | Path, lessons: Iterable[StoredLesson]) -> None:
        """Raise if there is a lesson in the folder that the model can never learn."""
        for lesson in lessons:
            width = lesson.activations.shape[1]
            if width != self.encoder.n_activations:
                raise ValueError(
                    f"lesson {lesson.number} in {folder} has {width} activations a photo, but the "
                    f"model's encoder gives {self.encoder.n_activations}: use another folder"
                )

    def _description(self) -> Description:
        state = self.head.state().items()
        return Description(
            encoder=self.encoder.to_dict(),
            fingerprint=self.encoder.fingerprint,
            classes=self.classes,
            head=Head(
                self._kind,
                self.head.settings() | {"seed": self._seed},
                {name: value for name, value in state if isinstance(value, int)},
            ),
            measurement=self.measurement,
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        state = self.head.state().items()
        return {
            **{name: value for name, value in state if not isinstance(value, int)},
            **self._learned.packed(),
            "record": self.record,
        }

    def write_card(self, folder: str | Path) -> bool:
        """Write the model card, ``README.md``, unless the one that is there was edited by hand.

        Parameters
        ----------
        folder : str or Path
            Where the model is saved. Lessons in it that the model has not learned are counted, too.

        Returns
        -------
        bool
            Whether it was written.

        Raises
        ------
        OSError
            If it cannot be.
        """
        lessons = storage.read_lessons(folder)
        missing = [one for one in lessons if one.identity not in self._lessons]
        classes, photos, _ = known_after(missing, self.classes, self._learned)
        card = ModelCard(
            name=Path(folder).resolve().name,
            photos=dict(zip(classes, photos.counts(len(classes)), strict=True)),
            encoder=self.encoder.name,
            fingerprint=self.encoder.fingerprint,
            n_activations=self.encoder.n_activations,
            head=self.head.title,
            kind=self._kind,
            hyperparameters=self.head.parameters_.to_dict(),
            members=self.head.network_.n_members,
            seed=self._seed,
            prequential=self.prequential,
            measurement=self.measurement,
        )
        return storage.write_card(folder, card.text())

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        cache: ActivationCache | None = None,
        n_threads: int | None = None,
        lessons: bool = True,
    ) -> HybridClassifier:
        """Load a model; it answers and goes on learning as if it had never stopped.

        Parameters
        ----------
        folder : str or Path
            The model folder.
        cache : ActivationCache, optional
            Where activations are kept. Default: nowhere.
        n_threads : int, optional
            Default: as many as this process may use.
        lessons : bool, default=True
            Whether the model is also `taught` the lessons that were added to the folder since it
            was saved.

        Raises
        ------
        FileNotFoundError, ValueError
            If the folder is missing, is not a model, or was changed.
        """
        stored = storage.load(folder)
        with whole(folder):
            model = cls._restored(stored, cache, n_threads)
        model.revision = stored.revision
        model._check_fit(folder, stored.lessons)
        return model.taught(stored.lessons) if lessons else model

    @classmethod
    def _restored(
        cls, stored: StoredModel, cache: ActivationCache | None, n_threads: int | None
    ) -> HybridClassifier:
        description, arrays = Description.from_dict(stored.description), stored.arrays
        head = description.head
        if head.kind not in kinds():
            raise ValueError(
                f"the model's head is of the unknown kind {head.kind!r}: upgrade spikehead, or "
                "install the package that brings it"
            )
        model = cls(
            restore_encoder(description.encoder, stored.attachments, n_threads=n_threads),
            head=head.kind,
            # What older versions did not know is as it was then.
            parameters=head_class(head.kind).hyperparameters(),
            cache=cache,
            n_threads=n_threads,
            **head.hyperparameters,
        )
        if model.encoder.fingerprint != description.fingerprint:
            raise ValueError(
                f"{model.encoder.name} is not the encoder that the model learned with: restore the "
                "model from a copy"
            )
        if head.hyperparameters:
            model.head.resume(
                np.array(description.classes, str),
                {**arrays, **head.counters},
                n_features=model.encoder.n_activations,
            )
        else:  # of what it was nothing is kept
            for name in description.classes:
                model.head.add_classes([name])
        model._learned = LearnedPhotos.unpacked(arrays, description.classes)
        model._record = bytearray(stored_record(arrays).tobytes())
        model.measurement = description.measurement
        return model

    def taught(self, lessons: Iterable[StoredLesson]) -> HybridClassifier:
        """Return a copy that has learned lessons, too; this model stays as it is.

        The classes take turns, each spread evenly over the stream: where the encoder hardly tells
        classes apart, many photos of one in a row would crowd out the others. So what a model
        knows follows from all of its lessons at once, and is not that of learning them in order.
        Corrections come in between: what was taught before one is learned before it.

        Parameters
        ----------
        lessons : iterable of StoredLesson
            In the order in which new classes shall come. A photo learned before under the same
            label is left out.

        Raises
        ------
        ValueError
            If a correction is none for the classes that there are.
        """
        model = self._copy()
        for corrects, part in groupby(lessons, lambda lesson: lesson.corrects):
            some = list(part)
            if corrects:
                for lesson in some:
                    model._correct(lesson)
            else:
                model._learn_in_turns(some)
            model._lessons |= {lesson.identity for lesson in some}
        return model

    def _copy(self) -> HybridClassifier:
        model = copy.copy(self)
        model.head = copy.deepcopy(self.head)
        model._learned = self._learned.copy()
        model._record = self._record.copy()
        return model

    def _learn_in_turns(self, lessons: list[StoredLesson]) -> None:
        labels = dict.fromkeys(lesson.label for lesson in lessons)
        if unknown := [label for label in labels if label not in self.classes]:
            self.head.add_classes(unknown)
        columns = {name: column for column, name in enumerate(self.classes)}
        new: dict[tuple[bytes, int], tuple[StoredLesson, int]] = {}
        for lesson in lessons:
            for place, digest in enumerate(map(bytes, lesson.digests)):
                entry = digest, columns[lesson.label]
                if entry not in self._learned:
                    new.setdefault(entry, (lesson, place))
        if new:
            photos = [photo for photo, _ in new]
            order = _in_turns([lesson.label for lesson, _ in new.values()])
            shown = [list(new.values())[place] for place in order]
            learned = len(self._record)
            self._learn(
                [photos[place] for place in order],
                [lesson.label for lesson, _ in shown],
                np.array([lesson.activations[place] for lesson, place in shown]),
            )
            # What is told of the stream is what happened: answers, and their order.
            turns = np.argsort(order).tolist()
            again = [self._record[learned + turn] for turn in turns]
            self._record[learned:] = bytes(
                own if lesson.record is None else lesson.record[place]
                for own, (lesson, place) in zip(again, new.values(), strict=True)
            )

    def _correct(self, lesson: StoredLesson) -> None:
        if lesson.action == "rename":
            self.rename_class(lesson.label, lesson.into)
        elif lesson.action == "merge":
            self.merge_class(lesson.label, lesson.into)
        else:
            self.remove_class(lesson.label)

    # ------------------------------------------------------------ corrections

    def rename_class(self, name: str, new: str) -> None:
        """Give a class another name; it answers and learns as before.

        Parameters
        ----------
        name : str
            One of `classes`.
        new : str
            None of them, and a name as `spikehead.names.class_name` takes it.

        Raises
        ------
        ValueError
            If there is no such class, or there is one of the new name already.
        """
        self.head.rename_class(self._class(name), class_name(new, self.classes))

    def merge_class(self, name: str, into: str) -> None:
        """Make one class of two, as if all their photos had been learned under one name.

        Parameters
        ----------
        name : str
            One of `classes`, which goes.
        into : str
            Another of them, which is both from now on.

        Raises
        ------
        ValueError
            If there is no such class, both are the same, or the head cannot merge classes
            (`SpikingClassifier.mergeable`).
        """
        column, other = map(self.classes.index, (self._class(name), self._class(into)))
        with uninterrupted():
            self.head.merge_class(self.classes[column], self.classes[other])
            self._learned = self._learned.without_column(column, other)
            self.measurement = None

    def remove_class(self, name: str) -> None:
        """Take a class out; the others answer as they did without it.

        The model no longer knows which photos of it it has learned; what they have taught the
        others stays, unless they are taken out first (`unlearn`).

        Parameters
        ----------
        name : str
            One of `classes`.

        Raises
        ------
        ValueError
            If there is no such class, or no other.
        """
        column = self.classes.index(self._class(name))
        with uninterrupted():
            self.head.remove_class(self.classes[column])
            self._learned = self._learned.without_column(column)
            self.measurement = None

    def unlearn(self, photos: str | Path | Iterable[str | Path | Photo]) -> dict[Path, list[str]]:
        """Take photos out: up to rounding, the model becomes one that has never learned them.

        Where the head cannot take a lesson back (`SpikingClassifier.mergeable`), it learns all
        other photos again, in the same order, from the activation cache.

        Parameters
        ----------
        photos : path or iterable of paths
            As `classify` takes them. A photo is known by its content, not by its name.

        Returns
        -------
        dict of Path to list of str
            Under which class each was learned; several times, where it was.

        Raises
        ------
        ValueError
            If a photo cannot be read or was never learned, or activations are missing; nothing is
            changed.
        """
        paths, digests, activations = self._encoded(photos)
        return dict(zip(paths, self.take_out(paths, digests, activations), strict=True))

    def relabel(
        self, photos: str | Path | Iterable[str | Path | Photo], label: str
    ) -> dict[Path, list[str]]:
        """Learn photos that were learned under a wrong label under the right one instead.

        Parameters
        ----------
        photos : path or iterable of paths
            As for `unlearn`.
        label : str
            The right class; a new one is added.

        Returns
        -------
        dict of Path to list of str
            Under which class each was learned before.

        Raises
        ------
        ValueError
            As in `unlearn`, or if a photo is known by this label alone; nothing is changed.
        """
        paths, digests, activations = self._encoded(photos)
        was = self.take_out(paths, digests, activations, class_name(label, self.classes))
        return dict(zip(paths, was, strict=True))

    def take_out(
        self,
        names: Sequence[object],
        digests: Sequence[bytes],
        activations: NDArray[np.float32],
        label: str | None = None,
    ) -> list[list[str]]:
        """Take photos out that are encoded already, as `unlearn` or `relabel` does.

        Parameters
        ----------
        names : sequence of object
            What an error calls each photo.
        digests : sequence of bytes
            SHA-256 of each photo's file.
        activations : ndarray of float32, shape (n_photos, n_activations)
            What the head hears of each (`heard`).
        label : str, optional
            The class under which they are learned instead. Default: none.

        Returns
        -------
        list of list of str
            Under which class each was learned.

        Raises
        ------
        ValueError
            As in `unlearn` and `relabel`; nothing is changed.
        """
        model, classes = self._copy(), self.classes
        rows = dict(zip(digests, activations, strict=True))
        was = {
            photo: [classes[column] for column in model._learned.take_out(photo, len(classes))]
            for photo in rows
        }
        for name, photo in zip(names, digests, strict=True):
            if not was[photo]:
                raise ValueError(f"{name} was never learned by this model")
            if was[photo] == [label]:
                raise ValueError(f"{name} was learned under the label {label!r} already")
        if model.head.mergeable:
            times = [len(labels) for labels in was.values()]
            labels = [label for labels in was.values() for label in labels]
            try:
                model.head.unlearn(np.repeat(list(rows.values()), times, axis=0), labels)
            except ValueError as error:
                raise ValueError(
                    "the activations are not those that were learned, as where another machine or "
                    f"provider computes them: {error}"
                ) from None
        else:
            model._learn_again()
        if label is not None:
            new = [label] if label not in classes else []
            model._learn(list(rows), [label] * len(rows), np.array(list(rows.values())), new)
        vars(self).update(vars(model))
        return [was[photo] for photo in digests]

    def _learn_again(self) -> None:
        """Let a new head learn all photos that are known, from the cache and in order."""

        def cached(photo: bytes) -> NDArray[np.float32] | None:
            return self.cache.get(photo) if self.cache else None

        stream, classes = self._learned.stream(), self.classes
        if missing := sum(cached(photo) is None for photo, _ in stream):
            raise ValueError(
                f"a head of the kind {self.head.title} forgets a photo by learning all others "
                f"again from the activation cache, which lacks {missing} of {len(stream)}: learn "
                "them anew, into another model"
            )
        head = clone(self.head).set_params(**self.head.settings())
        self.head = head.begin(self.encoder.n_activations).add_classes(classes)
        self._learned, self._record = LearnedPhotos(), bytearray()
        for start in range(0, len(stream), _BATCH):
            part = stream[start : start + _BATCH]
            given = np.array([cached(photo) for photo, _ in part])
            heard = head.heard(given)
            self._learn([p for p, _ in part], [classes[column] for _, column in part], heard)

    def _class(self, name: str) -> str:
        """Return one of the classes by its name, or say that there is none."""
        known = class_name(name, self.classes)
        if known not in self.classes:
            raise ValueError(f"there is no class {name!r}")
        return known

    def _encoded(
        self, photos: str | Path | Iterable[str | Path | Photo]
    ) -> tuple[list[Path], list[bytes], NDArray[np.float32]]:
        """Return photos, their digests and what the head hears of them, if all can be read."""
        given = _given(photos)
        paths = [photo.path for photo in given]
        if not paths:
            raise ValueError("no photo is given: name at least one")
        batches = list(encode_photos(self._contents(given), self.encoder, self.cache))
        for index, problem in sorted(item for one in batches for item in one.problems.items()):
            raise ValueError(f"{paths[index]}: {problem}")
        digests = [digest for batch in batches for digest in batch.digests]
        return paths, digests, np.concatenate([self.heard(batch) for batch in batches])

    def merge(self, other: HybridClassifier) -> HybridClassifier:
        """Return the model that has learned what both have; both stay as they are.

        Parameters
        ----------
        other : HybridClassifier
            With the same encoder, and a head that can be merged with this one's
            (`DecorrelatedColumns.merge`). Classes of the same name are one. A photo that both have
            learned counts twice.

        Raises
        ------
        ValueError
            If the encoders differ, or the heads cannot be merged.
        """
        if self.encoder.fingerprint != other.encoder.fingerprint:
            raise ValueError(
                f"models with different encoders, {self.encoder.name} and {other.encoder.name}, "
                "cannot be merged: teach both behind the same one"
            )
        model = copy.copy(self)
        model.head = self.head.merge(other.head)
        columns = [model.classes.index(name) for name in other.classes]
        model._learned = self._learned.merged(other._learned, columns)
        model._record = self._record + other._record
        model.measurement = model.revision = None
        return model

    # ------------------------------------------------------------ the way of the data

    def _blank(self) -> NDArray[np.float32]:
        """Return the activations of a photo on which nothing is to be seen."""
        return np.zeros((1, self.encoder.n_activations), np.float32)

    def _answered(self, batch: EncodedBatch, paths: Sequence[Path]) -> list[Answer]:
        """Return what the model says of the photos of a batch that could be read."""
        if not batch.indices:
            return []
        return [
            Answer(paths[index], *verdict, learned_as=self.learned_as(digest))
            for index, digest, verdict in zip(
                batch.indices, batch.digests, self.judge(self.heard(batch)), strict=True
            )
        ]

    def _labelled(
        self,
        photos: str | Path | PhotoFolder | Sequence[str | Path],
        labels: Sequence[str | int] | None,
    ) -> PhotoFolder:
        """Return photos with their classes."""
        if isinstance(photos, (str, Path, PhotoFolder)):
            if labels is not None:
                raise ValueError("a folder of photos brings its own labels; leave labels out")
            if isinstance(photos, PhotoFolder):
                return photos
            return labelled(photos, known=self.classes)
        if labels is None or len(labels) != len(photos) or not len(photos):
            raise ValueError("photos need labels: name a folder, or give as many labels as photos")
        names = class_names(labels, photos, set(self.classes))
        paths = map(Path, photos)
        return PhotoFolder(list(map(Photo, paths, names)), LeftOut())

    def _contents(self, photos: Sequence[Photo]) -> list[Path | NDArray[np.float32]]:
        """Return what is encoded, unless the encoder does not take it."""
        width = self.encoder.n_activations
        for photo in photos:
            if isinstance(self.encoder, Given) and not isinstance(photo, Row):
                raise ValueError(
                    f"{photo.path} is no file of activations, and the model takes nothing else: "
                    f"give {width} of them an example (.npz, .npy or .parquet)"
                )
            if isinstance(photo, Row) and not isinstance(self.encoder, Given):
                raise ValueError(
                    f"{photo.path} holds activations, and the model takes photos, through "
                    f"{self.encoder.name}: give photos, or teach another model"
                )
            if isinstance(photo, Row) and len(photo.activations) != width:
                raise ValueError(
                    f"{photo.path} has {len(photo.activations)} activations, but the model takes "
                    f"{width}: all must come from one encoder"
                )
        return [photo.content for photo in photos]

    def _ordered(self, photos: list[Photo], order: str) -> list[Photo]:
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}, not {order!r}")
        if order == "as-given":
            return photos
        return [photos[i] for i in np.random.RandomState(self._seed).permutation(len(photos))]

    def _learn_batch(
        self, batch: EncodedBatch, stream: list[Photo], lesson: Learned, shards: Shards | None
    ) -> None:
        """Learn those of a batch that are new."""
        # All classes of the lesson at once: where batches end must not decide their order.
        classes = sorted({photo.label for photo in stream} - set(self.classes))
        names = [*self.classes, *classes]
        new: dict[tuple[bytes, int], int] = {}
        for place, (index, digest) in enumerate(zip(batch.indices, batch.digests, strict=True)):
            photo = stream[index]
            known = [
                name
                for column, name in enumerate(names)
                if (digest, column) in self._learned or (digest, column) in new
            ]
            if photo.label not in known:
                new[digest, names.index(photo.label)] = place
                if known:
                    lesson.renamed.append((photo.path, photo.label, known))
        places = list(new.values())
        activations = self.heard(batch)[places]
        labels = [stream[batch.indices[place]].label for place in places]
        taught = shards.taught(self.head, activations, labels, classes) if shards and new else None
        with uninterrupted():
            lesson.waiting -= len(batch.indices)
            lesson.known += len(batch.indices) - len(new)
            if not new:
                return
            if taught:
                self.head = taught
                self._remember([photo for photo, _ in new], labels)
            else:
                self._learn([photo for photo, _ in new], labels, activations, classes)
            lesson.new_classes += classes
            # Once it has learned them, since the saturation may come from them.
            lesson.add(len(new), self.head.coding_.shares(batch.given[places]))

    def _in_columns(self) -> NDArray[np.intp]:
        """Return the place of each column's class among the head's, which are sorted."""
        return np.argsort(self.head.columns_)

    def _learn(
        self,
        photos: list[bytes],
        labels: list[str],
        activations: NDArray[np.float32],
        new_classes: Sequence[str] = (),
    ) -> None:
        """Learn photos in this order, of known classes and of new ones."""
        self.head.partial_fit(activations, labels, classes=[*self.classes, *new_classes])
        self._remember(photos, labels)

    def _remember(self, photos: list[bytes], labels: list[str]) -> None:
        """Take down which photos the head has just learned, and how it had answered them."""
        names, first = np.unique(labels, return_index=True)
        new = np.zeros(len(labels), bool)
        new[first] = [not self._has_photos(name) for name in names.tolist()]
        right = self.head.prequential_predictions_ == labels
        self._record += as_record(right, self.head.prequential_unknown_, new).tobytes()
        self._learned.add(photos, map(self.classes.index, labels))

    def _has_photos(self, label: str) -> bool:
        """Return whether a photo of a class was learned."""
        return label in self.classes and self._learned.has_column(self.classes.index(label))

    def _check_taught(self) -> None:
        if not self.classes:
            raise ValueError("the model has learned nothing yet; teach it with learn")


def _in_turns(labels: Sequence[str]) -> NDArray[np.intp]:
    """Return an order in which each label is spread evenly, and keeps its own order."""
    names, columns, counts = np.unique(labels, return_inverse=True, return_counts=True)
    places = np.empty(len(labels))
    for column in range(len(names)):
        places[columns == column] = (np.arange(counts[column]) + 0.5) / counts[column]
    return np.argsort(places, kind="stable")


def none_readable(skipped: list[tuple[Path, str]]) -> str:
    """Return the sentence for photos of which not one can be used."""
    path, problem = skipped[0]
    return f"none of the {len(skipped)} photos can be used; the first is {path}: {problem}"


def _given(photos: str | Path | Iterable[str | Path | Photo]) -> list[Photo]:
    """Return photos, or rows of activations, as they are given or named."""
    if isinstance(photos, (str, Path)):
        photos, _ = named([photos])
    return [photo if isinstance(photo, Photo) else Photo(Path(photo), "") for photo in photos]
