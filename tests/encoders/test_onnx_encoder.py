import json
import os
import pickle
import re

import numpy as np
import pytest
from onnx import TensorProto

from spikehead.encoders import OnnxEncoder, encode_photos
from spikehead.images import Preprocessing, find_photos


@pytest.fixture
def pixels(noise):
    """Return ten photos as the tiny network takes them."""
    preprocessing = Preprocessing(9, 8)
    return np.stack([preprocessing(noise(seed)) for seed in range(10)])


def test_activations_are_those_of_the_network(save_network, pixels, weights):
    encoder = OnnxEncoder(save_network())
    expected = pixels.mean((2, 3)) @ weights
    assert (expected < 0).any()
    activations = encoder.encode(pixels)
    assert activations.dtype == np.float32
    np.testing.assert_allclose(activations, expected, atol=1e-5)
    assert encoder.n_activations == 5
    assert encoder.encode(pixels[:0]).shape == (0, 5)


def test_activations_depend_on_neither_neighbours_nor_threads(save_network, pixels):
    path = save_network()
    expected = OnnxEncoder(path, n_threads=1).encode(pixels)
    encoder = OnnxEncoder(path, n_threads=3)
    np.testing.assert_array_equal(encoder.encode(pixels), expected)
    for i in range(len(pixels)):
        np.testing.assert_array_equal(encoder.encode(pixels[i : i + 1])[0], expected[i])


@pytest.mark.parametrize("n", [1, 3, 4, 5, 10])
def test_a_network_with_a_fixed_batch(save_network, pixels, weights, n):
    encoder = OnnxEncoder(save_network((4, 3, 8, 8)))
    expected = pixels[:n].mean((2, 3)) @ weights
    np.testing.assert_allclose(encoder.encode(pixels[:n]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("batch", 3, 8, 8), Preprocessing(9, 8)),
        ((1, 3, 224, 224), Preprocessing()),
        (("b", "c", "h", "w"), Preprocessing()),
    ],
)
def test_usual_preprocessing_without_a_json_file(save_network, shape, expected):
    encoder = OnnxEncoder(save_network(shape))
    assert encoder.preprocessing == expected
    assert encoder.saturation is None


def test_the_json_file_beside_it(save_network):
    path = save_network()
    preprocessing = Preprocessing(10, 8, interpolation="bilinear")
    settings = {"preprocessing": preprocessing.to_dict(), "saturation": 2.5, "licence": "MIT"}
    path.with_suffix(".json").write_text(json.dumps(settings))
    encoder = OnnxEncoder(path)
    assert (encoder.preprocessing, encoder.saturation) == (preprocessing, 2.5)


def test_the_fingerprint_covers_what_decides_activations(save_network, weights):
    def fingerprint(path, **options):
        return OnnxEncoder(path, **options).fingerprint

    original = fingerprint(save_network())
    assert len(original) == 64
    assert fingerprint(save_network(name="copy.onnx")) == original
    assert fingerprint(save_network(weights=weights + 1)) != original
    preprocessing = Preprocessing(10, 8)
    assert fingerprint(save_network(), preprocessing=preprocessing) != original


def test_of_several_outputs_the_one_named_activations(save_network, pixels):
    encoder = OnnxEncoder(save_network(outputs=("logarithms", "activations")))
    expected = OnnxEncoder(save_network()).encode(pixels)
    np.testing.assert_array_equal(encoder.encode(pixels), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"shape": ("batch", 3, 8)},
            "takes tensor(float) of shape (batch, 3, 8): "
            "an encoder takes one tensor(float) of shape (batch, channels, height, width)",
        ),
        ({"kind": TensorProto.UINT8}, "takes tensor(uint8) of shape (batch, 3, 8, 8): "),
        (
            {"shape": ("batch", 3, 8, 9)},
            "takes pixels of shape (any, 3, 8, 9), which is not usual: "
            "describe its preprocessing in {path}.json",
        ),
        (
            {"shape": ("batch", 1, 8, 8), "weights": np.ones((1, 5), np.float32)},
            "takes pixels of shape (any, 1, 8, 8), which is not usual: ",
        ),
        (
            {"outputs": ("means", "logarithms")},
            "has the outputs means, logarithms: name the one to use 'activations', or keep no "
            "other, with onnx.utils.extract_model",
        ),
        (
            {"outputs": ("whole",)},
            "gives tensor(int64): an encoder gives one tensor(float) of shape (batch, activations)",
        ),
        (
            {"outputs": ("pixels",)},
            "gives an output of shape (1, 3, 8, 8), but an encoder gives (batch, activations): "
            "end it with global average pooling",
        ),
        (
            {"shape": ("batch", "any", 8, 8), "weights": np.ones((4, 5), np.float32)},
            "cannot be run: [ONNXRuntimeError] : ",
        ),
        (
            {"save_as_external_data": True, "size_threshold": 0},
            "keeps its weights in another file: export it as one file, or make it one with "
            "onnx.save(onnx.load('{path}.onnx'), 'one.onnx')",
        ),
    ],
)
def test_an_unsuitable_network_is_explained(save_network, options, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where ONNX Runtime would look for weights in other files
    path = save_network(**options)
    expected = f"{path} {message.replace('{path}', str(path.with_suffix('')))}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
        OnnxEncoder(path)


@pytest.mark.parametrize("settings", [True, False])
@pytest.mark.parametrize(
    "shape", [("b", 8, 8, 3), (1, 8, 8, 3), (4, 8, 8, 3), ("b", "h", "w", 3), ("b", 8, 8, "c")]
)
def test_channels_can_come_last(save_network, pixels, weights, shape, settings):
    path = save_network(shape, layout="NHWC")
    if settings:
        path.with_suffix(".json").write_text('{"preprocessing": {"resize": 9, "crop": 8}}')
    encoder = OnnxEncoder(path)
    assert encoder.layout == "NHWC"
    assert encoder.preprocessing.shape == ((3, 8, 8) if 8 in shape or settings else (3, 224, 224))
    np.testing.assert_allclose(encoder.encode(pixels), pixels.mean((2, 3)) @ weights, atol=1e-5)
    copied = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(copied.encode(pixels), encoder.encode(pixels))


def test_a_network_that_says_nothing_of_its_shape_is_tried_both_ways(save_network, pixels):
    encoders = []
    for layout in ("NCHW", "NHWC"):
        path = save_network(("b", "x", "y", "z"), layout=layout, name=f"{layout}.onnx")
        path.with_suffix(".json").write_text('{"preprocessing": {"resize": 9, "crop": 8}}')
        encoders.append(OnnxEncoder(path))
        assert encoders[-1].layout == layout
    np.testing.assert_array_equal(*(encoder.encode(pixels) for encoder in encoders))


def test_pixels_that_are_no_square(save_network, weights):
    path = save_network((1, 3, 6, 9))
    path.with_suffix(".json").write_text(
        '{"preprocessing": {"resize": [6, 9], "crop": [6, 9], "fit": "stretch"}}'
    )
    encoder = OnnxEncoder(path)
    pixels = np.random.default_rng(0).random((3, 3, 6, 9), np.float32)
    np.testing.assert_allclose(encoder.encode(pixels), pixels.mean((2, 3)) @ weights, atol=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("output", ["activations", "exact", "coarse"])
def test_other_floating_point_numbers(save_network, pixels, weights, kind, output):
    encoder = OnnxEncoder(save_network(kind=kind, outputs=(output,)))
    activations = encoder.encode(pixels)
    assert activations.dtype == np.float32
    np.testing.assert_allclose(activations, pixels.mean((2, 3)) @ weights, atol=0.01)


@pytest.mark.parametrize("output", ["tall", "deep"])
@pytest.mark.parametrize("batch", ["batch", 4])
def test_axes_of_length_one_are_left_out(save_network, pixels, weights, output, batch):
    encoder = OnnxEncoder(save_network((batch, 3, 8, 8), outputs=(output,)))
    assert encoder.n_activations == 5
    np.testing.assert_allclose(encoder.encode(pixels), pixels.mean((2, 3)) @ weights, atol=1e-5)


@pytest.mark.parametrize("batch", ["batch", 1])
def test_forms_of_other_tools(save_network, pixels, weights, batch):
    path = save_network((batch, 3, 8, 8), domain="ai.onnx", listed=True)
    np.testing.assert_allclose(
        OnnxEncoder(path).encode(pixels), pixels.mean((2, 3)) @ weights, atol=1e-5
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_regular_files_are_opened(save_network, tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", tmp_path):
        message = f"{path} is not a regular file: put the file itself in its place"
        with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
            OnnxEncoder(path)
    path = save_network()
    os.mkfifo(path.with_suffix(".json"))
    message = f"{path.with_suffix('.json')} is not a regular file: put the file itself in its place"
    with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
        OnnxEncoder(path)


@pytest.mark.parametrize("content", [b"", b"dear diary", b"\x08\x09"])
def test_another_file_is_explained(tmp_path, content):
    path = tmp_path / "diary.onnx"
    path.write_bytes(content)
    message = re.escape(f"{path} is not an ONNX file that can be run here: ")
    with pytest.raises(ValueError, match=rf"^{message}[^\n]+$"):
        OnnxEncoder(path)


def test_a_missing_file(tmp_path):
    message = f"there is no file {tmp_path / 'x.onnx'}: give the path of an ONNX file"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        OnnxEncoder(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "{path}: Expecting property name"),
        ("[]", '{path} must be like {"preprocessing": {"resize": 256, "crop": 224}, '),
        ('{"resize": 9}', '{path} must be like {"preprocessing": {"resize": 256, "crop": 224}, '),
        ('{"preprocessing": {"size": 9}}', "{path}: unknown preprocessing 'size': use resize, "),
        (
            '{"preprocessing": {}}',
            "{stem}.onnx takes pixels of shape (any, 3, 8, 8), but its preprocessing gives "
            "(any, 3, 224, 224): correct it in {path}",
        ),
        (
            '{"preprocessing": {"resize": 8, "crop": 8}, "saturation": 0}',
            "{path}: saturation must be above 0, not 0",
        ),
    ],
)
def test_an_unsuitable_json_file_is_explained(save_network, text, message):
    path = save_network().with_suffix(".json")
    path.write_text(text)
    expected = message.replace("{path}", str(path)).replace("{stem}", str(path.with_suffix("")))
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
        OnnxEncoder(path.with_suffix(".onnx"))


def test_activations_that_are_not_finite_are_an_error(save_network, pixels):
    path = save_network(outputs=("logarithms",))
    message = (
        f"the encoder onnx:{path} gives activations that are not finite (infinity or NaN): "
        "check its preprocessing and how it was exported"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        OnnxEncoder(path).encode(pixels)


def test_a_real_encoder_tells_real_classes_apart(real_data):
    encoder = OnnxEncoder(real_data / "encoders/efficientnetv2_b0.onnx")
    assert encoder.n_activations == 1280

    def encoded(part, n):
        photos = find_photos(real_data / "imagenette-300" / part)
        labels = sorted({photo.label for photo in photos})
        some = [[p.path for p in photos if p.label == label][:n] for label in labels]
        batches = encode_photos([path for paths in some for path in paths], encoder)
        activations = np.concatenate([batch.given for batch in batches])
        return activations.reshape(len(labels), n, -1)

    means = encoded("train", 10).mean(1)
    distances = np.linalg.norm(encoded("test", 5)[:, :, None] - means, axis=3)
    right = distances.argmin(2) == np.arange(10)[:, None]
    assert right.mean() >= 0.96
