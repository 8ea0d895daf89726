"""Push and pull, against a server that speaks the part of the Hub's interface that they use."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.models import storage
from spikehead.models.lessons import StoredLesson
from spikehead.models.schema import is_own_file

pytest.importorskip("huggingface_hub")

from huggingface_hub import ModelCard, constants

from spikehead.models import hub

# huggingface_hub passes files to its HTTP client in a way that the latter is to drop.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
REPOSITORY = "ann/digits"


class Repository:
    """A Git repository with branches, whose commits are whole folders of files."""

    def __init__(self, private: bool) -> None:
        self.private = private
        self.commits: dict[str, dict[str, bytes]] = {}
        self.branches: dict[str, str] = {}
        self.commit("main", {".gitattributes": b""})

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(f"{branch} {len(self.commits)}".encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return self.commits[self.branches[revision]]


class StandIn(ThreadingHTTPServer):
    """The Hub, in memory."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.repositories: dict[str, Repository] = {}
        self.tokens = {"may-write": True, "may-read": False}
        self.uploads: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.down = self.full = False
        self.bytes_left: int | None = None  # until the connection breaks off

    def handle_error(self, request, client_address) -> None:
        """Say nothing of connections that break off."""


class Refused(Exception):  # noqa: N818 - no error of the server's
    """An answer that is an error."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn
    ROUTES = (
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate_card"),
        ("GET", r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", "info"),
        ("GET", r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", "tree"),
        ("POST", r"/api/models/([^/]+/[^/]+)/branch/([^/]+)", "branch"),
        ("POST", r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)", "preupload"),
        ("POST", r"/api/models/([^/]+/[^/]+)/commit/([^/]+)", "commit"),
        ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/lfs/([0-9a-f]+)", "lfs_upload"),
        ("GET|HEAD", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
    )

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.server.requests.append(
            f"{self.command} {path} {self.headers.get('Range', '')}".strip()
        )
        try:
            if self.server.down:
                raise Refused(503, "", "down for maintenance")
            for method, pattern, name in self.ROUTES:
                match = re.fullmatch(pattern, path)
                if match and self.command in method:
                    return getattr(self, name)(body, *match.groups())
            raise Refused(404, "", f"the stand-in knows no {self.command} {path}")
        except Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self.answer(b"{}", refused.status, headers)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - as http.server calls them

    def answer(self, content, status: int = 200, headers=None) -> None:
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **(headers or {})}.items():
            if value != "":
                self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            left = self.server.bytes_left if "/resolve/" in self.path else None
            self.wfile.write(content[:left])
            if left is not None and len(content) > left:
                self.server.bytes_left, self.close_connection = 0, True

    def log_message(self, *_) -> None:
        pass

    def check_token(self, to_write: bool = False) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token and to_write:
            raise Refused(401, "", "Invalid username or password.")
        if token and token not in self.server.tokens:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        if to_write and not self.server.tokens[token]:
            raise Refused(403, "", "this token may only read")
        return bool(token)

    def repository(self, name: str, to_write: bool = False) -> Repository:
        known = self.check_token(to_write)
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not known):
            raise Refused(404 if known else 401, "RepoNotFound", "Repository not found")
        return repository

    def files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        repository = self.repository(name)
        sha = repository.branches.get(revision, revision)
        if sha not in repository.commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, repository.commits[sha]

    def create(self, body: bytes) -> None:
        self.check_token(to_write=True)
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        exists = name in self.server.repositories
        if not exists:
            private = asked.get("visibility") == "private" or asked.get("private", False)
            self.server.repositories[name] = Repository(private)
        self.answer({"url": f"{self.server.url}/{name}", "name": name}, 409 if exists else 200)

    def validate_card(self, body: bytes) -> None:
        try:
            _ = ModelCard(json.loads(body)["content"]).data
        except Exception as error:
            self.answer({"errors": [{"message": str(error)}], "warnings": []}, 400)
        else:
            self.answer({"errors": [], "warnings": []})

    def info(self, _: bytes, name: str, revision: str | None) -> None:
        sha, files = self.files(name, revision or "main")
        siblings = [{"rfilename": path} for path in files]
        private = self.server.repositories[name].private
        self.answer({"id": name, "sha": sha, "private": private, "siblings": siblings, "tags": []})

    def tree(self, _: bytes, name: str, revision: str) -> None:
        self.answer(
            [
                {"type": "file", "path": path, "size": len(content), "oid": _git_hash(content)}
                for path, content in self.files(name, revision)[1].items()
            ]
        )

    def branch(self, _: bytes, name: str, branch: str) -> None:
        repository = self.repository(name, to_write=True)
        exists = branch in repository.branches
        if not exists:
            repository.branches[branch] = repository.branches["main"]
        self.answer({}, 409 if exists else 200)

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        self.repository(name, to_write=True)
        there = self.files(name, revision)[1]
        self.answer(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if _is_large(file["path"]) else "regular",
                        "shouldIgnore": False,
                        "oid": _oid(file["path"], there),
                    }
                    for file in json.loads(body)["files"]
                ]
            }
        )

    def lfs_batch(self, body: bytes, name: str) -> None:
        self.repository(name, to_write=True)
        uploads = [
            {**wanted, "actions": {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"}}}
            for wanted in json.loads(body)["objects"]
        ]
        self.answer({"transfer": "basic", "objects": uploads})

    def lfs_upload(self, body: bytes, oid: str) -> None:
        if self.server.full:
            raise Refused(403, "", "the storage is full")
        assert hashlib.sha256(body).hexdigest() == oid
        self.server.uploads[oid] = body
        self.answer({})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        repository = self.repository(name, to_write=True)
        files = dict(self.files(name, revision)[1])
        for line in map(json.loads, body.splitlines()):
            key, value = line["key"], line["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.server.uploads[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        sha = repository.commit(revision, files)
        self.answer({"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha})

    def resolve(self, _: bytes, name: str, revision: str, path: str) -> None:
        sha, files = self.files(name, revision)
        if path not in files:
            raise Refused(404, "EntryNotFound", "no such file")
        content, start = files[path], 0
        if span := self.headers.get("Range"):
            start = int(re.fullmatch(r"bytes=(\d+)-", span)[1])
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": sha,
            "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}" if span else "",
        }
        self.answer(content[start:], 206 if span else 200, headers)


def _is_large(path: str) -> bool:
    return path.endswith(".safetensors")


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _oid(path: str, files: dict[str, bytes]) -> str | None:
    if path not in files:
        return None
    return hashlib.sha256(files[path]).hexdigest() if _is_large(path) else _git_hash(files[path])


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch):
    server = StandIn()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)  # as HF_ENDPOINT does at the start
    files = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "may-write")
    monkeypatch.setattr(time, "sleep", lambda _: None)  # before each new try
    yield server
    server.shutdown()
    server.server_close()


def teach(model: HybridClassifier, folder: Path, shades: range) -> None:
    for label, grey in (("dark", 60), ("light", 160)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for shade in shades:
            pixels = np.full((8, 8), grey + shade, np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{shade}.png")
    model.learn(folder)


def lesson(number: int) -> StoredLesson:
    digests = np.full((2, 32), number, np.uint8) + np.array([[0], [100]], np.uint8)
    return StoredLesson(number, "half", 1.5, digests, np.full((2, 64), 0.5, np.float32))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Photos, and a model folder with a lesson and with things that are not the model's."""
    made = tmp_path_factory.mktemp("made")
    folder = made / "mine" / "digits"
    classifier = HybridClassifier("intensities:8", n_threads=1)
    teach(classifier, made / "photos", range(5))
    classifier.save(folder)
    storage.add_lesson(folder, lesson(1))
    (folder / "notes.txt").write_text("mine")
    (folder / "network-0123456789ab.safetensors").write_bytes(b"left over")
    return made


@pytest.fixture
def model(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "mine" / "digits"


def own_files(folder: Path) -> dict[str, bytes]:
    manifest = json.loads((folder / "model.json").read_text())
    names = ["model.json", *(entry["name"] for entry in manifest["files"].values())]
    names += [f"lessons/{path.name}" for path in (folder / "lessons").iterdir()]
    return {name: (folder / name).read_bytes() for name in names}


def all_files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, but its lock."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


# There and back


def test_what_was_pushed_is_pulled(model, tmp_path, stand_in):
    address = hub.push(model, REPOSITORY)
    repository = stand_in.repositories[REPOSITORY]
    assert address == f"{stand_in.url}/{REPOSITORY}/commit/{repository.branches['main']}"
    assert len(repository.commits) == 2  # the empty one, and one for the whole model
    assert not repository.private
    pushed = repository.files()
    assert pushed.keys() == own_files(model).keys() | {".gitattributes", "README.md"}

    pulled = hub.pull(REPOSITORY, tmp_path / "theirs" / "pulled")
    assert pulled == tmp_path / "theirs" / "pulled"
    assert all_files(pulled) == own_files(model) | {"README.md": pushed["README.md"]}
    assert [path.name for path in pulled.parent.iterdir()] == ["pulled"]
    ours, theirs = HybridClassifier.load(model), HybridClassifier.load(pulled)
    assert ours.classes == theirs.classes == ["dark", "light", "half"]
    photos = sorted((tmp_path / "photos").rglob("*.png"))
    assert ours.predict_proba(photos).tobytes() == theirs.predict_proba(photos).tobytes()


def test_the_card_on_the_hub_counts_lessons_and_is_the_owners_once_edited(
    model, tmp_path, stand_in
):
    hub.push(model, REPOSITORY)
    card = ModelCard(stand_in.repositories[REPOSITORY].files()["README.md"].decode())
    assert card.data.library_name == "spikehead"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.license is None
    assert "# digits" in card.text
    assert "| half | 2 |" in card.text
    (model / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    hub.push(model, REPOSITORY)
    pulled = hub.pull(REPOSITORY, tmp_path / "pulled")
    HybridClassifier.load(pulled).save(pulled)
    assert (pulled / "README.md").read_text() == "---\nlicense: mit\n---\n# Mine\n"


def test_a_later_push_removes_the_old_model_and_nothing_else(model, tmp_path, stand_in):
    hub.push(model, REPOSITORY)
    repository = stand_in.repositories[REPOSITORY]
    first = repository.branches["main"]
    others = {"photo.png": b"picture", "docs/network-0123456789ab.safetensors": b"theirs"}
    repository.commit("main", repository.files() | others)
    before = own_files(model)
    classifier = HybridClassifier.load(model)
    teach(classifier, tmp_path / "more", range(5, 9))
    classifier.save(model)
    hub.push(model, REPOSITORY)
    expected = own_files(model).keys() | others.keys() | {".gitattributes", "README.md"}
    assert repository.files().keys() == expected
    assert not any(name.startswith("lessons/") for name in repository.files())
    pulled = hub.pull(REPOSITORY, tmp_path / "now")
    assert own_files(model).items() <= all_files(pulled).items()
    assert not others.keys() & all_files(pulled).keys()
    assert (
        before.items() <= all_files(hub.pull(REPOSITORY, tmp_path / "then", revision=first)).items()
    )


def test_a_branch(model, tmp_path, stand_in):
    hub.push(model, REPOSITORY)
    classifier = HybridClassifier.load(model)
    teach(classifier, tmp_path / "more", range(5, 9))
    classifier.save(model)
    hub.push(model, REPOSITORY, revision="next")
    counts = [
        sum(HybridClassifier.load(hub.pull(REPOSITORY, tmp_path / str(name), revision=name))
            .photos_learned.values())
        for name in (None, "next")
    ]  # fmt: skip
    assert counts == [12, 20]
    hub.push(model, REPOSITORY, revision="next")
    assert len(stand_in.repositories[REPOSITORY].commits) == 3  # nothing is new


def test_a_private_repository(model, tmp_path, monkeypatch):
    hub.push(model, REPOSITORY, private=True)
    assert own_files(hub.pull(REPOSITORY, tmp_path / "pulled")) == own_files(model)
    monkeypatch.delenv("HF_TOKEN")
    assert hub.pull(REPOSITORY, tmp_path / "again", token="may-read")
    with pytest.raises(FileNotFoundError, match="or none that your token opens"):
        hub.pull(REPOSITORY, tmp_path / "not")
    (tmp_path / "token").write_text("may-read")  # as hf auth login leaves it
    assert hub.pull(REPOSITORY, tmp_path / "once more")


# What is there is not lost


def test_what_is_private_is_not_published(model, stand_in):
    public = stand_in.repositories[REPOSITORY] = Repository(private=False)
    with pytest.raises(FileExistsError, match=f"^{REPOSITORY} exists and is public: make it priv"):
        hub.push(model, REPOSITORY, private=True)
    assert len(public.commits) == 1
    assert not stand_in.uploads


def test_a_repository_of_something_else_is_left_alone(model, stand_in):
    other = stand_in.repositories[REPOSITORY] = Repository(private=False)
    other.commit("main", {"README.md": b"# T5\n", "model.json": b"{}", "group1-shard1of1.bin": b""})
    with pytest.raises(
        FileExistsError, match=r"something else than a spikehead model \('group1-sh"
    ):
        hub.push(model, REPOSITORY)
    assert len(other.commits) == 2


def test_a_model_is_replaced_only_if_asked_for(model, tmp_path):
    hub.push(model, REPOSITORY)
    there = tmp_path / "there"
    HybridClassifier("intensities:4").save(there)
    storage.add_lesson(there, lesson(7))
    before = all_files(there)
    with pytest.raises(
        FileExistsError, match=f"^{there} is a model already: choose another folder"
    ):
        hub.pull(REPOSITORY, there)
    assert all_files(there) == before
    (there / "notes.txt").write_text("mine")
    hub.pull(REPOSITORY, there, replace=True)
    assert own_files(there) == own_files(model)
    assert all_files(there).keys() == own_files(model).keys() | {"README.md", "notes.txt"}
    assert (there / "notes.txt").read_text() == "mine"
    (tmp_path / "photos.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty and is not a spikehead model"):
        hub.pull(REPOSITORY, tmp_path, replace=True)


def test_a_model_that_is_damaged_on_the_hub_takes_no_place(model, tmp_path, stand_in):
    hub.push(model, REPOSITORY)
    there = tmp_path / "there"
    shutil.copytree(model, there, ignore=lambda *_: {"notes.txt"})
    before = all_files(there)
    repository = stand_in.repositories[REPOSITORY]
    whole = repository.files()
    for name, content in whole.items():
        if is_own_file(name) and name != "README.md":
            damaged = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
            without = {key: value for key, value in whole.items() if key != name}
            for files in (whole | {name: damaged}, without):
                repository.commit("main", files)
                with pytest.raises(
                    ValueError, match=f"{REPOSITORY} holds (is not a whole|no spike)"
                ):
                    hub.pull(REPOSITORY, there, replace=True)
    assert all_files(there) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_download_that_breaks_off(model, tmp_path, stand_in):
    hub.push(model, REPOSITORY)
    stand_in.bytes_left = 1000
    with pytest.raises(ConnectionError, match="cannot be reached, or broke off"):
        hub.pull(REPOSITORY, tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
    stand_in.bytes_left = None
    assert own_files(hub.pull(REPOSITORY, tmp_path / "pulled")) == own_files(model)
    stand_in.requests.clear()
    hub.pull(REPOSITORY, tmp_path / "again")
    assert not [request for request in stand_in.requests if request.startswith("GET /ann")]


def test_an_upload_that_breaks_off_changes_nothing(model, stand_in):
    stand_in.full = True
    with pytest.raises(PermissionError, match=r"does not allow that \(the storage is full\)"):
        hub.push(model, REPOSITORY)
    assert stand_in.repositories[REPOSITORY].files().keys() == {".gitattributes"}


# One sentence for each error


def say_no(stand_in, monkeypatch, what):
    if what == "no network":
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    elif what == "down":
        stand_in.down = True
    elif what == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif what == "no token":
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", what)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no network", "http://127.0.0.1:9 cannot be reached, or broke off ("),
        ("down", "{url} answers 503 (down for maintenance): try again later"),
        ("offline", "HF_HUB_OFFLINE keeps the Hub from being reached: unset it"),
        ("no token", "to push a model takes an access token that may write: run hf auth login"),
        ("wrong", "{url} does not allow that (Invalid credentials in Authorization header): run"),
        ("may-read", "{url} does not allow that (this token may only read): run hf auth login"),
    ],
)
def test_why_it_cannot_be_pushed(model, stand_in, monkeypatch, what, message):
    say_no(stand_in, monkeypatch, what)
    with pytest.raises(OSError, match=re.escape(message.format(url=stand_in.url))) as error:
        hub.push(model, REPOSITORY)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", ["no network", "down", "offline", "wrong"])
def test_why_it_cannot_be_pulled(model, stand_in, monkeypatch, tmp_path, what):
    hub.push(model, REPOSITORY)
    say_no(stand_in, monkeypatch, what)
    with pytest.raises(OSError, match=r"^(http://127.0.0.1:\d+|HF_HUB_OFFLINE) \w+ ") as error:
        hub.pull(REPOSITORY, tmp_path / "pulled")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "pulled").exists()


def test_what_cannot_be_pulled(model, tmp_path, stand_in):
    stand_in.repositories["ann/empty"] = Repository(private=False)
    hub.push(model, REPOSITORY)
    for repository, revision, message in (
        (
            "ann/none",
            None,
            f"{stand_in.url} has no model ann/none, or none that your token opens: ",
        ),
        ("ann/empty", None, "ann/empty holds no spikehead model: give a repository that does"),
        ("a/b/c", None, "'a/b/c' cannot be the name of a repository: give USER/NAME"),
        (REPOSITORY, "v9", f"{REPOSITORY} has no revision 'v9': give a branch, a tag or a commit"),
    ):
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            hub.pull(repository, tmp_path / "pulled", revision=revision)
        assert str(error.value).startswith(message)
        assert "\n" not in str(error.value)


def test_what_cannot_be_pushed(model, tmp_path, stand_in):
    with pytest.raises(FileNotFoundError, match="photos is not a spikehead model"):
        hub.push(tmp_path / "photos", REPOSITORY)
    with pytest.raises(ValueError, match="'not a name' cannot be the name of a repository"):
        hub.push(model, "not a name")
    (model / "README.md").write_text("---\ntags: [a, b\n---\n")
    with pytest.raises(ValueError, match=r"^Invalid metadata in README.md\. - "):
        hub.push(model, REPOSITORY)
    for path in model.glob("network-*"):
        path.write_bytes(b"rotten")
    with pytest.raises(ValueError, match=f"^{model}/network-"):
        hub.push(model, REPOSITORY)
    assert not stand_in.uploads


# The commands


def test_the_commands(model, tmp_path, monkeypatch, stand_in, run):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("push", "mine/digits", REPOSITORY, "--private", "--revision", "next")
    sha = stand_in.repositories[REPOSITORY].branches["next"]
    assert (code, out) == (0, f"Pushed mine/digits: {stand_in.url}/{REPOSITORY}/commit/{sha}\n")
    code, out, _ = run("pull", REPOSITORY, "--revision", "next")
    assert (code, out) == (0, f"Pulled {REPOSITORY} to digits.\n")
    assert own_files(tmp_path / "digits") == own_files(model)
    code, _, err = run("pull", REPOSITORY, "--revision", "next")
    assert (code, "(--replace)" in err) == (1, True)
    code, _, err = run("pull", REPOSITORY, "--revision", "next", "--replace")
    assert (code, err) == (0, "")


def test_the_extra_is_missing(monkeypatch, run):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "spikehead.models.hub")
    monkeypatch.delattr("spikehead.models.hub")
    for command in ("push", "pull"):
        code, _, err = run(command, "a", "b")
        assert (code, 'pip install "spikehead[hub]"' in err) == (1, True)
