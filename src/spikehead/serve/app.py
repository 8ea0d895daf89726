"""The HTTP interface to a model that is taught while it answers, and the page that uses it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from spikehead.models.lock import ModelChangedError, ModelInUseError
from spikehead.serve.guard import Guard
from spikehead.serve.monitoring import Metrics
from spikehead.serve.routes import MAX_BYTES, errors, open_routes, routes
from spikehead.serve.service import NAMELESS, Service
from spikehead.serve.teacher import Conflict, Teacher

_PAGE = Path(__file__).parent / "static"


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
    app.include_router(open_routes(teacher), responses=errors({429: refusals[429]}))
    app.include_router(
        routes(Service(teacher, metrics)),
        responses=errors(refusals),
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
        return _refusal(422, NAMELESS)
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
