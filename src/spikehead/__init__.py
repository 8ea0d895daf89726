"""A spiking head that learns online, in one pass, on top of any frozen vision encoder."""

import os
from typing import TYPE_CHECKING

__version__ = "0.2.0"

# ONNX Runtime would report its use to its makers, and warn a user whose home cannot be written.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from spikehead.heads.colanet import CoLaNETParameters
    from spikehead.heads.colanet.classifier import CoLaNETClassifier
    from spikehead.heads.decorrelated import DecorrelatedParameters
    from spikehead.heads.decorrelated.classifier import DecorrelatedColumns
    from spikehead.models.hybrid import HybridClassifier
else:
    _HOMES = {
        "CoLaNETClassifier": "heads.colanet.classifier",
        "CoLaNETParameters": "heads.colanet",
        "DecorrelatedColumns": "heads.decorrelated.classifier",
        "DecorrelatedParameters": "heads.decorrelated",
        "HybridClassifier": "models.hybrid",
    }

    # What is here is imported when it is first asked for, so that the command line starts at once.

    def __getattr__(name):
        if name in _HOMES:
            from importlib import import_module

            return getattr(import_module(f"spikehead.{_HOMES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return [*globals(), *__all__]


__all__ = [
    "CoLaNETClassifier",
    "CoLaNETParameters",
    "DecorrelatedColumns",
    "DecorrelatedParameters",
    "HybridClassifier",
    "__version__",
]
