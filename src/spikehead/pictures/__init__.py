"""Pictures by matplotlib: the spikes behind a decision, what was learned, what is confused."""

from spikehead.pictures.charts import class_shares, confusion_matrix, curves, member_votes
from spikehead.pictures.decision import explain
from spikehead.pictures.layers import layer_spikes
from spikehead.pictures.maps import weight_map, weight_maps
from spikehead.pictures.spikes import input_spikes, output_spikes, potentials, spike_raster
from spikehead.pictures.style import check_file, rendered, require, save, style

__all__ = [
    "check_file",
    "class_shares",
    "confusion_matrix",
    "curves",
    "explain",
    "input_spikes",
    "layer_spikes",
    "member_votes",
    "output_spikes",
    "potentials",
    "rendered",
    "require",
    "save",
    "spike_raster",
    "style",
    "weight_map",
    "weight_maps",
]
