"""The report: its figures against a hand count, and that it is one safe, self-contained file."""

import errno
import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import HybridClassifier
from spikehead.coding import even_trains
from spikehead.evaluation.firing import activations_of, measure_firing
from spikehead.evaluation.metrics import Evaluation, evaluate_photos, learning_curve
from spikehead.evaluation.report import check_report, write_report
from spikehead.heads.colanet import reference
from spikehead.models.answers import Answer

HOSTILE = "<script>alert(1)</script>"
TITLE = f"{HOSTILE} & more \u202e"
VOID = {"meta", "img", "br", "line", "rect"}


class Checker(HTMLParser):
    """Checks that every element is closed, and collects what the page shows and refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.references, self.text = [], [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parsed(path):
    checker = Checker()
    checker.feed(path.read_text("utf-8"))
    checker.close()
    assert checker.open == []
    assert "script" not in checker.tags
    assert all(reference.startswith("data:image/") for reference in checker.references)
    assert not re.search(r"url\(|@import", path.read_text("utf-8"))
    return checker


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Digits; the class of the zeros has a name that would be a script."""
    folder = tmp_path_factory.mktemp("photos")
    images, labels = load_digits(return_X_y=True)
    for number in range(200):
        name = HOSTILE.replace("/", "∕") if labels[number] == 0 else f"digit {labels[number]}"
        target = folder / ("train" if number < 120 else "test") / name
        target.mkdir(parents=True, exist_ok=True)
        grey = np.uint8(images[number].reshape(8, 8) * 255 / 16)
        Image.fromarray(grey).save(target / f"{number:04}.png")
    return folder


@pytest.fixture(scope="module")
def model(photos):
    model = HybridClassifier("intensities:8", head="paper", members=3, n_threads=1)
    model.learn(photos / "train")
    return model


def test_report_of_digits(model, photos, tmp_path):
    result = evaluate_photos(model, photos / "test")
    html, data = write_report(tmp_path / "r.html", model, result, title=TITLE)
    assert sorted(tmp_path.iterdir()) == [html, data]
    page = parsed(html)
    document = json.loads(data.read_text())
    wrong = [answer for answer in document["answers"] if answer["class"] != answer["predicted"]]
    assert document["photos"] == len(document["answers"]) == 80
    assert document["accuracy"] == 1 - len(wrong) / 80
    assert f"{document['accuracy']:.1%}" in page.text
    assert [point["photos"] for point in document["learning_curve"]] == list(range(3, 121, 3))
    assert document["energy"]["linear"]["layers"] == [64, 10]
    assert f"{HOSTILE} & more " in page.text
    thumbnails = min(len(wrong), 24) + 12
    assert page.tags.count("img") == thumbnails + 1
    assert document["learned"] == 0
    assert "\\u202e" in page.text
    assert "\u202e" not in page.text
    first = html.read_bytes()
    write_report(tmp_path / "r.html", model, result, title=TITLE)
    assert html.read_bytes() == first


def test_report_when_nothing_is_wrong_and_a_class_is_unknown(model, photos, tmp_path):
    result = evaluate_photos(model, photos / "test")
    right = [pair for pair in result.answers if pair[0] == pair[1].label]
    counts = {(label, label): 1 for label, _ in right}
    html, _ = write_report(
        tmp_path / "right.html", model, Evaluation(counts, [], [], right), title="all right"
    )
    assert "There are none." in parsed(html).text
    other = [("other", right[0][1])]
    lost = Evaluation({("other", str(right[0][1].label)): 1}, ["other"], [], other)
    html, _ = write_report(tmp_path / "lost.html", model, lost, title="lost")
    assert "The model does not know other; those photos count as wrong." in parsed(html).text


def test_many_classes_show_those_with_more_than_one_error(model, photos, tmp_path):
    answers = evaluate_photos(model, photos / "test").answers[:5]
    counts = {(f"c{n:02}", f"c{n:02}"): 9 for n in range(40)}
    counts |= {("c07", "c08"): 3, ("c01", "c02"): 1}
    html, _ = write_report(
        tmp_path / "many.html", model, Evaluation(counts, [], [], answers), title="many"
    )
    matrix = re.search(r'<table class="matrix">.*?</table>', html.read_text("utf-8"), re.S)[0]
    assert sorted(set(re.findall(r"c\d\d", matrix))) == ["c07", "c08"]


def test_calibration_by_hand():
    def answer(share, right):
        return "a", Answer(Path("p"), "a" if right else "b", np.array([share, 1 - share]))

    answers = [answer(0.95, True), answer(0.91, True), answer(0.6, True), answer(0.64, False)]
    calibration = Evaluation({("a", "a"): 3, ("a", "b"): 1}, [], [], answers).calibration()
    assert calibration.photos == [0, 0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert calibration.confidence[6::3] == pytest.approx([0.62, 0.93])
    assert calibration.accuracy[6::3] == [0.5, 1.0]
    assert calibration.error == pytest.approx((0.12 + 0.07) / 2)
    certain = Evaluation({("a", "a"): 1}, [], [], [answer(1.0, True)]).calibration()
    assert (certain.photos[9], certain.error) == (1, 0.0)


def test_learning_curve_by_hand():
    right = np.array([False, True, True, True, False, True, True])
    assert learning_curve(right, 3) == [(3, pytest.approx(2 / 3)), (5, 0.5), (7, 1.0)]
    assert learning_curve(right[:2]) == [(1, 0.0), (2, 1.0)]
    assert learning_curve(right[:0]) == []


def test_precision_by_hand():
    result = Evaluation({("a", "a"): 3, ("b", "a"): 1, ("b", "c"): 2}, [], [])
    assert (result.precision("a"), result.precision("b")) == (0.75, None)


def test_firing_is_what_the_reference_counts(model, photos):
    paths = sorted((photos / "test" / "digit 3").iterdir())[:4]
    network = model.head.network_
    activations = activations_of(model, paths)
    firing = measure_firing(model.head, activations)
    trains = even_trains(activations, network.parameters.saturation)
    spikes, winners, silent = [], [], []
    for happened in reference.run(network, trains):
        for seen in happened:
            out = seen.out(network.parameters.microcolumns).sum(axis=0)
            spikes.append(out.sum())
            winners.append(out.max())
            silent.append(out.max() == 0)
    assert firing.output_spikes == pytest.approx(np.mean(spikes))
    assert firing.winner_spikes == pytest.approx(np.mean(winners))
    assert firing.silent == pytest.approx(np.mean(silent))
    assert 0 <= firing.stable <= 1


def test_places_where_no_report_can_be(tmp_path):
    with pytest.raises(ValueError, match=r"a\.pdf: the name of a report ends in \.html; name it"):
        check_report(tmp_path / "a.pdf")
    folder = tmp_path / "none"
    message = re.escape(f"the folder {folder} for the report does not exist: make it")
    with pytest.raises(FileNotFoundError, match=f"^{message}$"):
        check_report(folder / "a.html")


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_named_before_the_work(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = re.escape(f'pictures and reports need {package}: pip install "spikehead[pictures]"')
    with pytest.raises(ImportError, match=f"^{message}$"):
        check_report(tmp_path / "a.html")


def test_names_do_nothing(model, photos, tmp_path):
    pair = evaluate_photos(model, photos / "test").answers[0]
    names = ["<b>&\"'", "\u202etxt.exe", "{{ title }}", "two\nlines"]
    counts = {(name, str(pair[1].label)): 1 for name in names}
    result = Evaluation(counts, names, [], [(names[1], pair[1])])
    html, _ = write_report(tmp_path / "r.html", model, result, title="names")
    text = parsed(html).text
    assert "<b>&\"', \\u202etxt.exe, {{ title }}, two\\nlines; those photos count" in text
    assert "\u202e" not in html.read_text("utf-8")


def test_a_full_disk_leaves_the_old_report_whole(model, photos, tmp_path, monkeypatch):
    result = evaluate_photos(model, photos / "test")
    (tmp_path / "r.html").write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = re.escape(
        f"cannot write {tmp_path / 'r.json'}: No space left on device; "
        "make room there, or name another place"
    )
    with pytest.raises(OSError, match=f"^{message}$"):
        write_report(tmp_path / "r.html", model, result, title="new")
    assert list(tmp_path.iterdir()) == [tmp_path / "r.html"]
    assert (tmp_path / "r.html").read_text() == "old"


def test_decorrelated_columns_have_a_report(photos, tmp_path):
    model = HybridClassifier("intensities:8", n_threads=1)
    model.learn(photos / "train")
    result = evaluate_photos(model, photos / "test")
    html, data = write_report(tmp_path / "r.html", model, result, title="decorrelated")
    assert "1 network of 10 neurons" in parsed(html).text
    firing = json.loads(data.read_text())["firing"]
    counts = list(model.photos_learned.values())
    assert firing["stability"][::2] == pytest.approx(
        np.log2([min(counts), np.median(counts), max(counts)]), abs=0.1
    )
    assert 0 < firing["winner_spikes"] <= min(10, firing["output_spikes"])
