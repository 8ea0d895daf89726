"""What the tests of the service share."""

import io
import socket
import threading

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw

from spikehead import HybridClassifier
from spikehead.serve.app import create_app
from spikehead.serve.server import Server
from spikehead.serve.teacher import Teacher


def draw(kind: str, number: int, side: int = 32) -> Image.Image:
    """Draw a disc, a frame or a half, light on dark, a little different for each number."""
    rng = np.random.default_rng([number, *kind.encode()])
    image = Image.new("RGB", (side, side), tuple(rng.integers(0, 40, 3).tolist()))
    pen = ImageDraw.Draw(image)
    ink = tuple(rng.integers(200, 256, 3).tolist())
    shift = float(rng.uniform(-0.06, 0.06)) * side
    if kind == "disc":
        pen.circle((side / 2 + shift, side / 2 - shift), side * 0.3, ink)
    elif kind == "frame":
        pen.rectangle((0, 0, side - 1, side - 1), outline=ink, width=round(side / 6 + shift / 2))
    else:
        pen.rectangle((0, 0, side / 2 + shift, side), ink)
    return image


@pytest.fixture
def picture():
    """Return a function that draws a photo file of a kind: disc, frame or half."""

    def picture(kind: str, number: int) -> bytes:
        file = io.BytesIO()
        draw(kind, number).save(file, "PNG")
        return file.getvalue()

    return picture


@pytest.fixture(scope="session")
def drawing():
    """Return the function that draws an image of a kind."""
    return draw


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a model that knows nothing."""
    HybridClassifier("intensities:8").save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def teacher(folder):
    return Teacher(folder)


class Client:
    """Asks a service, with paths in place of addresses."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, path: str, **options) -> requests.Response:
        return requests.request(method, f"{self.url}{path}", timeout=60, **options)

    def teach(self, label: str, *photos: bytes, **options) -> requests.Response:
        files = [("photos", (f"{n}.png", photo)) for n, photo in enumerate(photos)]
        return self("POST", "/api/lessons", data={"class": label}, files=files, **options)

    def predict(self, *photos: bytes, **options) -> requests.Response:
        files = [("photos", (f"{n}.png", photo)) for n, photo in enumerate(photos)]
        return self("POST", "/api/predictions", files=files, **options)


@pytest.fixture
def run():
    """Return a function that serves an app, in place of the one before, and gives its address."""
    running = []

    def stop() -> None:
        for server, thread in running:
            server.should_exit = True
            thread.join()
        running.clear()

    def run(app, **options) -> str:
        stop()
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = Server(app, listening, **options)
        thread = threading.Thread(target=server.serve_until_stopped)
        thread.start()
        while not server.started:
            thread.join(0.01)
        running.append((server, thread))
        return f"http://127.0.0.1:{port}"

    yield run
    stop()


@pytest.fixture
def serve(run, teacher):
    """Return a function that serves the teacher's model and gives a client."""

    def serve(limits=None, **options) -> Client:
        app = create_app(teacher, **{"rate": 1000.0, **options})
        return Client(run(app, limits=limits, proxies=options.get("proxies", ())))

    return serve


@pytest.fixture
def client(serve):
    return serve()
