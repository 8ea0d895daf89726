"""What answers: the model as it is now, and what it lays into its queue."""

import errno
import io

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier, files
from spikehead.images import UnreadablePhoto
from spikehead.watch.sources import Shot
from spikehead.watch.watcher import Watcher


@pytest.fixture
def watcher(model, troubles):
    return Watcher(model, "camera 0", troubles)


def queued(watcher, content, **shot):
    return watcher.answer(Shot(content, 0.0, **shot)).queued


def noisy(content, seed):
    """Take a photo of the same scene again: another noise, a little more light."""
    pixels = np.asarray(Image.open(io.BytesIO(content)), np.int16)
    pixels = pixels + np.random.default_rng(seed).integers(-8, 9, pixels.shape) + 4
    again = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(again, "PNG")
    return again.getvalue()


def test_it_answers_as_predict_does(watcher, model, disc, tmp_path):
    (tmp_path / "a.png").write_bytes(disc(1001))
    (answer,) = HybridClassifier.load(model).classify([tmp_path / "a.png"])
    sighting = watcher.answer(Shot(disc(1001), 0.0))
    assert (sighting.verdict.label, sighting.verdict.unknown) == ("disc 1", False)
    assert sighting.verdict.familiarity == answer.familiarity
    assert np.array_equal(sighting.verdict.shares, answer.shares)
    assert sighting.changed
    assert not watcher.answer(Shot(disc(1003), 0.0)).changed
    assert watcher.answer(Shot(disc(1002), 0.0)).changed
    with pytest.raises(UnreadablePhoto, match="it is damaged"):
        watcher.answer(Shot(disc(1)[:200], 0.0))


def test_an_unknown_scene_waits_once(watcher, disc, stripes, tmp_path):
    first = queued(watcher, stripes(1))
    (waiting,) = watcher.queue.photos()
    assert (waiting.name, waiting.source) == (first, "camera 0")
    assert waiting.familiarity < 0.5
    assert queued(watcher, noisy(stripes(1), 1)) is None  # still there
    assert queued(watcher, disc(0)) is None
    assert queued(watcher, noisy(stripes(1), 2)) is None  # it has come back
    photo = tmp_path / "a.png"
    assert queued(watcher, noisy(stripes(1), 3), photo=photo) is None
    assert queued(watcher, stripes(5), photo=photo)
    assert watcher.queue.photos()[0].source == str(photo)
    watcher.queue.limit = 0
    assert queued(watcher, stripes(7), photo=photo) is None


def test_it_takes_up_what_others_teach(watcher, model, disc, told):
    assert watcher.answer(Shot(disc(1000), 0.0)).classes == ["disc 0", "disc 1"]
    encoder = watcher.model.encoder
    other = HybridClassifier.load(model)
    other.rename_class("disc 0", "disk")
    other.save(model)
    sighting = watcher.answer(Shot(disc(1000), 0.0))
    assert (sighting.verdict.label, sighting.classes) == ("disk", ["disk", "disc 1"])
    assert watcher.model.encoder is encoder
    manifest = (model / "model.json").read_bytes()
    for damage in (b"{", b""):
        (model / "model.json").write_bytes(damage)
        assert watcher.answer(Shot(disc(1000), 0.0)).verdict.label == "disk"
    (model / "model.json").unlink()
    assert watcher.answer(Shot(disc(1000), 0.0)).verdict.label == "disk"
    assert len(told) == 1
    assert "cannot be read; it answers as before: " in told[0]
    (model / "model.json").write_bytes(manifest)
    assert watcher.answer(Shot(disc(1000), 0.0)).verdict.label == "disk"
    (model / "model.json").unlink()
    watcher.answer(Shot(disc(1000), 0.0))
    assert len(told) == 2


def test_a_full_disk_costs_the_photo_and_is_told_once(
    watcher, stripes, told, monkeypatch, tmp_path
):
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(full))
        for seed in (1, 5):
            sighting = watcher.answer(Shot(stripes(seed), 0.0, photo=tmp_path / "a.png"))
            assert sighting.verdict.unknown
            assert sighting.queued is None
    assert len(told) == 1
    assert told[0].endswith("the disk is full, free some space and try again")
    assert queued(watcher, stripes(1), photo=tmp_path / "a.png")


def test_a_model_that_cannot_answer_is_refused(tmp_path, troubles):
    with pytest.raises(FileNotFoundError, match="none does not exist: give"):
        Watcher(tmp_path / "none", "a", troubles)
    HybridClassifier("intensities:8").save(tmp_path / "new")
    with pytest.raises(ValueError, match="has learned nothing yet"):
        Watcher(tmp_path / "new", "a", troubles)
    HybridClassifier("activations:3").save(tmp_path / "numbers")
    with pytest.raises(ValueError, match="activations"):
        Watcher(tmp_path / "numbers", "a", troubles)
