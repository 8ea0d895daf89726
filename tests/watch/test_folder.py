"""A watched folder gives each photo whole, and nothing else."""

import threading

import pytest

from spikehead.watch.sources import Troubles

module = pytest.importorskip("spikehead.watch.folder", exc_type=ImportError)
new_photos = module.new_photos


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(module, "SETTLED", 0.1)


@pytest.fixture
def folder(tmp_path, disc):
    """Return a folder in which a photo lies."""
    made = tmp_path / "photos"
    made.mkdir()
    (made / "first.png").write_bytes(disc(0))
    return made


def test_new_photos_come_whole_and_nothing_else_does(folder, tmp_path, disc, stop, troubles, told):
    shots = new_photos(folder, stop, troubles, existing=True, but=folder / "queue")
    first = next(shots)  # and so it is watched
    assert (first.photo, first.content) == (folder / "first.png", disc(0))
    elsewhere = tmp_path / "moved"
    elsewhere.mkdir()
    (elsewhere / "second.PNG").write_bytes(disc(1))
    elsewhere.rename(folder / "moved")
    for ignored in ("notes.txt", ".hidden.png", ".hidden/a.png", "queue/a.png", "@eaDir/a.png"):
        (folder / ignored).parent.mkdir(exist_ok=True)
        (folder / ignored).write_bytes(disc(2))
    content = disc(3)
    with (folder / "slow.png").open("wb") as slow:
        slow.write(content[:200])
        slow.flush()
        assert next(shots).photo == folder / "moved" / "second.PNG"
        slow.write(content[200:])
    # Its first half may have been taken for all of it; then it comes once more.
    assert next(shot for shot in shots if shot.content == content).photo == folder / "slow.png"
    (folder / "first.png").write_bytes(disc(4))
    assert next(shot for shot in shots if shot.content == disc(4)).photo == folder / "first.png"
    threading.Timer(0.1, stop.set).start()
    assert {shot.photo.name for shot in shots} <= {"slow.png", "first.png"}
    assert told == []


def test_a_folder_that_goes_away_is_taken_up_again(folder, tmp_path, disc, stop, told, pause):
    came_back = threading.Event()

    def bring_back(sentence):
        told.append(sentence)
        folder.mkdir()
        came_back.set()

    shots = new_photos(folder, stop, Troubles(bring_back), existing=True)
    next(shots)
    folder.rename(tmp_path / "gone")

    def write_until_seen():
        number = 0
        while not stop.wait(0.05):
            if came_back.is_set():
                (folder / f"{number}.png").write_bytes(disc(number))
                number += 1

    writer = threading.Thread(target=write_until_seen)
    writer.start()
    assert next(shots).photo.parent == folder
    stop.set()
    writer.join()
    assert told == [f"{folder} broke off ({folder} is gone); it is taken up again once it is back"]
