"""A model is corrected: classes renamed, merged and removed, photos unlearned and relabelled."""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import HybridClassifier
from spikehead.encoders import ActivationCache, open_encoder
from spikehead.models import storage
from spikehead.models.lessons import StoredLesson
from spikehead.models.photos import known_after

HEADS = pytest.mark.parametrize("head", ["paper", "decorrelated"])
FOLDERS = Path(__file__).parent / "folders"


@pytest.fixture
def photos(tmp_path):
    """Return photos of the digits 0 to 3."""
    images, labels = load_digits(return_X_y=True)
    for number in np.flatnonzero(labels < 4)[:60]:
        target = tmp_path / "photos" / f"digit {labels[number]}" / f"{number:04}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(images[number].reshape(8, 8) * 255 / 16)).save(target)
    return sorted((tmp_path / "photos").rglob("*.png"))


@pytest.fixture
def cache(tmp_path):
    with ActivationCache(open_encoder("intensities:8"), tmp_path / "cache") as cache:
        yield cache


def model_of(photos, head, names=None, cache=None):
    model = HybridClassifier("intensities:8", head=head, cache=cache, n_threads=1)
    model.learn(photos, names or [photo.parent.name for photo in photos], order="as-given")
    return model


def bits(model):
    state = {name: np.asarray(value).tobytes() for name, value in model.head.state().items()}
    return state, model.classes, list(model._learned), model.prequential.tolist()


def assert_alike(one, other, photos, head):
    """See that two models are the same: to the bit, but where a head has rounded on its way."""
    assert one.photos_learned == other.photos_learned
    if head == "paper":
        assert bits(one) == bits(other)
    else:  # how sure it is was learned from answers, which stay
        pixels = np.array([np.asarray(Image.open(photo)).ravel() for photo in photos]) / 255
        expected = pytest.approx(other.head.decision_function(pixels), abs=1e-6)
        assert one.head.decision_function(pixels) == expected
        assert (one.head.network_.counts == other.head.network_.counts).all()


@HEADS
def test_a_photo_that_is_unlearned_was_never_learned(photos, cache, tmp_path, head):
    model, chosen = model_of(photos, head, cache=cache), [photos[20], photos[41]]
    moved = shutil.copy(chosen[0], tmp_path / "renamed.png")
    was = model.unlearn([moved, chosen[1], chosen[1]])
    assert was == {moved: ["digit 1"], chosen[1]: ["digit 2"]}
    rest = [photo for photo in photos if photo not in chosen]
    never = model_of(rest, head)
    assert_alike(model, never, photos, head)
    with pytest.raises(ValueError, match=f"^{re.escape(str(chosen[0]))} was never learned by this"):
        model.unlearn(chosen[0])
    # Relabelled, it is as if it had been learned last, under the right name.
    wrong = model_of(photos, head, ["digit 0", *(p.parent.name for p in photos[1:])], cache)
    wrong.learn(photos[30:31], ["wrong"])
    assert wrong.relabel(photos[30], photos[30].parent.name) == {
        photos[30]: [photos[30].parent.name, "wrong"]
    }
    others = [*photos[:30], *photos[31:]]
    right = HybridClassifier("intensities:8", head=head, n_threads=1)
    right.head.add_classes([*wrong.classes])
    for part in (others, photos[30:31]):
        right.learn(part, [photo.parent.name for photo in part], order="as-given")
    assert_alike(wrong, right, photos, head)


def test_an_ensemble_without_a_cache_refuses(photos, cache):
    model = model_of(photos, "paper", cache=cache)
    before = bits(model)
    model.cache = None
    with pytest.raises(ValueError, match=r"^a head of the kind CoLaNET forgets .* lacks 59 of 59"):
        model.unlearn(photos[0])
    assert bits(model) == before


def test_activations_that_were_not_learned_are_not_taken_out(photos):
    model = model_of(photos, "decorrelated")
    before = bits(model)
    digest = hashlib.sha256(photos[0].read_bytes()).digest()
    with pytest.raises(ValueError, match=r"^the activations are not those .* cannot be taken back"):
        model.take_out([photos[0]], [digest], np.linspace(0, 1, 64, dtype=np.float32)[None])
    assert bits(model) == before


def test_classes_that_are_merged_are_one_class_that_learned_both(photos):
    names = [photo.parent.name for photo in photos]
    model = model_of(photos, "decorrelated", names)
    model.learn(photos[:1], ["digit 3"])  # as both
    model.merge_class("digit 3", "digit 0")
    never = model_of(photos, "decorrelated", [n.replace("3", "0") for n in names])
    assert model.photos_learned == never.photos_learned
    assert model.head.network_.counts.sum() == 61
    assert model.unlearn(photos[0]) == {photos[0]: ["digit 0", "digit 0"]}
    never.unlearn(photos[0])
    assert_alike(model, never, photos, "decorrelated")


@HEADS
def test_a_photo_is_known_after_its_class_was_renamed(photos, tmp_path, head):
    model = model_of(photos, head)
    model.rename_class("digit 0", " zero ")
    assert model.classes == ["zero", "digit 1", "digit 2", "digit 3"]
    model.remove_class("digit 1")
    model.save(tmp_path / "model")
    loaded = HybridClassifier.load(tmp_path / "model")
    assert bits(loaded) == bits(model)
    names = ["zero" if p.parent.name == "digit 0" else p.parent.name for p in photos]
    lesson = loaded.learn(photos, names)
    assert lesson.new_classes == ["digit 1"]
    assert lesson.learned == names.count("digit 1")


@pytest.mark.parametrize("version", [1, 3])
def test_photos_of_an_older_model_are_known_after_corrections(tmp_path, version):
    shutil.copytree(FOLDERS / f"v{version}" / "model", tmp_path / "model")
    model = HybridClassifier.load(tmp_path / "model")
    rng = np.random.default_rng(1)  # as in folders/write.py
    for label, light in (("dark", 60), ("light", 190)):
        for n in range(4):
            grey = rng.normal(light, 30, (3, 3)).clip(0, 255).astype(np.uint8)
            (tmp_path / label).mkdir(exist_ok=True)
            Image.fromarray(grey).save(tmp_path / label / f"{n}.png")
    files = sorted((tmp_path / "light").iterdir())
    model.rename_class("light", "bright")
    model.remove_class("dark")
    model.save(tmp_path / "model")
    model = HybridClassifier.load(tmp_path / "model")
    assert model.photos_learned == {"bright": 4, "half": 2}
    assert model.learn(files, ["bright"] * 4).known == 4
    assert [answer.learned_as for answer in model.classify(files)] == [["bright"]] * 4
    with pytest.raises(ValueError, match="lacks 5 of 5"):
        model.unlearn(files[0])


@HEADS
def test_corrections_among_lessons_are_made_between_them(photos, tmp_path, head):
    model = model_of(photos[:30], head)
    model.save(tmp_path / "model")
    later = model_of(photos[30:], head)
    digests = [photo for photo, _ in later._learned]
    activations = np.array([np.asarray(Image.open(p)).ravel() / 255 for p in photos[30:]])

    def lesson(number, label, part=(), **correction):
        some = [digests[place] for place in part]
        return StoredLesson(
            number,
            label,
            float(number),
            np.frombuffer(b"".join(some), np.uint8).reshape(-1, 32),
            np.float32(activations[list(part)]).reshape(-1, 64),
            **correction,
        )

    lessons = [
        lesson(1, "digit 0", range(3)),
        lesson(2, "digit 0", action="rename", into="zero"),
        lesson(3, "zero", range(2, 5)),
        lesson(4, "digit 1", action="remove"),
        lesson(5, "zero", [7]),
    ]
    for one in lessons:
        storage.add_lesson(tmp_path / "model", one)
    loaded = HybridClassifier.load(tmp_path / "model")
    by_hand = copy.deepcopy(model)
    by_hand.learn(photos[30:33], ["digit 0"] * 3, order="as-given")
    by_hand.rename_class("digit 0", "zero")
    by_hand.learn(photos[33:35], ["zero"] * 2, order="as-given")
    by_hand.remove_class("digit 1")
    by_hand.learn(photos[37:38], ["zero"])
    assert bits(loaded) == bits(by_hand)
    classes, known, _ = known_after(lessons, model.classes, model._learned)
    assert dict(zip(classes, known.counts(len(classes)), strict=True)) == loaded.photos_learned
    # To undo one is to leave it out; a saved model has all of them in it.
    storage.remove_lesson(tmp_path / "model", 5)
    assert "digit 1" not in HybridClassifier.load(tmp_path / "model").classes
    storage.remove_lesson(tmp_path / "model", 4)
    undone = HybridClassifier.load(tmp_path / "model")
    assert "digit 1" in undone.classes
    undone.save(tmp_path / "model")
    assert storage.read_lessons(tmp_path / "model") == []
    assert bits(HybridClassifier.load(tmp_path / "model")) == bits(undone)


@HEADS
def test_a_correction_that_makes_no_sense_changes_nothing(photos, cache, head):
    model = model_of(photos[:-1], head, cache=cache)
    before = bits(model)
    wrongs = {
        "there is no class 'x'": lambda: model.remove_class("x"),
        "there is no class 'y'": lambda: model.merge_class("digit 0", "y"),
        "there is a class 'digit 1' already; to make one of both, merge them": (
            lambda: model.rename_class("digit 0", "digit 1 ")
        ),
        "class 'digit 1' cannot be merged with itself": (
            lambda: model.merge_class("digit 1", "digit 1")
        ),
        "a class needs a name, and this one is empty": lambda: model.rename_class("digit 1", ""),
        f"{photos[-1]} was never learned by this model": lambda: model.unlearn(photos[-2:]),
        f"{photos[-1]} was never learned by this model.": lambda: model.relabel(photos[-1], "z"),
        f"{photos[0]} was learned under the label 'digit 0' already": (
            lambda: model.relabel(photos[:2], "digit 0")
        ),
        "no photo is given: name at least one": lambda: model.unlearn([]),
    }
    for sentence, wrong in wrongs.items():
        with pytest.raises(ValueError, match=f"^{re.escape(sentence.rstrip('.'))}$"):
            wrong()
        assert bits(model) == before
