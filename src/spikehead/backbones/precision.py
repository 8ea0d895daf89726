"""ONNX files in lower precision; none of it needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

__all__ = ["Precision", "halve", "quantise"]

Precision = Literal["float32", "float16", "int8"]


def halve(file: str | Path) -> None:
    """Store the weights of an ONNX file in half precision, in place.

    The network computes with them in full precision: they are cast once, when the file is opened.

    Parameters
    ----------
    file : path
        Any ONNX file that holds its weights itself.
    """
    model = onnx.load(file)
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            half = onnx.numpy_helper.to_array(weight).astype(np.float16)
            name = weight.name
            weight.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.float16"))
            casts.append(
                onnx.helper.make_node("Cast", [weight.name], [name], to=onnx.TensorProto.FLOAT)
            )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def quantise(file: str | Path, calibration: NDArray[np.float32]) -> None:
    """Make an ONNX file compute with integers of 8 bits, in place.

    Weights get 7 bits and a scale for each channel, activations 8 and one for each tensor, from the
    range that they take on the calibration images.

    Parameters
    ----------
    file : path
        Any ONNX file with one input, of images, and a free batch dimension.
    calibration : array of float32, [images, channels, height, width]
        Preprocessed typical images; some hundred are enough.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    image = onnx.load(file).graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[NDArray[np.float32]] = iter(
                np.array_split(calibration, -(-len(calibration) // 32))
            )

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {image: batch}

    # Shapes by symbols would need SymPy; those of an encoder are known but for the batch.
    quant_pre_process(file, file, skip_symbolic_shape=True)
    quantize_static(
        file,
        file,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        reduce_range=True,  # CPUs without VNNI add two products in 16 bits, which 8 would exceed
        calibrate_method=CalibrationMethod.MinMax,
        op_types_to_quantize=["Conv", "Add", "Mul"],
    )
