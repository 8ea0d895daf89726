import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spikehead.encoders import ActivationCache, Pixels, default_cache_folder


def digest(number):
    return number.to_bytes(32, "little")


def activations(numbers, side=8):
    return {
        digest(number): np.random.default_rng(number).random(side * side, np.float32)
        for number in numbers
    }


def holds(cache, expected):
    return all(np.array_equal(cache.get(key), row) for key, row in expected.items())


@pytest.fixture
def cache(tmp_path):
    with ActivationCache(Pixels(8), tmp_path) as cache:
        yield cache


def test_what_was_kept_comes_back_bit_for_bit(cache, tmp_path):
    assert cache.get(digest(0)) is None
    cache.put(activations(range(40)))
    assert holds(cache, activations(range(40)))
    assert cache.get(digest(40)) is None
    with ActivationCache(Pixels(8), tmp_path) as again:
        assert holds(again, activations(range(40)))


def test_what_comes_back_can_be_written_to(cache):
    cache.put(activations([0]))
    cache.get(digest(0))[:] = 0
    assert holds(cache, activations([0]))


def test_each_encoder_has_its_own(cache, tmp_path):
    cache.put(activations([0]))
    with ActivationCache(Pixels(9), tmp_path) as other:
        assert other.get(digest(0)) is None
        other.put(activations([0], side=9))
    assert holds(cache, activations([0]))
    assert cache.path.stem == Pixels(8).fingerprint


def test_the_folder_is_made(tmp_path):
    with ActivationCache(Pixels(8), tmp_path / "a" / "b") as cache:
        assert cache.path.is_file()


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "mine"))
    assert default_cache_folder() == tmp_path / "mine"
    with ActivationCache(Pixels(8)) as cache:
        assert cache.path.parent == tmp_path / "mine"
    monkeypatch.delenv("SPIKEHEAD_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "spikehead"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache" / "spikehead"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_cache_folder() == Path.home() / "Library" / "Caches" / "spikehead"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert default_cache_folder() == tmp_path / "spikehead"


def test_a_closed_cache_opens_again(cache):
    cache.put(activations([0]))
    cache.close()
    assert holds(cache, activations([0]))


def test_several_threads(cache):
    def fill(part):
        for number in part:
            cache.put(activations([number]))
            assert holds(cache, activations([number]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, np.arange(80).reshape(4, 20).tolist()))
    assert holds(cache, activations(range(80)))


def test_a_changed_value_counts_as_absent(cache):
    cache.put(activations([0, 1]))
    with sqlite3.connect(cache.path) as connection:
        changed = activations([2])[digest(2)].tobytes()
        connection.execute(
            "UPDATE activations SET activations = ? WHERE digest = ?", (changed, digest(0))
        )
    connection.close()
    assert cache.get(digest(0)) is None
    assert holds(cache, activations([1]))
    cache.put(activations([0]))
    assert holds(cache, activations([0, 1]))


@pytest.mark.parametrize("damage", ["replaced", "overwritten", "cut off"])
def test_a_damaged_database_is_set_aside(tmp_path, damage):
    with ActivationCache(Pixels(8), tmp_path) as cache:
        cache.put(activations(range(100)))
    content = cache.path.read_bytes()
    broken = {
        "replaced": b"dear diary, " * 100,
        "overwritten": content[:200] + b"\xaa" * (len(content) - 200),
        "cut off": content[: len(content) // 2],
    }[damage]
    cache.path.write_bytes(broken)
    message = (
        rf"^the activation cache {re.escape(str(cache.path))} is damaged \([^()]+\): "
        rf"it was set aside as {cache.path.stem}.damaged, and photos are encoded again$"
    )

    def use():
        with ActivationCache(Pixels(8), tmp_path) as cache:
            for number in range(100):
                cache.get(digest(number))
            cache.put(activations(range(50)))
            assert holds(cache, activations(range(50)))

    with pytest.warns(UserWarning, match=message):
        use()
    assert cache.path.with_suffix(".damaged").read_bytes()[:12] == broken[:12]


def test_a_database_that_is_damaged_while_in_use(cache, tmp_path):
    cache.put(activations(range(100)))
    cache.close()
    assert cache.get(digest(0)) is not None
    with cache.path.open("r+b") as file:
        file.write(b"\xaa" * cache.path.stat().st_size)
    with pytest.warns(UserWarning, match=r"^the activation cache .* is damaged"):
        cache.put(activations(range(50)))
    assert holds(cache, activations(range(50)))


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    start = re.escape(f"cannot use the activation cache {tmp_path / 'file'}")
    end = "; make room there, or name another folder in the environment variable SPIKEHEAD_CACHE"
    with pytest.raises(OSError, match=f"^{start}.*{end}$"):
        ActivationCache(Pixels(8), tmp_path / "file")
    (tmp_path / f"{Pixels(8).fingerprint}.sqlite").mkdir()
    with pytest.raises(OSError, match=f"unable to open database file{end}$"):
        ActivationCache(Pixels(8), tmp_path)


PROGRAM = """
import resource, sys
import numpy as np
from spikehead.encoders import ActivationCache, Pixels

resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with ActivationCache(Pixels(8), sys.argv[1]) as cache:
    for number in range(10_000):
        row = np.random.default_rng(number).random(64, np.float32)
        try:
            cache.put({number.to_bytes(32, "little"): row})
        except OSError as error:
            print(number, error, sep="|")
            break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, as POSIX can")
def test_a_full_disk_keeps_what_was_there(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, message = run.stdout.strip().split("|")
    assert int(kept) > 10
    with ActivationCache(Pixels(8), tmp_path) as cache:
        start, end = message.split("; ")
        assert start == f"cannot use the activation cache {cache.path}: disk I/O error"
        assert end == (
            "make room there, or name another folder in the environment variable SPIKEHEAD_CACHE"
        )
        assert holds(cache, activations(range(int(kept))))
        cache.put(activations(range(1000)))
        assert holds(cache, activations(range(1000)))
