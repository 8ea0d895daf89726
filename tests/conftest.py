"""What the tests share."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import cli

# No timing assertions: a property holds however slow the machine is.
settings.register_profile("search", deadline=None, max_examples=60)
# A change is judged by the same examples each time; new ones are looked for by hand.
settings.register_profile("judge", settings.get_profile("search"), derandomize=True)
settings.load_profile("judge" if "CI" in os.environ else "search")


def pytest_configure():
    # What a shell starts in the background is deaf to Ctrl-C, and so is all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # A worker has one core: threads that wait for each other there take many times as long.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.pop("COLUMNS", None)  # those of a terminal that is not there


REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real photos and encoders, or skip the test where there is none."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"needs the measurement data in {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command; return its exit code, output and messages."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["spikehead", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def digit_photos(tmp_path):
    """Return what writes some photos of digits, 8 x 8 pixels, one folder a class."""

    def write(how_many):
        images, labels = load_digits(return_X_y=True)
        for number in range(how_many):
            target = tmp_path / "photos" / f"digit {labels[number]}"
            target.mkdir(parents=True, exist_ok=True)
            grey = np.uint8(images[number].reshape(8, 8) * 255 / 16)
            Image.fromarray(grey).save(target / f"{number:04}.png")
        return tmp_path / "photos"

    return write
