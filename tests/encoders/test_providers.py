"""What computes an encoder; a GPU that is not there is stood in for by the CPU."""

import json
from typing import ClassVar

import numpy as np
import onnxruntime
import pytest

from spikehead import HybridClassifier
from spikehead.encoders import ActivationCache, OnnxEncoder, encode_photos
from spikehead.encoders.providers import PROVIDERS
from spikehead.images import Preprocessing


class StandIn(onnxruntime.InferenceSession):
    """Computes on the CPU, says that it is the provider it was asked for, and rounds otherwise."""

    batches: ClassVar = []
    works = True

    def __init__(self, model, options, providers):
        self.asked = [name for name, _ in providers]
        super().__init__(model, options, providers=["CPUExecutionProvider"])

    def get_providers(self):
        return self.asked if self.works else ["CPUExecutionProvider"]

    def run(self, outputs, inputs):
        found = super().run(outputs, inputs)
        if self.asked[0] == "CPUExecutionProvider":
            return found
        self.batches += [len(array) for array in inputs.values()]
        return [array + np.float32(1e-3) for array in found]


@pytest.fixture
def gpu(monkeypatch):
    """Stand in for a GPU."""
    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    monkeypatch.setattr(onnxruntime, "InferenceSession", StandIn)
    monkeypatch.setattr(StandIn, "batches", [])
    return StandIn


@pytest.fixture
def encoder(save_network):
    return OnnxEncoder(save_network(), preprocessing=Preprocessing(8, 8), n_threads=2)


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "cpu"])
def test_one_that_is_not_installed(monkeypatch, encoder, provider):
    there = ["AzureExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    message = f"^the installed ONNX Runtime has no provider {provider}: pip install onnxruntime"
    with pytest.raises(ValueError, match=message):
        encoder.on(provider)
    assert encoder.on("auto") is encoder.on("cpu") is encoder
    with pytest.raises(ValueError, match=r"^there is no provider 'tpu': take auto, cuda, "):
        encoder.on("tpu")


def test_one_that_is_installed_and_does_not_work(gpu, monkeypatch, encoder):
    monkeypatch.setattr(gpu, "works", False)
    with pytest.raises(ValueError, match=r"^the provider cuda is installed and cannot be used her"):
        encoder.on("cuda")
    assert encoder.on("auto") is encoder


def test_its_activations_are_kept_apart(gpu, encoder, photos, tmp_path):
    moved = encoder.on("auto")
    assert (encoder.provider, moved.provider) == ("cpu", "cuda")
    assert moved.fingerprint == encoder.fingerprint  # models go from one to the other
    given = {}
    for one in (encoder, moved, encoder, moved):
        with ActivationCache(one, tmp_path / "cache") as cache:
            (batch,) = encode_photos(photos, one, cache)
        np.testing.assert_array_equal(batch.given, given.setdefault(one.provider, batch.given))
    np.testing.assert_allclose(given["cuda"], given["cpu"] + np.float32(1e-3), rtol=1e-6)
    assert gpu.batches == [32]  # all at once, and only once
    assert len(list((tmp_path / "cache").glob("*.sqlite"))) == 2


def test_commands_say_what_they_took(gpu, run, save_network, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))
    network, folder = save_network(), tmp_path / "classes"
    for label, some in (("a", photos[:5]), ("b", photos[5:10])):
        (folder / label).mkdir(parents=True)
        for photo in some:
            photo.rename(folder / label / photo.name)
    learn = ("learn", folder, "--model", tmp_path / "model", "--head", "decorrelated")
    code, _, err = run(*learn, "--encoder", f"onnx:{network}")
    assert (code, "is computed by cuda; --provider cpu takes the CPU." in err) == (0, True), err
    assert (
        "computed by" not in run("predict", tmp_path / "model", photos[12], "--provider", "cpu")[2]
    )
    assert run("predict", tmp_path / "model", photos[12], "--provider", "openvino")[0] == 1
    other = ("learn", folder, "--model", tmp_path / "other", "--encoder", "intensities:8")
    assert run(*other, "--provider", "cuda")[0] == 2
    assert HybridClassifier.load(tmp_path / "model").encoder.provider == "cpu"
    assert json.loads(run("evaluate", tmp_path / "model", folder, "--json")[1])["learned"] == 10
