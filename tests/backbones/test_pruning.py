"""Pruning, against what its definitions demand; and the whole process, interrupted."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from spikehead.backbones.baselines import MobileNetV2
from spikehead.backbones.costs import count_multiply_adds, count_parameters
from spikehead.backbones.data import ImageArrays
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.pruning import (
    Plan,
    prune,
    prune_channels,
    prune_weights,
    search_ratio,
    shrink_to,
)
from spikehead.backbones.se_resnet import ResNet18
from spikehead.backbones.training import Recipe

RECIPE = Recipe(
    epochs=2, batch_size=8, optimizer="sgd", learning_rate=0.4, warmup_epochs=0.5, average_decay=0.9
)
NETWORKS = {
    "se_resnet18": lambda: ResNet18(3, reduction=4, stem="cifar", width=16),
    "efficientnet": lambda: EfficientNet(replace(VARIANTS["efficientnet_cifar"], width=0.5), 3),
    "mobilenet_v2": lambda: MobileNetV2(0.25, 0.3, classes=3, stem="cifar"),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]()


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    labels = np.arange(48) % 3
    levels = 60 + 60 * labels[:, None, None, None]
    pixels = np.uint8(levels + random.integers(-50, 50, (48, 32, 32, 3)))
    return ImageArrays(pixels[:24], labels[:24]), ImageArrays(pixels[24:], labels[24:])


def kernels(model):
    return [layer.weight for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]


def test_unstructured_zeroes_the_smallest_weights_of_all_convolutions(network):
    before = torch.cat([weight.detach().abs().flatten() for weight in kernels(network)])
    dense, used = count_multiply_adds(network, 32), count_parameters(network, nonzero=True)
    network.to(memory_format=torch.channels_last)
    prune_weights(network, 0.4)
    after = torch.cat([weight.detach().abs().flatten() for weight in kernels(network)])
    removed = after == 0
    assert removed.sum() == round(0.4 * len(before))
    assert before[removed].max() <= before[~removed].min()
    assert torch.equal(after[~removed], before[~removed])
    assert count_multiply_adds(network, 32) == dense
    assert count_parameters(network, nonzero=True) == used - removed.sum()


def test_structured_makes_every_part_smaller(network):
    small = copy.deepcopy(network)
    prune_channels(small, 0.5, 32)
    for count in (count_parameters, lambda model: count_multiply_adds(model, 32)):
        assert count(small) < 0.6 * count(network)
    assert all((weight != 0).all() for weight in kernels(small))
    assert small(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    assert small.encode(torch.zeros(2, 3, 32, 32)).shape == (2, small.activations)
    small.replace_head(7)
    assert small(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_structured_removes_the_channels_of_smallest_norm():
    torch.manual_seed(0)
    model = ResNet18(3, stem="cifar", width=16)
    block = model.layer2[0]
    weak = torch.arange(32) % 4 == 3  # of the channels between the two convolutions
    with torch.no_grad():
        block.conv1.weight[weak] *= 0.01
        block.conv2.weight[:, weak] *= 0.01
        block.bn1.bias[:] = torch.arange(32)  # so that they can be told apart
    prune_channels(model, 0.25, 32)
    assert torch.equal(block.bn1.bias, torch.arange(32.0)[~weak])
    assert block.conv1.out_channels == block.conv2.in_channels == 24


def test_a_pruned_network_is_made_again_from_its_state(network):
    small = copy.deepcopy(network)
    prune_channels(small, 0.4, 32)
    shrink_to(network, small.state_dict())
    image = torch.randn(2, 3, 32, 32)
    assert torch.equal(network.eval()(image), small.eval()(image))
    assert repr(network) == repr(small)


@pytest.mark.parametrize("optimizer", ["rmsprop", "sgd", "adamw"])
def test_zeros_stay_zeros_in_training(images, tmp_path, optimizer):
    torch.manual_seed(0)
    model = NETWORKS["se_resnet18"]()
    recipe = replace(RECIPE, optimizer=optimizer, l1=1e-4)
    plan = Plan("unstructured", ratios=(0.4,), fine_tuning=recipe)
    pruned = prune(model, *images, plan, tmp_path)
    zeros = [weight == 0 for weight in kernels(pruned)]
    assert sum(zero.sum() for zero in zeros) >= 0.3 * count_parameters(model)
    start = torch.load(tmp_path / "pruned.pt", weights_only=True)
    shrunk = copy.deepcopy(model)
    shrink_to(shrunk, start)
    for weight, zero in zip(kernels(shrunk), zeros, strict=True):
        assert torch.equal(weight == 0, zero)
        assert (weight[~zero] != 0).all()


def test_the_best_that_is_small_enough_is_chosen(images):
    torch.manual_seed(0)
    model = NETWORKS["se_resnet18"]()
    before = copy.deepcopy(model.state_dict())
    plan = Plan(reduction=0.4, ratios=(0.1, 0.3, 0.5))
    chosen, grid = search_ratio(model, *images, plan)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert [candidate.ratio for candidate in grid] == [0.1, 0.3, 0.5]
    small = [
        candidate
        for candidate in grid
        if candidate.parameters <= 0.6 * count_parameters(model)
        and candidate.multiply_adds <= 0.6 * count_multiply_adds(model, 32)
    ]
    assert 0 < len(small) < 3
    assert count_parameters(chosen, nonzero=True) in [
        candidate.parameters
        for candidate in small
        if candidate.accuracy == max(other.accuracy for other in small)
    ]
    with pytest.raises(ValueError, match="no ratio removes 90% of the network: try higher ratios"):
        search_ratio(model, *images, replace(plan, reduction=0.9))


class PowerCutError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("kind", ["structured", "unstructured"])
def test_interruptions_leave_no_trace(images, tmp_path, kind):
    torch.manual_seed(0)
    model = NETWORKS["se_resnet18"]()
    plan = Plan(kind, fine_tuning=RECIPE, ratios=(0.4, 0.6))
    whole = prune(model, *images, plan, tmp_path / "whole")

    def cut(_):
        raise PowerCutError

    interrupted = tmp_path / "interrupted"
    with pytest.raises(PowerCutError):  # in the search
        prune(model, *images, plan, interrupted, report_candidate=cut)
    with pytest.raises(PowerCutError):  # after the first epoch
        prune(model, *images, plan, interrupted, report_epoch=cut)
    resumed = prune(model, *images, plan, interrupted)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    with pytest.raises(ValueError, match="interrupted holds the pruning of another plan: choose"):
        prune(model, *images, replace(plan, reduction=0.5), interrupted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "both"}, "kind must be structured or unstructured, not 'both'"),
        ({"reduction": 1.0}, "reduction must be between 0 and 1, not 1.0"),
        ({"ratios": ()}, "ratios must be between 0 and 1"),
    ],
)
def test_bad_plans_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Plan(**change)
