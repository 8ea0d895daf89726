"""The HTTP interface to a model that is taught while it answers, and the page that uses it."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from spikehead.serve import schemas
from spikehead.serve.guard import Guard
from spikehead.serve.metrics import Metrics
from spikehead.serve.teacher import Conflict, Teacher
from spikehead.storage import ModelChangedError, ModelInUseError

MAX_PHOTOS = 64
"""Photos of a request at most."""

MAX_BYTES = 32 << 20
"""Size of a request at most."""

_PAGE = Path(__file__).parent / "static"

Photos = Annotated[
    list[UploadFile],
    File(
        min_length=1,
        max_length=MAX_PHOTOS,
        description=f"1 to {MAX_PHOTOS} JPEG, PNG or WebP photos.",
    ),
]


def create_app(
    teacher: Teacher,
    *,
    rate: float,
    token: str | None = None,
    hosts: Collection[str] | None = None,
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
    """
    app = FastAPI(
        title="spikehead",
        summary="Teach a spiking head by example, ask it, and undo what it was taught.",
        version=version("spikehead"),
        docs_url=None,  # they would load their scripts from another host
        redoc_url=None,
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
    app.add_middleware(Guard, token=token, hosts=hosts, max_bytes=MAX_BYTES, rate=rate)
    app.add_middleware(metrics.timed)
    refusals = {429: "Too many requests."} | ({401: "No token, or a wrong one."} if token else {})
    app.include_router(_open_interface(), responses=_errors({429: refusals[429]}))
    app.include_router(
        _interface(teacher, metrics),
        responses=_errors(refusals),
        # For the description: the guard asks for the token before it lets a body come in.
        dependencies=[Depends(HTTPBearer(auto_error=False))] if token else [],
    )
    app.mount("/", StaticFiles(directory=_PAGE, html=True))
    return app


def _errors(reasons: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Describe refusals by status."""
    return {
        status: {"model": schemas.Error, "description": reason}
        for status, reason in reasons.items()
    }


_BAD_REQUEST = _errors(
    {
        400: "The request cannot be parsed.",
        413: f"It has more than {MAX_BYTES >> 20} MiB.",
        422: "An argument is missing or wrong, or no photo can be read.",
    }
)
_NOT_KEPT = _errors(
    {
        503: "Another program works on the model, or it was moved away; nothing is changed.",
        507: "It cannot be written, the disk is full for one; nothing is changed.",
    }
)


def _open_interface() -> APIRouter:
    router = APIRouter()

    @router.get("/api/health", summary="Is the service up?")
    async def health() -> schemas.Health:  # even when every thread is busy
        return schemas.Health(status="ok")

    return router


def _interface(teacher: Teacher, metrics: Metrics) -> APIRouter:
    router = APIRouter()
    name = teacher.folder.resolve().name

    def described() -> schemas.Model:
        return schemas.Model.of(name, teacher.state)

    @router.get("/api/model", summary="What has it learned so far?")
    def model() -> schemas.Model:
        return described()

    @router.get(
        "/api/model.zip",
        summary="Download the model",
        description="A zip file of the model folder, as `spikehead predict` and others take it.",
        response_class=FileResponse,
        responses={200: {"content": {"application/zip": {}}}, **_NOT_KEPT},
    )
    def download() -> FileResponse:
        with ExitStack() as folders:
            path = Path(folders.enter_context(tempfile.TemporaryDirectory()), "model.zip")
            teacher.write_archive(path)
            sent = folders.pop_all()  # it goes when it has been sent
        return FileResponse(
            path,
            media_type="application/zip",
            filename=f"{name}.zip",
            background=BackgroundTask(sent.close),
        )

    @router.post(
        "/api/predictions",
        summary="What is on these photos?",
        responses={**_BAD_REQUEST, **_errors({409: "It knows no class yet."})},
    )
    def predict(photos: Photos) -> schemas.Answers:
        recognitions, problems = teacher.recognise(_contents(photos))
        skipped = _skipped(photos, problems)
        metrics.recognised.inc(len(recognitions))
        readable = [photo for place, photo in enumerate(photos) if place not in problems]
        return schemas.Answers(
            answers=[
                schemas.Answer.of(photo.filename or "", recognition)
                for photo, recognition in zip(readable, recognitions, strict=True)
            ],
            skipped=skipped,
        )

    @router.post(
        "/api/lessons",
        summary="Teach photos of a class",
        description="A class that is not known is added. When the answer comes, the lesson is on "
        "the disk.",
        responses={**_BAD_REQUEST, **_NOT_KEPT},
    )
    def teach(
        label: Annotated[schemas.ClassName, Form(alias="class")], photos: Photos
    ) -> schemas.Taught:
        learned, problems = teacher.teach(_composed(label), _contents(photos))
        skipped = _skipped(photos, problems)
        metrics.learned.inc(learned)
        return schemas.Taught(
            learned=learned,
            known=len(photos) - len(skipped) - learned,
            skipped=skipped,
            model=described(),
        )

    @router.delete(
        "/api/lessons/last",
        summary="Undo the last lesson",
        description="The model is then what it would be without it.",
        responses={**_errors({409: "There is no lesson to undo."}), **_NOT_KEPT},
    )
    def undo() -> schemas.Undone:
        undone = teacher.undo()
        return schemas.Undone(undone=schemas.Lesson.of(undone), model=described())

    @router.post(
        "/api/classes",
        summary="Add a class without photos",
        status_code=201,
        responses={**_BAD_REQUEST, **_errors({409: "It is known already."}), **_NOT_KEPT},
    )
    def add_class(new: schemas.NewClass) -> schemas.Model:
        teacher.add_class(_composed(new.name))
        return described()

    @router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    def figures() -> Response:
        return metrics.response()

    return router


def _contents(photos: Sequence[UploadFile]) -> list[bytes]:
    return [photo.file.read() for photo in photos]


def _skipped(
    photos: Sequence[UploadFile], problems: Mapping[int, str]
) -> list[schemas.SkippedPhoto]:
    """Name the photos that cannot be read; refuse the request if not one can."""
    skipped = [
        schemas.SkippedPhoto(photo=photos[place].filename or "", reason=problem)
        for place, problem in problems.items()
    ]
    if len(skipped) == len(photos):
        first = skipped[0]
        raise HTTPException(
            422, f"no photo can be read; the first is {first.photo}: {first.reason}"
        )
    return skipped


def _composed(name: str) -> str:
    """Return a name in Unicode's composed form, so that one accent is always the same class."""
    return unicodedata.normalize("NFC", name)


_NAME = "give up to 60 characters, no control characters, and no spaces at the ends"
_PROBLEMS = {
    "json_invalid": "it is not JSON",
    "string_pattern_mismatch": _NAME,
    "string_too_long": _NAME,
}


async def _on_refusal(request: Request, error: HTTPException) -> JSONResponse:
    path = request.url.path
    sentences = {404: f"there is no {path}", 405: f"{path} does not take {request.method}"}
    sentence = sentences.get(error.status_code, error.detail)
    return _refusal(error.status_code, sentence, error.headers)


async def _on_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    what = next((part for part in first["loc"][1:] if isinstance(part, str)), "the request")
    problem = _PROBLEMS.get(first["type"], first["msg"][:1].lower() + first["msg"][1:])
    return _refusal(422, f"{what}: {problem}")


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
