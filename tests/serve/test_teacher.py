"""The keeper of a model that is taught while it answers."""

import errno
import io
import os
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.cli import info
from spikehead.heads.decorrelated import reference
from spikehead.models import storage
from spikehead.models.record import NEW, RIGHT, UNKNOWN
from spikehead.serve import teacher as module
from spikehead.serve.teacher import Conflict, Teacher

KINDS = ("disc", "frame", "half")


def teach(teacher: Teacher, label: str, photos: list[bytes]) -> int:
    return teacher.teach(label, photos)[0]


def bits(model: HybridClassifier) -> tuple:
    network = model.head.network_
    return model.classes, network.presentations, network.weights.tobytes()


def on_disk(folder) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def taught(teacher, picture):
    """Return a teacher that was shown three kinds, one after the other."""
    for kind in KINDS:
        teach(teacher, kind, [picture(kind, number) for number in range(6)])
    return teacher


def test_learns_classes_one_after_the_other(taught, picture):
    for kind in KINDS:
        answers, problems = taught.recognise([picture(kind, number) for number in range(50, 60)])
        assert [answer.verdict.label for answer in answers] == [kind] * 10
        assert problems == {}
    assert taught.state.model.photos_learned == dict.fromkeys(KINDS, 6)


def test_the_spikes_are_those_of_the_reference(taught, picture):
    (answer,), _ = taught.recognise([picture("half", 9)])
    model = taught.state.model
    (counts,) = model.head.coding_.to_answer(taught.encode([picture("half", 9)]).given)
    now = reference.present(model.head.network_, counts)
    np.testing.assert_array_equal(answer.spikes, now.spikes)
    assert answer.spikes.any()
    assert sum(answer.shares.values()) == pytest.approx(1)


def test_a_photo_without_spikes_is_refused(tmp_path):
    HybridClassifier("pixels:8", head="decorrelated", n_threads=1).save(tmp_path / "model")
    black = io.BytesIO()
    Image.new("L", (8, 8)).save(black, "PNG")
    with Teacher(tmp_path / "model", n_threads=1) as teacher:
        learned, problems = teacher.teach("night", [black.getvalue()])
        assert learned == 0
        assert problems[0].startswith("its activations are all zero")
        assert (teacher.state.model.classes, teacher.state.lessons) == ([], ())


def test_comes_back_as_it_was(taught):
    again = Teacher(taught.folder)
    assert bits(again.state.model) == bits(taught.state.model)
    assert bits(HybridClassifier.load(taught.folder)) == bits(taught.state.model)
    for one, other in zip(again.state.lessons, taught.state.lessons, strict=True):
        assert (one.number, one.label, one.taught_at) == (
            other.number,
            other.label,
            other.taught_at,
        )


def test_undo_gives_back_what_was_before(teacher, picture):
    states = []
    for kind in KINDS:
        states.append(bits(teacher.state.model))
        teach(teacher, kind, [picture(kind, number) for number in range(4)])
    teacher = Teacher(teacher.folder)  # also after a restart
    for kind in reversed(KINDS):
        assert teacher.undo().label == kind
        assert bits(teacher.state.model) == states.pop()
        assert bits(HybridClassifier.load(teacher.folder)) == bits(teacher.state.model)
    with pytest.raises(Conflict, match=r"^there is no lesson to undo$"):
        teacher.undo()


def test_a_photo_is_learned_once(taught, picture):
    before = taught.state
    assert teach(taught, "disc", [picture("disc", 0)]) == 0
    assert taught.state is before
    assert teach(taught, "round", [picture("disc", 0), picture("disc", 0)]) == 1


def test_photos_that_cannot_be_read_are_named(taught, picture):
    learned, problems = taught.teach("disc", [b"no photo", picture("disc", 70), b""])
    assert learned == 1
    assert problems == {
        0: "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo",
        2: "it is empty",
    }
    before = taught.state
    assert teach(taught, "new", [b"no photo"]) == 0
    assert taught.state is before


def test_a_correction_is_undone_like_a_lesson(taught, picture):
    before = bits(taught.state.model)
    taught.correct("rename", "disc", "circle")
    taught.correct("remove", "frame")
    assert taught.state.model.classes == ["circle", "half"]
    assert bits(HybridClassifier.load(taught.folder)) == bits(taught.state.model)
    assert teach(taught, "circle", [picture("disc", 0)]) == 0  # known under its old name
    for wrong in (("remove", "frame"), ("rename", "half", "circle"), ("merge", "half", "half")):
        now = taught.state
        with pytest.raises(Conflict):
            taught.correct(*wrong)
        assert taught.state is now
    taught = Teacher(taught.folder)
    assert (taught.undo().action, taught.undo().into) == ("remove", "circle")
    assert bits(taught.state.model) == before


def test_what_is_taken_out_is_in_no_file(folder, picture, monkeypatch):
    HybridClassifier("intensities:8", head="decorrelated", n_threads=1).save(folder)
    teacher = Teacher(folder)
    for kind in KINDS:
        teach(teacher, kind, [picture(kind, number) for number in range(4)])
    batch = teacher.encode([picture("disc", 1), picture("frame", 2)])
    before, files = teacher.state, on_disk(folder)
    assert any(batch.digests[0] in content for content in files.values())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: exec("raise OSError(28, 'no space')"))
        with pytest.raises(OSError, match="the disk is full"):
            teacher.take_out(["a", "b"], [batch])
    assert (teacher.state, on_disk(folder)) == (before, files)
    with pytest.raises(Conflict, match=r"^b was never learned by this model$"):
        teacher.take_out(["a", "b"], [teacher.encode([picture("disc", 1), picture("disc", 9)])])
    assert teacher.state is before
    assert teacher.take_out(["a", "b"], [batch]) == [["disc"], ["frame"]]
    assert not any(photo in file for photo in batch.digests for file in on_disk(folder).values())
    with pytest.raises(Conflict, match="there is no lesson to undo"):
        teacher.undo()
    assert teach(teacher, "disc", [picture("disc", 1)]) == 1
    assert teacher.undo().number == 1
    loaded = HybridClassifier.load(folder)
    assert loaded.photos_learned == {"disc": 3, "frame": 3, "half": 4}


def test_what_is_told_of_the_stream_is_what_happened(teacher, picture, monkeypatch):
    """Each photo of a lesson was answered, by the model of then, before the lesson."""
    told = []

    def lesson(label, kind, numbers):
        photos = [picture(kind, number) for number in numbers]
        if label in teacher.state.model.classes:
            said = [one.verdict for one in teacher.recognise(photos)[0]]
            told.extend(RIGHT * (one.label == label) + UNKNOWN * one.unknown for one in said)
        else:
            told.extend([NEW] * len(photos))
        teach(teacher, label, photos)
        assert teacher.state.model.record.tolist() == told

    for start in range(0, 24, 8):
        for kind in KINDS:
            lesson(kind, kind, range(start, start + 8))
    lesson("disc", "frame", range(50, 58))  # now the teacher says otherwise
    assert {RIGHT, NEW, 0} <= set(told)
    trends = teacher.state.model.trends
    assert HybridClassifier.load(teacher.folder).record.tolist() == told
    assert info._document(teacher.folder)["answers"] == {
        name: round(one.share, 4) for name, one in trends._asdict().items()
    }
    with monkeypatch.context() as patch:
        patch.setattr(module, "KEPT_PHOTOS", 30)
        lesson("half", "half", range(60, 62))  # and the oldest lessons are saved into the model
    assert len(teacher.state.lessons) < 8
    again = Teacher(teacher.folder)
    assert again.state.model.record.tolist() == told
    again.undo()
    assert again.state.model.record.tolist() == told[:-2]
    assert again.state.model.trends == trends


def test_a_class_can_be_added_and_undone(teacher):
    with pytest.raises(Conflict, match="the model has learned nothing yet; teach it a class"):
        teacher.recognise([b""])
    teacher.add_class("later")
    assert Teacher(teacher.folder).state.model.photos_learned == {"later": 0}
    with pytest.raises(Conflict, match=r"^the class 'later' is known already$"):
        teacher.add_class("later")
    teacher.undo()
    assert teacher.state.model.classes == []


@pytest.mark.parametrize("action", ["teach", "add_class", "undo", "correct"])
def test_a_full_disk_changes_nothing(taught, picture, monkeypatch, action):
    actions = {
        "teach": lambda: teach(taught, "disc", [picture("disc", 99)]),
        "add_class": lambda: taught.add_class("new"),
        "undo": taught.undo,
        "correct": lambda: taught.correct("remove", "disc"),
    }
    before, files = taught.state, on_disk(taught.folder)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=r"the disk is full, free some space .*is unchanged"):
            actions[action]()
    assert taught.state is before
    assert on_disk(taught.folder) == files
    actions[action]()
    assert taught.state is not before


def test_old_lessons_are_saved_into_the_model(teacher, picture, monkeypatch):
    monkeypatch.setattr(module, "KEPT_PHOTOS", 20)
    for number in range(0, 30, 3):
        for kind in KINDS:
            teach(teacher, kind, [picture(kind, number + n) for n in range(3)])
            assert sum(len(lesson.digests) for lesson in teacher.state.lessons) <= 20
            assert bits(HybridClassifier.load(teacher.folder)) == bits(teacher.state.model)
    assert teacher.state.model.photos_learned == dict.fromkeys(KINDS, 30)
    numbers = [lesson.number for lesson in storage.read_lessons(teacher.folder)]
    assert numbers == [lesson.number for lesson in teacher.state.lessons]
    told = teacher.recognise([picture(kind, 77) for kind in KINDS])[0]
    assert [one.verdict.label for one in told] == [*KINDS]


def test_a_model_that_cannot_be_saved_keeps_its_lessons(teacher, picture, monkeypatch):
    monkeypatch.setattr(module, "KEPT_PHOTOS", 3)

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(HybridClassifier, "save", fail)
    for kind in KINDS:
        teach(teacher, kind, [picture(kind, number) for number in range(2)])
    assert len(teacher.state.lessons) == 3
    assert bits(HybridClassifier.load(teacher.folder)) == bits(teacher.state.model)


def test_answers_while_it_is_taught_come_from_one_model_or_the_next(teacher, picture):
    """Each answer's shares are those that one of the published models gives."""
    teach(teacher, "disc", [picture("disc", 0)])
    photo = picture("frame", 50)
    seen, allowed, over = [], [], threading.Event()

    def ask():
        while not over.is_set():
            (answer,), _ = teacher.recognise([photo])
            seen.append(answer.shares)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for number in range(12):
        allowed.append(teacher.recognise([photo])[0][0].shares)
        teach(teacher, KINDS[number % 3], [picture(KINDS[number % 3], number)])
    allowed.append(teacher.recognise([photo])[0][0].shares)
    over.set()
    for asker in askers:
        asker.join()
    assert seen
    assert all(shares in allowed for shares in seen)


def test_lessons_taught_at_once_follow_each_other(teacher, picture):
    def teach_one(number):
        teach(teacher, f"class {number}", [picture("disc", number)])

    threads = [threading.Thread(target=teach_one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lesson.number for lesson in teacher.state.lessons] == list(range(1, 13))
    assert teacher.state.model.photos_learned == {
        lesson.label: 1 for lesson in teacher.state.lessons
    }
    assert bits(HybridClassifier.load(teacher.folder)) == bits(teacher.state.model)


def test_the_archive_is_a_model(taught, tmp_path):
    taught.write_archive(tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "there")
    assert bits(HybridClassifier.load(tmp_path / "there" / "model")) == bits(taught.state.model)
    arrays = storage.load(tmp_path / "there" / "model").arrays
    assert np.array_equal(arrays["weights"], taught.state.model.head.network_.weights)


def test_a_model_that_takes_no_photos_is_not_served(tmp_path):
    HybridClassifier("activations:3", head="decorrelated").save(tmp_path)
    with pytest.raises(
        ValueError, match=r"^the model takes 3 activations an example, and no photo"
    ):
        Teacher(tmp_path)


def test_a_model_that_learns_no_more_is_asked_as_before(tmp_path, picture):
    retired = Path(__file__).parents[1] / "models" / "retired" / "taught" / "model"
    shutil.copytree(retired, tmp_path / "old")
    with Teacher(tmp_path / "old") as teacher:
        (answer,), _ = teacher.recognise([picture("disc", 0)])
        assert sum(answer.shares.values()) == pytest.approx(1)
        with pytest.raises(Conflict, match="teach its photos to a new model"):
            teach(teacher, "disc", [picture("disc", 0)])
