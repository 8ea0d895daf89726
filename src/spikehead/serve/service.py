"""What the routes of the service share: the model, work in turns, photos as requests bring them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from fastapi import UploadFile
from starlette.exceptions import HTTPException

from spikehead.encoders import EncodedBatch
from spikehead.names import class_name
from spikehead.serve import schemas
from spikehead.serve.monitoring import Metrics
from spikehead.serve.teacher import Teacher
from spikehead.serve.work import Work

NAMELESS = "photos: send each as a file, with a file name, as curl does: -F photos=@a.jpg"

Piece = TypeVar("Piece")


class SentPhoto(NamedTuple):
    """A photo as a request brings it.

    Attributes
    ----------
    name : str
        Its file name.
    content : bytes
        Its file.
    """

    name: str
    content: bytes

    @classmethod
    def of(cls, photo: UploadFile) -> SentPhoto:
        """Read a part of a form; its name is what it was before it was put between quotes."""
        if not photo.filename:
            raise HTTPException(422, NAMELESS)
        name = photo.filename
        for escape, character in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
            name = name.replace(escape, character)
        return cls(name, photo.file.read())


@dataclass(frozen=True)
class Worked(Generic[Piece]):
    """What has become of photos, a few at a time.

    Attributes
    ----------
    pieces : list
        What has become of each few.
    places : list of int
        Which photos could be used.
    skipped : list of SkippedPhoto
        The others.
    """

    pieces: list[Piece]
    places: list[int]
    skipped: list[schemas.SkippedPhoto]


class Service:
    """One model that is served.

    Parameters
    ----------
    teacher : Teacher
        Keeps the model.
    metrics : Metrics
        What is counted.

    Attributes
    ----------
    name : str
        That of the model folder.
    work : Work
        What takes time is done here, in turn.
    """

    def __init__(self, teacher: Teacher, metrics: Metrics) -> None:
        self.teacher = teacher
        self.metrics = metrics
        self.name = teacher.folder.resolve().name
        self.work = Work()

    def described(self) -> schemas.Model:
        """Describe the model as it is now."""
        return schemas.Model.of(self.name, self.teacher.state)

    def named(self, label: str) -> str:
        """Return the class that a label means, or refuse it."""
        try:
            return class_name(label, self.teacher.state.model.classes)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    async def worked(
        self,
        asker: Hashable,
        photos: Sequence[SentPhoto],
        work: Callable[[Sequence[bytes]], Piece],
        problems: Callable[[Piece], Mapping[int, str]],
    ) -> Worked[Piece]:
        """Do something with photos.

        Parameters
        ----------
        asker : hashable
            In whose name.
        photos : sequence of SentPhoto
            The photos.
        work : callable
            What is done with some of them at a time.
        problems : callable
            Tells of its result why photos cannot be used, by position.

        Raises
        ------
        HTTPException
            Not one can be used; or as `Work.on_photos` raises it.
        """
        found = await self.work.on_photos(asker, [photo.content for photo in photos], work)
        reasons = {
            start + place: reason
            for start, piece in found
            for place, reason in problems(piece).items()
        }
        skipped = [
            schemas.SkippedPhoto(place=place, photo=photos[place].name, reason=reason)
            for place, reason in reasons.items()
        ]
        if len(skipped) == len(photos):
            first = skipped[0]
            raise HTTPException(
                422, f"no photo can be used; the first is {first.photo}: {first.reason}"
            )
        places = [place for place in range(len(photos)) if place not in reasons]
        return Worked([piece for _, piece in found], places, skipped)

    async def learnable(self, asker: Hashable, photos: Sequence[SentPhoto]) -> Worked[EncodedBatch]:
        """Encode photos that are to be taught."""
        return await self.worked(asker, photos, self.teacher.encode_lesson, _problems)

    async def encoded(self, asker: Hashable, photos: Sequence[SentPhoto]) -> list[EncodedBatch]:
        """Encode photos, all of them, or refuse the first that cannot be read."""
        found = await self.worked(asker, photos, self.teacher.encode, _problems)
        for skipped in found.skipped:
            raise HTTPException(422, f"{skipped.photo}: {skipped.reason}")
        return found.pieces

    async def learn(
        self, asker: Hashable, label: str, photos: Sequence[SentPhoto]
    ) -> schemas.Taught:
        """Teach photos of a class."""
        name = self.named(label)
        found = await self.learnable(asker, photos)
        learned = await self.work.changes(asker, self.teacher.teach_encoded, name, found.pieces)
        self.metrics.learned.inc(learned)
        return schemas.Taught(
            learned=learned,
            known=len(found.places) - learned,
            skipped=found.skipped,
            model=self.described(),
        )


def _problems(batch: EncodedBatch) -> Mapping[int, str]:
    return batch.problems
