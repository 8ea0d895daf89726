"""A spiking head that learns online, in one pass, on top of any frozen vision encoder."""

from spikehead.colanet import CoLaNETClassifier, CoLaNETParameters

__all__ = ["CoLaNETClassifier", "CoLaNETParameters"]
