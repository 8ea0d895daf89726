"""Where ONNX Runtime computes: on the CPU, or by what else the installed one has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import onnxruntime

AUTO = "auto"
"""The first provider that can be used here."""


@dataclass(frozen=True)
class Provider:
    """Something that ONNX Runtime computes by.

    Attributes
    ----------
    name : str
        What ONNX Runtime calls it.
    install : str
        Where it is to be had.
    batch : int
        Photos that it takes at once, of a network that leaves that open.
    options : mapping
        What it is told.
    """

    name: str
    install: str
    batch: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)


PROVIDERS = {
    "cuda": Provider("CUDAExecutionProvider", "pip install onnxruntime-gpu, on an NVIDIA GPU"),
    "coreml": Provider("CoreMLExecutionProvider", "pip install onnxruntime, on a Mac"),
    "directml": Provider("DmlExecutionProvider", "pip install onnxruntime-directml, on Windows"),
    "openvino": Provider(
        "OpenVINOExecutionProvider",
        "pip install onnxruntime-openvino",
        batch=1,
        options={"device_type": "CPU"},
    ),
    # Photo by photo, many at the same time: no layer waits for another thread.
    "cpu": Provider("CPUExecutionProvider", "pip install onnxruntime", batch=1),
}
"""By the names that users give them; the first that can be used is taken by itself."""


def candidates(name: str) -> list[str]:
    """Return the providers to try, the best one first.

    Parameters
    ----------
    name : str
        One of `PROVIDERS`, or ``"auto"`` for all that are installed.

    Raises
    ------
    ValueError
        There is no such provider, or the installed ONNX Runtime has it not.
    """
    there = onnxruntime.get_available_providers()
    if name == AUTO:
        return [one for one, provider in PROVIDERS.items() if provider.name in there]
    if name not in PROVIDERS:
        raise ValueError(f"there is no provider {name!r}: take auto, {', '.join(PROVIDERS)}")
    if PROVIDERS[name].name not in there:
        raise ValueError(
            f"the installed ONNX Runtime has no provider {name}: {PROVIDERS[name].install}, in "
            "place of the onnxruntime that is there; or take --provider auto"
        )
    return [name]
