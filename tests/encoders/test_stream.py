import hashlib
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from spikehead.encoders import ActivationCache, Intensities, OnnxEncoder, encode_photos
from spikehead.images import Preprocessing, read_photo


class CountingPixels(Intensities):
    """Counts the photos that it prepares and encodes."""

    prepared = encoded = 0

    def __init__(self, side=8):
        super().__init__(side)
        prepare = self.preprocessing

        def counting(photo):
            self.prepared += 1
            return prepare(photo)

        self.preprocessing = counting

    def encode(self, pixels):
        self.encoded += len(pixels)
        return super().encode(pixels)


def expected(paths):
    encoder = Intensities(8)
    return encoder.encode(np.stack([encoder.preprocessing(read_photo(path)) for path in paths]))


def together(batches):
    return np.concatenate([batch.given for batch in batches])


@pytest.mark.parametrize("batch_size", [1, 7, 25, 100])
def test_photos_are_encoded_in_the_order_given(photos, batch_size):
    given = photos[::-1]
    batches = list(encode_photos(given, Intensities(8), batch_size=batch_size))
    assert all(len(batch.indices) == batch_size for batch in batches[:-1])
    assert [index for batch in batches for index in batch.indices] == list(range(25))
    np.testing.assert_array_equal(together(batches), expected(given))
    digests = [digest for batch in batches for digest in batch.digests]
    assert digests == [hashlib.sha256(path.read_bytes()).digest() for path in given]


def test_activations_of_either_sign(photos, save_network, tmp_path):
    encoder = OnnxEncoder(save_network(), preprocessing=Preprocessing(8, 8))
    with ActivationCache(encoder, tmp_path / "cache") as cache:
        for _ in range(2):  # the second time from the cache
            (batch,) = encode_photos(photos[:3], encoder, cache)
            pixels = np.stack([encoder.preprocessing(read_photo(path)) for path in photos[:3]])
            np.testing.assert_array_equal(batch.given, encoder.encode(pixels))
            assert (batch.given < 0).any()


def test_photos_that_cannot_be_read_are_left_out_with_the_reason(photos, tmp_path):
    (tmp_path / "diary.jpg").write_text("dear diary")
    given = [tmp_path / "gone.jpg", *photos[:3], tmp_path / "diary.jpg", str(photos[3])]
    first, second, third = encode_photos(given, Intensities(8), batch_size=2)
    assert (first.indices, first.problems) == ([1], {0: "it does not exist"})
    assert (second.indices, second.problems) == ([2, 3], {})
    assert (third.indices, third.problems) == (
        [5],
        {4: "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo"},
    )
    np.testing.assert_array_equal(together([first, second, third]), expected(photos[:4]))


def test_a_batch_without_a_readable_photo_and_no_photos_at_all():
    (batch,) = encode_photos([b"", b"x"], Intensities(8))
    assert (batch.indices, batch.digests, batch.given.shape) == ([], [], (0, 64))
    assert list(batch.problems) == [0, 1]
    assert list(encode_photos([], Intensities(8))) == []


def test_contents_in_place_of_paths(photos):
    (batch,) = encode_photos([path.read_bytes() for path in photos], Intensities(8))
    np.testing.assert_array_equal(batch.given, expected(photos))


def test_what_is_in_the_cache_is_neither_decoded_nor_encoded_again(photos, tmp_path):
    encoder = CountingPixels()
    with ActivationCache(encoder, tmp_path / "cache") as cache:
        list(encode_photos(photos[::2], encoder, cache, batch_size=4))
        assert (encoder.prepared, encoder.encoded) == (13, 13)
        batches = list(encode_photos(photos, encoder, cache, batch_size=4))
        assert (encoder.prepared, encoder.encoded) == (25, 25)
    np.testing.assert_array_equal(together(batches), expected(photos))


def test_copies_of_a_photo(photos, tmp_path):
    given = [photos[0], photos[1], photos[0]]
    with ActivationCache(Intensities(8), tmp_path) as cache:
        for _ in range(2):
            (batch,) = encode_photos(given, Intensities(8), cache)
            np.testing.assert_array_equal(batch.given, expected(given))


def test_no_more_than_two_batches_are_read_ahead_and_stopping_ends_the_threads(photos):
    before = threading.active_count()
    encoder = CountingPixels()
    stream = encode_photos(photos, encoder, batch_size=5, n_threads=2)
    next(stream)
    assert encoder.prepared <= 10
    stream.close()
    assert threading.active_count() == before


PROGRAM = """
import sys, time
from pathlib import Path
from spikehead.encoders import ActivationCache, Intensities, encode_photos

class SlowPixels(Intensities):
    def encode(self, pixels):
        time.sleep(0.03)
        return super().encode(pixels)

encoder = SlowPixels(8)
photos = sorted(Path(sys.argv[1]).iterdir())
with ActivationCache(encoder, sys.argv[2]) as cache:
    for batch in encode_photos(photos, encoder, cache, batch_size=1):
        print(len(batch.indices), flush=True)
    time.sleep(float(sys.argv[3]))
"""


@pytest.fixture
def start(photos, tmp_path):
    """Return a function that starts a process: it encodes the photos one by one, then lingers."""
    command = [sys.executable, "-c", PROGRAM, photos[0].parent, tmp_path / "cache"]

    def run(linger):
        arguments = [str(argument) for argument in (*command, linger)]
        return subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return run


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_a_stopped_process_encoded_is_not_lost(start, photos, tmp_path, how):
    process = start(linger=60)
    for _ in range(8):
        process.stdout.readline()
    process.send_signal(how)
    _, error = process.communicate(timeout=30)
    assert process.returncode == -how
    assert how == signal.SIGKILL or "KeyboardInterrupt" in error
    encoder = CountingPixels()
    with ActivationCache(encoder, tmp_path / "cache") as cache:
        batches = list(encode_photos(photos, encoder, cache))
    assert encoder.encoded <= len(photos) - 8
    np.testing.assert_array_equal(together(batches), expected(photos))


def test_two_processes_at_once(start, photos, tmp_path):
    processes = [start(linger=0), start(linger=0)]
    for process in processes:
        output, error = process.communicate(timeout=60)
        assert (process.returncode, error) == (0, "")
        assert output == "1\n" * len(photos)
    encoder = CountingPixels()
    with ActivationCache(encoder, tmp_path / "cache") as cache:
        batches = list(encode_photos(photos, encoder, cache))
    assert encoder.encoded == 0
    np.testing.assert_array_equal(together(batches), expected(photos))
