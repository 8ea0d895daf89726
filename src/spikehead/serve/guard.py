"""Who may ask, how often and how much: what stands between the network and the service."""

from __future__ import annotations

import hmac
import time
from collections import Counter, OrderedDict
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spikehead.serve.connections import household
from spikehead.serve.turns import busy

_GUARDED = ("/api/", "/metrics")  # where paths begin that need a token; the page's files do not
_OPEN = "/api/health"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_CLIENTS = 10_000  # remembered at a time
_AT_WORK = 128  # requests of a client for one thing at a time
_MAX_TEXT = 64 << 10  # size of a body that holds no photos


class Guard:
    """ASGI middleware that refuses what must not reach the service, in one JSON sentence.

    Parameters
    ----------
    app : ASGI application
        The service.
    token : str, optional
        What a request must bring as ``Authorization: Bearer TOKEN``. Default: nothing.
    hosts : collection of str, optional
        Names under which the service may be addressed: a page of another site could otherwise
        reach a service on this machine under a name that it makes point here. Default: any.
    public : str, optional
        Origin under which a proxy offers the service, such as ``https://teach.example``.
    max_bytes : int
        Size of a body with photos at most.
    rate : float
        Requests to the interface that a client may make a second, over time; twice as many at once.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None = None,
        hosts: Collection[str] | None = None,
        public: str | None = None,
        max_bytes: int,
        rate: float,
    ) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts
        self._public = public
        self._max_bytes = max_bytes
        self._budget = _Budget(rate)
        self._at_work: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        asker = asker_of(scope)
        try:
            self._check(scope, asker)
        except HTTPException as refusal:
            response = JSONResponse(
                {"error": refusal.detail}, refusal.status_code, dict(refusal.headers or {})
            )
            return await response(scope, receive, send_with_headers)
        self._at_work[asker] += 1
        try:
            return await self._app(scope, self._limited(scope, receive), send_with_headers)
        finally:
            self._at_work[asker] -= 1
            if not self._at_work[asker]:
                del self._at_work[asker]

    def _check(self, scope: Scope, asker: tuple[str, str]) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            raise HTTPException(421, f"this service is not called {_name(host)!r}")
        if scope["method"] not in ("GET", "HEAD") and self._is_foreign(headers):
            raise HTTPException(403, "a page of another site must not use this service")
        if not path.startswith(_GUARDED):
            return
        if self._at_work[asker] >= _AT_WORK:
            raise busy()
        if wait := self._budget.wait(asker[0]):
            raise HTTPException(
                429, "too many requests; wait a moment", {"Retry-After": str(int(wait) + 1)}
            )
        given = headers.get("authorization", "")
        if self._token and path != _OPEN and not _same(given, f"Bearer {self._token}"):
            raise HTTPException(
                401,
                "give the token that the service printed when it started",
                {"WWW-Authenticate": "Bearer"},
            )
        length = headers.get("content-length", "")
        self._check_size(headers, int(length) if length.isdecimal() else 0)

    def _is_foreign(self, headers: Headers) -> bool:
        """Return whether a page of another site asks, as browsers tell it.

        What is not a browser tells nothing, and is led by no page.
        """
        origin = headers.get("origin")
        if origin is not None and origin == self._public:
            return False
        if site := headers.get("sec-fetch-site"):  # the browser compares, whatever a proxy rewrites
            return site not in ("same-origin", "none")
        return origin is not None and urlsplit(origin).netloc != headers.get("host", "")

    def _check_size(self, headers: Headers, size: int) -> None:
        has_photos = headers.get("content-type", "").lower().startswith("multipart/")
        if has_photos and size > self._max_bytes:
            raise HTTPException(413, f"a request may have {self._max_bytes >> 20} MiB at most")
        if not has_photos and size > _MAX_TEXT:
            raise HTTPException(
                413, f"a request without photos may have {_MAX_TEXT >> 10} KiB at most"
            )

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            self._check_size(headers, received)
            return message

        return limited


def asker_of(scope: Scope) -> tuple[str, str]:
    """Return who asks, and for what: a client's lessons do not wait behind its predictions."""
    return household(scope["client"][0]) if scope["client"] else "", scope["path"]


class _Budget:
    """A token bucket for each client."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Spend one request of a client's; return the seconds to wait if there is none."""
        now = time.monotonic()
        used, since = self._used.pop(client, (0.0, now))
        used = max(used - (now - since) * self._rate, 0)
        over = used + 1 - 2 * self._rate
        self._used[client] = (used if over > 0 else used + 1, now)
        if len(self._used) > _CLIENTS:
            self._used.popitem(last=False)
        return max(over, 0) / self._rate


def _name(host: str) -> str:
    """Return a Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host


def _same(given: str, right: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(), right.encode())
