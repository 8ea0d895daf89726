"""The documentation keeps its word: its snippets run, and its pictures are those of the code."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import cli

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("how-to/*.md")])
BLOCK = re.compile(r"^```(python|bash)([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
CLASSES = "abc"
NOT_RUN = 'title="Not run in the tests:'


def run_command(line, monkeypatch):
    arguments = shlex.split(line)
    assert arguments[0] == "spikehead"
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code


def write_photos(folder, digits):
    images, labels = load_digits(return_X_y=True)
    for number in digits:
        file = folder / CLASSES[labels[number]] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((images[number].reshape(8, 8) * 15).astype(np.uint8)).save(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_of_a_page_run_in_their_order(page, tmp_path, monkeypatch):
    """In a folder with `photos/` and `test-photos/`; what cannot be run says so in its title."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("spikehead.encoders.registry._registered", {})
    few = np.flatnonzero(load_digits().target < len(CLASSES))[:90]
    write_photos(tmp_path / "photos", few[:60])
    write_photos(tmp_path / "test-photos", few[60:])
    names = {}
    for language, options, code in BLOCK.findall(page.read_text("utf-8")):
        if NOT_RUN in options:
            continue
        if language == "python":
            exec(code, names)
        else:
            for line in code.replace("\\\n", " ").splitlines():
                run_command(line, monkeypatch)


def test_the_pictures_of_the_model_are_drawn_by_the_code():
    drawn = {name for name, _ in runpy.run_path(str(DOCS / "pictures.py"))["drawn"]()}
    shown = re.findall(r"\(images/(\w+)\.png\)", (DOCS / "model.md").read_text("utf-8"))
    assert drawn == set(shown)


def test_the_table_of_hyperparameters_stands_on_its_page():
    hook = runpy.run_path(str(DOCS / "hyperparameters.py"))
    page = hook["on_page_markdown"]((DOCS / "model.md").read_text("utf-8"))
    assert "| `relative_depression` | RELDWNEG | 0.504279665 | 0.3 to 1.3 |" in page
    assert "| `saturation` | SATURATION | 2.07474 |  |" in page
    assert hook["PLACE"] not in page
