"""Measure a spiking encoder's fast engine against the encoder that it was made of, interleaved.

    python benchmarks/spiking_encoder.py [--encoder efficientnet_lite0] [--bits 8] [--rounds 20]

Each round encodes the same photos of noise with both, one photo at a time and with one thread, in
turn; the ratio is that of each round, so that what else the machine does weighs on both alike.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from spikehead.encoders import SpikingEncoder, open_encoder, record
from spikehead.encoders.spiking.conversion import spike

PHOTOS = 8


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="efficientnet_lite0")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    plain = open_encoder(options.encoder, n_threads=1)
    random = np.random.default_rng(0)
    pixels = random.random((PHOTOS, *plain.preprocessing.shape), np.float32)
    norms = record(options.encoder).norms
    network = spike(plain, bits=options.bits, norms=norms and norms(), photos=pixels)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "encoder"
        file.write_bytes(network.to_bytes())
        spiking = SpikingEncoder(file, n_threads=1)
    seconds: dict[str, list[float]] = {"plain": [], "spiking": []}
    for _ in range(options.rounds):
        for name, encoder in (("plain", plain), ("spiking", spiking)):
            start = time.perf_counter()
            encoder.encode(pixels)
            seconds[name].append(time.perf_counter() - start)
    ratios = np.divide(seconds["spiking"], seconds["plain"])
    quartiles = np.percentile(ratios, (25, 50, 75)).round(2).tolist()
    best = {name: round(1e3 * min(each) / PHOTOS, 1) for name, each in seconds.items()}
    print(json.dumps({"ratio_quartiles": quartiles, "best_ms_a_photo": best}))


if __name__ == "__main__":
    main()
