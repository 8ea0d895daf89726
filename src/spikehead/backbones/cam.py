"""Class activation maps: where in a photo a class is seen (Figure 7 of the EfficientNet paper)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from spikehead.backbones.backbone import Backbone

__all__ = ["class_activation_map", "overlay"]

# From cold to warm, as class activation maps are usually drawn.
_COLOURS = np.array(
    [(0, 0, 128), (0, 0, 255), (0, 255, 255), (255, 255, 0), (255, 0, 0), (128, 0, 0)], np.float64
)


def class_activation_map(model: Backbone, images: Tensor, classes: Tensor | None = None) -> Tensor:
    """Return what each place of the last features adds to the logit of a class.

    The mean of a map over its places is the logit less the classifier's bias.

    Parameters
    ----------
    model : Backbone
        With a classifier.
    images : Tensor, [batch, 3, R, R]
        Preprocessed.
    classes : Tensor of int, [batch], optional
        Default: the predicted classes.

    Returns
    -------
    Tensor, [batch, height, width]

    Raises
    ------
    ValueError
        If the model has no classifier.

    References
    ----------
    Zhou, B., et al. (2016). Learning Deep Features for Discriminative Localization. CVPR. Eq. 2.
    """
    classifier = model.classifier_layer
    if classifier is None:
        raise ValueError("a class activation map needs a classifier: the model has none")
    model.eval()
    with torch.inference_mode():
        features = model.feature_map(images)
        if classes is None:
            classes = classifier(features.mean((2, 3))).argmax(1)
        return torch.einsum("bc,bchw->bhw", classifier.weight[classes], features)


def overlay(
    photo: Image.Image, places: NDArray[np.floating], *, opacity: float = 0.5
) -> Image.Image:
    """Return a photo with a class activation map laid over it, blue for least, red for most.

    Parameters
    ----------
    photo : PIL.Image.Image
        What the network saw of it: the central square.
    places : array, [height, width]
        A map from `class_activation_map`.
    opacity : float, default 0.5
        Of the map, from 0 to 1.
    """
    spread = np.ptp(places)
    scaled = (places - places.min()) / (spread if spread > 0 else 1)
    grey = Image.fromarray(scaled.astype(np.float32))
    smooth = np.asarray(grey.resize(photo.size, Image.Resampling.BICUBIC)).clip(0, 1)
    steps = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack([np.interp(smooth, steps, channel) for channel in _COLOURS.T], -1)
    return Image.blend(photo.convert("RGB"), Image.fromarray(colours.astype(np.uint8)), opacity)
