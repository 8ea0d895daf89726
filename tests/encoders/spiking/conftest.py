"""Small networks of every operator that becomes spiking neurons."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from scipy import ndimage

from spikehead.encoders import OnnxEncoder, efficientnet_lite, open_encoder
from spikehead.encoders.spiking.conversion import spike
from spikehead.images import Preprocessing

SIDE = 9
SETTINGS = {"preprocessing": {"resize": SIDE, "crop": SIDE}}


class Drawn:
    """A network that grows node by node, with weights by lot."""

    def __init__(self, random):
        self.random = random
        self.nodes, self.constants = [], {}

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def node(self, operator, *inputs, **attributes):
        name = f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def conv(self, source, n_in, n_out, kernel=1, stride=1, groups=1):
        fan_in = n_in // groups * kernel**2
        weights = self.random.normal(size=(n_out, n_in // groups, kernel, kernel)) / fan_in**0.5
        bias = 0.2 * self.random.normal(size=n_out)
        constants = [self.constant(each.astype(np.float32)) for each in (weights, bias)]
        pads = [(kernel - 1) // 2, kernel // 2] * 2
        return self.node("Conv", source, *constants, group=groups, strides=[stride] * 2, pads=pads)

    def silu(self, source):
        return self.node("Mul", source, self.node("Sigmoid", source))

    def relu6(self, source):
        limits = [self.constant(np.float32(limit)) for limit in (0, 6)]
        return self.node("Clip", source, *limits)

    def norm(self, source, n):
        scale, variance = (self.random.uniform(0.5, 1.5, n) for _ in range(2))
        shift, mean = (0.3 * self.random.normal(size=n) for _ in range(2))
        of_each = [self.constant(x.astype(np.float32)) for x in (scale, shift, mean, variance)]
        return self.node("BatchNormalization", source, *of_each)

    def gated(self, source, n):
        """Add squeeze-and-excitation."""
        pooled = self.node("GlobalAveragePool", source)
        squeezed = self.node("Relu", self.conv(pooled, n, 2))
        return self.node("Mul", source, self.node("Sigmoid", self.conv(squeezed, 2, n)))

    def model(self, output):
        graph = helper.make_graph(
            self.nodes,
            "drawn",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ("batch", 3, SIDE, SIDE))],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)

    def finished(self, source, folder):
        """Return the encoder whose activations these are, once maps are pooled."""
        output = self.node("Flatten", source)
        file = folder / "drawn.onnx"
        onnx.save(self.model(output), file)
        file.with_suffix(".json").write_text(json.dumps(SETTINGS))
        return OnnxEncoder(file, n_threads=1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("spiking")


@pytest.fixture(scope="session")
def everything(folder):
    """Return a function from a seed to an encoder in which every operator occurs."""

    def make(seed):
        net = Drawn(np.random.default_rng(seed))
        stride = int(net.random.integers(1, 3))
        stem = net.silu(net.conv("image", 3, 4, 3, stride))
        wide = net.relu6(net.norm(net.conv(stem, 4, 8), 8))
        deep = net.gated(net.silu(net.conv(wide, 8, 8, 3, groups=8)), 8)
        block = net.node("Add", net.conv(deep, 8, 4), stem)
        pooled = net.node("MaxPool", block, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        mixed = net.node("Relu", net.node("Add", pooled, net.conv(pooled, 4, 4, 3, groups=2)))
        means = net.node("AveragePool", mixed, kernel_shape=[2, 2])
        narrow = net.node("GlobalAveragePool", net.conv(means, 4, 5, 2))
        weights = net.random.normal(size=(5, 6)).astype(np.float32)
        answer = net.node("Gemm", net.node("Flatten", narrow), net.constant(weights))
        return net.finished(answer, folder)

    return make


@pytest.fixture(scope="session")
def pixels():
    """Return a function from a seed and a side to two preprocessed photos of noise."""

    def draw(seed, side=SIDE):
        shape = (2, 3, side, side)
        levels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        preprocessing = Preprocessing(resize=side, crop=side)
        photos = [Image.fromarray(each.transpose(1, 2, 0)) for each in levels]
        return np.stack([preprocessing(photo) for photo in photos])

    return draw


@pytest.fixture(scope="session")
def plain_lite(folder):
    """Return EfficientNet-Lite0 for photos of 64 x 64 pixels."""
    whole = open_encoder(efficientnet_lite.LITE0.name, n_threads=1)
    model = onnx.load(whole.files["encoder"])
    for size in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        size.dim_value = 64
    onnx.save(model, folder / "lite.onnx")
    small = replace(whole.preprocessing, resize=64, crop=64)
    return OnnxEncoder(folder / "lite.onnx", preprocessing=small, n_threads=1)


@pytest.fixture(scope="session")
def lite(plain_lite, folder):
    """Return the file of its spiking twin."""
    file = folder / "lite.safetensors"
    file.write_bytes(spike(plain_lite, norms=efficientnet_lite.LITE0.norms()).to_bytes())
    return file


@pytest.fixture(scope="session")
def photos(plain_lite):
    """Return photos for it: smooth ones, with edges."""
    random = np.random.default_rng(0)
    blurred = ndimage.gaussian_filter(random.normal(size=(4, 3, 64, 64)), (0, 0, 4, 4))
    levels = np.clip(128 + 600 * blurred, 0, 255).astype(np.uint8)
    levels[:, :, 20:40, 10:50] //= 2
    return np.stack(
        [plain_lite.preprocessing(Image.fromarray(each.transpose(1, 2, 0))) for each in levels]
    )
