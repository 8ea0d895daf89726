"""spikehead evaluate --report and --card."""

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
    model = HybridClassifier("intensities:8")
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


def test_the_accuracy_is_noted_in_the_card(run, photos, tmp_path):
    folder = tmp_path / "model"
    model = HybridClassifier("intensities:8")
    model.learn(sorted(photos.rglob("*.png")), ["dark"] * 10)
    model.save(folder)
    card = folder / "README.md"
    assert "Its accuracy on other photos was not noted" in card.read_text()
    test = tmp_path / "test"
    for name, count in (("dark", 3), ("bright", 1)):
        (test / name).mkdir(parents=True)
        for number in range(count):
            photo = Image.fromarray(np.full((8, 8), 90 + number, np.uint8))
            photo.save(test / name / f"{number}.png")
    assert run("evaluate", folder, test, "--card")[0] == 0
    assert "75.0% were answered right\n(3 of 4;" in card.read_text()
    assert "learned 10 photos" in card.read_text()
    written = card.read_text()
    card.write_text("# Mine")
    code, _, err = run("evaluate", folder, test, "--card")
    assert (code, "was edited by hand" in err, card.read_text()) == (0, True, "# Mine")
    card.write_text(written)
    again = HybridClassifier.load(folder)
    again.learn(test)
    again.save(folder)
    assert "75.0% were answered right\n(3 of 4;" in card.read_text()
    code, _, err = run("evaluate", folder, test, "--card")
    assert (code, "the model has learned 4 of the 4 photos in" in err) == (1, True)
