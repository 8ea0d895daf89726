"""Fetching weights, from a local server, with what goes wrong on the way."""

import hashlib
import http.server
import io
import threading

import pytest
import torch

from spikehead.backbones import weights
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.se_resnet import ResNet18
from spikehead.backbones.weights import OFFICIAL_WEIGHTS, fetch, load_state, pretrained


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one file, with ranges; breaks off after `limit` bytes of an answer."""

    content = b""
    limit = None
    requests = ()

    def do_GET(self):
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.requests.append(start)
        if start >= len(self.content):
            self.send_error(416)
            return
        rest = self.content[start:]
        self.send_response(206)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.limit])

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return EfficientNet(VARIANTS["efficientnet_b0"]).state_dict()


@pytest.fixture
def served(state, monkeypatch):
    """Serve a file of the official layout in the place of B0's; return the handler and the URL."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    handler = type("Handler", (Server,), {"content": content, "requests": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"efficientnet_b0-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    monkeypatch.setitem(OFFICIAL_WEIGHTS, "efficientnet_b0", url)
    yield handler, url
    server.shutdown()
    server.server_close()


def test_fetches_once_checks_and_keeps(served, tmp_path, monkeypatch):
    handler, url = served
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path))
    seen = []
    file = fetch(url, progress=lambda done, total: seen.append((done, total)))
    assert file == tmp_path / "weights" / url.rpartition("/")[2]
    assert file.read_bytes() == handler.content
    assert seen[-1] == (len(handler.content), len(handler.content))
    assert fetch(url) == file
    assert handler.requests == [0]


def test_goes_on_where_it_was_cut_off(served, tmp_path):
    handler, url = served
    handler.limit = 1_000_000
    with pytest.raises(
        ConnectionError, match=r"cannot be downloaded .* or put the file efficientn"
    ):
        fetch(url, tmp_path)
    handler.limit = None
    assert fetch(url, tmp_path).read_bytes() == handler.content
    assert handler.requests == [0, 1_000_000]


def test_a_complete_download_without_its_name_is_only_checked(served, tmp_path):
    handler, url = served
    name = url.rpartition("/")[2]
    (tmp_path / f"{name}.part").write_bytes(handler.content)
    assert fetch(url, tmp_path) == tmp_path / name


def test_a_wrong_hash_is_refused_and_removed(served, tmp_path):
    handler, url = served
    handler.content = handler.content[:-1] + b"!"
    name = url.rpartition("/")[2]
    with pytest.raises(
        ValueError, match=rf"^the download of {name} is damaged \(its SHA-256 begins .*: try again$"
    ):
        fetch(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_offline_one_sentence_says_which_file_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path))
    url = "http://127.0.0.1:9/efficientnet_b3_rwightman-b3899882.pth"
    monkeypatch.setitem(OFFICIAL_WEIGHTS, "efficientnet_b3", url)
    with pytest.raises(ConnectionError) as caught:
        pretrained("efficientnet_b3")
    assert str(caught.value) == (
        f"{url} cannot be downloaded ([Errno 111] Connection refused): try again, or put the file "
        f"efficientnet_b3_rwightman-b3899882.pth into {tmp_path / 'weights'}"
    )


def test_pretrained_loads_the_official_layout(served, state, tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path))
    model = pretrained("efficientnet_b0")
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    assert not model.training


def test_pretrained_takes_a_file_by_hand_with_or_without_head(state, tmp_path):
    headless = {name: value for name, value in state.items() if name.startswith("features")}
    torch.save(headless, tmp_path / "mine.pth")
    model = pretrained("efficientnet_b0", weights=tmp_path / "mine.pth")
    torch.testing.assert_close(model.state_dict(), headless, rtol=0, atol=0)


def test_resnet18_loads_in_torchvisions_names(tmp_path):
    state = ResNet18().state_dict()
    theirs = {name.replace("classifier.1.", "fc."): value for name, value in state.items()}
    assert len(theirs) == 122
    assert {"conv1.weight", "layer2.0.downsample.1.bias", "layer4.1.bn2.running_var"} < set(theirs)
    torch.save(theirs, tmp_path / "r.pth")
    loaded = pretrained("resnet18", weights=tmp_path / "r.pth")
    torch.testing.assert_close(loaded.state_dict(), state, rtol=0, atol=0)


def test_every_url_holds_a_hash_and_every_network_has_a_preprocessing():
    for name, url in OFFICIAL_WEIGHTS.items():
        assert len(url.rpartition("-")[2].removesuffix(".pth")) == 8
        assert weights.PREPROCESSING[name].resize >= weights.PREPROCESSING[name].crop
    assert list(OFFICIAL_WEIGHTS) == list(weights.PREPROCESSING)


def test_bad_input_is_refused_in_a_sentence(state, tmp_path):
    with pytest.raises(ValueError, match="there is no backbone 'resnet': choose efficientnet_b0, "):
        pretrained("resnet")
    with pytest.raises(ValueError, match="no official weights for 'se_resnet18'; there are effi"):
        pretrained("se_resnet18")
    with pytest.raises(
        FileNotFoundError, match=r"none\.pth does not exist: give a file of weights"
    ):
        pretrained("efficientnet_b0", weights=tmp_path / "none.pth")
    (tmp_path / "bad.pth").write_bytes(b"bad")
    with pytest.raises(
        ValueError, match=r"bad\.pth is not a file of PyTorch weights, or is damage"
    ):
        load_state(tmp_path / "bad.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth holds no state dict: give a file of tensors"):
        load_state(tmp_path / "list.pth")
    torch.save(state, tmp_path / "b0.pth")
    with pytest.raises(ValueError, match=r"b0\.pth does not hold the weights of efficientnet_b1"):
        pretrained("efficientnet_b1", weights=tmp_path / "b0.pth")
