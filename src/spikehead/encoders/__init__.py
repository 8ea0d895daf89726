"""Frozen encoders at work: photos -> activations, and their cache. None of it needs torch."""

from spikehead.encoders.cache import ActivationCache
from spikehead.encoders.encoder import Encoder
from spikehead.encoders.onnx import OnnxEncoder
from spikehead.encoders.pixels import Pixels
from spikehead.encoders.registry import (
    PRETRAINED,
    built_file,
    is_buildable,
    open_encoder,
    provenance,
    restore_encoder,
)
from spikehead.encoders.stream import EncodedBatch, encode_photos
from spikehead.folders import default_cache_folder

__all__ = [
    "PRETRAINED",
    "ActivationCache",
    "EncodedBatch",
    "Encoder",
    "OnnxEncoder",
    "Pixels",
    "built_file",
    "default_cache_folder",
    "encode_photos",
    "is_buildable",
    "open_encoder",
    "provenance",
    "restore_encoder",
]
