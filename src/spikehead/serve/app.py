"""The HTTP interface to a model that is taught while it answers, and the page that uses it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from spikehead.images import UnreadablePhoto, read_photo
from spikehead.models import storage
from spikehead.models.lock import ModelChangedError, ModelInUseError
from spikehead.models.queue import Queue
from spikehead.names import class_name
from spikehead.serve import schemas
from spikehead.serve.guard import Guard, asker_of
from spikehead.serve.monitoring import Metrics
from spikehead.serve.teacher import Conflict, Teacher
from spikehead.serve.turns import busy
from spikehead.serve.work import REQUEST_PIXELS, Result, Work

MAX_PHOTOS = 64
"""Photos of a request at most."""

MAX_BYTES = 32 << 20
"""Size of a request at most."""

DOWNLOADS = 4
"""Downloads that are under way at most: each has a copy of the model on the disk."""

PICTURE_SIDE = 640
"""Pixels of the longer side of a waiting photo as it is shown at most."""

_PAGE = Path(__file__).parent / "static"

Photos = Annotated[
    list[UploadFile],
    File(
        min_length=1,
        max_length=MAX_PHOTOS,
        description=f"1 to {MAX_PHOTOS} JPEG, PNG or WebP photos.",
    ),
]


def _asker(request: Request) -> tuple[str, str]:
    return asker_of(request.scope)


Asker = Annotated[tuple[str, str], Depends(_asker)]


def create_app(
    teacher: Teacher,
    *,
    rate: float,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    public: str | None = None,
    proxies: Collection[str] = (),
) -> FastAPI:
    """Make the service for a model.

    Parameters
    ----------
    teacher : Teacher
        Keeps the model.
    rate : float
        Requests a second that a client may make, over time.
    token : str, optional
        What requests must bring as ``Authorization: Bearer TOKEN``. Default: nothing.
    hosts : collection of str, optional
        Names under which the service may be addressed. Default: any.
    public : str, optional
        Origin under which a proxy offers the service, such as ``https://teach.example``.
    proxies : collection of str
        Addresses and networks of proxies, which are believed when they say who asks.
    """
    app = FastAPI(
        title="spikehead",
        summary="Teach a spiking head by example, ask it, and undo what it was taught.",
        version=version("spikehead"),
        docs_url=None,  # they would load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # it would lead to where the service is behind a proxy
        exception_handlers={
            HTTPException: _on_refusal,
            RequestValidationError: _on_invalid_request,
            Conflict: _on_conflict,
            ModelInUseError: _on_occupied,
            ModelChangedError: _on_occupied,
            OSError: _on_system_error,
            Exception: _on_failure,
        },
    )
    metrics = Metrics(teacher)
    app.add_middleware(
        Guard, token=token, hosts=hosts, public=public, max_bytes=MAX_BYTES, rate=rate
    )
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(proxies))
    app.add_middleware(metrics.timed)
    app.add_middleware(_with_head)
    refusals = {429: "Too many requests."} | ({401: "No token, or a wrong one."} if token else {})
    app.include_router(_open_interface(teacher), responses=_errors({429: refusals[429]}))
    app.include_router(
        _interface(teacher, metrics),
        responses=_errors(refusals),
        # For the description: the guard asks for the token before it lets a body come in.
        dependencies=[Depends(HTTPBearer(auto_error=False))] if token else [],
    )
    app.router.default = StaticFiles(directory=_PAGE, html=True)  # where there is no route
    return app


def _with_head(app: ASGIApp) -> ASGIApp:
    """Wrap an application so that HEAD is answered as GET is, without the body."""

    async def with_head(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await app(scope, receive, send)

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        return await app({**scope, "method": "GET"}, receive, send_head)

    return with_head


def _errors(reasons: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Describe refusals by status."""
    return {
        status: {"model": schemas.Error, "description": reason}
        for status, reason in reasons.items()
    }


_BUSY = {503: "Too much waits already, another program holds the model, or its folder is gone."}
_BAD_REQUEST = _errors(
    {
        400: "The request cannot be parsed.",
        403: "A page of another site asks.",
        413: f"It has more than {MAX_BYTES >> 20} MiB.",
        422: "An argument is missing or wrong, no photo can be used, or together they have more "
        f"than {REQUEST_PIXELS // 1_000_000} megapixels.",
    }
    | _BUSY
)
_REFUSED = _errors({409: "It does not go with what the model knows."})
_NOT_KEPT = _errors(
    {507: "It cannot be written, the disk is full for one; nothing is changed."} | _BUSY
)


_NOT_WAITING = _errors({404: "No such photo waits."}) | _NOT_KEPT


def _open_interface(teacher: Teacher) -> APIRouter:
    router = APIRouter()

    @router.get(
        "/api/health",
        summary="Is the service up?",
        responses=_errors({503: "The model's folder is gone from the disk."}),
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


def _interface(teacher: Teacher, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    name = teacher.folder.resolve().name
    work = Work()
    downloads = asyncio.Semaphore(DOWNLOADS)
    queue = Queue(teacher.folder)

    def described() -> schemas.Model:
        return schemas.Model.of(name, teacher.state)

    def named(label: str) -> str:
        try:
            return class_name(label, teacher.state.model.classes)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    @router.get("/api/model", summary="What has it learned so far?")
    async def model() -> schemas.Model:
        return described()

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
            await work.long(asker, teacher.write_archive, path)
            return _Download(path, until_sent.pop_all(), filename=f"{name}.zip")

    @router.post(
        "/api/predictions",
        summary="What is on these photos?",
        responses={**_BAD_REQUEST, **_errors({409: "It knows no class yet."})},
    )
    async def predict(asker: Asker, photos: Photos) -> schemas.Answers:
        pieces = await work.on_photos(asker, _contents(photos), teacher.recognise)
        names = list(map(_file_name, photos))
        skipped = _skipped(names, {start: problems for start, (_, problems) in pieces})
        recognitions = [recognition for _, (answers, _) in pieces for recognition in answers]
        metrics.recognised.inc(len(recognitions))
        metrics.unknown.inc(sum(recognition.verdict.unknown for recognition in recognitions))
        unreadable = {photo.place for photo in skipped}
        readable = [photo for place, photo in enumerate(names) if place not in unreadable]
        return schemas.Answers(
            answers=list(map(schemas.Answer.of, readable, recognitions)),
            skipped=skipped,
        )

    @router.post(
        "/api/suggestions",
        summary="Which of these photos would teach most?",
        description="Those about which the model is unsure and that tell most of the others, and "
        "no two alike. Photos that were learned are left out. Nothing is learned or kept.",
        responses={
            **_BAD_REQUEST,
            **_errors({409: "It knows no class yet, or has no decorrelated columns."}),
        },
    )
    async def suggest(
        asker: Asker, photos: Photos, number: Annotated[int, Form(ge=1, le=MAX_PHOTOS)] = 20
    ) -> schemas.Suggestions:
        pieces = await work.on_photos(asker, _contents(photos), teacher.encode_lesson)
        names = list(map(_file_name, photos))
        skipped = _skipped(names, {start: batch.problems for start, batch in pieces})
        batches = [batch for _, batch in pieces]
        places = [start + index for start, batch in pieces for index in batch.indices]
        chosen, recognitions, known = await work.long(asker, teacher.suggest, batches, number)
        return schemas.Suggestions(
            places=[places[place] for place in chosen],
            answers=[
                schemas.Answer.of(names[places[place]], recognition)
                for place, recognition in zip(chosen, recognitions, strict=True)
            ],
            known=known,
            skipped=skipped,
        )

    @router.post(
        "/api/checks",
        summary="Which of these photos are probably not of a class?",
        description="Those that are more like another class, to a model that has learned all of "
        "them but the one in question. Nothing is learned or kept.",
        responses={
            **_BAD_REQUEST,
            **_errors({409: "It knows no other class, or has no decorrelated columns."}),
        },
    )
    async def check(
        asker: Asker,
        label: Annotated[schemas.ClassName, Form(alias="class")],
        photos: Photos,
    ) -> schemas.Doubts:
        label = named(label.replace("\r\n", "\n"))
        pieces = await work.on_photos(asker, _contents(photos), teacher.encode_lesson)
        skipped = _skipped(
            list(map(_file_name, photos)), {start: batch.problems for start, batch in pieces}
        )
        places = [start + index for start, batch in pieces for index in batch.indices]
        batches = [batch for _, batch in pieces]
        doubts = await work.long(asker, teacher.check, label, places, batches)
        return schemas.Doubts(
            doubts=[
                schemas.Doubt(place=place, likely=likely, doubt=doubt)
                for place, likely, doubt in doubts
            ],
            skipped=skipped,
        )

    async def learn(
        asker: Asker, label: str, names: Sequence[str], contents: Sequence[bytes]
    ) -> schemas.Taught:
        pieces = await work.on_photos(asker, contents, teacher.encode_lesson)
        skipped = _skipped(names, {start: batch.problems for start, batch in pieces})
        batches = [batch for _, batch in pieces]
        learned = await work.changes(asker, teacher.teach_encoded, label, batches)
        metrics.learned.inc(learned)
        return schemas.Taught(
            learned=learned,
            known=len(names) - len(skipped) - learned,
            skipped=skipped,
            model=described(),
        )

    @router.post(
        "/api/lessons",
        summary="Teach photos of a class",
        description="A class that is not known is added. When the answer comes, the lesson is on "
        "the disk.",
        responses={**_BAD_REQUEST, **_NOT_KEPT},
    )
    async def teach(
        asker: Asker,
        label: Annotated[schemas.ClassName, Form(alias="class")],
        photos: Photos,
    ) -> schemas.Taught:
        label = named(label.replace("\r\n", "\n"))  # as browsers send the line ends of a field
        return await learn(asker, label, list(map(_file_name, photos)), _contents(photos))

    @router.delete(
        "/api/lessons/last",
        summary="Undo the last lesson",
        description="The model is then what it would be without it.",
        responses={
            **_errors({403: "A page of another site asks."}),
            **_errors({409: "There is no lesson to undo."}),
            **_NOT_KEPT,
        },
    )
    async def undo(asker: Asker) -> schemas.Undone:
        undone = await work.changes(asker, teacher.undo)
        return schemas.Undone(undone=schemas.Lesson.of(undone), model=described())

    @router.post(
        "/api/classes",
        summary="Add a class without photos",
        status_code=201,
        responses={**_BAD_REQUEST, **_errors({409: "It is known already."}), **_NOT_KEPT},
    )
    async def add_class(asker: Asker, new: schemas.NewClass) -> schemas.Model:
        await work.changes(asker, teacher.add_class, named(new.name))
        return described()

    async def correct(asker: Asker, action: str, label: str, into: str = "") -> schemas.Model:
        await work.changes(asker, teacher.correct, action, named(label), into)
        return described()

    @router.post(
        "/api/classes/rename",
        summary="Rename a class",
        description="It can be undone like a lesson.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def rename(asker: Asker, renamed: schemas.RenamedClass) -> schemas.Model:
        return await correct(asker, "rename", renamed.name, named(renamed.into))

    @router.post(
        "/api/classes/merge",
        summary="Merge a class with another",
        description="As if the photos of both had been learned under one name, which decorrelated "
        "columns can. It can be undone like a lesson.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def merge(asker: Asker, merged: schemas.MergedClass) -> schemas.Model:
        return await correct(asker, "merge", merged.name, named(merged.into))

    @router.post(
        "/api/classes/remove",
        summary="Remove a class",
        description="The others answer as they did without it. It can be undone like a lesson.",
        responses={**_BAD_REQUEST, **_REFUSED, **_NOT_KEPT},
    )
    async def remove(asker: Asker, removed: schemas.RemovedClass) -> schemas.Model:
        return await correct(asker, "remove", removed.name)

    async def take_out(
        asker: Asker, photos: Sequence[UploadFile], label: str | None = None
    ) -> schemas.Corrected:
        pieces = await work.on_photos(asker, _contents(photos), teacher.encode)
        names, batches = list(map(_file_name, photos)), [batch for _, batch in pieces]
        for skipped in _skipped(names, {start: batch.problems for start, batch in pieces}):
            raise HTTPException(422, f"{skipped.photo}: {skipped.reason}")
        was = await work.changes(asker, teacher.take_out, names, batches, label)
        taken = [
            schemas.TakenOut(photo=name, classes=classes)
            for name, classes in zip(names, was, strict=True)
        ]
        return schemas.Corrected(photos=taken, model=described())

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
    async def relabel(
        asker: Asker,
        label: Annotated[schemas.ClassName, Form(alias="class")],
        photos: Photos,
    ) -> schemas.Corrected:
        return await take_out(asker, photos, named(label.replace("\r\n", "\n")))

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
            **_errors({422: "It cannot be read."}),
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
        label = named(lesson.label)
        content = await of_queue(asker, queue.read, name)
        taught = await learn(asker, label, [name], [content])
        with suppress(FileNotFoundError):  # somebody else has taken it out meanwhile
            await work.quick(asker, queue.discard, name)
        return taught

    @router.delete(
        "/api/queue/{name}",
        summary="Let a photo wait no longer",
        description="It is deleted, and nothing is learned.",
        status_code=204,
        responses={**_errors({403: "A page of another site asks."}), **_NOT_WAITING},
    )
    async def discard(asker: Asker, name: str) -> None:
        await of_queue(asker, queue.discard, name)

    @router.get("/api/metrics", summary="How does it do, and has that changed?")
    async def trends() -> schemas.Metrics:
        return schemas.Metrics.of(teacher.state.model)

    @router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def figures() -> Response:
        return metrics.response()

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


def _contents(photos: Sequence[UploadFile]) -> list[bytes]:
    if not all(photo.filename for photo in photos):
        raise HTTPException(422, _NAMELESS)
    return [photo.file.read() for photo in photos]


def _file_name(photo: UploadFile) -> str:
    """Return a photo's file name as it was before it was put between quotes."""
    name = photo.filename or ""
    for escape, character in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        name = name.replace(escape, character)
    return name


def _skipped(
    photos: Sequence[str], problems: Mapping[int, Mapping[int, str]]
) -> list[schemas.SkippedPhoto]:
    """Name the photos that cannot be used, given piece by piece; refuse if not one can."""
    skipped = [
        schemas.SkippedPhoto(place=start + place, photo=photos[start + place], reason=problem)
        for start, piece in problems.items()
        for place, problem in piece.items()
    ]
    if len(skipped) == len(photos):
        first = skipped[0]
        raise HTTPException(
            422, f"no photo can be used; the first is {first.photo}: {first.reason}"
        )
    return skipped


_NAMELESS = "photos: send each as a file, with a file name, as curl does: -F photos=@a.jpg"


async def _on_refusal(request: Request, error: HTTPException) -> JSONResponse:
    path = request.scope["path"]
    sentences = {404: f"there is no {path}", 405: f"{path} does not take {request.method}"}
    sentence = sentences.get(error.status_code, error.detail)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        allowed = set(headers["Allow"].split(", "))
        headers["Allow"] = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
    return _refusal(error.status_code, sentence, headers)


async def _on_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _refusal(422, "the request: it is not JSON")
    if first["loc"][:2] == ("body", "photos") and isinstance(first["input"], str):
        return _refusal(422, _NAMELESS)
    what = next((part for part in first["loc"][1:] if isinstance(part, str)), "the request")
    return _refusal(422, f"{what}: {first['msg'][:1].lower()}{first['msg'][1:]}")


async def _on_conflict(_: Request, error: Conflict) -> JSONResponse:
    return _refusal(409, str(error))


async def _on_occupied(_: Request, error: ModelInUseError | ModelChangedError) -> JSONResponse:
    return _refusal(503, str(error))


async def _on_system_error(_: Request, error: OSError) -> JSONResponse:
    sentence = f"the system says: {error.strerror.lower()}" if error.strerror else str(error)
    return _refusal(507, sentence)


async def _on_failure(_: Request, __: Exception) -> JSONResponse:
    return _refusal(500, "the service failed; what it printed says why")


def _refusal(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers)
