"""The networks that experiments/02_compound_scaling measures."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch")

from spikehead.backbones.scaling import multiply_adds, parameters

LATENCY = Path(__file__).parents[2] / "experiments" / "02_compound_scaling" / "latency.py"


def test_resnet_152_has_its_published_size():
    """60.2M parameters, 11.5B multiply-adds: torchvision's documentation."""
    network = runpy.run_path(str(LATENCY))["NETWORKS"]["ResNet-152"]
    assert parameters(network) == 60_192_808
    assert multiply_adds(network) == pytest.approx(11.5e9, rel=0.01)
