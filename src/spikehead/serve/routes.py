"""What can be asked of the service, and what is done then."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse
from pydantic import AfterValidator
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from spikehead.images import UnreadablePhoto, read_photo
from spikehead.models import storage
from spikehead.models.queue import Queue
from spikehead.serve import schemas
from spikehead.serve.guard import asker_of
from spikehead.serve.service import SentPhoto, Service
from spikehead.serve.teacher import Teacher
from spikehead.serve.turns import busy
from spikehead.serve.work import REQUEST_PIXELS, Result

MAX_PHOTOS = 64
"""Photos of a request at most."""

MAX_BYTES = 32 << 20
"""Size of a request at most."""

DOWNLOADS = 4
"""Downloads that are under way at most: each has a copy of the model on the disk."""

PICTURE_SIDE = 640
"""Pixels of the longer side of a waiting photo as it is shown at most."""


def _asker(request: Request) -> tuple[str, str]:
    return asker_of(request.scope)


async def _sent(
    photos: Annotated[
        list[UploadFile],
        File(
            min_length=1,
            max_length=MAX_PHOTOS,
            description=f"1 to {MAX_PHOTOS} JPEG, PNG or WebP photos.",
        ),
    ],
) -> list[SentPhoto]:
    return list(map(SentPhoto.of, photos))


def _plain(text: str) -> str:
    """Return what stands in a field of a form before browsers change its line ends."""
    return text.replace("\r\n", "\n")


Asker = Annotated[tuple[str, str], Depends(_asker)]
Photos = Annotated[list[SentPhoto], Depends(_sent)]
Label = Annotated[schemas.ClassName, Form(alias="class"), AfterValidator(_plain)]


def errors(reasons: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Describe refusals by status."""
    return {
        status: {"model": schemas.Error, "description": reason}
        for status, reason in reasons.items()
    }


_BUSY = {503: "Too much waits already, another program holds the model, or its folder is gone."}
_BAD_REQUEST = errors(
    {
        400: "The request cannot be parsed.",
        403: "A page of another site asks.",
        413: f"It has more than {MAX_BYTES >> 20} MiB.",
        422: "An argument is missing or wrong, no photo can be used, or together they have more "
        f"than {REQUEST_PIXELS // 1_000_000} megapixels.",
    }
    | _BUSY
)
_REFUSED = errors({409: "It does not go with what the model knows."})
_NOT_KEPT = errors(
    {507: "It cannot be written, the disk is full for one; nothing is changed."} | _BUSY
)
_NOT_WAITING = errors({404: "No such photo waits."}) | _NOT_KEPT


def open_routes(teacher: Teacher) -> APIRouter:
    """Return the route that needs no token."""
    router = APIRouter()

    @router.get(
        "/api/health",
        summary="Is the service up?",
        responses=errors({503: "The model's folder is gone from the disk."}),
    )
    async def health() -> schemas.Health:  # even when every thread is busy
        if not storage.is_model(teacher.folder):
            raise HTTPException(
                503,
                "the model's folder is gone from the disk: put it back, or download the model, "
                "which is still in memory",
            )
        return schemas.Health(status="ok")

    return router


def routes(service: Service) -> APIRouter:
    """Return all other routes.

    Parameters
    ----------
    service : Service
        The model.
    """
    router = APIRouter()
    for some in (
        _model_routes,
        _photo_routes,
        _lesson_routes,
        _class_routes,
        _removal_routes,
        _queue_routes,
        _figure_routes,
    ):
        router.include_router(some(service))
    return router


def _model_routes(service: Service) -> APIRouter:
    """Return the routes to the model as a whole."""
    router = APIRouter()
    downloads = asyncio.Semaphore(DOWNLOADS)

    @router.get("/api/model", summary="What has it learned so far?")
    async def model() -> schemas.Model:
        return service.described()

    @router.get(
        "/api/model.zip",
        summary="Download the model",
        description="A zip file of the model folder, as `spikehead predict` and others take it.",
        response_class=FileResponse,
        responses={200: {"content": {"application/zip": {}}}, **_NOT_KEPT},
    )
    async def download(asker: Asker) -> FileResponse:
        if downloads.locked():
            raise busy()
        async with AsyncExitStack() as until_sent:
            await until_sent.enter_async_context(downloads)
            folder = until_sent.enter_context(tempfile.TemporaryDirectory())
            path = Path(folder, "model.zip")
            await service.work.long(asker, service.teacher.write_archive, path)
            return _Download(path, until_sent.pop_all(), filename=f"{service.name}.zip")

    return router


def _photo_routes(service: Service) -> APIRouter:
    """Return the routes to photos, about which something is asked."""
    router, teacher, work = APIRouter(), service.teacher, service.work

    @router.post(
        "/api/predictions",
        summary="What is on these photos?",
        responses={**_BAD_REQUEST, **errors({409: "It knows no class yet."})},
    )
    async def predict(asker: Asker, photos: Photos) -> schemas.Answers:
        found = await service.worked(asker, photos, teacher.recognise, lambda answered: answered[1])
        recognitions = [one for answers, _ in found.pieces for one in answers]
        service.metrics.recognised.inc(len(recognitions))
        service.metrics.unknown.inc(sum(one.verdict.unknown for one in recognitions))
        return schemas.Answers(
            answers=[
                schemas.Answer.of(photos[place].name, recognition)
                for place, recognition in zip(found.places, recognitions, strict=True)
            ],
            skipped=found.skipped,
        )

    @router.post(
        "/api/suggestions",
        summary="Which of these photos would teach most?",
        description="Those about which the model is unsure and that tell most of the others, and "
        "no two alike. Photos that were learned are left out. Nothing is learned or kept.",
        responses={
            **_BAD_REQUEST,
            **errors({409: "It knows no class yet, or has no decorrelated columns."}),
        },
    )
    async def suggest(
        asker: Asker, photos: Photos, number: Annotated[int, Form(ge=1, le=MAX_PHOTOS)] = 20
    ) -> schemas.Suggestions:
        found = await service.learnable(asker, photos)
        chosen, recognitions, known = await work.long(asker, teacher.suggest, found.pieces, number)
        places = [found.places[place] for place in chosen]
        return schemas.Suggestions(
            places=places,
            answers=[
                schemas.Answer.of(photos[place].name, recognition)
                for place, recognition in zip(places, recognitions, strict=True)
            ],
            known=known,
            skipped=found.skipped,
        )

    @router.post(
        "/api/checks",
        summary="Which of these photos are probably not of a class?",
        description="Those that are more like another class, to a model that has learned all of "
        "them but the one in question. Nothing is learned or kept.",
        responses={
            **_BAD_REQUEST,
            **errors({409: "It knows no other class, or has no decorrelated columns."}),
        },
    )
    async def check(asker: Asker, label: Label, photos: Photos) -> schemas.Doubts:
        name = service.named(label)
        found = await service.learnable(asker, photos)
        doubts = await work.long(asker, teacher.check, name, found.pieces)
        return schemas.Doubts(
            doubts=[
                schemas.Doubt(place=found.places[place], likely=likely, doubt=doubt)
                for place, likely, doubt in doubts
            ],
            skipped=found.skipped,
        )

    return router


def _lesson_routes(service: Service) -> APIRouter:
    """Return the routes to lessons."""
    router = APIRouter()

    @router.post(
        "/api/lessons",
        summary="Teach photos of a class",
        description="A class that is not known is added. When the answer comes, the lesson is on "
        "the disk.",
        responses={**_BAD_REQUEST, **_NOT_KEPT},
    )
    async def teach(asker: Asker, label: Label, photos: Photos) -> schemas.Taught:
        return await service.learn(asker, label, photos)

    @router.delete(
        "/api/lessons/last",
        summary="Undo the last lesson",
        description="The model is then what it would be without it.",
        responses={
            **errors({403: "A page of another site asks."}),
            **errors({409: "There is no lesson to undo."}),
            **_NOT_KEPT,
        },
    )
    async def undo(asker: Asker) -> schemas.Undone:
        undone = await service.work.changes(asker, service.teacher.undo)
        return schemas.Undone(undone=schemas.Lesson.of(undone), model=service.described())

    return router


def _class_routes(service: Service) -> APIRouter:
    """Return the routes to classes."""
    router, teacher, work = APIRouter(), service.teacher, service.work

    @router.post(
        "/api/classes",
        summary="Add a class without photos",
        status_code=201,
        responses={**_BAD_REQUEST, **errors({409: "It is known already."}), **_NOT_KEPT},
    )
    async def add_class(asker: Asker, new: schemas.NewClass) -> schemas.Model:
        await work.changes(asker, teacher.add_class, service.named(new.name))
        return service.described()

    async def correct(asker: Asker, action: str, label: str, into: str = "") -> schemas.Model:
        await work.changes(asker, teacher.correct, action, service.named(label), into)
        return service.described()

    @router.post(
        "/api/classes/rename",
        summary="Rename a class",
        description="It can be undone like a lesson.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def rename(asker: Asker, renamed: schemas.RenamedClass) -> schemas.Model:
        return await correct(asker, "rename", renamed.name, service.named(renamed.into))

    @router.post(
        "/api/classes/merge",
        summary="Merge a class with another",
        description="As if the photos of both had been learned under one name, which decorrelated "
        "columns can. It can be undone like a lesson.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def merge(asker: Asker, merged: schemas.MergedClass) -> schemas.Model:
        return await correct(asker, "merge", merged.name, service.named(merged.into))

    @router.post(
        "/api/classes/remove",
        summary="Remove a class",
        description="The others answer as they did without it. It can be undone like a lesson.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def remove(asker: Asker, removed: schemas.RemovedClass) -> schemas.Model:
        return await correct(asker, "remove", removed.name)

    return router


def _removal_routes(service: Service) -> APIRouter:
    """Return the routes to photos that were learned, and should not have been."""
    router = APIRouter()

    async def take_out(
        asker: Asker, photos: Sequence[SentPhoto], label: str | None = None
    ) -> schemas.Corrected:
        batches = await service.encoded(asker, photos)
        names = [photo.name for photo in photos]
        was = await service.work.changes(asker, service.teacher.take_out, names, batches, label)
        taken = [
            schemas.TakenOut(photo=name, classes=classes)
            for name, classes in zip(names, was, strict=True)
        ]
        return schemas.Corrected(photos=taken, model=service.described())

    @router.post(
        "/api/unlearn",
        summary="Take photos out",
        description="The model becomes one that has never learned them. It is saved, so that "
        "nothing of them stays in its folder, and no lesson before can be undone any more.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def unlearn(asker: Asker, photos: Photos) -> schemas.Corrected:
        return await take_out(asker, photos)

    @router.post(
        "/api/relabel",
        summary="Learn photos under the right label",
        description="They are taken out, as by unlearn, and learned as the class that is named.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def relabel(asker: Asker, label: Label, photos: Photos) -> schemas.Corrected:
        return await take_out(asker, photos, service.named(label))

    return router


def _queue_routes(service: Service) -> APIRouter:
    """Return the routes to photos that wait for a teacher."""
    router, work, queue = APIRouter(), service.work, Queue(service.teacher.folder)

    async def of_queue(asker: Asker, work_on: Callable[..., Result], *arguments: object) -> Result:
        try:
            return await work.quick(asker, work_on, *arguments)
        except FileNotFoundError:
            raise HTTPException(404) from None

    @router.get(
        "/api/queue",
        summary="Which photos wait for a teacher?",
        description="Those that `spikehead watch` found unknown, the newest first.",
        responses=_NOT_KEPT,
    )
    async def waiting(asker: Asker) -> list[schemas.WaitingPhoto]:
        return list(map(schemas.WaitingPhoto.of, await of_queue(asker, queue.photos)))

    @router.get(
        "/api/queue/{name}",
        summary="Show a photo that waits",
        description="As a JPEG, not larger than a screen.",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {}}},
            **_NOT_WAITING,
            **errors({422: "It cannot be read."}),
        },
    )
    async def show_waiting(asker: Asker, name: str) -> Response:
        content = await of_queue(asker, queue.read, name)
        ((_, picture),) = await work.on_photos(asker, [content], _picture)
        return Response(picture, media_type="image/jpeg")

    @router.post(
        "/api/queue/{name}",
        summary="Teach a photo that waits",
        description="As `POST /api/lessons` does; it waits no longer.",
        responses={**_BAD_REQUEST, **_NOT_WAITING},
    )
    async def teach_waiting(asker: Asker, name: str, lesson: schemas.LessonOfOne) -> schemas.Taught:
        label = service.named(lesson.label)
        content = await of_queue(asker, queue.read, name)
        taught = await service.learn(asker, label, [SentPhoto(name, content)])
        with suppress(FileNotFoundError):  # somebody else has taken it out meanwhile
            await work.quick(asker, queue.discard, name)
        return taught

    @router.delete(
        "/api/queue/{name}",
        summary="Let a photo wait no longer",
        description="It is deleted, and nothing is learned.",
        status_code=204,
        responses={**errors({403: "A page of another site asks."}), **_NOT_WAITING},
    )
    async def discard(asker: Asker, name: str) -> None:
        await of_queue(asker, queue.discard, name)

    return router


def _figure_routes(service: Service) -> APIRouter:
    """Return the routes to figures."""
    router = APIRouter()

    @router.get("/api/metrics", summary="How does it do, and has that changed?")
    async def trends() -> schemas.Metrics:
        return schemas.Metrics.of(service.teacher.state.model)

    @router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def figures() -> Response:
        return service.metrics.response()

    return router


class _Download(FileResponse):
    """A file that goes when it has been sent, or cannot be."""

    def __init__(self, path: Path, until_sent: AsyncExitStack, *, filename: str) -> None:
        super().__init__(path, media_type="application/zip", filename=filename)
        self._until_sent = until_sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._until_sent:
            await super().__call__(scope, receive, send)


def _picture(contents: Sequence[bytes]) -> bytes:
    """Return a photo as a small JPEG."""
    try:
        image = read_photo(contents[0])
    except UnreadablePhoto as error:
        raise HTTPException(422, f"the photo: {error}") from None
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    image.save(picture := BytesIO(), "JPEG", quality=85)
    return picture.getvalue()
