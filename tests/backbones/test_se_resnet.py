"""ResNet-18 and its squeeze-and-excitation, against the paper's figures and its equations."""

import pytest
import torch
from torch import nn

from spikehead.backbones.costs import count_multiply_adds, count_parameters
from spikehead.backbones.se_resnet import ResNet18

# Output channels of the eight residual blocks.
CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512)


def test_costs_what_the_papers_say():
    with torch.device("meta"):
        plain = ResNet18()
    assert count_parameters(plain) == 11_689_512  # torchvision's
    assert count_parameters(plain) == pytest.approx(11.7e6, rel=0.01)
    assert count_multiply_adds(plain, 224) == pytest.approx(1.81e9, rel=0.01)


@pytest.mark.parametrize("reduction", [2, 16])
def test_squeeze_and_excitation_adds_the_parameters_of_the_papers_formula(reduction):
    """Section III A 2: C * C/r + C/r * C for each block."""
    with torch.device("meta"):
        added = count_parameters(ResNet18(reduction=reduction)) - count_parameters(ResNet18())
    assert added == sum(2 * channels * (channels // reduction) for channels in CHANNELS)


def test_a_block_computes_the_papers_equations():
    torch.manual_seed(0)
    block = ResNet18(4, reduction=4, stem="cifar", width=8).layer1[0].eval()
    x = torch.randn(2, 8, 5, 5)
    y = block.bn2(block.conv2(nn.functional.relu(block.bn1(block.conv1(x)))))
    z = y.sum((2, 3)) / 25
    s = torch.sigmoid(torch.relu(z @ block.se.fc1.weight.T) @ block.se.fc2.weight.T)
    expected = torch.relu(y * s[:, :, None, None] + x)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(("stem", "side", "places"), [("imagenet", 224, 7), ("cifar", 32, 4)])
def test_stems_fit_their_images(stem, side, places):
    model = ResNet18(10, reduction=16, stem=stem, width=8).eval()
    image = torch.randn(1, 3, side, side)
    features = model.feature_map(image)
    assert features.shape == (1, model.activations, places, places) == (1, 64, places, places)
    torch.testing.assert_close(model.encode(image), features.mean((2, 3)))
    assert model(image).shape == (1, 10)
    model.replace_head(0)
    assert torch.equal(model(image), model.encode(image))
    assert model.encode(image).min() >= 0  # so that they can be rates
