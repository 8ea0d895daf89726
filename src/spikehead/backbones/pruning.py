"""Pruning by L1 norm (Farisi, SE-Pruned ResNet-18, Section III B), of any backbone, in two kinds.

*Unstructured* pruning, of the paper's method, sets single weights to zero. The network keeps its
shape, so a dense machine runs it no faster. *Structured* pruning, of the paper's introduction,
removes whole channels, with all that depends on them, and so makes the network smaller and faster.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from spikehead.backbones.backbone import Backbone
from spikehead.backbones.costs import count_multiply_adds, count_parameters
from spikehead.backbones.data import ImageSource
from spikehead.backbones.training import (
    FINE_TUNING,
    Epoch,
    Recipe,
    evaluate,
    recalibrate,
    save_table,
    train,
)
from spikehead.backbones.weights import load_state, save_tensors
from spikehead.files import write_file

__all__ = [
    "Candidate",
    "Kind",
    "Plan",
    "keep_zeros",
    "prune",
    "prune_channels",
    "prune_weights",
    "search_ratio",
    "shrink_to",
]

Kind = Literal["structured", "unstructured"]

# Vector units want channels in multiples of this.
_CHANNEL_MULTIPLE = 8


@dataclass(frozen=True)
class Plan:
    """How a network is pruned.

    Parameters
    ----------
    kind : {"structured", "unstructured"}, default "structured"
        Remove channels, or set weights to zero.
    reduction : float, default 0.3
        Least share of the parameters to be removed; with the structured kind, of the multiply-adds
        too.
    ratios : tuple of float
        The grid of the search: shares of the channels, or of the convolutions' weights, with the
        smallest L1 norm. Default: 0.05 to 0.9 in steps of 0.05.
    fine_tuning : Recipe
        Of the training after pruning. Default: 20 epochs, as in the paper.

    Raises
    ------
    ValueError
        If a value is not possible.
    """

    kind: Kind = "structured"
    reduction: float = 0.3
    ratios: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 19))
    fine_tuning: Recipe = field(default=FINE_TUNING)

    def __post_init__(self) -> None:
        if self.kind not in ("structured", "unstructured"):
            raise ValueError(f"kind must be structured or unstructured, not {self.kind!r}")
        if not 0 < self.reduction < 1:
            raise ValueError(f"reduction must be between 0 and 1, not {self.reduction}")
        if not self.ratios or not all(0 < ratio < 1 for ratio in self.ratios):
            raise ValueError(f"ratios must be between 0 and 1, not {self.ratios}")


@dataclass(frozen=True)
class Candidate:
    """A row of the grid search: a network as it is after pruning by a ratio, before fine-tuning.

    Parameters
    ----------
    ratio : float
        Share of the channels or weights that was to be removed.
    parameters : int
        Weights and biases left that are not 0.
    multiply_adds : int
        Of one image, those that a dense machine does.
    accuracy : float
        On validation images, with the batch norms measured anew.
    """

    ratio: float
    parameters: int
    multiply_adds: int
    accuracy: float


def prune_weights(model: nn.Module, ratio: float) -> None:
    """Set the weights of smallest absolute value in all convolutions to zero: *unstructured*.

    Parameters
    ----------
    model : Module
        Is changed in place.
    ratio : float
        Share of the convolutions' weights, ranked together.
    """
    # torch ranks contiguous weights only, and training leaves the channels last.
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    layers = [(layer, "weight") for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    torch_prune.global_unstructured(layers, torch_prune.L1Unstructured, amount=ratio)
    for layer, name in layers:
        torch_prune.remove(layer, name)  # type: ignore[no-untyped-call]


def prune_channels(model: Backbone, ratio: float, resolution: int) -> None:
    """Remove the channels of smallest L1 norm, with all that depends on them: *structured*.

    The same share of each group of channels goes (Li et al., 2017): to rank all groups together
    takes too much from some. Channels that must go together, as those joined by a residual
    connection, are ranked by the mean of their norms.

    Parameters
    ----------
    model : Backbone
        Is changed in place. The classifier keeps its classes.
    ratio : float
        Share of the channels.
    resolution : int
        Side of the images that the network takes.

    References
    ----------
    Li, H., et al. (2017). Pruning Filters for Efficient ConvNets. ICLR. Section 3.1.
    """
    device = next(model.parameters()).device
    pruner = torch_pruning.pruner.BasePruner(
        model.eval(),
        torch.zeros(1, 3, resolution, resolution, device=device),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
        pruning_ratio=ratio,
        ignored_layers=[*model.classifier],
        round_to=_CHANNEL_MULTIPLE,
    )
    pruner.step()


def shrink_to(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load the state dict of a network from which channels were removed.

    Parameters
    ----------
    model : Module
        The network before pruning; its layers take the sizes of `state`, in place.
    state : mapping of str to Tensor
        Of the pruned network.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.out_channels, inputs = state[f"{name}.weight"].shape[:2]
            depthwise = layer.groups > 1
            layer.groups = layer.out_channels if depthwise else 1
            layer.in_channels = inputs * layer.groups
        elif isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = state[f"{name}.weight"].shape
        elif isinstance(layer, nn.BatchNorm2d):
            layer.num_features = len(state[f"{name}.weight"])
    for name, tensor in model.state_dict(keep_vars=True).items():
        tensor.data = state[name].to(tensor.device, copy=True)


def keep_zeros(model: nn.Module) -> None:
    """Let the convolutions' weights that are 0 stay 0 in training, whatever the optimizer."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            kept = layer.weight != 0
            layer.weight.register_hook(kept.mul)  # type: ignore[no-untyped-call]


def search_ratio(
    model: Backbone,
    images: ImageSource,
    validation: ImageSource,
    plan: Plan,
    *,
    device: str = "cpu",
    report: Callable[[Candidate], None] | None = None,
) -> tuple[Backbone, list[Candidate]]:
    """Prune a copy of the network by every ratio of the grid; return the best that is small enough.

    Parameters
    ----------
    model : Backbone
        Trained, with a classifier. It is not changed.
    images : ImageSource
        To measure batch norms on.
    validation : ImageSource
        To judge by.
    plan : Plan
    device : str, default "cpu"
    report : callable, optional
        Called with each row of the grid.

    Returns
    -------
    pruned : Backbone
        Of those with the wanted reduction, that of the highest accuracy, and then of the fewest
        parameters.
    grid : list of Candidate

    Raises
    ------
    ValueError
        If no ratio gives the wanted reduction.
    """
    resolution = validation.batch(np.arange(1), None).shape[-1]
    most_parameters = (1 - plan.reduction) * count_parameters(model)
    most_multiply_adds = (1 - plan.reduction) * count_multiply_adds(model, resolution)
    grid: list[Candidate] = []
    best: Backbone | None = None
    best_rank = (-1.0, 0)
    for ratio in plan.ratios:
        pruned = copy.deepcopy(model).to(device)
        if plan.kind == "structured":
            prune_channels(pruned, ratio, resolution)
        else:
            prune_weights(pruned, ratio)
        recalibrate(pruned, images, device=device)
        candidate = Candidate(
            ratio,
            count_parameters(pruned, nonzero=True),
            count_multiply_adds(pruned, resolution),
            evaluate(pruned, validation, device=device)[1],
        )
        grid.append(candidate)
        if report:
            report(candidate)
        small_enough = candidate.parameters <= most_parameters and (
            plan.kind == "unstructured" or candidate.multiply_adds <= most_multiply_adds
        )
        rank = (candidate.accuracy, -candidate.parameters)
        if small_enough and (best is None or rank > best_rank):
            best, best_rank = pruned, rank
    if best is None:
        raise ValueError(
            f"no ratio removes {plan.reduction:.0%} of the network: try higher ratios than "
            f"{max(plan.ratios)}, or a smaller reduction"
        )
    return best, grid


def prune(
    model: Backbone,
    images: ImageSource,
    validation: ImageSource,
    plan: Plan,
    folder: Path,
    *,
    device: str = "cpu",
    report_candidate: Callable[[Candidate], None] | None = None,
    report_epoch: Callable[[Epoch], None] | None = None,
) -> Backbone:
    """Prune a trained network and fine-tune it; where `folder` holds a part, go on from there.

    Parameters
    ----------
    model : Backbone
        Trained, with a classifier; best with an L1 penalty (`Recipe.l1`). It is not changed.
    images, validation : ImageSource
        What to fine-tune on, and what to choose the ratio and judge by.
    plan : Plan
    folder : path
        Gets `plan.json`, `grid.csv` (the search), `pruned.pt` (the state dict before fine-tuning),
        and in `fine-tuning` what `train` writes; `shrink_to` loads the state dicts.
    device : str, default "cpu"
    report_candidate, report_epoch : callable, optional
        Called with each row of the grid, and with each epoch of the fine-tuning.

    Returns
    -------
    Backbone
        On `device`.

    Raises
    ------
    ValueError
        If `folder` holds the pruning of another plan, or no ratio gives the wanted reduction.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _agree(folder / "plan.json", plan)
    file = folder / "pruned.pt"
    if file.exists():
        pruned = copy.deepcopy(model).to(device)
        shrink_to(pruned, load_state(file))
    else:
        pruned, grid = search_ratio(
            model, images, validation, plan, device=device, report=report_candidate
        )
        save_table(folder / "grid.csv", grid)
        save_tensors(file, pruned.state_dict())
    if plan.kind == "unstructured":
        keep_zeros(pruned)
    return train(
        pruned,
        images,
        validation,
        plan.fine_tuning,
        folder / "fine-tuning",
        device=device,
        report=report_epoch,
    )


def _agree(file: Path, plan: Plan) -> None:
    """Note the plan, or check that it is the one that was noted."""
    described = json.dumps(asdict(plan), indent=2) + "\n"
    if not file.exists():
        write_file(file, described.encode())
    elif file.read_text() != described:
        raise ValueError(
            f"{file.parent} holds the pruning of another plan: choose another folder, or remove it "
            "to start anew"
        )
