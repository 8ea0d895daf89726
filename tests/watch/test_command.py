"""spikehead watch, as a user starts and ends it."""

import errno
import io
import json
import os
import signal
import sys
from datetime import datetime
from http.server import BaseHTTPRequestHandler

import pytest

from spikehead.cli import watch
from spikehead.interrupts import asked_to_stop
from spikehead.watch.watcher import Watcher


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path, disc, stripes, monkeypatch):
    module = pytest.importorskip("spikehead.watch.folder", exc_type=ImportError)
    monkeypatch.setattr(module, "SETTLED", 0.1)
    made = tmp_path / "photos"
    made.mkdir()
    contents = {"1": disc(1000), "2": disc(1)[:200], "3": stripes(1), "4": disc(1002)}
    for name, content in contents.items():
        (made / f"{name}.png").write_bytes(content)
    return made


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_answers_are_printed_and_posted_until_it_is_asked_to_end(run, model, folder, serve, how):
    posted = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if len(posted) < 3 else 204)
            self.end_headers()
            if len(posted) == 3:
                os.kill(os.getpid(), how)

        def log_message(self, *_):
            pass

    url = serve(Webhook)
    code, out, err = run("watch", model, folder, "--existing", "--webhook", f"{url}/?secret")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert answers == posted
    assert [answer["photo"][-5:] for answer in answers] == ["1.png", "3.png", "4.png"]
    assert [answer["unknown"] for answer in answers] == [False, True, False]
    assert {answer["source"] for answer in answers} == {str(folder)}
    assert all(datetime.fromisoformat(answer["time"]).tzinfo for answer in answers)
    printed = json.loads(run("predict", model, folder / "1.png", "--json")[1])["answers"][0]
    assert printed.items() <= answers[0].items()
    assert [bool(answer["queued"]) for answer in answers] == [False, True, False]
    assert (model / "queue" / answers[1]["queued"]).read_bytes() == (folder / "3.png").read_bytes()
    assert err.count("2.png: it is damaged") == 1
    assert err.count("takes no answers: HTTP Error 500") == 1
    assert "secret" not in err


def test_a_video_is_answered_at_a_rate_and_on_change(run, model, tmp_path, disc, stripes):
    av = pytest.importorskip("av")
    from PIL import Image

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for number in range(30):
            photo = stripes(1) if number >= 20 else disc(1001 if number < 10 else 1000)
            picture = Image.open(io.BytesIO(photo))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    code, out, _ = run("watch", model, tmp_path / "a.mp4", "--rate", 5)
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["second"] for answer in answers] == [n / 5 for n in range(15)]
    says = ["disc 1"] * 5 + ["disc 0"] * 5
    assert [answer["class"] for answer in answers][:10] == says
    assert [answer["unknown"] for answer in answers] == [False] * 10 + [True] * 5
    assert [bool(answer["queued"]) for answer in answers].index(True) == 10
    out = run("watch", model, tmp_path / "a.mp4", "--rate", 5, "--on-change")[1]
    assert [json.loads(line)["second"] for line in out.splitlines()] == [0.0, 1.0, 2.0]


def test_a_full_disk_under_the_output_is_told_once(troubles, told, monkeypatch):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    for _ in range(2):
        watch._print(troubles, "{}")
    assert told == ["answers cannot be printed: [Errno 28] No space left on device"]


def test_what_does_not_fit_is_wrong_usage(run, model, tmp_path, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.setattr(Watcher, "answer", None)
    (tmp_path / "a.mp4").touch()
    for arguments in (
        (tmp_path, "--rate", 2),
        (tmp_path / "a.mp4", "--existing"),
        (tmp_path / "a.mp4", "--webhook", "ftp://example.org"),
        (tmp_path / "a.mp4", "--mqtt", "mqtt://example.org"),
        (tmp_path / "a.mp4", "--mqtt", "mqtt://example.org/#"),
        (tmp_path / "a.mp4", "--rate", 0),
    ):
        assert run("watch", model, *arguments)[0] == 2
    code, _, err = run("watch", model, tmp_path / "none")
    assert (code, "none does not exist: give a folder" in err) == (1, True)
    code, _, err = run("watch", model, "http://user:secret@127.0.0.1:9/live?secret")
    assert code == 1
    assert "Error: http://127.0.0.1:9/live cannot be read: Connection refused" in err
    assert "secret" not in err


def test_who_asks_twice_to_stop_does_not_wait():
    with asked_to_stop() as asked:
        signal.raise_signal(signal.SIGTERM)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
