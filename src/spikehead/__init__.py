"""A spiking head that learns online, in one pass, on top of any frozen vision encoder."""

import os

# ONNX Runtime would report its use to its makers, and warn a user whose home cannot be written.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from spikehead.colanet import RECOMMENDED, CoLaNETClassifier, CoLaNETParameters
from spikehead.pipeline import HybridClassifier

__all__ = ["RECOMMENDED", "CoLaNETClassifier", "CoLaNETParameters", "HybridClassifier"]
