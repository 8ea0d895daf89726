"""spikehead benchmark."""

import json
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from spikehead.evaluation.methods import GROUP
from spikehead.evaluation.rivals import NearestClassMean

ONE = ("--head", "decorrelated", "--against", "nearest class mean")


@pytest.fixture
def digits(tmp_path):
    X, y = load_digits(n_class=4, return_X_y=True)
    np.savez(tmp_path / "digits.npz", X=X[:200], y=y[:200])
    return tmp_path / "digits.npz"


def test_it_goes_on_where_it_was_and_writes_its_tables(run, digits, tmp_path):
    record = ("--record", tmp_path / "record.json")
    options = (*ONE, *record, "--protocol", "one pass", "--orders", "2")
    code, out, _ = run("benchmark", digits, *options, "--report", tmp_path / "all.html")
    assert code == 0
    assert "digits: one pass. All, mixed, each once." in out
    first = json.loads((tmp_path / "record.json").read_text())
    assert [*map(len, first["results"]["digits"]["one pass"]["figures"].values())] == [2, 2]
    assert "lead of decorrelated columns" in (tmp_path / "all.html").read_text()

    more = ("--protocol", "few", "--report", tmp_path / "all.md", "--json")
    code, out, _ = run("benchmark", digits, *options, *more)
    second = json.loads(out)
    assert code == 0
    few = second["results"]["digits"].pop("few")
    assert second["results"] == first["results"]
    assert second["costs"] == first["costs"]
    assert few["points"] == [f"{n} a class" for n in (1, 2, 5, 10, 20)]
    assert "### digits: few\n" in (tmp_path / "all.md").read_text()

    few = (*options, "--limit", "40", "--record", tmp_path / "few.json", "--json")
    _, out, _ = run("benchmark", digits, *few)
    assert json.loads(out)["data"]["digits"]["train"] == 40

    np.savez(digits, X=np.zeros((8, 2)), y=[0, 1] * 4)
    code, _, err = run("benchmark", digits, *options)
    assert (code, "other data under the name digits" in err) == (1, True)


def test_a_learner_of_another_package_takes_part(run, digits, tmp_path, monkeypatch):
    class Found:
        name = "outsider"

        def load(self):
            return lambda seed: NearestClassMean()

    def entry_points(group):
        return [Found()] if group == GROUP else []

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    options = ("--record", tmp_path / "r.json", "--protocol", "unknown", "--orders", "1", "--json")
    both = ("--against", "outsider", "--against", "nearest class mean")
    code, out, _ = run("benchmark", digits, "--head", "decorrelated", *both, *options)
    assert code == 0
    figures = json.loads(out)["results"]["digits"]["unknown"]["figures"]
    assert figures["outsider"] == figures["nearest class mean"]


def test_photos_come_in_other_circumstances(run, tmp_path):
    random = np.random.default_rng(0)
    for number in range(16):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        grey = random.integers(0, 255, (8, 8, 3)) // (1 + 3 * (number % 2))
        Image.fromarray(grey.astype(np.uint8)).save(place)
    (tmp_path / "photos" / "a" / "notes.txt").write_text("no photo")
    (tmp_path / "photos" / "b" / "broken.png").write_bytes(b"no photo")
    options = ("--encoder", "pixels:8", "--protocol", "domains", "--orders", "1", "--json")
    code, out, _ = run("benchmark", tmp_path / "photos", *ONE, *options, "--record", tmp_path / "r")
    document = json.loads(out)
    assert code == 0
    assert [Path(one["photo"]).name for one in document["skipped"]] == ["broken.png"]
    assert document["left_out"]["files"] == {".txt": 1}
    assert document["results"]["photos"]["domains"]["points"] == [
        *(f"{name}, there" for name in ("clear", "fog", "night")),
        *(f"{name}, back" for name in ("night", "fog", "clear")),
    ]


def test_what_is_not_there_is_wrong_usage(run, digits, tmp_path):
    for option in (
        ("--protocol", "magic"),
        ("--against", "magic"),
        ("--report", tmp_path / "all.pdf"),
        ("--test", digits, "--test", digits),
    ):
        code, _, err = run("benchmark", digits, *option, "--record", tmp_path / "record.json")
        assert code == 2, err
    assert not (tmp_path / "record.json").exists()
