"""What a network costs: its parameters and its multiply-adds."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["count_multiply_adds", "count_parameters"]


def count_parameters(model: nn.Module, *, nonzero: bool = False) -> int:
    """Return the number of weights and biases of a network.

    Parameters
    ----------
    model : Module
    nonzero : bool, default False
        Do not count those that are 0, as unstructured pruning leaves them.
    """
    return sum(
        int(parameter.count_nonzero()) if nonzero else parameter.numel()
        for parameter in model.parameters()
    )


def count_multiply_adds(model: nn.Module, resolution: int) -> int:
    """Return the multiply-adds of one image in convolutions and linear layers.

    It is what the papers call FLOPs; norms, activations and means are not counted.

    Parameters
    ----------
    model : Module
        Takes images [batch, 3, R, R].
    resolution : int
        R.
    """
    training = model.training
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.eval()(torch.empty(1, 3, resolution, resolution, device=device))
    model.train(training)
    return int(counter.get_total_flops()) // 2  # it counts multiplications and additions apart
