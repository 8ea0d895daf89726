"""Fetching weights, from a local server, with what goes wrong on the way."""

import argparse
import hashlib
import http.server
import io
import os
import re
import threading
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.se_resnet import ResNet18
from spikehead.backbones.weights import fetch, load_state, pretrained
from spikehead.encoders import PRETRAINED


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
    monkeypatch.setitem(
        PRETRAINED, "efficientnet_b0", replace(PRETRAINED["efficientnet_b0"], url=url)
    )
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
    monkeypatch.setitem(
        PRETRAINED, "efficientnet_b3", replace(PRETRAINED["efficientnet_b3"], url=url)
    )
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


def test_every_url_holds_a_hash():
    for known in PRETRAINED.values():
        assert len(known.url.rpartition("-")[2].removesuffix(".pth")) == 8


def test_pretrained_encoders_take_photos_as_torchvision_publishes():
    """Resize, crop and interpolation of each ``Weights.transforms()`` in torchvision 0.29."""
    published = {
        "efficientnet_b0": (256, 224, "bicubic"),
        "efficientnet_b1": (256, 240, "bicubic"),
        "efficientnet_b2": (288, 288, "bicubic"),
        "efficientnet_b3": (320, 300, "bicubic"),
        "efficientnet_b4": (384, 380, "bicubic"),
        "efficientnet_b5": (456, 456, "bicubic"),
        "efficientnet_b6": (528, 528, "bicubic"),
        "efficientnet_b7": (600, 600, "bicubic"),
        "resnet18": (256, 224, "bilinear"),
    }
    frames = {name: known.preprocessing for name, known in PRETRAINED.items()}
    assert {
        name: (how.resize, how.crop, how.interpolation) for name, how in frames.items()
    } == published
    assert {(how.mean, how.std, how.fit) for how in frames.values()} == {
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "cover")
    }


def averaged(state):
    """Return weights as torch.optim.swa_utils.AveragedModel keeps them."""
    copies = {f"module.{name}": value for name, value in state.items()}
    return {"n_averaged": torch.tensor(7), **copies}


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        (lambda s, _: {"state_dict": s, "epoch": 3}, "the weights 'state_dict' of {} are taken"),
        (lambda s, _: {"model_state_dict": s}, "the weights 'model_state_dict' of {} are taken"),
        (  # torchvision's training script
            lambda s, old: {"model": old, "model_ema": averaged(s), "optimizer": {"lr": 1.0}},
            "the weights 'model_ema' of {} are taken, and not 'model', without 'module.' in their "
            "names",
        ),
        (  # timm's
            lambda s, old: {
                "state_dict": old,
                "state_dict_ema": s,
                "args": argparse.Namespace(lr=1.0),
            },
            "the weights 'state_dict_ema' of {} are taken, and not 'state_dict'",
        ),
        (
            lambda s, _: {f"_orig_mod.module.{name}": value for name, value in s.items()},
            "the weights of {} are taken, without '_orig_mod.' in their names, without 'module.' "
            "in their names",
        ),
        (lambda s, _: s, None),
    ],
)
def test_checkpoints_as_people_have_them(tmp_path, checkpoint, said):
    state, old = ResNet18(width=8).state_dict(), ResNet18(width=8).state_dict()
    file = tmp_path / "checkpoint.pth"
    torch.save(checkpoint(state, old), file)
    told = []
    torch.testing.assert_close(load_state(file, tell=told.append), dict(state), rtol=0, atol=0)
    assert told == ([said.format(file)] if said else [])


def test_safetensors(tmp_path):
    state = ResNet18().state_dict()
    save_file(state, tmp_path / "model.safetensors")
    loaded = pretrained("resnet18", weights=tmp_path / "model.safetensors")
    torch.testing.assert_close(loaded.state_dict(), state, rtol=0, atol=0)


def test_weights_that_were_trained_in_tensorflow_are_refused(state, tmp_path):
    (tmp_path / "tf_efficientnet_b0.ns_jft_in1k").mkdir()
    files = {
        tmp_path / "tf_efficientnet_b0.ns_jft_in1k" / "pytorch_model.bin": state,
        tmp_path / "last.pth": {"state_dict": state, "arch": "tf_efficientnet_b0"},
    }
    for file, content in files.items():
        torch.save(content, file)
        message = (
            f"{file} holds weights that were trained in TensorFlow, whose convolutions pad "
            "otherwise than those of efficientnet_b0: use the encoder timm:tf_efficientnet_b0"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            pretrained("efficientnet_b0", weights=file)


def test_weights_of_another_layout_are_refused_with_what_differs(tmp_path):
    state, file = ResNet18().state_dict(), tmp_path / "weights.pth"
    kernels = {**state, "conv1.weight": state["conv1.weight"].permute(2, 3, 1, 0)}
    fewer = {name: value for name, value in state.items() if name != "layer4.1.bn2.bias"}
    differences = [
        (
            kernels,
            "conv1.weight has the shape (7, 7, 3, 64) in it, and (64, 3, 7, 7) in the network",
        ),
        (fewer, "layer4.1.bn2.bias is missing"),
        (state | {"layer5.bias": torch.zeros(3)}, "layer5.bias is none of its layers"),
    ]
    for content, difference in differences:
        torch.save(content, file)
        message = f"{file} does not hold the weights of resnet18: {difference}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            pretrained("resnet18", weights=file)


def test_files_that_hold_no_weights_are_refused_unopened_or_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    for file in (tmp_path / "pipe.pth", tmp_path):
        with pytest.raises(OSError, match=f"^{file} is not a regular file: put the file"):
            load_state(file)
    torch.save(nn.ReLU(), tmp_path / "whole.pth")
    with pytest.raises(
        ValueError, match=r"^\S+ holds more than tensors, and opening it could run co"
    ):
        load_state(tmp_path / "whole.pth")
    torch.save({"state_dict": {}, "model": [1]}, tmp_path / "empty.pth")
    with pytest.raises(ValueError, match=r"empty\.pth holds no state dict: give a file of tensors"):
        load_state(tmp_path / "empty.pth")


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
