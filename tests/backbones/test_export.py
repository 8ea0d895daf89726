"""What is exported gives what torch gives, and the JSON beside it is what encoders read."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.export import export
from spikehead.backbones.precision import quantise
from spikehead.encoders import OnnxEncoder
from spikehead.images import Preprocessing

PREPROCESSING = Preprocessing(resize=32, crop=32)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    model = EfficientNet(replace(VARIANTS["efficientnet_cifar"], width=0.5), classes=0)
    with torch.no_grad():
        model(torch.randn(64, 3, 32, 32))  # gives the batch norms statistics
    return model.eval()


@pytest.fixture
def images():
    return np.random.default_rng(1).standard_normal((5, 3, 32, 32)).astype(np.float32)


def run(file, images):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_inputs()] == ["image"]
    return session.run(["activations"], {"image": images})[0]


def test_the_file_gives_the_encoders_activations_for_any_batch(encoder, images, tmp_path):
    export(encoder, tmp_path / "e.onnx", PREPROCESSING)
    expected = encoder(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(run(tmp_path / "e.onnx", images), expected, atol=1e-5)
    np.testing.assert_allclose(run(tmp_path / "e.onnx", images[:1]), expected[:1], atol=1e-5)


def test_the_json_beside_it_is_what_encoders_read(encoder, tmp_path):
    preprocessing = Preprocessing(resize=40, crop=32, interpolation="bilinear")
    export(encoder, tmp_path / "e.onnx", preprocessing, saturation=2.5)
    settings = json.loads((tmp_path / "e.json").read_text())
    assert settings == {"preprocessing": preprocessing.to_dict(), "saturation": 2.5}
    opened = OnnxEncoder(tmp_path / "e.onnx")
    assert opened.preprocessing == preprocessing
    assert opened.saturation == 2.5
    assert opened.n_activations == encoder.activations


@pytest.mark.parametrize(
    ("precision", "share", "error"), [("float16", 0.55, 2e-3), ("int8", 0.7, 0.3)]
)
def test_smaller_precisions_are_smaller_and_close(
    encoder, images, tmp_path, precision, share, error
):
    full, small = tmp_path / "full.onnx", tmp_path / "small.onnx"
    export(encoder, full, PREPROCESSING)
    reported = export(encoder, small, PREPROCESSING, precision=precision, calibration=images)
    assert small.stat().st_size < share * full.stat().st_size
    expected = encoder(torch.from_numpy(images)).detach().numpy()
    difference = run(small, images) - expected
    measured = np.linalg.norm(difference) / np.linalg.norm(expected)
    assert measured == pytest.approx(reported, rel=1e-3)
    assert measured < error


def test_a_file_that_another_tool_made_can_be_quantised(encoder, images, tmp_path):
    file = tmp_path / "e.onnx"
    export(encoder, file, PREPROCESSING)
    (expected,) = onnxruntime.InferenceSession(file).run(None, {"image": images})
    model = onnx.load(file)
    model.graph.input[0].name = "photo"
    for node in model.graph.node:
        node.input[:] = ["photo" if name == "image" else name for name in node.input]
    onnx.save(model, file)
    quantise(file, images)
    (activations,) = onnxruntime.InferenceSession(file).run(None, {"photo": images})
    assert 0 < np.linalg.norm(activations - expected) < 0.3 * np.linalg.norm(expected)


def test_leaves_the_encoder_as_it_was_and_no_other_file(encoder, tmp_path):
    encoder.train()
    export(encoder, tmp_path / "e.onnx", PREPROCESSING)
    assert encoder.training
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e.json", "e.onnx"]


def test_bad_input_is_refused_in_a_sentence(encoder, tmp_path):
    with pytest.raises(ValueError, match=r"^e\.pt is not the name of an ONNX file: let it end in"):
        export(encoder, "e.pt", PREPROCESSING)
    with pytest.raises(ValueError, match="the precision int8 needs calibration images"):
        export(encoder, tmp_path / "e.onnx", PREPROCESSING, precision="int8")


def test_a_file_that_differs_from_the_encoder_gets_no_name(tmp_path):
    class Unruly(torch.nn.Module):
        def forward(self, image):
            return image.mean((2, 3)) + torch.randn(1)

    with pytest.raises(ValueError, match="of precision float32 differs from the encoder by"):
        export(Unruly(), tmp_path / "e.onnx", PREPROCESSING)
    assert list(tmp_path.iterdir()) == []
