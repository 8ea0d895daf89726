"""What the tests of watching share."""

import io
import shutil
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.watch import sources
from spikehead.watch.sources import Troubles

SIDE = 32


def draw_disc(number):
    """Draw what the model knows: a disc, light on dark, or dark on light."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + rng.uniform(-1, 1, (2, 1, 1))
    inside = x * x + y * y < (SIDE * 0.3) ** 2
    pixels = rng.integers(0, 30, (SIDE, SIDE)) + 200 * (inside == number % 2)
    return Image.fromarray(pixels.astype(np.uint8)).convert("RGB")


def draw_stripes(number):
    """Draw what the model does not know."""
    rng = np.random.default_rng(number)
    columns = (np.arange(SIDE) // rng.integers(2, 5) + number) % 2
    pixels = rng.integers(0, 30, (SIDE, SIDE)) + 200 * columns
    return Image.fromarray(pixels.astype(np.uint8)).convert("RGB")


@pytest.fixture(scope="session")
def disc():
    """Return a function that gives a photo of a class that the model knows."""
    return lambda number: _png(draw_disc(number))


@pytest.fixture(scope="session")
def stripes():
    """Return a function that gives a photo of no class that it knows."""
    return lambda number: _png(draw_stripes(number))


def _png(image):
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="session")
def taught(tmp_path_factory):
    """Return the folder of a model that knows two kinds of discs, and what is none of them."""
    folder = tmp_path_factory.mktemp("taught")
    for number in range(200):
        (folder / "photos" / f"disc {number % 2}").mkdir(parents=True, exist_ok=True)
        draw_disc(number).save(folder / "photos" / f"disc {number % 2}" / f"{number}.png")
    model = HybridClassifier("intensities:8")
    model.learn(folder / "photos")
    model.save(folder / "model")
    return folder / "model"


@pytest.fixture
def stop():
    return threading.Event()


@pytest.fixture
def told():
    return []


@pytest.fixture
def troubles(told):
    return Troubles(told.append)


@pytest.fixture
def model(taught, tmp_path):
    """Return the folder of a copy of that model."""
    return Path(shutil.copytree(taught, tmp_path / "model"))


@pytest.fixture
def pause(monkeypatch):
    """Let what broke off be tried again at once."""
    monkeypatch.setattr(sources, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(sources, "LONGEST_PAUSE", 0.02)


@pytest.fixture
def serve():
    """Return what serves HTTP by a handler, and gives the address."""
    servers = []

    def serve(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
