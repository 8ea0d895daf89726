"""Print the table of README.md from what `run.py` has recorded.

    python experiments/14_spiking_encoder/table.py

Energy is an estimate: operations times what one takes, at 45 nm (M. Horowitz, "Computing's energy
problem", ISSCC 2014: an int8 multiplication .2 pJ, an int8 addition .03 pJ, an int32 addition .1
pJ, 8 bytes from an SRAM of 8 KB 10 pJ). With memory, every addition of a spike fetches its weight
of two bytes, and membranes stay beside the neurons; the int8 network is a systolic array of 16 x
16: an activation serves 16 outputs once it is fetched, and a sum of 4 bytes is read and written
once for 16 inputs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).with_name("results.jsonl")
ADDITION, MULTIPLY_ADD = 0.1, 0.23
BYTE = 10 / 8
WEIGHT, ARRAY, SUM = 2, 16, 4  # bytes, inputs and outputs, bytes
HEAD = (
    "encoder, data, photos",
    "K",
    "head, spiking",
    "head, ordinary",
    "cosine",
    "own answer the same",
    "spikes a neuron",
    "additions a multiply-add",
    "steps",
    "µJ: spiking / int8",
    "with memory",
)


def energies(found: dict[str, Any]) -> tuple[str, str]:
    """Return the energy of a photo in the spiking and in an int8 network, without memory and with.

    Parameters
    ----------
    found : dict
        A line of the record.
    """
    additions, multiply_adds = found["operations"] / 1e6, found["multiply_adds"] / 1e6
    spiking, int8 = additions * ADDITION, multiply_adds * MULTIPLY_ADD
    fetched = multiply_adds * (1 + 2 * SUM) / ARRAY * BYTE
    with_memory = spiking + additions * WEIGHT * BYTE, int8 + fetched
    return f"{spiking:.0f} / {int8:.0f}", f"{with_memory[0]:.0f} / {with_memory[1]:.0f}"


def row(found: dict[str, Any]) -> list[str]:
    """Return the cells of a line of the record."""
    name = found["encoder"].removesuffix(".onnx")
    return [
        f"{name}, {found['data']}, {found['train']} + {found['test']}",
        f"{found['bits']}",
        *(f"{np.mean(found[head]):.2f}" for head in ("spiking", "ann")),
        f"{found['cosine']:.4f}",
        f"{found['own_answer']:.1f}" if "own_answer" in found else "",
        f"{found['spikes_a_neuron']:.2f}",
        f"{found['operations_a_multiply_add']:.2f}",
        f"{found['steps']}",
        *energies(found),
    ]


def main() -> None:
    """Print the table."""
    lines = RESULTS.read_text("utf-8").splitlines()
    rows = sorted(
        (row(json.loads(line)) for line in lines), key=lambda cells: (cells[0], int(cells[1]))
    )
    for cells in (HEAD, ["---"] * len(HEAD), *rows):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
