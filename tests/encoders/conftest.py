"""A tiny ONNX network and some photos, for the tests of encoders."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image


def _noise(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))


@pytest.fixture
def noise():
    """Return a function from a seed to a photo of 8 x 8 pixels."""
    return _noise


@pytest.fixture
def photos(tmp_path):
    """Return the paths of 25 different photos."""
    paths = [tmp_path / "photos" / f"{number:02}.png" for number in range(25)]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        _noise(number).save(path)
    return paths


@pytest.fixture
def weights():
    """Return the weights of the tiny network, [3 channels, 5 activations]."""
    return np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


@pytest.fixture
def save_network(tmp_path, weights):
    """Return a function that saves a network, and returns its path.

    Its activations are the channel means times the weights.
    """

    def save(
        shape=("batch", 3, 8, 8),
        *,
        name="tiny.onnx",
        kind=TensorProto.FLOAT,
        outputs=("activations",),
        weights=weights,
        layout="NCHW",
        domain="",
        listed=False,
        **options,
    ):
        photo = "image" if layout == "NCHW" else "arranged"
        nodes = [
            helper.make_node("Transpose", ["image"], ["arranged"], perm=[0, 3, 1, 2]),
            helper.make_node("Cast", [photo], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["means"]),
            helper.make_node("MatMul", ["means", "weights"], ["activations"]),
            helper.make_node("Log", ["activations"], ["logarithms"]),
            helper.make_node("Cast", ["activations"], ["coarse"], to=TensorProto.FLOAT16),
            helper.make_node("Cast", ["activations"], ["exact"], to=TensorProto.DOUBLE),
            helper.make_node("Cast", ["activations"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Unsqueeze", ["activations", "last"], ["tall"]),
            helper.make_node("Unsqueeze", ["activations", "middle"], ["deep"]),
        ]
        constants = {
            "weights": weights,
            "last": np.array([2, 3]),
            "middle": np.array([1, 2]),
        }
        if layout == "NCHW":
            del nodes[0]
        inputs = [helper.make_tensor_value_info("image", kind, shape)]
        if listed:
            float_weights = helper.make_tensor_value_info("weights", TensorProto.FLOAT, (3, 5))
            inputs.insert(0, float_weights)
        types = {"coarse": TensorProto.FLOAT16, "exact": TensorProto.DOUBLE}
        types["whole"] = TensorProto.INT64
        graph = helper.make_graph(
            nodes,
            "tiny",
            inputs,
            [
                helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None)
                for name in outputs
            ],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        opset = helper.make_opsetid(domain, 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
        onnx.save(model, tmp_path / name, **options)
        return tmp_path / name

    return save
