"""Encoders by name: built once, kept in the cache, and refused in a sentence."""

import sys
import types
from dataclasses import replace

import pytest
import torch

from spikehead.backbones.build import build
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.encoders import OnnxEncoder, built_file
from spikehead.images import Preprocessing


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_builds_from_a_file_once_and_keeps_it(tmp_path, cache):
    torch.manual_seed(0)
    network = EfficientNet(VARIANTS["efficientnet_b0"]).eval()
    torch.save(network.state_dict(), tmp_path / "b0.pth")
    file = build("efficientnet_b0", weights=tmp_path / "b0.pth")
    assert file == built_file("efficientnet_b0") == cache / "encoders" / "efficientnet_b0.onnx"
    (tmp_path / "b0.pth").unlink()
    assert build("efficientnet_b0") == file
    encoder = OnnxEncoder(file)
    assert encoder.n_activations == 1280
    assert encoder.preprocessing == Preprocessing(resize=256, crop=224)


class OfTimm(EfficientNet):
    """Goes in two steps as timm's models do; with `pre_logits`, up to what the classifier gets."""

    def forward_features(self, images):
        return self.features(images)

    def forward_head(self, features, pre_logits=False):
        assert pre_logits
        return features.mean((2, 3))


def test_builds_any_model_of_timm(tmp_path, cache, monkeypatch):
    torch.manual_seed(0)
    network = OfTimm(replace(VARIANTS["efficientnet_cifar"], width=0.25), classes=7)
    start = network.state_dict()
    config = {
        "input_size": (3, 32, 32),
        "crop_pct": 0.8,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "interpolation": "bilinear",
        "crop_mode": "squash",
    }
    timm = types.ModuleType("timm")
    timm.is_model = lambda name: name == "owl.small"
    timm.create_model = lambda name, pretrained, exportable: network
    timm.data = types.SimpleNamespace(resolve_model_data_config=lambda model: config)
    monkeypatch.setitem(sys.modules, "timm", timm)
    file = build("timm:owl.small", precision="float16")
    assert file == cache / "encoders" / "timm" / "owl.small-float16.onnx"
    encoder = OnnxEncoder(file)
    assert encoder.n_activations == network.activations
    assert encoder.preprocessing == Preprocessing(
        40, 32, mean=(0.5,) * 3, std=(0.25,) * 3, interpolation="bilinear", fit="stretch"
    )
    theirs = tmp_path / "mine.pth"
    torch.save({"state_dict": start, "epoch": 1}, theirs)
    told = []
    build("timm:owl.small", weights=theirs, tell=told.append)
    assert told == [f"the weights 'state_dict' of {theirs} are taken"]
    torch.save({"x": torch.zeros(1)}, theirs)
    with pytest.raises(ValueError, match=r"does not hold the weights of timm:owl\.small: c"):
        build("timm:owl.small", weights=theirs)
    monkeypatch.delattr(OfTimm, "forward_head")
    with pytest.raises(ValueError, match=r"timm:owl\.small does not pool what it sees: choose"):
        build("timm:owl.small", precision="int8")
    with pytest.raises(ValueError, match="timm has no model 'owl'"):
        build("timm:owl")


def test_bad_names_are_refused_in_a_sentence(monkeypatch):
    with pytest.raises(ValueError, match="there is no encoder 'resnet' to build; there are effic"):
        build("resnet")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"the encoder timm:vit needs timm .*: pip install timm"):
        build("timm:vit")
