"""The queue: what waits is whole, once, bounded, and can be taught from its folder."""

import errno
import json
import os
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier, files
from spikehead.images import UnreadablePhoto
from spikehead.models.queue import Queue
from spikehead.models.storage import check_destination


def photo(seed, kind="png"):
    content = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), np.uint8)
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


@pytest.fixture
def model(tmp_path):
    HybridClassifier("intensities:8").save(tmp_path / "model")
    return tmp_path / "model"


def inside(queue):
    return sorted(path.name for path in queue.folder.iterdir())


def lay(queue, seed, at):
    """Lay a photo into a queue at a certain time."""
    name = queue.add(photo(seed))
    os.utime(queue.folder / name, (at, at))
    return name


def test_photos_wait_as_they_came_with_what_was_said_of_them(model):
    queue = Queue(model)
    assert queue.photos() == []
    assert len(queue) == 0
    first = queue.add(photo(1), label="cup", familiarity=0.25, source="camera 0")
    os.utime(queue.folder / first, (5, 5))
    second = queue.add(photo(2, "jpeg"))
    newest, oldest = queue.photos()
    assert (oldest.name, oldest.time, oldest.label) == (first, 5, "cup")
    assert (oldest.familiarity, oldest.source) == (0.25, "camera 0")
    assert (newest.name, newest.label, newest.familiarity) == (second, None, None)
    assert [first[-4:], second[-5:]] == [".png", ".jpeg"]
    assert queue.read(first) == photo(1) == (model / "queue" / first).read_bytes()
    queue.discard(first)
    assert [one.name for one in queue.photos()] == [second]
    assert inside(queue) == sorted([second, f".{second}.json"])


def test_the_same_photo_waits_once_even_if_it_was_sorted(model):
    queue = Queue(model)
    name = queue.add(photo(1))
    assert queue.add(photo(1), label="other") is None
    (queue.folder / "cup").mkdir()
    (queue.folder / name).rename(queue.folder / "cup" / name)
    assert queue.add(photo(1)) is None
    assert len(queue) == 0


def test_the_oldest_go(model):
    queue = Queue(model, limit=3)
    names = [lay(queue, seed, at=seed) for seed in range(5)]
    assert [one.name for one in queue.photos()] == names[:1:-1]
    assert len(inside(queue)) == 6


@pytest.mark.parametrize("name", ["../model.json", "/etc/passwd", "", ".", "a.png", "0" * 16])
def test_a_name_leads_nowhere_else(model, name):
    queue = Queue(model)
    queue.add(photo(1))
    for door in (queue.read, queue.discard):
        with pytest.raises(FileNotFoundError, match="no photo of the name"):
            door(name)
    assert (model / "model.json").exists()


def test_what_is_no_photo_does_not_wait(model):
    with pytest.raises(UnreadablePhoto, match="it is not a JPEG"):
        Queue(model).add(b"GIF87")
    assert not (model / "queue").exists()


def test_a_full_disk_leaves_the_queue_as_it_was(model, monkeypatch):
    queue = Queue(model)
    name = queue.add(photo(1))
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(full))
        with pytest.raises(OSError, match=r"the disk is full"):
            queue.add(photo(2))
    assert inside(queue) == sorted([name, f".{name}.json"])
    assert queue.add(photo(2))


def test_what_a_crash_has_left_is_tidied_up_and_facts_are_not_believed(model):
    queue = Queue(model)
    name = queue.add(photo(1), label="cup")
    for left in (
        f".{name}.{'a' * 16}.tmp",
        f"..{name}.json.{'b' * 16}.tmp",
        f".{'c' * 16}.png.json",
    ):
        (queue.folder / left).write_bytes(b"half")
        os.utime(queue.folder / left, (1, 1))
    facts = queue.folder / f".{name}.json"
    facts.write_text("{")
    os.utime(facts, (1, 1))
    (queue.folder / "mine.txt").touch()
    queue.add(photo(2))
    assert len(inside(queue)) == 5
    assert queue.photos()[1].label is None
    facts.write_text(json.dumps(["class"]))
    assert queue.photos()[1].label is None


def add_some(model, seeds):
    return [Queue(model, limit=8).add(photo(seed)) for seed in seeds]


def test_several_programs_lose_nothing_and_lay_nothing_twice(model):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(add_some, [model] * 2, [range(8), range(7, -1, -1)]))
    queue = Queue(model, limit=8)
    assert sorted(queue.read(one.name) for one in queue.photos()) == sorted(map(photo, range(8)))


def test_a_model_learns_its_queue_once_it_is_sorted(model, run):
    queue = Queue(model)
    names = [queue.add(photo(seed)) for seed in range(3)]
    assert "have no class: move them" in run("learn", queue.folder, "--model", model)[2]
    for name, label in zip(names, ("cup", "hat"), strict=False):
        (queue.folder / label).mkdir()
        (queue.folder / name).rename(queue.folder / label / name)
    code, out, err = run("learn", queue.folder, "--model", model, "--no-cache")
    assert (code, "Learned 2 photos" in out) == (0, True)
    assert "Left out 1 photo that lies beside the folders of the classes." in err
    assert HybridClassifier.load(model).photos_learned == {"cup": 1, "hat": 1}
    assert len(Queue(model)) == 1  # a model that is saved leaves its queue alone
    check_destination(model)
