"""spikehead suggest and spikehead check."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier


@pytest.fixture
def model(digit_photos, tmp_path):
    """A model that has learned some of the photos."""
    photos = sorted(digit_photos(90).rglob("*.png"), key=lambda path: path.name)
    model = HybridClassifier("pixels:8", head="decorrelated", n_threads=1)
    model.learn(photos[:30], [photo.parent.name for photo in photos[:30]])
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_suggests_photos_that_are_new_to_it(run, model, tmp_path):
    photos = tmp_path / "photos"
    names = {photo.name: photo for photo in photos.rglob("*.png")}
    shutil.copy(names["0080.png"], photos / "again.png")
    (photos / "broken.png").write_text("no photo")
    code, out, err = run("suggest", model, photos, "--number", "7", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["photos"], found["known"], len(found["skipped"])) == (92, 30, 1)
    chosen = [answer["photo"] for answer in found["suggestions"]]
    assert len(set(chosen)) == 7
    assert not {str(names[f"{number:04}.png"]) for number in range(30)} & set(chosen)
    all_of_them = json.loads(run("suggest", model, photos, "--number", "99", "--json")[1])
    assert [answer["photo"] for answer in all_of_them["suggestions"]][:1] != []
    assert len(all_of_them["suggestions"]) == 60  # the same file once
    predicted = json.loads(run("predict", model, *chosen, "--json")[1])["answers"]
    assert predicted == found["suggestions"]
    out = run("suggest", model, photos, "--number", "7")[1]
    assert "7 of 92 photos; 30 were learned already, and are left out." in out
    assert all(photo in out for photo in chosen)
    first = names["0000.png"]
    out = run("suggest", model, first)[1]
    assert out == "0 of 1 photos; 1 were learned already, and are left out.\n"


def test_unknown_photos_stand_together(run, digit_photos, tmp_path):
    photos = digit_photos(200)
    model = HybridClassifier("pixels:8", n_threads=1)
    model.learn(photos)
    model.save(tmp_path / "model")
    heap = tmp_path / "heap"
    heap.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(noise).save(heap / f"{number}.png")
        shutil.copy(next((photos / f"digit {number}").iterdir()), heap / f"known {number}.png")
        with (heap / f"known {number}.png").open("ab") as file:
            file.write(b" ")  # another file, which nobody has learned
    suggest = "suggest", tmp_path / "model", heap
    found = json.loads(run(*suggest, "--json")[1])["suggestions"]
    unknown = [one["photo"] for one in found if one["unknown"]]
    assert {Path(photo).name for photo in unknown} == {"0.png", "1.png", "2.png"}
    lines = run(*suggest)[1].splitlines()
    assert ["perhaps a new class" in line for line in lines] == [False] * 4 + [True] * 3 + [False]


def test_finds_labels_that_were_changed(run, digit_photos, tmp_path):
    photos = digit_photos(120)
    for number in (10, 20, 31):  # a 0, a 0 and a 9
        (photo,) = photos.rglob(f"{number:04}.png")
        photo.rename(photos / "digit 4" / photo.name)
    (photos / "lone").mkdir()
    Image.radial_gradient("L").resize((8, 8)).save(photos / "lone" / "a.png")
    report = tmp_path / "report.html"
    check = "check", photos, "--encoder", "pixels:8"
    code, out, err = run(*check, "--number", "3", "--report", report)
    assert (code, err) == (0, "")
    assert "Nothing can be said of" in out
    assert "a.png: no other photo tells of the class lone." in out
    assert f"Report: {report}" in out
    page = report.read_text("utf-8")
    assert page.count("<img") == 3
    assert "digit 0, not digit 4" in page
    found = json.loads(run(*check, "--json")[1])
    assert found["photos"] == 121
    worst = found["doubtful"]
    assert [one["doubt"] for one in worst] == sorted((one["doubt"] for one in worst), reverse=True)
    likely = {one["photo"][-8:]: one["likely"] for one in worst if one["class"] == "digit 4"}
    assert {name: likely.get(name) for name in ("0010.png", "0020.png", "0031.png")} == {
        "0010.png": "digit 0",
        "0020.png": "digit 0",
        "0031.png": "digit 9",
    }
    # A model that has learned them says the same, and stays as it is.
    model = HybridClassifier("pixels:8", head="decorrelated")
    model.learn(photos)
    model.save(tmp_path / "model")
    learned = json.loads(run("check", photos, "--model", tmp_path / "model", "--json")[1])
    assert [one["photo"] for one in learned["doubtful"]] == [one["photo"] for one in worst]
    assert HybridClassifier.load(tmp_path / "model").photos_learned == model.photos_learned


def test_failures(run, model, digit_photos, tmp_path):
    photos = tmp_path / "photos"
    paper = HybridClassifier("pixels:8", head="paper", members=1)
    paper.learn(photos)
    paper.save(tmp_path / "paper")
    HybridClassifier("pixels:8", head="decorrelated").save(tmp_path / "new")
    shutil.copytree(photos / "digit 1", tmp_path / "one" / "digit 1")
    needs = "that needs decorrelated columns"
    for arguments, sentence in (
        (("suggest", tmp_path / "paper", photos), needs),
        (("check", photos, "--model", tmp_path / "paper"), needs),
        (("suggest", tmp_path / "new", photos), "the model has learned nothing yet"),
        (("check", tmp_path / "one", "--encoder", "pixels:8"), "all photos are of one class, digi"),
        (("check", photos, "--report", "a.txt"), "the name of a report ends in .html"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, sentence in err) == (1, "", True), err
    for arguments, sentence in (
        (("check", photos, "--model", model, "--encoder", "pixels:8"), "the model brings its own"),
        (("suggest", model, photos, "--number", "0"), "--number"),
    ):
        code, _, err = run(*arguments)
        assert (code, sentence in err) == (2, True), err
