"""Compound scaling: the published sizes, hand counts, budgets, and the constraint."""

from functools import partial

import pytest
import torch
from torch import nn

from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.scaling import (
    BASELINES,
    Blueprint,
    Ratios,
    Scale,
    constrained_ratios,
    latency,
    multiply_adds,
    parameters,
    scale_to_budget,
    search_ratios,
)


def variant(name):
    return Blueprint(partial(EfficientNet, VARIANTS[name]), VARIANTS[name].resolution)


def test_multiply_adds_by_hand():
    class Small(nn.Sequential):
        def __init__(self, classes):
            super().__init__(
                nn.Conv2d(3, 8, 3, 2, 1),  # 5 x 5 x 8 outputs of 27 products
                nn.Conv2d(8, 8, 3, 1, 1, groups=8),  # 5 x 5 x 8 outputs of 9
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(8, classes),
            )

    network = Blueprint(Small, 10)
    assert multiply_adds(network, 4) == 200 * 27 + 200 * 9 + 32
    assert parameters(network, 4) == (8 * 27 + 8) + (8 * 9 + 8) + (32 + 4)


# Table 2; B4 and B5 are in experiments/02_compound_scaling with what is to be said of them.
@pytest.mark.parametrize(
    ("name", "billions"),
    [("b0", 0.39), ("b1", 0.70), ("b2", 1.0), ("b3", 1.8), ("b6", 19), ("b7", 37)],
)
def test_table_2(name, billions):
    assert multiply_adds(variant(f"efficientnet_{name}")) / 1e9 == pytest.approx(billions, rel=0.03)


# The published baselines of MobileNetV1, MobileNetV2 and ResNet-50, by their own papers.
@pytest.mark.parametrize(
    ("name", "count", "products"),
    [
        ("mobilenet_v1", 4_231_976, 569e6),
        ("mobilenet_v2", 3_504_872, 300e6),
        ("resnet_50", 25_557_032, 4.09e9),
    ],
)
def test_baselines(name, count, products):
    network = BASELINES[name](Scale())
    assert parameters(network) == count
    assert multiply_adds(network) == pytest.approx(products, rel=0.005)


@pytest.mark.parametrize(
    ("name", "scale", "billions"),
    [
        ("mobilenet_v1", Scale(width=2), 2.2),
        ("mobilenet_v1", Scale(1.4, 1.2, 288 / 224), 2.3),
        ("mobilenet_v2", Scale(depth=4), 1.2),
        ("mobilenet_v2", Scale(1.4, 1.2, 288 / 224), 1.3),
        ("resnet_50", Scale(resolution=2), 16.4),
        ("resnet_50", Ratios().scale(2), 16.7),
    ],
)
def test_table_3(name, scale, billions):
    # 3 %, and half of the published figure's last digit.
    tolerance = 0.03 * billions + 0.05
    assert multiply_adds(BASELINES[name](scale)) / 1e9 == pytest.approx(billions, abs=tolerance)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_computes(name):
    network = BASELINES[name](Scale(0.5, 0.25, 0.2))
    image = torch.randn(2, 3, network.resolution, network.resolution)
    assert network.make(5)(image).shape == (2, 5)


def test_b0_is_the_scaled_baseline_at_phi_0():
    network = BASELINES["efficientnet_b0"](Ratios().scale(0))
    assert network.resolution == 224
    assert parameters(network) == 5_288_548


def test_the_papers_ratios_double_the_cost():
    assert Ratios().growth == pytest.approx(2, rel=0.05)
    assert Ratios().scale(2) == Scale(1.2**2, 1.1**2, 1.15**2)


@pytest.mark.parametrize(("factor", "measure"), [(0.6, parameters), (5, multiply_adds)])
def test_a_budget_is_met_and_used(factor, measure):
    baseline = BASELINES["mobilenet_v2"]
    budget = factor * measure(baseline(Scale()))
    phi, scale = scale_to_budget(baseline, measure, budget)
    assert measure(baseline(scale)) <= budget
    assert measure(baseline(Ratios().scale(phi + 1 / 64))) > budget


def test_latency_is_a_measure_too():
    threads = torch.get_num_threads()
    assert 0 < latency(BASELINES["mobilenet_v1"](Scale(0.2, 0.25, 0.2)), runs=2) < 60
    assert torch.get_num_threads() == threads


def test_the_grid_holds_the_papers_ratios_and_keeps_the_constraint():
    grid = list(constrained_ratios(tolerance=0.05))
    assert Ratios(1.2, 1.1, 1.15) in grid
    assert len(set(grid)) == len(grid)
    for ratios in grid:
        assert ratios.alpha * ratios.beta**2 * ratios.gamma**2 == pytest.approx(2, rel=0.05)
        assert min(ratios.alpha, ratios.beta, ratios.gamma) >= 1


def test_the_search_returns_the_most_accurate():
    candidates = [Ratios(2, 1, 1), Ratios(1, 1.4, 1), Ratios(1, 1, 1.4)]
    seen = []
    best = search_ratios(
        BASELINES["mobilenet_v1"],
        lambda network: network.resolution / 1000,
        candidates,
        report=lambda ratios, accuracy: seen.append(ratios),
    )
    assert best == (Ratios(1, 1, 1.4), 0.314)
    assert seen == candidates


def test_bad_input_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="the budget 10 is too small for any scale: give a larger"):
        scale_to_budget(BASELINES["mobilenet_v1"], parameters, 10)
    with pytest.raises(ValueError, match="there are no candidates to search: widen the tolerance"):
        search_ratios(BASELINES["mobilenet_v1"], lambda network: 0.0, [])
