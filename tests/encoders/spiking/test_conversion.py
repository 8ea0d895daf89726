"""Conversion: the spiking network gives what the encoder gives, as far as its steps are fine."""

import numpy as np
import onnx
import pytest
from onnx import helper

from spikehead.encoders import OnnxEncoder, SpikingEncoder
from spikehead.encoders.spiking.conversion import spike
from spikehead.images import Preprocessing


@pytest.fixture
def spiking(tmp_path):
    def convert(encoder, **options):
        file = tmp_path / "spiking.safetensors"
        file.write_bytes(spike(encoder, **options).to_bytes())
        return SpikingEncoder(file, n_threads=1)

    return convert


def cosines(x, y):
    return (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)


def test_every_operator_gives_what_it_gives_in_onnx(everything, pixels, spiking):
    for seed in range(3):
        encoder, given = everything(seed), pixels(seed)
        expected = encoder.encode(given)
        for bits, tolerance in ((12, 0.01), (8, 0.1)):
            found = spiking(encoder, bits=bits, photos=given).encode(given)
            assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


def test_efficientnet_lite0_needs_its_weights_alone(lite, plain_lite, photos):
    found = SpikingEncoder(lite).encode(photos)
    assert cosines(found, plain_lite.encode(photos)).min() > 0.99


def test_a_backbone_that_pools_its_gates_and_its_maxima(spiking, pixels, tmp_path):
    torch = pytest.importorskip("torch")
    from spikehead.backbones.catalogue import network
    from spikehead.backbones.export import export

    photos = pixels(0, 32)
    backbone = network("se_resnet18").make(0)
    with torch.no_grad():  # so that what is normalised is not random, too
        for _ in range(4):
            backbone(torch.from_numpy(photos))
    export(backbone.eval(), tmp_path / "net.onnx", Preprocessing(32, 32))
    encoder = OnnxEncoder(tmp_path / "net.onnx", n_threads=1)
    found = spiking(encoder, bits=10, photos=photos).encode(photos)
    assert cosines(found, encoder.encode(photos)).min() > 0.99


def test_another_operator_is_refused_by_name(tmp_path):
    nodes = [
        helper.make_node("Tanh", ["image"], ["bent"]),
        helper.make_node("GlobalAveragePool", ["bent"], ["activations"]),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "bent",
        [helper.make_tensor_value_info("image", kind, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("activations", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, tmp_path / "bent.onnx")
    with pytest.raises(ValueError, match="no spiking neurons for the operator Tanh, which gives"):
        spike(OnnxEncoder(tmp_path / "bent.onnx"))


def test_what_nothing_bounds_asks_for_photos(everything):
    with pytest.raises(ValueError, match="give some typical photos, which show its range"):
        spike(everything(0))
