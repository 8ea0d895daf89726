"""The commands of spikehead encoder: one file a command."""

from __future__ import annotations

from spikehead.cli.commands import group

COMMANDS = {
    "list": "List the encoders that there are, and those that can be built.",
    "info": "Show what an encoder takes and gives.",
    "build": "Make an encoder ready before it is needed: fetch its weights, and turn them into "
    "ONNX.",
    "spike": "Convert an encoder into a network of spiking neurons, without training.",
    "train": "Train a backbone on photos, and make an encoder of it; run it again to go on.",
    "prune": "Train a backbone with an L1 penalty, prune it, and fine-tune it; run it again to go "
    "on.",
    "scale": "Scale a baseline in depth, width and resolution together (EfficientNet paper, "
    "section 3).",
}

app = group(__name__, COMMANDS, help="See, build, convert, train, prune and scale encoders.")
