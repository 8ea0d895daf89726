"""CoLaNET: the spiking head. Knows nothing of photos, encoders or files."""

from spikehead.colanet.classifier import CoLaNETClassifier
from spikehead.colanet.parameters import RECOMMENDED, CoLaNETParameters

__all__ = ["RECOMMENDED", "CoLaNETClassifier", "CoLaNETParameters"]
