"""A head of another package comes in by its entry point, without an edit in spikehead."""

from __future__ import annotations

import copy
import json
import pickle
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import HybridClassifier
from spikehead.cli import app
from spikehead.heads.registry import head_class, kinds
from spikehead.serve.teacher import Teacher

X, Y = load_digits(return_X_y=True)
NAMES = np.array([f"digit {label}" for label in Y])


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the package where an installed one would be."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "skeleton")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for place, (digit, name) in enumerate(zip(X[:60], NAMES[:60], strict=True)):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digit * 15).astype(np.uint8).reshape(8, 8)).save(folder / f"{place}.png")
    return tmp_path / "photos"


def means(activations: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Return what the skeleton decides by, in plain numbers: mean examples of unit length."""
    found = np.array([activations[labels == name].mean(axis=0) for name in np.unique(labels)])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def assert_same(one: Any, other: Any) -> None:
    ours, theirs = one.network_.state(), other.network_.state()
    assert ours.keys() == theirs.keys() == {v.name for v in one.network_.variables}
    for name, value in ours.items():
        assert np.array_equal(value, theirs[name]), name
    assert one.classes_.tolist() == other.classes_.tolist()


def test_it_is_found_by_its_name() -> None:
    assert {"colanet", "decorrelated", "skeleton"} <= kinds().keys()
    assert head_class("skeleton").title == "a walking skeleton"
    with pytest.raises(ValueError, match=r"^there is no head 'perceptron'; there are colanet, dec"):
        HybridClassifier("intensities:8", head="perceptron")


def test_it_is_an_estimator_in_pieces_of_any_size() -> None:
    skeleton = head_class("skeleton")
    whole = skeleton().fit(X[:300], NAMES[:300])
    expected = (X[300:] @ means(X[:300], NAMES[:300]).T).argmax(axis=1)
    assert (whole.predict(X[300:]) == np.unique(NAMES)[expected]).mean() > 0.99
    pieces = skeleton()
    for first, last in pairwise([0, 1, 2, 170, 300]):
        pieces.partial_fit(X[first:last], NAMES[first:last], classes=np.unique(NAMES))
        pieces = pickle.loads(pickle.dumps(pieces))
    assert_same(pieces, whole)
    grown = skeleton().partial_fit(X[:300], NAMES[:300]).add_classes(["another"])
    before = copy.deepcopy(grown)
    assert grown.network_.energies[-1] == 1
    with pytest.raises(ValueError, match=r"^X has 3 features"):
        grown.partial_fit(X[:2, :3], ["new", "newer"])
    assert_same(grown, before)


def test_a_state_that_is_not_of_this_network_is_refused() -> None:
    head = head_class("skeleton")().fit(X[:90], NAMES[:90])
    before = copy.deepcopy(head)
    wrong: list[tuple[str, Any]] = [
        ("lateral", np.zeros((64, 64), np.int32)),  # both triangles
        ("weights", head.network_.weights.astype(np.int64)),
        ("weights", np.full_like(head.network_.weights, 2**24)),
        ("energies", np.full(10, np.nan)),
        ("presentations", -1),
    ]
    for name, value in wrong:
        with pytest.raises(ValueError, match=rf"^{name} must be"):
            head.network_.restore(head.network_.state() | {name: value})
        state = head.network_.state()
        del state[name]
        with pytest.raises(ValueError, match=rf"^{name} must be"):
            head.network_.restore(state)
    assert_same(head, before)


def test_a_model_has_it_and_keeps_it(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = HybridClassifier("intensities:8", head="skeleton", rate=0.25, seed=3)
    lesson = model.learn(photos)
    assert lesson.learned == model.head.network_.presentations == 60
    assert 0 < model.prequential.mean() < 1
    model.save(tmp_path / "model")
    loaded = HybridClassifier.load(tmp_path / "model")
    assert_same(loaded.head, model.head)
    assert loaded.head.rate == 0.25
    for one in (model, loaded):
        one.learn([next(photos.glob("*/0.png"))], ["another"])
    assert_same(loaded.head, model.head)
    saved = json.loads((tmp_path / "model" / "model.json").read_text())["description"]["head"]
    assert saved == {
        "kind": "skeleton",
        "hyperparameters": {"rate": 0.25, "seed": 3},
        "counters": {"presentations": 60},
    }
    card = (tmp_path / "model" / "README.md").read_text()
    assert "a walking skeleton" in card
    assert re.search(r"rate \| 0\.25", card)
    app(["info", str(tmp_path / "model"), "--json"], standalone_mode=False)
    info = json.loads(capsys.readouterr().out)
    assert (info["head"], info["photos_learned"]) == ("skeleton", 60)


def test_a_model_without_the_package_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HybridClassifier("intensities:8", head="skeleton").save(tmp_path / "model")
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"of the unknown kind 'skeleton': upgrade spikehead, or"):
        HybridClassifier.load(tmp_path / "model")


def test_the_service_teaches_it(photos: Path, tmp_path: Path) -> None:
    HybridClassifier("intensities:8", head="skeleton").save(tmp_path / "model")
    contents = {
        folder.name: [path.read_bytes() for path in sorted(folder.iterdir())]
        for folder in sorted(photos.iterdir())
    }
    with Teacher(tmp_path / "model") as teacher:
        for name, files in contents.items():
            assert teacher.teach(name, files) == (len(files), {})
        taught = copy.deepcopy(teacher.state.model.head)
        answers, _ = teacher.recognise([files[0] for files in contents.values()])
        assert [answer.label for answer in answers] == list(contents)
        assert answers[0].spikes.shape == (1, 10)
        teacher.teach("another", [contents["digit 1"][0]])
        teacher.undo()
        assert_same(teacher.state.model.head, taught)
    assert_same(HybridClassifier.load(tmp_path / "model").head, taught)
