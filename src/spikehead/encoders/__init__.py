"""Frozen encoders at work: photos -> activations, and their cache. None of it needs torch."""

from spikehead.encoders.cache import ActivationCache
from spikehead.encoders.encoder import Encoder
from spikehead.encoders.given import Given
from spikehead.encoders.kind import EncoderKind, Provenance
from spikehead.encoders.onnx_encoder import OnnxEncoder
from spikehead.encoders.pixels import Intensities, Pixels
from spikehead.encoders.pretrained import PRETRAINED, Pretrained, built_file, is_buildable
from spikehead.encoders.registry import (
    DEFAULT,
    check_restorable,
    kinds,
    open_encoder,
    provenance,
    record,
    register,
    restore_encoder,
)
from spikehead.encoders.spiking import SpikingEncoder, SpikingNetwork
from spikehead.encoders.stream import EncodedBatch, encode_photos
from spikehead.folders import default_cache_folder

__all__ = [
    "DEFAULT",
    "PRETRAINED",
    "ActivationCache",
    "EncodedBatch",
    "Encoder",
    "EncoderKind",
    "Given",
    "Intensities",
    "OnnxEncoder",
    "Pixels",
    "Pretrained",
    "Provenance",
    "SpikingEncoder",
    "SpikingNetwork",
    "built_file",
    "check_restorable",
    "default_cache_folder",
    "encode_photos",
    "is_buildable",
    "kinds",
    "open_encoder",
    "provenance",
    "record",
    "register",
    "restore_encoder",
]
