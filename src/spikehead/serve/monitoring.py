"""What the service counts, in the form that Prometheus reads."""

from __future__ import annotations

import math
import time
from functools import partial

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spikehead.models.record import Trends
from spikehead.serve.teacher import Teacher


class Metrics:
    """The figures of one service.

    Parameters
    ----------
    teacher : Teacher
        Whose model they are of.

    Attributes
    ----------
    learned, recognised, unknown : Counter
        Photos that were learned, photos that were answered, and those of them that were unknown.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "spikehead_request_seconds",
            "Seconds that requests took.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.learned = Counter(
            "spikehead_photos_learned", "Photos that were learned.", registry=self._registry
        )
        self.recognised = Counter(
            "spikehead_photos_recognised", "Photos that were answered.", registry=self._registry
        )
        self.unknown = Counter(
            "spikehead_photos_unknown", "Photos that were unknown.", registry=self._registry
        )
        classes = Gauge("spikehead_classes", "Classes that are known.", registry=self._registry)
        classes.set_function(lambda: len(teacher.state.model.classes))
        lessons = Gauge("spikehead_lessons", "Lessons that can be undone.", registry=self._registry)
        lessons.set_function(lambda: len(teacher.state.lessons))
        shares = Gauge(
            "spikehead_answers",
            "Share of answers to photos that were then taught, since it last changed.",
            ("kind",),
            registry=self._registry,
        )
        for place, kind in enumerate(Trends._fields):
            shares.labels(kind).set_function(partial(_share, teacher, place))

    def response(self) -> Response:
        """Return the figures as they are now."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def timed(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application so that the requests to its routes are timed."""

        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            started = time.perf_counter()

            async def send_and_note(message: Message) -> None:
                # Only what is served: names that clients think up would fill the memory.
                if message["type"] == "http.response.start" and (route := scope.get("route")):
                    labels = scope["method"], route.path, message["status"]
                    self._requests.labels(*labels).observe(time.perf_counter() - started)
                await send(message)

            await app(scope, receive, send_and_note)

        return timed


def _share(teacher: Teacher, place: int) -> float:
    share = teacher.state.model.trends[place].share
    return math.nan if share is None else share
