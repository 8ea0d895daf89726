"""spikehead serve, as a user starts, stops and kills it."""

import io
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest
import requests
from PIL import Image

from spikehead import HybridClassifier


def photo(number: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def teach(url: str, label: str, number: int, **options) -> requests.Response:
    files = [("photos", ("a.png", photo(number)))]
    return requests.post(f"{url}/api/lessons", data={"class": label}, files=files, **options)


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the command and gives the process, its address and token."""
    processes = []

    def start(*options):
        command = "import sys; from spikehead import cli; sys.argv[0] = 'spikehead'; cli.main()"
        process = subprocess.Popen(
            [sys.executable, "-c", command, "serve", tmp_path / "model", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        line = process.stdout.readline()
        url, token = re.search(r"at (http\S+?)/(?:#token=(\S+))? - Ctrl-C", line).groups()
        return process, url, token

    yield start
    for process in processes:
        process.kill()
        process.communicate()


NEW = ("--encoder", "intensities:8", "--rate", "10000")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_starts_from_nothing_and_stops_gracefully(start, tmp_path, how):
    process, url, token = start(*NEW)
    assert token is None
    assert teach(url, "disc", 1).ok
    process.send_signal(how)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGTERM)
    assert "Traceback" not in messages
    process, url, _ = start()
    assert requests.get(f"{url}/api/model").json()["classes"] == [{"name": "disc", "photos": 1}]


def test_a_kill_under_load_loses_no_lesson(start, tmp_path):
    process, url, _ = start(*NEW)
    acknowledged: list[str] = []

    def teach_until_the_end(first: int) -> None:
        with suppress(requests.ConnectionError):
            for number in range(first, 100_000, 4):
                teach(url, f"class {number}", number).raise_for_status()
                acknowledged.append(f"class {number}")

    threads = [threading.Thread(target=teach_until_the_end, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 20:
        threads[0].join(0.01)
    process.kill()
    for thread in threads:
        thread.join()
    learned = HybridClassifier.load(tmp_path / "model").photos_learned
    assert set(acknowledged) <= set(learned)
    assert set(learned.values()) == {1}
    process, url, _ = start()
    assert teach(url, "later", 1).json()["model"]["photos"] == len(learned) + 1


def test_other_machines_need_a_token(start):
    _, url, token = start(*NEW, "--host", "0.0.0.0")
    url = f"http://127.0.0.1:{url.rpartition(':')[2]}"
    assert requests.get(f"{url}/api/model").status_code == 401
    answer = requests.get(f"{url}/api/model", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["classes"] == []


def test_behind_a_proxy_a_token_is_needed(start):
    _, url, token = start(*NEW, "--public", "https://Teach.example:443/a", "--proxy", "127.0.0.1")
    assert url == "https://teach.example/a"
    assert token


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate")
def test_tls(start, tmp_path):
    subject = "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"
    files = "-keyout", "key.pem", "-out", "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    pair = "--certificate", tmp_path / "cert.pem", "--key", tmp_path / "key.pem"
    _, url, _ = start(*NEW, *pair)
    assert url.startswith("https://")
    assert requests.get(f"{url}/api/health", verify=str(tmp_path / "cert.pem")).ok


def test_says_what_is_wrong(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    HybridClassifier("intensities:8").save(tmp_path / "model")
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    wrongs = [
        (2, ("--token", "short"), "give at least 8 ASCII characters."),
        (2, ("--key", "key.pem"), "it needs a --certificate."),
        (2, ("--certificate", tmp_path / "none.pem"), "none.pem cannot be used"),
        (2, ("--public", "teach.example"), "give an address such as https://teach.example."),
        (2, ("--public", "https://a.example/?b"), "give an address such as https://teach.example."),
        (2, ("--proxy", "nginx"), "nginx is no address, and no network such as 10.0.0.0/8."),
        (2, ("--members", "3"), "are settled when a model is made"),
        (1, ("--port", port), f"cannot listen on 127.0.0.1, port {port}: "),
        (1, ("--host", "none.invalid"), "cannot listen on none.invalid, port 8000: "),
    ]
    for status, options, sentence in wrongs:
        code, out, err = run("serve", tmp_path / "model", *options)
        assert (code, out) == (status, "")
        assert sentence in " ".join(err.replace("│", " ").split())
    taken.close()
    code, _, err = run("serve", tmp_path / "photos")
    assert code == 1
    assert "is not empty and is not a spikehead model" in err


def test_a_missing_extra_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "spikehead.serve.server", raising=False)
    code, _, err = run("serve", tmp_path / "model")
    assert code == 1
    assert 'pip install "spikehead[serve]"' in err
