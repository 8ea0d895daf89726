"""A spiking head that learns online, in one pass, on top of any frozen vision encoder."""

from spikehead.colanet import RECOMMENDED, CoLaNETClassifier, CoLaNETParameters
from spikehead.pipeline import HybridClassifier

__all__ = ["RECOMMENDED", "CoLaNETClassifier", "CoLaNETParameters", "HybridClassifier"]
