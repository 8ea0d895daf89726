import os
import re
import sqlite3
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from spikehead.encoders import ActivationCache, Intensities
from spikehead.encoders import cache as cache_module


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
    with ActivationCache(Intensities(8), tmp_path) as cache:
        yield cache


def test_what_was_kept_comes_back_bit_for_bit(cache, tmp_path):
    assert cache.get(digest(0)) is None
    cache.put(activations(range(40)))
    assert holds(cache, activations(range(40)))
    assert cache.get(digest(40)) is None
    with ActivationCache(Intensities(8), tmp_path) as again:
        assert holds(again, activations(range(40)))


def test_what_comes_back_can_be_written_to(cache):
    cache.put(activations([0]))
    cache.get(digest(0))[:] = 0
    assert holds(cache, activations([0]))


def test_each_encoder_has_its_own(cache, tmp_path):
    cache.put(activations([0]))
    with ActivationCache(Intensities(9), tmp_path) as other:
        assert other.get(digest(0)) is None
        other.put(activations([0], side=9))
    assert holds(cache, activations([0]))
    assert cache.path.stem == Intensities(8).fingerprint


def test_the_folder_is_made(tmp_path):
    with ActivationCache(Intensities(8), tmp_path / "a" / "b") as cache:
        assert cache.path.is_file()


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "mine"))
    with ActivationCache(Intensities(8)) as cache:
        assert cache.path.parent == tmp_path / "mine"


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
    with ActivationCache(Intensities(8), tmp_path) as cache:
        cache.put(activations(range(100)))
    content = cache.path.read_bytes()
    broken = {
        "replaced": b"dear diary, " * 100,
        "overwritten": content[:200] + b"\xaa" * (len(content) - 200),
        "cut off": content[: len(content) // 2],
    }[damage]
    cache.path.write_bytes(broken)
    message = (
        rf"^the activation cache {re.escape(str(cache.path))} is damaged: "
        rf"it was set aside as {cache.path.stem}.damaged, and photos are encoded again$"
    )

    def use():
        with ActivationCache(Intensities(8), tmp_path) as cache:
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


def kept_in(folder):
    """Return whether activations can be kept in a folder, where there are none yet."""
    with ActivationCache(Intensities(8), folder) as cache:
        assert cache.get(digest(0)) is None
        cache.put(activations([0]))
        return cache.get(digest(0)) is not None


def lost_of(cache, kept):
    """Return whose activations are missing; assert that the others are right."""
    found = {digest: cache.get(digest) for digest in kept}
    known = {digest: row for digest, row in found.items() if row is not None}
    assert all(np.array_equal(row, kept[digest]) for digest, row in known.items())
    return found.keys() - known.keys()


def damaged(content, place):
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


@pytest.mark.filterwarnings("ignore:the activation cache")
def test_no_flipped_bit_gives_other_activations_or_an_error(tmp_path):
    kept = activations(range(3), side=2)
    path = tmp_path / f"{Intensities(2).fingerprint}.sqlite"
    with closing(sqlite3.connect(path)) as small:
        small.executescript("PRAGMA page_size = 512; VACUUM;")
    with ActivationCache(Intensities(2), tmp_path) as cache:
        cache.put(kept)
    content = path.read_bytes()
    lost = set()
    for place in range(len(content)):
        path.write_bytes(damaged(content, place))
        with ActivationCache(Intensities(2), tmp_path) as cache:
            lost |= lost_of(cache, kept)
            cache.put(dict(list(kept.items())[: place % 2]))
            lost |= lost_of(cache, kept)
    assert lost == kept.keys()


@pytest.mark.filterwarnings("ignore:the activation cache")
def test_a_cache_that_is_cut_off_anywhere_loses_entries_and_nothing_else(tmp_path):
    kept = activations(range(60))
    with ActivationCache(Intensities(8), tmp_path) as cache:
        cache.put(kept)
    content = cache.path.read_bytes()
    for length in range(0, len(content), 1000):
        cache.path.write_bytes(content[:length])
        with ActivationCache(Intensities(8), tmp_path) as cut:
            lost_of(cut, kept)
            cut.put(kept)
            assert holds(cut, kept)


def test_an_entry_in_the_place_of_another_counts_as_missing(cache):
    cache.put(activations(range(2)))
    cache.close()
    with closing(sqlite3.connect(cache.path)) as database, database:
        swap = "UPDATE activations SET digest = ? WHERE digest = ?"
        for old, new in ((0, 2), (1, 0), (2, 1)):
            database.execute(swap, (digest(new), digest(old)))
    assert [cache.get(digest(number)) for number in range(2)] == [None, None]


def test_the_cache_of_another_encoder_counts_as_empty(cache, tmp_path):
    cache.put(activations([0]))
    cache.close()
    other = Intensities(8)
    other.fingerprint = "0" * 64
    cache.path.rename(tmp_path / f"{other.fingerprint}.sqlite")
    with ActivationCache(other, tmp_path) as renamed:
        assert renamed.get(digest(0)) is None


def test_a_cache_of_the_first_format_is_begun_anew_in_silence(tmp_path):
    row = activations([0])[digest(0)]
    with closing(sqlite3.connect(tmp_path / f"{Intensities(8).fingerprint}.sqlite")) as old, old:
        old.execute(
            "CREATE TABLE activations (digest BLOB PRIMARY KEY, activations BLOB NOT NULL, "
            "checksum INTEGER NOT NULL)"
        )
        entry = digest(0), row.tobytes(), zlib.crc32(row.tobytes())
        old.execute("INSERT INTO activations VALUES (?, ?, ?)", entry)
    with ActivationCache(Intensities(8), tmp_path) as cache:
        assert cache.get(digest(0)) is None
        cache.put(activations([0]))
        assert holds(cache, activations([0]))


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE activations (photo TEXT)",
        "CREATE TABLE activations (digest INTEGER PRIMARY KEY, activations, checksum)",
        "CREATE VIEW activations AS SELECT 1 AS digest, 2 AS activations, 3 AS checksum",
    ],
)
def test_a_database_of_another_program_is_set_aside(tmp_path, schema):
    with closing(sqlite3.connect(tmp_path / f"{Intensities(8).fingerprint}.sqlite")) as other:
        other.execute(schema)
    with pytest.warns(UserWarning, match=r"^the activation cache .* is damaged: it was set aside"):
        kept_there = kept_in(tmp_path)
    assert kept_there


def without(folder, reason):
    """Assert that work goes on without the cache in a folder, after one sentence."""
    path = re.escape(str(folder / f"{Intensities(8).fingerprint}.sqlite"))
    sentence = (
        rf"^cannot use the activation cache {path} \({reason}\): photos are encoded without it; "
        r"name another folder with --cache or in the environment variable SPIKEHEAD_CACHE$"
    )
    with pytest.warns(UserWarning, match=sentence) as warned:
        kept_there = kept_in(folder)
    assert not kept_there
    assert len(warned) == 1


def test_a_folder_that_cannot_be_used_is_done_without(tmp_path):
    (tmp_path / "file").touch()
    without(tmp_path / "file", ".*[Ee]xists.*")
    aside = tmp_path / f"{Intensities(8).fingerprint}.damaged"
    aside.mkdir()
    aside.with_suffix(".sqlite").write_bytes(b"no database" * 100)
    without(tmp_path, ".*directory.*")


@pytest.mark.skipif(os.name != "posix", reason="links and pipes, as POSIX has them")
@pytest.mark.parametrize("beside", ["", "-journal", "-wal"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_only_regular_files_are_opened(tmp_path, kind, beside):
    path = tmp_path / f"{Intensities(8).fingerprint}.sqlite{beside}"
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to(outside),
    }[kind]()
    without(tmp_path, f"{path} is not a regular file")
    assert outside.read_bytes() == b""


def test_a_user_without_any_folder_works_without_a_cache(monkeypatch):
    def nowhere():
        raise FileNotFoundError("no usable folder")

    monkeypatch.setattr(cache_module, "default_cache_folder", nowhere)
    with pytest.warns(UserWarning, match=r"^cannot use the activation cache \(no usable folder\)"):
        kept_there = kept_in(None)
    assert not kept_there


PROGRAM = """
import resource, sys, warnings
import numpy as np
from spikehead.encoders import ActivationCache, Intensities

resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with ActivationCache(Intensities(8), sys.argv[1]) as cache:
    for number in range(10_000):
        row = np.random.default_rng(number).random(64, np.float32)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cache.put({number.to_bytes(32, "little"): row})
        if caught:
            print(number, caught[0].message, sep="|")
            break
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, as POSIX can")
def test_a_full_disk_keeps_what_was_there(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, message = run.stdout.strip().split("|")
    assert int(kept) > 10
    with ActivationCache(Intensities(8), tmp_path) as cache:
        start = f"cannot use the activation cache {cache.path} (disk I/O error): photos are encoded"
        assert message.startswith(start)
        assert holds(cache, activations(range(int(kept))))
        cache.put(activations(range(1000)))
        assert holds(cache, activations(range(1000)))
