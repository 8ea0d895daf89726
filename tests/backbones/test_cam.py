"""Class activation maps add up to the logits, and point at what matters."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from spikehead.backbones.cam import class_activation_map, overlay
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet


@pytest.fixture
def model():
    torch.manual_seed(0)
    small = replace(VARIANTS["efficientnet_cifar"], width=0.25)
    return EfficientNet(small, classes=5).eval()


def test_a_maps_mean_is_its_logit(model):
    images = torch.randn(3, 3, 32, 32)
    classes = torch.tensor([4, 0, 2])
    maps = class_activation_map(model, images, classes)
    assert maps.shape == (3, 4, 4)
    with torch.inference_mode():
        logits = model(images)[torch.arange(3), classes]
    bias = model.classifier[1].bias.detach()[classes]
    torch.testing.assert_close(maps.mean((1, 2)), logits - bias)


def test_the_default_is_the_predicted_class(model):
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        predicted = model(images).argmax(1)
    expected = class_activation_map(model, images, predicted)
    torch.testing.assert_close(class_activation_map(model, images), expected)


def test_the_overlay_is_warm_where_the_map_is_high():
    places = np.zeros((4, 4), np.float32)
    places[:, 3] = 1.0
    picture = np.asarray(overlay(Image.new("RGB", (64, 48), "white"), places), np.int64)
    assert picture.shape == (48, 64, 3)
    red, blue = picture[..., 0], picture[..., 2]
    assert (red[:, -4:] > blue[:, -4:]).all()
    assert (blue[:, :16] > red[:, :16]).all()


def test_a_flat_map_is_drawn_too():
    picture = overlay(Image.new("RGB", (8, 8)), np.full((2, 2), 3.0))
    assert len(picture.getcolors()) == 1


def test_a_model_without_classifier_is_refused(model):
    model.replace_head(0)
    with pytest.raises(
        ValueError, match="a class activation map needs a classifier: the model has"
    ):
        class_activation_map(model, torch.randn(1, 3, 32, 32))
