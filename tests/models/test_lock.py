"""One writer at a time: every pair of them, killed holders, forks, moved folders, readers."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.models import lock, storage
from spikehead.models.lessons import StoredLesson
from spikehead.models.lock import ModelChangedError, ModelInUseError
from spikehead.serve.teacher import Teacher

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
IN_USE = r"is in use by .* \(process \d+ on .*\) since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: wait until"

HOLD = """
import sys, time
from spikehead.models import storage
with storage.writing(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.0)


@pytest.fixture
def photos(tmp_path):
    for kind, n in itertools.product(("dark", "light"), range(3)):
        folder = tmp_path / "photos" / kind
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 60, (8, 8), np.uint8)
        Image.fromarray(pixels + np.uint8(150 * (kind == "light"))).save(folder / f"{n}.png")
    return tmp_path / "photos"


@pytest.fixture
def model(tmp_path):
    HybridClassifier("intensities:8").save(tmp_path / "model")
    return tmp_path / "model"


def in_another_process(model: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, model], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    return child


@pytest.fixture
def held(model):
    """Let another process hold the model."""
    child = in_another_process(model)
    yield model
    child.kill()
    child.communicate()


def lesson(number: int = 1, width: int = 64) -> StoredLesson:
    digests = np.full((1, 32), number, np.uint8)
    return StoredLesson(number, "a", 1.0, digests, np.ones((1, width), np.float32))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_command_that_writes_waits_for_none_and_says_who(held, photos, run, tmp_path):
    before = everything(held)
    for command in (
        ("learn", photos, "--model", held),
        ("serve", held, "--port", 0),
        ("evaluate", held, photos, "--card"),
    ):
        code, out, err = run(*command)
        assert (code, out) == (1, "")
        assert f"{held} is in use by python" in err or f"{held} is in use by -c" in err
    assert everything(held) == before


def test_everything_that_writes_is_refused(held, tmp_path):
    other = tmp_path / "other"
    HybridClassifier("intensities:8").save(other)
    loaded, before = HybridClassifier.load(held), everything(held)
    for write in (
        lambda: Teacher(held),
        lambda: loaded.save(held),
        lambda: loaded.write_card(held),
        lambda: storage.add_lesson(held, lesson()),
        lambda: storage.remove_lesson(held, 1),
        lambda: storage.copy(other, held, replace=True),
        lambda: storage.writing(held).__enter__(),
    ):
        with pytest.raises(ModelInUseError, match=IN_USE):
            write()
    storage.copy(held, tmp_path / "copy")  # readers never wait
    assert everything(held) == before


def test_a_model_that_is_not_there_yet_has_one_maker(tmp_path):
    child = in_another_process(tmp_path / "new")
    with pytest.raises(ModelInUseError, match=IN_USE):
        HybridClassifier("intensities:8").save(tmp_path / "new")
    child.kill()
    child.communicate()
    HybridClassifier("intensities:8").save(tmp_path / "new")


def test_a_teacher_keeps_others_out_until_it_is_closed(model):
    take = [sys.executable, "-c", HOLD.replace("time.sleep(600)", ""), model]
    with Teacher(model) as teacher:
        teacher.add_class("a")
        refused = subprocess.run(take, capture_output=True, text=True)
        assert "ModelInUseError" in refused.stderr
    assert subprocess.run(take, capture_output=True, text=True).stdout == "held\n"


@posix
def test_a_holder_killed_at_any_moment_frees_it(model):
    chance = random.Random(0)
    for number in range(1, 9):
        child = in_another_process(model)
        time.sleep(chance.uniform(0, 0.01))
        child.kill()
        child.communicate()
        storage.add_lesson(model, lesson(number))
    assert len(storage.read_lessons(model)) == 8


@posix
def test_a_process_that_was_forked_off_holds_nothing(model):
    with storage.writing(model):
        child = os.fork()
        if child == 0:
            try:
                storage.add_lesson(model, lesson())
            except ModelInUseError:
                os._exit(3)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        storage.add_lesson(model, lesson())
    with in_another_process(model) as other:
        other.kill()


def test_it_may_be_nested_and_shared_by_threads(model):
    with storage.writing(model), storage.writing(model.parent / "." / "model"):
        numbers = range(1, 9)
        adders = [
            threading.Thread(target=storage.add_lesson, args=(model, lesson(n))) for n in numbers
        ]
        for adder in adders:
            adder.start()
        for adder in adders:
            adder.join()
    assert [one.number for one in storage.read_lessons(model)] == list(numbers)


@posix
@pytest.mark.parametrize("happened", ["removed", "moved", "replaced"])
def test_a_folder_that_is_gone_is_noticed(model, tmp_path, happened):
    with Teacher(model) as teacher:
        if happened == "removed":
            shutil.rmtree(model)
        else:
            model.rename(tmp_path / "elsewhere")
        if happened == "replaced":
            HybridClassifier.load(tmp_path / "elsewhere")
            shutil.copytree(tmp_path / "elsewhere", model, ignore=lambda *_: [".lock"])
        before = teacher.state
        with pytest.raises(ModelChangedError, match="was moved or removed, or another"):
            teacher.add_class("a")
        assert teacher.state is before
        assert model.exists() == (happened == "replaced")


def test_another_programs_change_is_not_overwritten(model, photos):
    mine, theirs = (HybridClassifier.load(model) for _ in range(2))
    theirs.learn(photos)
    theirs.save(model)
    before = everything(model)
    with pytest.raises(ModelChangedError, match="has been changed since it was loaded"):
        mine.save(model)
    assert everything(model) == before
    mine.save(model.parent / "elsewhere")
    theirs.save(model)  # its own change is no stranger's
    again = HybridClassifier.load(model)
    storage.add_lesson(model, lesson())
    with pytest.raises(ModelChangedError):
        again.save(model)


def test_a_lock_file_that_was_left_or_is_nonsense_holds_nobody_up(model):
    for left in (b"", b"\n{", b"\n[1]", b'\n{"since": 1e300}', b"\xff" * 99):
        (model / ".lock").write_bytes(left)
        storage.save(model, {}, {})
        assert lock._holder(model) == "another program"
    assert (model / ".lock").read_bytes() == b""


def test_a_folder_made_to_be_held_goes_if_nothing_comes_of_it(tmp_path, run):
    (tmp_path / "empty").mkdir()
    code, _, _ = run(
        "learn", tmp_path / "empty", "--model", tmp_path / "m", "--encoder", "intensities:8"
    )
    assert code == 1
    assert not (tmp_path / "m").exists()


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_a_model_that_cannot_be_written_can_be_read(model):
    model.chmod(0o500)
    try:
        HybridClassifier.load(model)
        with pytest.raises(PermissionError, match="cannot"):
            storage.writing(model).__enter__()
    finally:
        model.chmod(0o700)


# Ctrl-C and SIGTERM

LEARN = """
import os, signal, sys, threading
from spikehead import cli
from spikehead.models import storage
sys.argv = ["spikehead", "learn", sys.argv[1], "--model", sys.argv[2], "--encoder", "intensities:8",
            "--no-cache"]
first, second = (getattr(signal, name) for name in os.environ["SIGNALS"].split())
from spikehead.cli import learn
from spikehead.models.hybrid import HybridClassifier
learned = HybridClassifier._learn_batch
def learn_batch(*arguments):
    learned(*arguments)
    signal.raise_signal(first)
HybridClassifier._learn_batch = learn_batch
replace = storage.replace_file
def replace_file(*arguments):
    signal.raise_signal(second)
    replace(*arguments)
    signal.raise_signal(second)
storage.replace_file = replace_file
cli.main()
"""


@posix
@pytest.mark.parametrize(
    ("signals", "status"),
    [
        ("SIGINT SIGINT", 130),
        ("SIGINT SIGTERM", 130),
        ("SIGTERM SIGTERM", -signal.SIGTERM),
        ("SIGTERM SIGINT", -signal.SIGTERM),
    ],
)
def test_what_was_learned_is_saved_however_often_it_is_stopped(photos, tmp_path, signals, status):
    child = subprocess.run(
        [sys.executable, "-c", LEARN, photos, tmp_path / "m"],
        env=os.environ | {"SIGNALS": signals},
        capture_output=True,
        text=True,
    )
    assert child.returncode == status, child.stderr
    assert "Stopped after" in child.stderr
    assert "Traceback" not in child.stderr
    learned = HybridClassifier.load(tmp_path / "m").photos_learned
    assert learned == {"dark": 3, "light": 3}
