"""Image towers in the layout of the Hugging Face Hub, made up, and read without torch."""

import json
import re
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from spikehead import HybridClassifier
from spikehead.encoders import open_encoder
from spikehead.encoders.hugging_face import preprocessing
from spikehead.images import Preprocessing

CLIP = {
    "crop_size": {"height": 8, "width": 8},
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.5, 0.25, 0.75],
    "image_std": [0.5, 0.25, 0.5],
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 10},
}
PATCHES, WIDTH = 4, 5


@pytest.fixture(autouse=True)
def without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def tower(tmp_path):
    """Return what writes a tower: its tokens are means of pixels times weights, and a class token.

    It cuts a photo of 8 x 8 pixels into patches of 4 x 4; the class token is twice their sum.
    """

    def write(outputs=("last_hidden_state",), *, registers=True, file="onnx/model.onnx", **config):
        weights = np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)
        nodes = [
            helper.make_node(
                "AveragePool", ["pixel_values"], ["patches"], kernel_shape=[4, 4], strides=[4, 4]
            ),
            helper.make_node("Reshape", ["patches", "flat"], ["row"]),
            helper.make_node("Transpose", ["row"], ["column"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["column", "weights"], ["tokens"]),
            helper.make_node("ReduceSum", ["tokens", "axis"], ["sum"]),
            helper.make_node("Add", ["sum", "sum"], ["class"]),
            helper.make_node(
                "Concat",
                ["class", "tokens"] if registers else ["tokens"],
                ["last_hidden_state"],
                axis=1,
            ),
            helper.make_node("Squeeze", ["sum", "axis"], ["pooler_output"]),
            helper.make_node("Neg", ["pooler_output"], ["image_embeds"]),
        ]
        constants = {"flat": np.array([0, 3, PATCHES]), "axis": np.array([1]), "weights": weights}
        shape = ["batch_size", "num_channels", "height", "width"]
        graph = helper.make_graph(
            nodes,
            "tower",
            [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in outputs],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        opset = helper.make_opsetid("", 17)
        folder = tmp_path / "tower"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), folder / file)
        (folder / "preprocessor_config.json").write_text(json.dumps(CLIP | config))
        return folder, weights

    return write


@pytest.mark.parametrize(
    ("outputs", "registers", "share", "tokens"),
    [
        (("last_hidden_state",), True, 2, "first"),
        (("last_hidden_state",), False, 1 / PATCHES, "mean"),
        (("last_hidden_state", "pooler_output"), True, 1, ""),
        (("last_hidden_state", "pooler_output", "image_embeds"), True, -1, ""),
    ],
)
def test_the_best_output_is_taken(tower, outputs, registers, share, tokens):
    folder, weights = tower(outputs, registers=registers)
    encoder = open_encoder(f"hf:{folder}", n_threads=1)
    pixels = np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32)
    expected = share * PATCHES * pixels.mean(axis=(2, 3)) @ weights
    np.testing.assert_allclose(encoder.encode(pixels), expected, atol=1e-5)
    assert (encoder.output, encoder.tokens, encoder.n_activations) == (outputs[-1], tokens, WIDTH)


def test_a_model_with_it_is_kept(tower, tmp_path, run):
    folder, _ = tower(file="onnx/vision_model.onnx")
    (folder / "onnx" / "model.onnx").write_bytes(b"a network that takes text, too")
    photos = []
    for name, light in (("bright", 200), ("dark", 40)):
        photos.append(tmp_path / f"{name}.png")
        Image.new("RGB", (9, 12), (light, light // 2, light)).save(photos[-1])
    model = HybridClassifier(f"hf:{folder}", head="decorrelated")
    model.learn(photos, ["bright", "dark"])
    model.save(tmp_path / "model")
    (folder / "onnx" / "vision_model.onnx").unlink()
    assert HybridClassifier.load(tmp_path / "model").predict(photos) == ["bright", "dark"]
    folder, _ = tower()
    facts = json.loads(run("encoder", "info", f"hf:{folder}", "--json")[1])
    assert facts["output"] == "last_hidden_state, class token"


def test_photos_are_prepared_as_the_config_says():
    """The values that follow from the definitions of transformers' image processors."""
    assert preprocessing(CLIP) == Preprocessing(10, 8, mean=(0.5, 0.25, 0.75), std=(0.5, 0.25, 0.5))
    siglip = {
        "do_resize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "resample": 2,
        "size": {"height": 16, "width": 16},
    }
    plain = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear"}
    squashed = Preprocessing(16, 16, **plain, fit="stretch")
    assert preprocessing(siglip) == preprocessing(siglip | {"size": 16}) == squashed
    convnext = siglip | {"size": {"shortest_edge": 224}, "crop_pct": 0.875}
    assert preprocessing(convnext) == Preprocessing(256, 224, **plain)
    large = siglip | {"size": {"shortest_edge": 384}, "crop_pct": 1.0}
    assert preprocessing(large) == Preprocessing(384, 384, **plain, fit="stretch")
    raw = siglip | {"do_normalize": False, "rescale_factor": 1 / 127.5, "rescale_offset": True}
    photo = Image.new("RGB", (16, 16), (255, 0, 51))
    np.testing.assert_allclose(preprocessing(raw)(photo)[:, 0, 0], [1, -1, -0.6], atol=1e-6)


def test_what_cannot_be_followed(tower, tmp_path, monkeypatch):
    folder, _ = tower()
    settings = folder / "preprocessor_config.json"
    for content, reason in (
        (json.dumps(CLIP | {"do_center_crop": False}), "photos keep their aspect ratio, but the"),
        (json.dumps({"size": 8}), "'image_mean' is missing"),
        ("[1]", "'list' object has no attribute 'get'"),
        ("{", "Expecting property name"),
    ):
        settings.write_text(content)
        with pytest.raises(
            ValueError, match=f"cannot be followed \\({re.escape(reason)}.*onnx:PATH"
        ):
            open_encoder(f"hf:{folder}")
    settings.unlink()
    with pytest.raises(FileNotFoundError, match=r"tower holds no preprocessor_config.json: choose"):
        open_encoder(f"hf:{folder}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    message = r"^hf:owl/barn cannot be fetched from the Hugging Face Hub \(.*hf:FOLDER$"
    with pytest.raises(ConnectionError, match=message):
        open_encoder("hf:owl/barn")
    with pytest.raises(ValueError, match=r"^hf:a/b/c is neither a folder nor ORG/NAME: "):
        open_encoder("hf:a/b/c")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'pip install "spikehead\[hub\]"; or give a folder that'):
        open_encoder("hf:owl/barn")
