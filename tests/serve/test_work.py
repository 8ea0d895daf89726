"""Photos are looked at before they are decoded, and done in pieces."""

import asyncio
import struct
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikehead.images import n_pixels
from spikehead.serve import work as module
from spikehead.serve.work import PIECE_PHOTOS, PIECE_PIXELS, Work


def header(width: int, height: int) -> bytes:
    """Return a PNG file that is cut off after its header: it can be looked at, not decoded."""
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    length, crc = struct.pack(">I", len(content) - 4), struct.pack(">I", zlib.crc32(content))
    return b"\x89PNG\r\n\x1a\n" + length + content + crc + struct.pack(">I", 9) + b"IDAT"


def test_pixels_are_counted_from_the_header(picture):
    assert n_pixels(picture("disc", 0)) == 32 * 32
    assert n_pixels(header(10_954, 10_954)) == 10_954**2
    for refused in (
        b"",
        b"no photo",
        header(11_000, 11_000),
        header(10_000, 2),
        picture("disc", 0)[:20],
    ):
        assert n_pixels(refused) == 0


def test_more_pixels_than_a_request_may_have_are_not_decoded(client, picture):
    client.teach("disc", picture("disc", 0))
    many = [header(10_954, 10_954)] * 16
    for response in (client.predict(*many), client.teach("disc", *many)):
        assert response.status_code == 422
        assert response.json()["error"] == (
            "the photos have 1920 megapixels together, and a request may have 128; "
            "send fewer at a time, or smaller ones"
        )
    assert client("GET", "/api/model").json()["photos"] == 1


@given(
    st.lists(st.sampled_from([0, 1, 10**6, PIECE_PIXELS // 2, PIECE_PIXELS, 10**8]), max_size=64)
)
def test_pieces_are_in_order_and_within_the_budget(sizes):
    pieces = list(module._pieces(sizes))
    assert [n for start, stop in pieces for n in range(start, stop)] == [*range(len(sizes))]
    for start, stop in pieces:
        assert 1 <= stop - start <= PIECE_PHOTOS
        assert stop - start == 1 or sum(sizes[start:stop]) <= PIECE_PIXELS


def test_large_photos_do_not_hold_up_small_ones(picture):
    small, large = picture("disc", 0), header(5_000, 5_000)
    over, at_work, most = threading.Event(), 0, 0

    def do(photos):
        nonlocal at_work, most
        if photos == [large]:
            at_work += 1
            most = max(most, at_work)
            assert over.wait(60)
            at_work -= 1
        return len(photos)

    async def ask():
        work = Work()
        slow = [asyncio.create_task(work.on_photos(n, [small, large], do)) for n in range(8)]
        quick = await work.on_photos("small", [small] * 20, do)
        over.set()
        return await asyncio.gather(*slow), quick

    slow, quick = asyncio.run(ask())
    assert quick == [(0, 8), (8, 8), (16, 4)]
    assert slow == [[(0, 1), (1, 1)]] * 8
    assert most == 1


@pytest.mark.parametrize("action", ["predict", "teach"])
def test_photos_in_several_pieces_are_those_in_one(client, teacher, picture, action):
    client.teach("disc", *(picture("disc", n) for n in range(6)))
    photos = [picture("frame", n) for n in range(20)]
    photos[3] = photos[17] = b"no photo"
    if action == "predict":
        result = client.predict(*photos).json()
        answers, _ = teacher.recognise(photos)
        assert [answer["photo"] for answer in result["answers"]] == [
            f"{n}.png" for n in range(20) if n not in (3, 17)
        ]
        assert [answer["shares"] for answer in result["answers"]] == [a.shares for a in answers]
    else:
        result = client.teach("frame", *photos).json()
        assert result["learned"] == 18
        batch = teacher.encode(photos)
        assert (teacher.state.lessons[-1].activations == batch.given).all()
    assert [(photo["place"], photo["photo"]) for photo in result["skipped"]] == [
        (3, "3.png"),
        (17, "17.png"),
    ]
