"""Draw the pictures of docs/model.md."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from sklearn.datasets import load_digits

from spikehead import CoLaNETClassifier, CoLaNETParameters, pictures
from spikehead.coding import even_spread, even_trains
from spikehead.heads.colanet import reference, rules
from spikehead.heads.colanet.parameters import (
    ALL_STEPS,
    BASE_THRESHOLD,
    DOPAMINE_STEP,
    LABEL_STEP,
    STEPS,
    UNIT,
)

IMAGES = Path(__file__).parent / "images"
DIGITS, LABELS = load_digits(return_X_y=True)
WINDOW = 100


def drawn() -> Iterator[tuple[str, Axes | FigureBase]]:
    """Yield the name and the picture of each."""
    yield "membrane", membrane()
    head = CoLaNETClassifier(saturation=16).fit(DIGITS[:200], LABELS[:200])
    yield "answer", presentation(head, first_new(head, missed=False), learn=False)
    yield "lesson", presentation(head, first_new(head, missed=True), learn=True)
    yield "weight", weight_of_resource()
    yield "growth", growth()
    yield "ensemble", ensemble()


@pictures.style()
def membrane() -> Axes:
    """Draw the potential of a neuron whose input spikes rarely, often, and at every step."""
    series = {}
    for count in (3, 6, 10):
        drive = np.zeros(ALL_STEPS, np.int64)
        drive[:STEPS] = 2 * UNIT * even_spread([count])[:, 0]
        potentials, potential = np.empty(ALL_STEPS), 0
        for step in range(ALL_STEPS):
            potential = rules.integrate(potential, drive[step])
            potentials[step] = potential / UNIT
            if potentials[step] > BASE_THRESHOLD:
                potential = 0
        series[f"{count} spikes in 10 steps"] = potentials
    title = "A membrane, and an input of weight 2"
    ax = pictures.curves(
        series, title=title, x_label="step", y_label="potential (in units of weight)"
    )
    ax.axhline(BASE_THRESHOLD, color="black", linewidth=1, linestyle="--", label="threshold")
    ax.set(xticks=range(1, ALL_STEPS + 1), ylim=(0, 10.8))
    ax.legend(loc="upper right", ncols=4)
    return ax


def first_new(head: CoLaNETClassifier, *, missed: bool) -> int:
    """Return the first new digit whose column stays silent in the first member, or fires alone."""
    trains = even_trains(DIGITS, head.saturation)
    for example in range(head.network_.presentations, len(LABELS)):
        spikes = reference.present(head.network_, 0, trains, example).out(1)
        fired = np.flatnonzero(spikes.any(axis=0))
        if LABELS[example] not in fired if missed else np.array_equal(fired, LABELS[[example]]):
            return example
    raise ValueError("there is no such digit")


def presentation(head: CoLaNETClassifier, example: int, *, learn: bool) -> FigureBase:
    """Draw a presentation in the first member."""
    trains = even_trains(DIGITS[example : example + 1], head.saturation)
    label = int(LABELS[example])
    seen = reference.present(head.network_, 0, trains, 0, label=label if learn else None)
    answer = int(np.lexsort((seen.peaks(1), seen.out(1)[:STEPS].sum(axis=0)))[-1])
    return pictures.spike_raster(
        seen.input,
        seen.out(1),
        title=f"A {label} is {'learned' if learn else 'shown'}: one member, after 200 digits",
        class_names=[str(name) for name in head.classes_],
        predicted=answer,
        true=label,
        potentials=seen.potentials / seen.thresholds,
        marks={"label": LABEL_STEP, "dopamine": DOPAMINE_STEP} if learn else None,
    )


@pictures.style()
def weight_of_resource() -> Axes:
    """Draw how a weight follows from its resource."""
    table = CoLaNETParameters()
    span = table.max_weight + table.min_weight
    resources = np.arange(1, 41)
    weights = rules.weight(resources.astype(np.float32), -table.min_weight, span) / UNIT
    title = "A weight follows from its resource (Table 1)"
    ax = pictures.curves({"weight": weights}, title=title, x_label="resource", y_label="weight")
    bound = {"color": "black", "linewidth": 1, "linestyle": "--"}
    ax.axhline(table.max_weight, **bound, label="its bound, max_weight")
    ax.axhline(0, color="grey", linewidth=1)
    ax.legend(loc="lower right")
    return ax


def growth() -> FigureBase:
    """Draw the weights of one class as the stream goes by."""
    head = CoLaNETClassifier(saturation=16)
    maps, labels = [], []
    for start, end in ((0, 10), (10, 30), (30, 100), (100, 300), (300, 1700)):
        head.partial_fit(DIGITS[start:end], LABELS[start:end], classes=range(10))
        maps.append(head.network_.weight_map(3)[0].reshape(8, 8))
        labels.append(f"after {end:,} digits")
    return pictures.weight_maps(np.array(maps), labels=labels, columns=5, title="A 3, learned")


def ensemble() -> Axes:
    """Draw the accuracy along the stream, of small and larger ensembles."""
    series = {}
    for members in (1, 3, 15):
        head = CoLaNETClassifier(saturation=16, members=members).fit(DIGITS, LABELS)
        right = head.prequential_predictions_ == LABELS
        windows = right[: len(right) // WINDOW * WINDOW].reshape(-1, WINDOW)
        series["1 member" if members == 1 else f"{members} members"] = 100 * windows.mean(axis=1)
    return pictures.curves(
        series,
        title="Digits from their pixels: each is answered, then learned",
        x_label=f"stretch of {WINDOW} digits",
        y_label="answered right (%)",
    )


if __name__ == "__main__":
    for name, picture in drawn():
        pictures.save(picture, IMAGES / f"{name}.png")
