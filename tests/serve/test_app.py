"""The HTTP interface, asked by HTTP."""

import errno
import io
import os
import struct
import zipfile
import zlib

import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.models.lock import ModelInUseError
from spikehead.models.queue import Queue
from spikehead.serve.app import _PAGE

KINDS = ("disc", "frame", "half")


@pytest.fixture
def taught(client, picture):
    for kind in KINDS:
        client.teach(kind, *(picture(kind, number) for number in range(6)))
    return client


def error(response, status: int) -> str:
    """Return the sentence of a refusal, after checking its form."""
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    return response.json()["error"]


def test_from_nothing_to_three_classes(client, picture):
    assert client("GET", "/api/health").json() == {"status": "ok"}
    empty = client("GET", "/api/model").json()
    assert (empty["name"], empty["classes"], empty["lessons"]) == ("model", [], [])
    sentence = error(client.predict(picture("disc", 0)), 409)
    assert sentence == "the model has learned nothing yet; teach it a class"
    for kind in KINDS:
        photos = [picture(kind, number) for number in range(6)]
        result = client.teach(kind, *photos, b"no photo").json()
        assert (result["learned"], result["known"]) == (6, 0)
        reason = "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo"
        assert result["skipped"] == [{"place": 6, "photo": "6.png", "reason": reason}]
    model = client("GET", "/api/model").json()
    assert model == result["model"]
    assert model["classes"] == [{"name": kind, "photos": 6} for kind in KINDS]
    assert [lesson["class"] for lesson in model["lessons"]] == list(KINDS)
    again = client.teach("disc", picture("disc", 0)).json()
    assert (again["learned"], again["known"]) == (0, 1)

    result = client.predict(b"", *(picture(kind, 50) for kind in KINDS)).json()
    assert result["skipped"] == [{"place": 0, "photo": "0.png", "reason": "it is empty"}]
    for kind, answer in zip(KINDS, result["answers"], strict=True):
        assert answer["class"] == kind == max(answer["shares"], key=answer["shares"].get)
        assert sum(answer["shares"].values()) == pytest.approx(1)
        assert [len(answer["spikes"][name]) for name in KINDS] == [20] * 3


def test_undo_and_add(taught):
    result = taught("DELETE", "/api/lessons/last").json()
    assert result["undone"]["class"] == "half"
    assert [known["name"] for known in result["model"]["classes"]] == ["disc", "frame"]
    assert taught("POST", "/api/classes", json={"name": "bus"}).status_code == 201
    sentence = error(taught("POST", "/api/classes", json={"name": "bus"}), 409)
    assert sentence == "the class 'bus' is known already"
    for _ in range(3):
        assert taught("DELETE", "/api/lessons/last").ok
    assert error(taught("DELETE", "/api/lessons/last"), 409) == "there is no lesson to undo"


def test_corrections(folder, picture, request):
    HybridClassifier("intensities:8", head="decorrelated", n_threads=1).save(folder)
    client = request.getfixturevalue("client")
    for kind in KINDS:
        client.teach(kind, *(picture(kind, number) for number in range(4)))

    def known(reply):
        assert reply.ok, reply.text
        model = reply.json().get("model") or reply.json()
        assert model == client("GET", "/api/model").json()
        return {one["name"]: one["photos"] for one in model["classes"]}

    def correct(action, **names):
        return client("POST", f"/api/classes/{action}", json=names)

    renamed = correct("rename", name="disc", into="a/b")
    assert known(renamed) == {"a/b": 4, "frame": 4, "half": 4}
    assert {"action": "rename", "class": "disc", "into": "a/b"}.items() <= renamed.json()[
        "lessons"
    ][-1].items()
    assert known(correct("merge", name="half", into="frame")) == {"a/b": 4, "frame": 8}
    assert known(correct("remove", name="frame")) == {"a/b": 4}
    sentence = "'a/b' is the only class, and cannot be removed: teach another first"
    assert error(correct("remove", name="a/b"), 409) == sentence
    assert error(correct("rename", name="x", into="y"), 409) == "there is no class 'x'"
    assert known(client("DELETE", "/api/lessons/last")) == {"a/b": 4, "frame": 8}

    def photos(*contents):
        return [("photos", (f"{n}.png", content)) for n, content in enumerate(contents)]

    wrong = photos(picture("disc", 0), picture("disc", 77))
    sentence = error(client("POST", "/api/unlearn", files=wrong), 409)
    assert sentence == "1.png was never learned by this model"
    some = photos(picture("disc", 0), picture("half", 1))
    reply = client("POST", "/api/relabel", files=some, data={"class": "new"})
    assert reply.json()["photos"] == [
        {"photo": "0.png", "classes": ["a/b"]},
        {"photo": "1.png", "classes": ["frame"]},
    ]
    assert known(reply) == {"a/b": 3, "frame": 7, "new": 2}
    assert known(client("POST", "/api/unlearn", files=some)) == {"a/b": 3, "frame": 7, "new": 0}
    unreadable = photos(picture("disc", 1), b"no photo")
    assert error(client("POST", "/api/unlearn", files=unreadable), 422).startswith("1.png: it is")


def test_photos_that_would_teach_most_come_first(client, picture):
    sent = [picture("disc", 0), b"no photo", *(picture(kind, 9) for kind in KINDS)]

    def ask(number):
        files = [("photos", (f"{n}.png", photo)) for n, photo in enumerate(sent)]
        return client("POST", "/api/suggestions", data={"number": number}, files=files)

    refused = ask(2)
    assert refused.status_code == 409
    assert refused.json()["error"] == "the model has learned nothing yet; teach it a class"
    for kind in KINDS:
        client.teach(kind, picture(kind, 0))
    found = ask(2).json()
    assert (found["known"], [one["place"] for one in found["skipped"]]) == (1, [1])
    assert len(set(found["places"])) == 2
    assert set(found["places"]) < {2, 3, 4}
    assert [one["photo"] for one in found["answers"]] == [f"{n}.png" for n in found["places"]]
    answers = client.predict(*(sent[place] for place in found["places"])).json()["answers"]
    assert [one["shares"] for one in answers] == [one["shares"] for one in found["answers"]]
    assert ask(0).status_code == 422


def test_what_is_probably_not_of_a_class_comes_first(client, picture):
    sent = [*(picture("disc", number) for number in range(3)), b"no photo", picture("half", 9)]
    files = [("photos", (f"{n}.png", photo)) for n, photo in enumerate(sent)]

    def ask():
        return client("POST", "/api/checks", data={"class": "disc"}, files=files)

    assert error(ask(), 409) == "the model has learned nothing yet; teach it a class"
    client.teach("disc", sent[0])
    assert error(ask(), 409) == "'disc' is the only class: to doubt it takes another"
    client.teach("half", *(picture("half", number) for number in range(4)))
    before = client("GET", "/api/model").json()
    found = ask().json()
    first, *others = found["doubts"]
    assert (first["place"], first["likely"]) == (4, "half")
    assert first["doubt"] > 0 > max(one["doubt"] for one in others)
    assert {one["place"] for one in others} == {0, 1, 2}
    assert [one["place"] for one in found["skipped"]] == [3]
    assert client("GET", "/api/model").json() == before


def test_photos_wait_for_a_teacher(taught, folder, picture):
    queue = Queue(folder)
    assert taught("GET", "/api/queue").json() == []
    name = queue.add(picture("disc", 80), label="frame", familiarity=0.25, source="camera 0")
    (waiting,) = taught("GET", "/api/queue").json()
    told = {"name": name, "class": "frame", "familiarity": 0.25, "source": "camera 0"}
    assert waiting == waiting | told
    shown = taught("GET", f"/api/queue/{name}")
    assert shown.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(shown.content)).size == (32, 32)
    empty = "a class needs a name, and this one is empty"
    assert error(taught("POST", f"/api/queue/{name}", json={"class": " "}), 422) == empty
    assert len(queue) == 1
    result = taught("POST", f"/api/queue/{name}", json={"class": "disc"}).json()
    assert (result["learned"], result["model"]["classes"][0]["photos"]) == (1, 7)
    assert len(queue) == 0
    other = queue.add(picture("disc", 81))
    assert taught("DELETE", f"/api/queue/{other}").status_code == 204
    assert len(queue) == 0
    for method, options in ("GET", {}), ("POST", {"json": {"class": "disc"}}), ("DELETE", {}):
        reply = taught(method, f"/api/queue/{name}", **options)
        assert error(reply, 404) == f"there is no /api/queue/{name}"
    (queue.folder / name).write_bytes(b"no photo")
    assert error(taught("GET", f"/api/queue/{name}"), 422).startswith("the photo: it is not a JPEG")


def test_it_tells_how_it_does(taught, teacher, picture):
    nothing = {"share": None, "answers": 0, "before": None, "answers_before": 0}
    told = taught("GET", "/api/metrics").json()
    assert told == dict.fromkeys(("right", "unknown", "corrected"), nothing) | {"changes": []}
    taught.teach("disc", *(picture("disc", number) for number in range(50, 54)))
    told = taught("GET", "/api/metrics").json()
    assert told["right"] == {"share": 1, "answers": 4, "before": None, "answers_before": 0}
    lines = taught("GET", "/metrics").text.splitlines()
    assert 'spikehead_answers{kind="right"} 1.0' in lines


def test_one_accent_is_one_class(client, picture):
    client.teach("caf\N{LATIN SMALL LETTER E WITH ACUTE}", picture("disc", 0))
    result = client.teach("cafe\N{COMBINING ACUTE ACCENT}", picture("disc", 1)).json()
    assert result["model"]["classes"] == [{"name": "café", "photos": 2}]


def test_a_known_class_is_taken_as_it_is(client, teacher, picture):
    names = ["a" * 300, " b ", "c\nd", "\u202ee"]
    for name in names:
        teacher.add_class(name)
    for number, name in enumerate(names):
        known = client.teach(name, picture("disc", number)).json()["model"]["classes"]
        assert known[number] == {"name": name, "photos": 1}
        sentence = error(client("POST", "/api/classes", json={"name": name}), 409)
        assert sentence == f"the class {name!r} is known already"
    assert len(known) == len(names)


def test_file_names_come_back_as_they_were(taught, picture):
    names = ['a "quoted" name.png', "Übung 文.png", "50 %.png", "a;b=c.png", "it's.png", "../a.png"]
    files = [("photos", (name, picture("disc", 50))) for name in names]
    for content in (picture("disc", 50), b"no photo"):
        files += [("photos", (name, content)) for name in names]
    result = taught("POST", "/api/predictions", files=files).json()
    assert [answer["photo"] for answer in result["answers"]] == names * 2
    assert [photo["photo"] for photo in result["skipped"]] == names


@pytest.mark.parametrize("part", [b"", b'; filename=""'])
def test_a_photo_without_a_file_name_gets_a_sentence(taught, picture, part):
    head = b'--x\r\nContent-Disposition: form-data; name="photos"' + part + b"\r\n\r\n"
    body = head + picture("disc", 0) + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    sentence = error(taught("POST", "/api/predictions", data=body, headers=headers), 422)
    assert sentence == (
        "photos: send each as a file, with a file name, as curl does: -F photos=@a.jpg"
    )


def test_head_is_get_without_a_body(taught):
    paths = "api/health", "api/model", "api/model.zip", "metrics", "openapi.json", "", "main.js"
    for path in paths:
        got, head = taught("GET", f"/{path}"), taught("HEAD", f"/{path}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        if path not in ("api/model.zip", "metrics"):
            assert head.headers["content-length"] == got.headers["content-length"]
    assert taught("HEAD", "/api/none").status_code == 404


def test_it_says_what_each_path_takes(client):
    for method, path, allowed in (
        ("PUT", "/api/model", "GET, HEAD"),
        ("DELETE", "/api/health", "GET, HEAD"),
        ("GET", "/api/lessons", "POST"),
        ("HEAD", "/api/predictions", "POST"),
        ("POST", "/api/lessons/last", "DELETE"),
        ("PATCH", "/openapi.json", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ):
        response = client(method, path)
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == set(allowed.split(", "))


def test_a_folder_that_is_gone_is_no_health(taught, teacher, tmp_path):
    teacher.folder.rename(tmp_path / "elsewhere")
    sentence = error(taught("GET", "/api/health"), 503)
    assert sentence.startswith("the model's folder is gone from the disk: put it back, or download")
    assert zipfile.ZipFile(io.BytesIO(taught("GET", "/api/model.zip").content)).testzip() is None
    (tmp_path / "elsewhere").rename(teacher.folder)
    assert taught("GET", "/api/health").ok


def test_a_model_that_another_program_holds_is_not_available(taught, teacher, monkeypatch):
    def fail():
        raise ModelInUseError("another program works on the model")

    monkeypatch.setattr(teacher, "undo", fail)
    assert error(taught("DELETE", "/api/lessons/last"), 503) == "another program works on the model"


def test_the_download_is_a_model(taught, teacher, tmp_path):
    response = taught("GET", "/api/model.zip")
    assert response.headers["content-type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(response.content)).extractall(tmp_path / "there")
    model = HybridClassifier.load(tmp_path / "there" / "model")
    ours = teacher.state.model
    assert model.head.network_.weights.tobytes() == ours.head.network_.weights.tobytes()


def test_figures(taught, picture):
    taught.predict(picture("disc", 0), picture("half", 0))
    taught("GET", "/api/none")
    figures = taught("GET", "/metrics").text
    for line in (
        "spikehead_photos_learned_total 18.0",
        "spikehead_photos_recognised_total 2.0",
        "spikehead_classes 3.0",
        "spikehead_lessons 3.0",
        'spikehead_request_seconds_count{method="POST",route="/api/lessons",status="200"} 3.0',
    ):
        assert line in figures.splitlines()
    assert "/api/none" not in figures


def test_says_in_one_sentence_what_is_wrong(client, picture):
    photo = ("photos", ("a.png", picture("disc", 0)))
    control = "a class name cannot hold control characters or broken Unicode: a\\nb"
    long = f"a class name has at most 255 characters, not 256: {'a' * 20}..."
    empty = "a class needs a name, and this one is empty"
    wrongs = [
        (404, "there is no /api/none", ("GET", "/api/none"), {}),
        (405, "/api/model does not take PUT", ("PUT", "/api/model"), {}),
        (422, "class: field required", ("POST", "/api/lessons"), {"files": [photo]}),
        (422, "photos: field required", ("POST", "/api/lessons"), {"data": {"class": "a"}}),
        (422, empty, ("POST", "/api/lessons"), {"data": {"class": " "}, "files": [photo]}),
        (422, control, ("POST", "/api/lessons"), {"data": {"class": "a\nb"}, "files": [photo]}),
        (422, long, ("POST", "/api/classes"), {"json": {"name": "a" * 256}}),
        (422, empty, ("POST", "/api/classes"), {"json": {"name": ""}}),
        (422, "name: field required", ("POST", "/api/classes"), {"json": {}}),
    ]
    for status, sentence, request, options in wrongs:
        assert error(client(*request, **options), status) == sentence
    sentence = error(client.teach("a", b"%PDF-1.7"), 422)
    reason = "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo"
    assert sentence == f"no photo can be used; the first is 0.png: {reason}"
    json = {"Content-Type": "application/json"}
    sentence = error(client("POST", "/api/classes", data=b"{", headers=json), 422)
    assert sentence == "the request: it is not JSON"


def test_a_decompression_bomb_is_refused(client):
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)
    sentence = error(client.teach("bomb", bomb), 422)
    assert sentence.endswith("0.png: it has more than 120 megapixels")
    assert client("GET", "/api/model").json()["classes"] == []


def test_too_many_photos_are_refused(client, picture):
    sentence = error(client.teach("a", *[picture("disc", 0)] * 65), 422)
    assert sentence == "photos: list should have at most 64 items after validation, not 65"


def test_a_full_disk_refuses_the_lesson(taught, picture, monkeypatch):
    before = taught("GET", "/api/model").json()

    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        sentence = error(taught.teach("new", picture("disc", 7)), 507)
    assert "the disk is full, free some space and try again; the model is unchanged" in sentence
    assert taught("GET", "/api/model").json() == before
    assert taught.teach("new", picture("disc", 7)).ok


def test_a_full_temporary_folder_refuses_the_download(taught, teacher, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(teacher, "write_archive", fail)
    sentence = error(taught("GET", "/api/model.zip"), 507)
    assert sentence == "the system says: no space left on device"


def test_a_failure_is_told_in_one_sentence_too(taught, teacher, monkeypatch):
    monkeypatch.setattr(teacher, "undo", lambda: 1 / 0)
    sentence = error(taught("DELETE", "/api/lessons/last"), 500)
    assert sentence == "the service failed; what it printed says why"


def test_the_page_needs_no_other_host(client):
    page = client("GET", "/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in sorted(path.name for path in _PAGE.iterdir()):
        part = client("GET", f"/{name}")
        assert part.ok
        assert "//" not in part.text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")
    assert "://" not in page.text


def test_a_folder_that_was_moved_away_is_no_place_for_a_lesson(client, teacher, picture, tmp_path):
    teacher.folder.rename(tmp_path / "elsewhere")
    for answer in (
        client.teach("disc", picture("disc", 1)),
        client("POST", "/api/classes", json={"name": "disc"}),
    ):
        assert answer.status_code == 503
        assert "was moved or removed, or another program took it over" in answer.json()["error"]
    assert client("GET", "/api/model").json()["classes"] == []
