"""Frames of a file that the test writes, and of a stream that breaks off."""

from http.server import BaseHTTPRequestHandler

import pytest
from PIL import Image

from spikehead.images import read_photo

video = pytest.importorskip("spikehead.watch.video", exc_type=ImportError)
av, file_frames, live_frames = video.av, video.file_frames, video.live_frames


def write_video(path, levels, rate=10, **options):
    """Write a video of grey pictures, one of each level."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream("mpeg4", rate=rate, options={"g": "1"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for level in levels:
            picture = Image.new("RGB", (32, 32), (level,) * 3)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


def level(shot):
    return read_photo(shot.content).getpixel((16, 16))[0]


def test_frames_of_a_file_are_evenly_spaced(tmp_path, stop, troubles, told):
    path = write_video(tmp_path / "a.mp4", range(20, 220, 10))
    shots = list(file_frames(path, 2.5, stop, troubles))
    assert [shot.second for shot in shots] == [0.0, 0.4, 0.8, 1.2, 1.6]
    assert [round(level(shot), -1) for shot in shots] == [20, 60, 100, 140, 180]
    assert len(list(file_frames(path, 1000, stop, troubles))) == 20
    shots = file_frames(path, 1000, stop, troubles)
    next(shots)
    stop.set()
    assert len(list(shots)) == 0
    assert told == []


def test_broken_frames_cost_themselves_and_are_told_once(tmp_path, stop, troubles, told):
    path = write_video(tmp_path / "a.avi", [100] * 20)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place, size in places[5:8]:
        content[place + 8 : place + size] = b"\xff" * (size - 8)
    path.write_bytes(content)
    shots = list(file_frames(path, 1000, stop, troubles))
    assert len(shots) == 17
    assert {round(level(shot), -1) for shot in shots} == {100}
    assert told == [
        f"broken frames of {path} are left out: Invalid data found when processing input"
    ]


@pytest.mark.parametrize("content", [b"", b"no video", bytes(1000)])
def test_what_is_no_video_is_an_error(tmp_path, content, stop, troubles):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(OSError, match=r"a\.mp4 (cannot be read|holds no pictures)"):
        list(file_frames(tmp_path / "a.mp4", 1, stop, troubles))


def test_a_stream_that_breaks_off_is_taken_up_again(tmp_path, serve, stop, troubles, told, pause):
    content = write_video(tmp_path / "a.ts", range(50, 150, 10), format="mpegts").read_bytes()
    asked = []

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if len(asked) == 2:
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    url = f"{serve(Camera)}/live"
    shots = live_frames(url, "the camera", 1000.0, stop, troubles)
    while len(asked) < 4:
        assert 40 <= level(next(shots)) <= 150
    stop.set()
    assert list(shots) == []
    assert told[0].startswith("the camera broke off (")


def test_a_stream_that_is_not_there_is_an_error(stop, troubles):
    shots = live_frames("http://127.0.0.1:9/live", "the camera", 1.0, stop, troubles)
    with pytest.raises(OSError, match=r"the camera cannot be read: Connection refused"):
        next(shots)
