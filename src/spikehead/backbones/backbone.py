"""What all networks that encoders are made of have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from torch import Tensor, nn

__all__ = ["Backbone", "Blueprint", "Stem"]

Stem = Literal["imagenet", "cifar"]
"""For photos of about 224 x 224; or, without the first two halvings, for images of 32 x 32."""


class Backbone(nn.Module, ABC):
    """A convolutional network whose pooled last features are activations for a classifier.

    Parameters
    ----------
    dropout : float, default 0
        Dropout rate before the classifier.

    Attributes
    ----------
    classifier : Sequential
        Dropout and a linear layer, or nothing, for the encoder without its head.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self._dropout = dropout
        self.classifier = nn.Sequential()

    @property
    def activations(self) -> int:
        """Number of pooled activations: the channels of the last normalisation."""
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        return norms[-1].num_features

    @property
    def classifier_layer(self) -> nn.Linear | None:
        """The linear layer that gives the logits, if there is one."""
        return cast(nn.Linear, self.classifier[1]) if len(self.classifier) else None

    def replace_head(self, classes: int) -> None:
        """Put a new classifier of `classes` outputs in place, or, with 0, none."""
        self.classifier = nn.Sequential()
        if classes:
            self.classifier.append(nn.Dropout(self._dropout))
            self.classifier.append(nn.Linear(self.activations, classes))

    @abstractmethod
    def feature_map(self, image: Tensor) -> Tensor:
        """Return the last features, [batch, activations, height, width]."""

    def encode(self, image: Tensor) -> Tensor:
        """Return the pooled activations, [batch, activations], of images [batch, 3, R, R]."""
        return self.feature_map(image).mean((2, 3))

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits [batch, classes], or the activations where there is no classifier."""
        output: Tensor = self.classifier(self.encode(image))
        return output


@dataclass(frozen=True)
class Blueprint:
    """A network not yet made: what it would be, and the side of its input in pixels."""

    make: Callable[[int], Backbone]
    resolution: int
