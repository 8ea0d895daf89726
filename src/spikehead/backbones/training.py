"""The trainer of encoders: from scratch or from pretrained weights, stopped and resumed exactly."""

from __future__ import annotations

import copy
import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikehead.backbones.data import Augmentation, ImageSource, normalised
from spikehead.backbones.weights import save_tensors
from spikehead.files import write_file
from spikehead.interrupts import uninterrupted

__all__ = [
    "FINE_TUNING",
    "PAPER",
    "SCRATCH",
    "Epoch",
    "Recipe",
    "evaluate",
    "recalibrate",
    "save_table",
    "train",
]

_Model = TypeVar("_Model", bound=nn.Module)

_CHOICES = {
    "optimizer": ("rmsprop", "sgd", "adamw"),
    "schedule": ("exponential", "cosine"),
    "precision": ("float32", "bfloat16"),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the images.
    batch_size : int, default 256
    optimizer : {"rmsprop", "sgd", "adamw"}
        RMSProp with decay 0.9 and momentum 0.9, SGD with Nesterov momentum 0.9, or AdamW.
    learning_rate : float
        For a batch of 256 images; it grows linearly with the batch (AdamW: with its root).
    schedule : {"exponential", "cosine"}
        After the warm-up: times 0.97 every 2.4 epochs, or half a cosine down to 0.
    warmup_epochs : float, default 5
        The learning rate first rises linearly from 0 during these.
    weight_decay : float
        For convolution and linear weights; norms and biases have none.
    label_smoothing : float, default 0
    l1 : float, default 0
        Strength of an L1 penalty on convolution and linear weights, which makes them easier to
        prune (SE-pruned ResNet-18, Eq. 4). The log shows the loss without it.
    average_decay : float, default 0.9999
        Decay per step of the moving average of the weights, which is what is evaluated and kept.
    precision : {"float32", "bfloat16"}
        Of the forward pass; weights and their averages stay float32.
    augmentation : Augmentation
    seed : int, default 0
        Fixes the order of the images and all random changes.

    Raises
    ------
    ValueError
        If a value is not possible.
    """

    epochs: int
    batch_size: int = 256
    optimizer: Literal["rmsprop", "sgd", "adamw"] = "rmsprop"
    learning_rate: float = 0.016
    schedule: Literal["exponential", "cosine"] = "exponential"
    warmup_epochs: float = 5.0
    weight_decay: float = 1e-5
    label_smoothing: float = 0.0
    l1: float = 0.0
    average_decay: float = 0.9999
    precision: Literal["float32", "bfloat16"] = "float32"
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be {', '.join(choices[:-1])} or {choices[-1]}, "
                    f"not {getattr(self, name)!r}"
                )
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.warmup_epochs < self.epochs:
            raise ValueError(
                f"warmup_epochs must be at least 0 and less than epochs ({self.epochs}), "
                f"not {self.warmup_epochs}"
            )

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate after `epoch` epochs, which may be a fraction."""
        scale = self.batch_size / 256
        peak = self.learning_rate * (math.sqrt(scale) if self.optimizer == "adamw" else scale)
        if epoch < self.warmup_epochs:
            return float(peak * epoch / self.warmup_epochs)
        if self.schedule == "exponential":
            return float(peak * 0.97 ** (epoch // 2.4))
        done = (epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return float(peak * 0.5 * (1 + math.cos(math.pi * done)))


# Section 5.2 of the EfficientNet paper; .256 is the rate of its batches of 4096.
PAPER = Recipe(epochs=350, learning_rate=0.256 * 256 / 4096)

SCRATCH = Recipe(
    epochs=100,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.2,
    schedule="cosine",
    weight_decay=5e-4,
    label_smoothing=0.05,
    average_decay=0.998,
)
"""For residual networks with random weights; their paper states no recipe."""

FINE_TUNING = Recipe(
    epochs=20,
    batch_size=64,
    optimizer="sgd",
    learning_rate=0.04,
    schedule="cosine",
    warmup_epochs=1.0,
    weight_decay=1e-4,
    label_smoothing=0.1,
    average_decay=0.999,
)


@dataclass(frozen=True)
class Epoch:
    """A row of the log: one epoch, measured on the training batches and on validation images."""

    epoch: int
    learning_rate: float
    training_loss: float
    training_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass
class _State:
    """All that the rest of a training depends on."""

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)

    _PROGRESS = ("step", "loss", "correct", "seen", "seconds")

    def save(self, file: Path, recipe: Recipe) -> None:
        content = {
            "recipe": asdict(recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": [getattr(self, name) for name in self._PROGRESS],
            "history": [asdict(epoch) for epoch in self.history],
        }
        save_tensors(file, content)

    def load(self, file: Path, recipe: Recipe) -> None:
        content = torch.load(file, map_location="cpu", weights_only=True)
        if content["recipe"] != asdict(recipe):
            raise ValueError(
                f"{file} belongs to a training with another recipe: choose another folder, or "
                "remove it to start anew"
            )
        self.model.load_state_dict(content["model"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        for name, value in zip(self._PROGRESS, content["progress"], strict=True):
            setattr(self, name, value)
        self.history = [Epoch(**epoch) for epoch in content["history"]]


def train(
    model: _Model,
    images: ImageSource,
    validation: ImageSource,
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    checkpoint_seconds: float = 300.0,
    report: Callable[[Epoch], None] | None = None,
) -> _Model:
    """Train a classifier; where `folder` holds an unfinished training, go on with it exactly.

    Every step is a function of the state and of its number, so an interrupted and resumed training
    equals an uninterrupted one bit for bit on a CPU.

    Parameters
    ----------
    model : Module
        From normalised images [batch, 3, R, R] to logits [batch, classes]. It is trained in place.
    images, validation : ImageSource
        What to train on, and what to judge by.
    recipe : Recipe
    folder : path
        Gets `checkpoint.pt` after each epoch, every `checkpoint_seconds` and when it is stopped by
        Ctrl-C, `log.csv` after each epoch, and at the end `weights.pt`, the state dict of the
        averaged weights.
    device : str, default "cpu"
    checkpoint_seconds : float, default 300
    report : callable, optional
        Called with each epoch's row of the log.

    Returns
    -------
    Module
        The model with the moving average of its weights, on `device`.

    Raises
    ------
    ValueError
        If `folder` holds a training with another recipe, there are no images, or the loss is no
        longer finite.
    """
    if not len(images.labels) or not len(validation.labels):
        raise ValueError("there is nothing to train on or to judge by: give more images")
    folder.mkdir(parents=True, exist_ok=True)
    model.to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = _State(model, _frozen_copy(model), _optimizer(model, recipe))
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        state.load(checkpoint, recipe)
    steps = max(1, len(images.labels) // recipe.batch_size)
    saved = time.monotonic()
    with torch.random.fork_rng():
        try:
            for batch, labels in _batches(images, recipe, range(state.step, recipe.epochs * steps)):
                with uninterrupted():
                    started = time.monotonic()
                    _advance(state, batch, labels, recipe, steps, device)
                    state.seconds += time.monotonic() - started
                    epoch_done = state.step % steps == 0
                    if epoch_done:
                        _finish_epoch(state, validation, recipe, steps, device)
                        save_table(folder / "log.csv", state.history)
                    if epoch_done or time.monotonic() - saved > checkpoint_seconds:
                        state.save(checkpoint, recipe)
                        saved = time.monotonic()
                    if epoch_done and report:
                        report(state.history[-1])
        except KeyboardInterrupt:
            with uninterrupted():
                state.save(checkpoint, recipe)
            raise
    save_tensors(folder / "weights.pt", state.average.state_dict())
    return cast(_Model, state.average.requires_grad_(True))


def evaluate(
    model: nn.Module, images: ImageSource, *, device: str = "cpu", batch_size: int = 256
) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy of a classifier on `images`."""
    model.eval()
    loss = correct = 0.0
    numbers = np.arange(len(images.labels))
    with torch.inference_mode():
        for start in range(0, len(numbers), batch_size):
            chosen = numbers[start : start + batch_size]
            logits = model(_on_device(images.batch(chosen, None), device, normalised))
            labels = torch.from_numpy(images.labels[chosen]).to(device)
            loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(1) == labels).sum().item()
    return loss / len(numbers), correct / len(numbers)


def recalibrate(
    model: nn.Module,
    images: ImageSource,
    *,
    device: str = "cpu",
    batches: int = 16,
    batch_size: int = 128,
    seed: int = 0,
) -> None:
    """Measure the means and variances of all batch norms anew, after weights were changed.

    Parameters
    ----------
    model : Module
        Is changed in place.
    images : ImageSource
        Some of these are shown to it, without augmentation.
    device : str, default "cpu"
    batches : int, default 16
    batch_size : int, default 128
    seed : int, default 0
        Decides which images.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    order = np.random.default_rng(seed).permutation(len(images.labels))
    with torch.no_grad():
        for start in range(0, min(len(order), batches * batch_size), batch_size):
            chosen = order[start : start + batch_size]
            model(_on_device(images.batch(chosen, None), device, normalised))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def _batches(
    images: ImageSource, recipe: Recipe, steps: range
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Yield the batch of each step, reading the next one meanwhile."""
    n = len(images.labels)
    per_epoch = max(1, n // recipe.batch_size)

    def read(step: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng((recipe.seed, epoch)).permutation(n)
        chosen = order[position * recipe.batch_size :][: recipe.batch_size]
        random = np.random.default_rng((recipe.seed, epoch, 1 + position))
        return images.batch(chosen, random), images.labels[chosen]

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, steps.start)
        for step in steps:
            batch = coming.result()
            coming = reader.submit(read, step + 1)
            yield batch


def _advance(
    state: _State,
    batch: NDArray[np.uint8],
    labels: NDArray[np.int64],
    recipe: Recipe,
    steps: int,
    device: str,
) -> None:
    """Take one step of gradient descent."""
    seed = np.random.SeedSequence((recipe.seed, state.step)).generate_state(1, np.uint32)
    torch.manual_seed(int(seed[0]))
    images = _on_device(batch, device, lambda x: normalised(recipe.augmentation(x)))
    target = torch.from_numpy(labels).to(device)
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.learning_rate_at(state.step / steps)
    state.model.train()
    with torch.autocast(device, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        logits = state.model(images)
    loss = nn.functional.cross_entropy(
        logits.float(), target, label_smoothing=recipe.label_smoothing
    )
    if not torch.isfinite(loss):
        raise ValueError(
            f"the loss became {loss.item()} in step {state.step}: lower the learning rate "
            f"({recipe.learning_rate:g})"
        )
    state.optimizer.zero_grad()
    penalised = loss + recipe.l1 * _l1_norm(state.model) if recipe.l1 else loss
    penalised.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.step += 1
    # Early on the average would remember the initial weights for too long.
    decay = min(recipe.average_decay, (1 + state.step) / (10 + state.step))
    _move_average(state.average, state.model, decay)
    state.seen += len(target)
    state.loss += loss.item() * len(target)
    state.correct += int((logits.argmax(1) == target).sum())


def _finish_epoch(
    state: _State, validation: ImageSource, recipe: Recipe, steps: int, device: str
) -> None:
    epoch = state.step // steps
    row = Epoch(
        epoch,
        recipe.learning_rate_at(epoch),
        state.loss / state.seen,
        state.correct / state.seen,
        *evaluate(state.average, validation, device=device),
        state.seconds,
    )
    state.history.append(row)
    state.loss, state.correct, state.seen, state.seconds = 0.0, 0, 0, 0.0


def _on_device(
    images: NDArray[np.uint8], device: str, prepared: Callable[[Tensor], Tensor]
) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images)).to(device).float() / 255
    return prepared(tensor).contiguous(memory_format=torch.channels_last)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; weight decay is for matrices and kernels alone."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            groups, rate, alpha=0.9, eps=1e-3, momentum=0.9, weight_decay=decay
        )
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True, weight_decay=decay)
    return torch.optim.AdamW(groups, rate, weight_decay=decay)


def _l1_norm(model: nn.Module) -> Tensor:
    """Return the sum of the absolute values of matrices and kernels."""
    return torch.stack([p.abs().sum() for p in model.parameters() if p.ndim > 1]).sum()


def _frozen_copy(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).requires_grad_(False).eval()


@torch.no_grad()
def _move_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged parameters and the batch norms' statistics towards the model's."""
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    for mean, value in pairs:
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def save_table(file: Path, rows: Sequence[Any]) -> None:
    """Write one or more instances of a dataclass as CSV, its fields being the columns."""
    text = io.StringIO()
    columns = [column.name for column in fields(rows[0])]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in asdict(row).items()})
    write_file(file, text.getvalue().encode())
