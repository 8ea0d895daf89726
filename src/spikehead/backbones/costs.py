"""What a network costs: its parameters and its multiply-adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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


def count_multiply_adds(model: nn.Module, resolution: int, *, nonzero: bool = False) -> int:
    """Return the multiply-adds of one image in convolutions and linear layers.

    It is what the papers call FLOPs; norms, activations and means are not counted.

    Parameters
    ----------
    model : Module
        Takes images [batch, 3, R, R].
    resolution : int
        R.
    nonzero : bool, default False
        Do not count those with weights that are 0. A dense network does them all the same.
    """
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = layer.get_parameter("weight")
        used = int(weight.count_nonzero()) if nonzero else weight.numel()
        total += output.numel() // weight.shape[0] * used

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = model.training
    device = next(model.parameters()).device
    with torch.inference_mode():
        model.eval()(torch.empty(1, 3, resolution, resolution, device=device))
    model.train(training)
    for hook in hooks:
        hook.remove()
    return total
