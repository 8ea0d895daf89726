"""The EfficientNet family against the published counts, torchvision's names, and timm."""

import sys
import types
from dataclasses import replace
from unittest import mock

import pytest
import torch

from spikehead.backbones.efficientnet import (
    B0,
    VARIANTS,
    EfficientNet,
    from_timm,
    rounded_channels,
)


def empty(name, classes=1000):
    with torch.device("meta"):
        return EfficientNet(VARIANTS[name], classes)


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def timm():
    """Import timm with torchvision, which it needs for its data sets alone, stood in for."""

    class StandIn(types.ModuleType):
        __path__ = ()

        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            modes = ("NEAREST", "BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS")
            return type(name, (), {mode: mode for mode in modes})

    children = ("datasets", "models", "models.feature_extraction", "ops", "ops.misc", "transforms")
    modules = {"torchvision": StandIn("torchvision")}
    for child in (*children, "transforms.functional"):
        modules[f"torchvision.{child}"] = StandIn(child)
        parent, _, name = f"torchvision.{child}".rpartition(".")
        setattr(modules[parent], name, modules[f"torchvision.{child}"])
    with mock.patch.dict(sys.modules, modules):
        yield pytest.importorskip("timm", exc_type=ImportError)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("efficientnet_b0", 5_288_548),
        ("efficientnet_b1", 7_794_184),
        ("efficientnet_b2", 9_109_994),
        ("efficientnet_b3", 12_233_232),
        ("efficientnet_b4", 19_341_616),
        ("efficientnet_b5", 30_389_784),
        ("efficientnet_b6", 43_040_704),
        ("efficientnet_b7", 66_347_960),
    ],
)
def test_has_as_many_parameters_as_published(name, count):
    assert parameters(empty(name)) == count


def test_b3_without_its_head_gives_1536_activations():
    encoder = empty("efficientnet_b3", classes=0)
    assert parameters(encoder) == 10_696_232
    assert encoder.activations == 1536


def test_names_and_shapes_are_those_of_torchvision():
    state = empty("efficientnet_b0").state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    # A sample of the official efficientnet_b0 file: stem, block without and with expansion, head.
    expected = {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.0.1.running_mean": (32,),
        "features.0.1.num_batches_tracked": (),
        "features.1.0.block.0.0.weight": (32, 1, 3, 3),
        "features.1.0.block.1.fc1.weight": (8, 32, 1, 1),
        "features.1.0.block.1.fc1.bias": (8,),
        "features.1.0.block.1.fc2.weight": (32, 8, 1, 1),
        "features.1.0.block.2.0.weight": (16, 32, 1, 1),
        "features.2.0.block.0.0.weight": (96, 16, 1, 1),
        "features.2.0.block.1.0.weight": (96, 1, 3, 3),
        "features.2.0.block.2.fc1.weight": (4, 96, 1, 1),
        "features.2.0.block.3.1.bias": (24,),
        "features.3.0.block.1.0.weight": (144, 1, 5, 5),
        "features.7.0.block.3.0.weight": (320, 1152, 1, 1),
        "features.8.0.weight": (1280, 320, 1, 1),
        "features.8.1.weight": (1280,),
        "classifier.1.weight": (1000, 1280),
        "classifier.1.bias": (1000,),
    }
    assert {name: shapes[name] for name in expected} == expected
    assert len(shapes) == 360


def test_batch_norms_follow_torchvision():
    for name, (eps, momentum) in {
        "efficientnet_b4": (1e-5, 0.1),
        "efficientnet_b5": (1e-3, 0.01),
    }.items():
        norms = [m for m in empty(name).modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert {(norm.eps, norm.momentum) for norm in norms} == {(eps, momentum)}


def test_stochastic_depth_rises_linearly_from_zero():
    model = empty("efficientnet_b0")
    drops = [m.p for m in model.modules() if type(m).__name__ == "StochasticDepth"]
    assert drops == pytest.approx([0.2 * block / 16 for block in range(16)])


def test_stochastic_depth_keeps_the_mean():
    torch.manual_seed(0)
    drop = next(
        module
        for module in reversed(list(EfficientNet(replace(B0, width=0.25)).modules()))
        if type(module).__name__ == "StochasticDepth"
    )
    out = drop.train()(torch.ones(20_000, 1, 1, 1))
    assert out.unique().tolist() == pytest.approx([0.0, 1 / (1 - drop.p)])
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("channels", "rounded"), [(3, 8), (19.2, 24), (38.4, 40), (36.0, 40)])
def test_channels_round_to_multiples_of_8_never_under_90_percent(channels, rounded):
    assert rounded_channels(channels) == rounded


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_b3"])
def test_gives_what_timm_gives(timm, name):
    torch.manual_seed(0)
    theirs = timm.create_model(name, pretrained=False).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.normal_(module.running_mean, std=0.2)
    ours = EfficientNet(VARIANTS[name]).eval()
    ours.load_state_dict(from_timm(theirs.state_dict()))
    image = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        expected = theirs(image)
        assert expected.std() > 1e-3
        torch.testing.assert_close(ours(image), expected, rtol=1e-5, atol=1e-5)


def test_a_foreign_name_is_refused():
    with pytest.raises(ValueError, match=r"'fc\.weight' is not the name of an EfficientNet"):
        from_timm({"blocks.0.0.bn1.weight": torch.ones(1), "fc.weight": torch.ones(1)})


def test_training_in_bfloat16_gives_the_same_convolution():
    torch.manual_seed(0)
    model = EfficientNet(replace(B0, width=0.25), classes=4)
    convolution = model.features[2][0].block[1][0]
    assert convolution.stride == (2, 2)
    image = torch.randn(2, convolution.in_channels, 15, 15)
    slow = convolution.eval()(image)
    fast = convolution.train().bfloat16()(image.bfloat16())
    torch.testing.assert_close(fast.float(), slow, rtol=0.02, atol=0.02)
