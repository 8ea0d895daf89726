"""Run photos through both engines of a spiking EfficientNet-Lite0, and compare every neuron.

    python experiments/14_spiking_encoder/equal.py PHOTOS [--photos 20] [--bits 8]

PHOTOS holds one folder a class. Says how many numbers, spikes and additions are equal, and how long
the events took.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from spikehead.encoders import SpikingEncoder, efficientnet_lite, open_encoder
from spikehead.encoders.spiking import activity, reference
from spikehead.encoders.spiking.conversion import spike
from spikehead.encoders.spiking.fast import FastEngine
from spikehead.images import find_photos, read_photo


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--bits", type=int, default=8)
    options = parser.parse_args()
    lite = efficientnet_lite.LITE0
    network = spike(open_encoder(lite.name), bits=options.bits, norms=lite.norms())
    with TemporaryDirectory() as folder:
        file = Path(folder) / "encoder.safetensors"
        file.write_bytes(network.to_bytes())
        encoder = SpikingEncoder(file)
    engine = FastEngine(network, watched=True)
    paths = [photo.path for photo in find_photos(options.folder)]
    apart = paths[:: len(paths) // options.photos]
    pixels = [lite.preprocessing(read_photo(path)) for path in apart]
    numbers = spikes = operations = 0
    seconds = []
    for photo in encoder.codes(np.stack(pixels[: options.photos])):
        ours = engine.sent(photo)
        start = time.perf_counter()
        theirs = reference.run(network, photo)
        seconds.append(time.perf_counter() - start)
        for layer in network.layers[1:]:
            assert np.array_equal(ours[layer.name], theirs[layer.name].numbers), layer.name
            numbers += layer.n_neurons
        for found in activity.activities(network, photo, ours):
            told = theirs[found.layer.name]
            assert found.spikes == np.count_nonzero(told.spikes), found.layer.name
            assert found.operations == told.operations, found.layer.name
            spikes, operations = spikes + found.spikes, operations + found.operations
    print(
        f"{options.photos} photos, K = {options.bits}: equal are {numbers:,} numbers, "
        f"{spikes:,} spikes and {operations:,} additions; the events take "
        f"{min(seconds):.2f} s a photo at best"
    )


if __name__ == "__main__":
    main()
