"""Encoders as spiking networks, made of ordinary ones without training. None of it needs torch."""

from spikehead.encoders.spiking.encoder import SpikingEncoder, spiking_file
from spikehead.encoders.spiking.network import SpikingNetwork

__all__ = ["SpikingEncoder", "SpikingNetwork", "spiking_file"]
