"""spikehead evaluate --report."""

import json

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier


@pytest.fixture
def photos(tmp_path):
    """Dark and bright photos."""
    for name, grey in (("dark", 60), ("bright", 240)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            photo = Image.fromarray(np.full((8, 8), grey + number, np.uint8))
            photo.save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def test_report_is_written_beside_its_json(run, photos, tmp_path):
    model = HybridClassifier("pixels:8", members=2)
    model.learn(photos)
    model.save(tmp_path / "model")
    report = tmp_path / "report.html"
    code, out, _ = run("evaluate", tmp_path / "model", photos, "--report", report)
    assert code == 0
    assert f"Report: {report} and {tmp_path / 'report.json'}" in out.replace("\n", "")
    assert "<h1>model: photos</h1>" in report.read_text("utf-8")
    printed = json.loads(run("evaluate", tmp_path / "model", photos, "--json")[1])
    written = json.loads((tmp_path / "report.json").read_text())
    assert printed.items() <= written.items()


def test_a_report_that_cannot_be_written_is_refused_before_the_work(run, photos, tmp_path):
    code, out, err = run(
        "evaluate", tmp_path / "no-model", photos, "--report", tmp_path / "report.txt"
    )
    assert (code, out) == (1, "")
    assert err.replace("\n", "").endswith(
        "report.txt: the name of a report ends in .html; name it so"
    )
