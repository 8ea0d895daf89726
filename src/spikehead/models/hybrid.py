"""HybridClassifier: a frozen encoder and a spiking head, from photos to class names."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import CodedShares
from spikehead.encoders import (
    DEFAULT,
    ActivationCache,
    EncodedBatch,
    Encoder,
    check_restorable,
    encode_photos,
    restore_encoder,
)
from spikehead.files import chunks, sha256
from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import DEFAULT_HEAD, head_class, kind_of, kind_with, kinds, new_head
from spikehead.images import LeftOut, Photo, PhotoFolder, named_photos
from spikehead.interrupts import uninterrupted
from spikehead.models import storage
from spikehead.models.card import ModelCard
from spikehead.models.lessons import StoredLesson
from spikehead.models.obtain import obtain_encoder
from spikehead.models.photos import LearnedPhotos, lesson_keys, photo_key
from spikehead.models.schema import Description, Head, Measurement, whole
from spikehead.models.storage import Revision, StoredModel
from spikehead.names import class_names

if TYPE_CHECKING:
    from spikehead.cluster import Cluster

ORDERS = ("shuffled", "as-given")


@dataclass
class Learned:
    """What one call of `HybridClassifier.learn` did.

    Attributes
    ----------
    total : int
        Photos of the lesson.
    learned : int
        Photos learned so far.
    known : int
        Photos that had been learned before under the same label, and were not learned again.
    new_classes : list of str
        Classes met for the first time.
    skipped : list of (Path, str)
        Photos that could not be read, and why.
    renamed : list of (Path, str, list of str)
        Photos that were learned though the same file had been learned before under other names:
        each one's name now, and those.
    left_out : LeftOut
        What else was in the folder.
    shares : CodedShares
        How much of the encoder's activations is clipped, too weak to spike, and at its full rate,
        over the photos learned so far.
    warning : str
        What is wrong with that, and what to do, once the lesson is over; nothing if it is well.
    """

    total: int = 0
    learned: int = 0
    known: int = 0
    new_classes: list[str] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    renamed: list[tuple[Path, str, list[str]]] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)
    shares: CodedShares = field(default_factory=CodedShares)
    warning: str = ""

    @property
    def done(self) -> int:
        """Number of photos that were dealt with so far."""
        return self.learned + self.known + len(self.skipped)

    def add(self, learned: int, shares: CodedShares) -> None:
        """Take in photos that were learned, and how their activations were coded."""
        self.learned += learned
        weight = learned / self.learned
        self.shares = CodedShares(
            *(old + weight * (new - old) for old, new in zip(self.shares, shares, strict=True))
        )


@dataclass(frozen=True)
class Answer:
    """What the model says of one photo.

    Attributes
    ----------
    path : Path
        The photo.
    label : str or None
        Its class, or None where it could not be read.
    shares : ndarray of float64, shape (n_classes,)
        Each class's share of the vote; empty where the photo could not be read.
    problem : str
        Why it could not be read, or nothing.
    learned_as : list of str
        The classes under whose names the model has learned this very photo.
    """

    path: Path
    label: str | None
    shares: NDArray[np.float64]
    problem: str = ""
    learned_as: list[str] = field(default_factory=list)


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
        self._right = bytearray()

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
        accuracy (Dawid, 1984; Gama et al., 2013).
        """
        return np.frombuffer(bytes(self._right), np.bool_)

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
            A folder with a sub-folder for each class; or photos, with `labels`.
        labels : sequence of str or int, optional
            The class of each photo, as `spikehead.names.class_name` takes it.
        order : {"shuffled", "as-given"}, default="shuffled"
            Shuffled by the model's seed, or as given (of a folder: class after class).
        cluster : Cluster, optional
            Where photos are encoded. Default: on this machine.
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
        paths = [photo.path for photo in stream]
        for batch in encode_photos(paths, self.encoder, self.cache, cluster=cluster):
            lesson.skipped += [(stream[i].path, why) for i, why in batch.problems.items()]
            self._learn_batch(batch, stream, lesson)
            if on_batch:
                on_batch(lesson)
        if len(lesson.skipped) == len(stream):
            raise ValueError(none_readable(lesson.skipped))
        lesson.warning = self.head.coding_.losses(lesson.shares, f"the encoder {self.encoder.name}")
        if lesson.warning:
            warnings.warn(lesson.warning, stacklevel=2)
        return lesson

    def classify(self, photos: str | Path | Iterable[str | Path]) -> Iterator[Answer]:
        """Answer photo by photo, in order; one that cannot be read gets an answer that says so.

        Parameters
        ----------
        photos : path or iterable of paths
            Photos; or one photo, a folder of photos, or a list of them, as
            `spikehead.images.named_photos` takes it.

        Yields
        ------
        Answer
        """
        self._check_taught()
        if isinstance(photos, (str, Path)):
            photos, _ = named_photos([photos])
        paths = [Path(photo) for photo in photos]
        for batch in encode_photos(paths, self.encoder, self.cache):
            answers = {
                index: Answer(paths[index], None, np.empty(0), problem)
                for index, problem in batch.problems.items()
            }
            if batch.indices:
                shares = self.vote(self.heard(batch))
                classes = self.classes
                found = zip(batch.indices, batch.digests, shares, strict=True)
                for index, digest, share in found:
                    learned_as = [
                        name for name in classes if photo_key(digest, name) in self._learned
                    ]
                    answers[index] = Answer(
                        paths[index], classes[share.argmax()], share, learned_as=learned_as
                    )
            yield from (answers[index] for index in sorted(answers))

    def heard(self, batch: EncodedBatch) -> NDArray[np.float32]:
        """Return what the head hears of a batch: of either sign, or negative activations as zero.

        Parameters
        ----------
        batch : EncodedBatch
            Encoded photos.
        """
        return batch.given if self.head.signed else batch.activations

    def vote(self, activations: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return each class's share of the vote, in the order of `classes`.

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
        return [self.classes[row.argmax()] for row in self.predict_proba(photos)]

    def predict_proba(self, photos: str | Path | Iterable[str | Path]) -> NDArray[np.float64]:
        """Return each class's share of the vote, shape (n_photos, n_classes).

        Parameters
        ----------
        photos : path or iterable of paths
            As `classify` takes them.

        Raises
        ------
        ValueError
            If a photo cannot be read.
        """
        rows = []
        for answer in self.classify(photos):
            if answer.problem:
                raise ValueError(f"{answer.path}: {answer.problem}")
            rows.append(answer.shares)
        return np.array(rows).reshape(len(rows), len(self.classes))

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
            learned = [lesson.number for lesson in lessons if self._has_learned_all(lesson)]
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

    def _has_learned_all(self, lesson: StoredLesson) -> bool:
        return lesson.label in self.classes and self._learned.has_all(lesson_keys(lesson))

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
            "prequential": self.prequential,
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
        photos = Counter(self.photos_learned)
        for lesson in storage.read_lessons(folder):
            photos[lesson.label] += sum(key not in self._learned for key in lesson_keys(lesson))
        card = ModelCard(
            name=Path(folder).resolve().name,
            photos=dict(photos),
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
        model._learned = LearnedPhotos.unpacked(arrays)
        if any(model._learned.counts(len(description.classes))):
            model.head.resume(
                np.array(description.classes, str),
                {**arrays, **head.counters},
                n_features=model.encoder.n_activations,
            )
        else:
            for name in description.classes:
                model.head.add_classes([name])
        model._right = bytearray(arrays["prequential"].tobytes())
        model.measurement = description.measurement
        return model

    def taught(self, lessons: Iterable[StoredLesson]) -> HybridClassifier:
        """Return a copy that has learned lessons, too; this model stays as it is.

        The classes take turns, each spread evenly over the stream: where the encoder hardly tells
        classes apart, many photos of one in a row would crowd out the others. So what a model
        knows follows from all of its lessons at once, and is not that of learning them in order.

        Parameters
        ----------
        lessons : iterable of StoredLesson
            In the order in which new classes shall come. A photo learned before under the same
            label is left out.
        """
        model = copy.copy(self)
        model.head = copy.deepcopy(self.head)
        model._learned = self._learned.copy()
        model._right = self._right.copy()
        labels: dict[str, None] = {}
        new: dict[bytes, tuple[str, NDArray[np.float32]]] = {}
        for lesson in lessons:
            labels[lesson.label] = None
            for key, activations in zip(lesson_keys(lesson), lesson.activations, strict=True):
                if key not in self._learned:
                    new.setdefault(key, (lesson.label, activations))
        if unknown := [label for label in labels if label not in self.classes]:
            model.head.add_classes(unknown)
        if new:
            keys = list(new)
            order = _in_turns([label for label, _ in new.values()])
            shown = [new[keys[place]] for place in order]
            model._learn(
                [keys[place] for place in order],
                [label for label, _ in shown],
                np.array([activations for _, activations in shown]),
            )
        return model

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
        model._right = self._right + other._right
        model.measurement = model.revision = None
        return model

    # ------------------------------------------------------------ the way of the data

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
            return PhotoFolder.read(photos, known=self.classes)
        if labels is None or len(labels) != len(photos) or not len(photos):
            raise ValueError("photos need labels: name a folder, or give as many labels as photos")
        names = class_names(labels, photos, set(self.classes))
        paths = map(Path, photos)
        return PhotoFolder(list(map(Photo, paths, names)), LeftOut())

    def _ordered(self, photos: list[Photo], order: str) -> list[Photo]:
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}, not {order!r}")
        if order == "as-given":
            return photos
        return [photos[i] for i in np.random.RandomState(self._seed).permutation(len(photos))]

    def _learn_batch(self, batch: EncodedBatch, stream: list[Photo], lesson: Learned) -> None:
        """Learn those of a batch that are new."""
        # All classes of the lesson at once: where batches end must not decide their order.
        classes = sorted({photo.label for photo in stream} - set(self.classes))
        names = [*self.classes, *classes]
        new: dict[bytes, int] = {}
        for place, (index, digest) in enumerate(zip(batch.indices, batch.digests, strict=True)):
            photo = stream[index]
            keys = {photo_key(digest, name): name for name in names}
            known = [name for key, name in keys.items() if key in self._learned or key in new]
            if photo.label not in known:
                new[photo_key(digest, photo.label)] = place
                if known:
                    lesson.renamed.append((photo.path, photo.label, known))
        lesson.known += len(batch.indices) - len(new)
        if not new:
            return
        places = list(new.values())
        activations = self.heard(batch)[places]
        labels = [stream[batch.indices[place]].label for place in places]
        with uninterrupted():
            self._learn(list(new), labels, activations, classes)
            lesson.new_classes += classes
            # Once it has learned them, since the saturation may come from them.
            lesson.add(len(new), self.head.coding_.shares(batch.given[places]))

    def _in_columns(self) -> NDArray[np.intp]:
        """Return the place of each column's class among the head's, which are sorted."""
        return np.argsort(self.head.columns_)

    def _learn(
        self,
        keys: list[bytes],
        labels: list[str],
        activations: NDArray[np.float32],
        new_classes: Sequence[str] = (),
    ) -> None:
        """Learn photos in this order, of known classes and of new ones."""
        self.head.partial_fit(activations, labels, classes=[*self.classes, *new_classes])
        self._learned.add(keys, map(self.classes.index, labels))
        self._right += (self.head.prequential_predictions_ == labels).tobytes()

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
    """Return the sentence for photos of which not one can be read."""
    path, problem = skipped[0]
    return f"none of the {len(skipped)} photos can be read; the first is {path}: {problem}"
