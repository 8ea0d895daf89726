"""The report of an evaluation: one HTML file that needs nothing else, and the same as JSON."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spikehead.colanet import reference
from spikehead.drawing import spike_raster, weight_map
from spikehead.evaluation.energy import MULTIPLY_ADD, Energy, measure_energy
from spikehead.evaluation.firing import STABLE, Firing, activations_of, measure_firing
from spikehead.evaluation.metrics import Calibration, Evaluation, learning_curve
from spikehead.images import UnreadablePhoto, read_photo
from spikehead.names import shown
from spikehead.pipeline import Answer, HybridClassifier

__all__ = ["check_report", "write_report"]

MAX_WRONG = 24
MAX_UNSURE = 12
MAX_MATRIX = 25
MAX_FIRING_PHOTOS = 256

_THUMBNAIL = 160
_Labelled = tuple[str, Answer]


def check_report(path: str | Path) -> None:
    """Refuse a place where no report can be written, before the work begins.

    Parameters
    ----------
    path : str or Path
        Where the report is to be; its name ends in ``.html``.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    FileNotFoundError
        If its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"{path}: the name of a report ends in .html; name it so")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} for the report does not exist: make it")


def write_report(
    path: str | Path, model: HybridClassifier, result: Evaluation, *, title: str
) -> list[Path]:
    """Write the report of an evaluation; an older one stays whole until the new one is.

    Parameters
    ----------
    path : str or Path
        The HTML file; the JSON file lies beside it, with ``.json`` for ``.html``.
    model : HybridClassifier
        The model that was evaluated; it learns nothing here.
    result : Evaluation
        How it did.
    title : str
        The heading.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    html, data = Path(path), Path(path).with_suffix(".json")
    every = max(1, -(-len(result.answers) // MAX_FIRING_PHOTOS))
    network = model.head.network_
    activations = activations_of(model, [answer.path for _, answer in result.answers[::every]])
    firing = measure_firing(network, activations, model.head.n_threads)
    energy = measure_energy(network, network.spike_counts(activations))
    _replace(data, json.dumps(_document(model, result, firing, energy), indent=2) + "\n")
    _replace(html, _page(model, result, firing, energy, title))
    return [html, data]


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(text.encode(errors="replace"))
        beside.replace(path)
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error.strerror}; make room there, or name another place"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _document(
    model: HybridClassifier, result: Evaluation, firing: Firing, energy: Energy
) -> dict[str, Any]:
    calibration = result.calibration()
    return {
        **result.to_dict(),
        "photos_learned": model.head.network_.presentations,
        "calibration": {**vars(calibration), "error": calibration.error},
        "firing": firing.to_dict(),
        "energy": energy.to_dict(),
        "learning_curve": [
            {"photos": end, "accuracy": accuracy}
            for end, accuracy in learning_curve(model.prequential)
        ],
        "answers": [
            {
                "photo": str(answer.path),
                "class": label,
                "predicted": answer.label,
                "share": float(answer.shares.max()),
            }
            for label, answer in result.answers
        ],
    }


def _page(
    model: HybridClassifier, result: Evaluation, firing: Firing, energy: Energy, title: str
) -> str:
    style = files("spikehead.evaluation").joinpath("report.css").read_text("utf-8")
    sections = [
        _summary(model, result, title),
        _classes(result),
        _confusions(result),
        _calibration(result.calibration()),
        _learning(model),
        _photos(result),
        _decision(model, result),
        _neurons(firing),
        _energy(energy),
    ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>
{style}</style>
</head>
<body>
{"".join(sections)}
<footer>Made by spikehead evaluate; the same figures are in the JSON file beside this one.</footer>
</body>
</html>
"""


# ---------------------------------------------------------------- sections


def _summary(model: HybridClassifier, result: Evaluation, title: str) -> str:
    low, high = result.confidence_interval
    network = model.head.network_
    tiles = [
        ("Accuracy", f"{result.accuracy:.1%}", f"95 % confidence: {low:.1%} to {high:.1%}"),
        ("Photos", f"{result.n_photos:,}", f"{result.n_photos - result.n_right:,} wrong"),
        ("Classes", f"{len(model.classes):,}", f"{len(result.labels):,} among the photos"),
        ("Learned", f"{network.presentations:,}", "photos, each once"),
    ]
    notes = []
    if result.unknown_classes:
        names = ", ".join(result.unknown_classes)
        notes.append(f"The model does not know {names}; those photos count as wrong.")
    if result.n_learned:
        notes.append(
            f"The model has learned {result.n_learned:,} of these photos, so this is not its "
            "accuracy on others."
        )
    notes += result.left_out.sentences()
    if result.skipped:
        notes.append(f"{len(result.skipped):,} files could not be read and do not count.")
    return f"""<h1>{_text(title)}</h1>
<p class="quiet">{_text(model.encoder.name)}, {network.n_inputs:,} activations;
{network.n_members} networks of {network.n_neurons:,} neurons</p>
{_tiles(tiles)}
{"".join(f"<p>{_text(note)}</p>" for note in notes)}"""


def _classes(result: Evaluation) -> str:
    rows = []
    for label in sorted(result.labels, key=result.recall):
        precision, wrong = result.precision(label), result.most_confused(label)
        rows.append(
            f'<tr><td>{_text(label)}</td><td class="number">{result.photos(label):,}</td>'
            f'<td class="number">{result.recall(label):.1%}</td>'
            f'<td class="bar"><span style="width:{result.recall(label):.1%}"></span></td>'
            f'<td class="number">{"" if precision is None else f"{precision:.1%}"}</td>'
            f"<td>{_text(f'{wrong[0]} ({wrong[1]})') if wrong else ''}</td></tr>"
        )
    return f"""<h2>Classes</h2>
<p class="quiet">The weakest first. Recall: how many of the class's photos are right. Precision:
how many of the photos taken for the class are of it.</p>
<div class="scroll"><table class="classes"><thead><tr><th>Class</th><th class="number">Photos</th>
<th class="number">Recall</th><th></th><th class="number">Precision</th>
<th>Most often taken for</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>"""


def _confusions(result: Evaluation) -> str:
    """Show the whole matrix, or of many classes those with more than one error, worst first."""
    names = sorted({name for pair in result.counts for name in pair})
    note = ""
    if len(names) > MAX_MATRIX:
        errors = dict.fromkeys(names, 0)
        for (label, answer), n in result.counts.items():
            if label != answer:
                errors[label] += n
                errors[answer] += n
        worst = sorted(names, key=lambda name: -errors[name])[:MAX_MATRIX]
        names = sorted(name for name in worst if errors[name] > 1)
        note = f" The {len(names)} classes with the most errors, of those with more than one."
    if not names:
        return "<h2>Confusion matrix</h2><p>No class has more than one error.</p>"
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    rows = []
    for label in names:
        total = max(1, result.photos(label))
        cells = []
        for answer in names:
            n = result.counts.get((label, answer), 0)
            kind = "right" if label == answer else "wrong"
            shade = f' class="{kind}" style="--share:{n / total:.3f}"' if n else ""
            cells.append(f"<td{shade}>{n or ''}</td>")
        rows.append(f"<tr><th>{_text(label)}</th>{''.join(cells)}</tr>")
    return f"""<h2>Confusion matrix</h2>
<p class="quiet">A row for each true class, a column for each answer.{note}</p>
<div class="scroll"><table class="matrix"><thead><tr><td style="background:none"></td>{head}</tr>
</thead><tbody>{"".join(rows)}</tbody></table></div>"""


def _calibration(calibration: Calibration) -> str:
    bars = [
        (
            (start / 10, 0.1, accuracy),
            f"share {confidence:.0%}: {accuracy:.0%} of {photos} photos right",
        )
        for start, (photos, confidence, accuracy) in enumerate(
            zip(calibration.photos, calibration.confidence, calibration.accuracy, strict=True)
        )
        if photos
    ]
    most = max(calibration.photos)
    histogram = [
        ((start / 10, 0.1, photos / most), f"{photos} photos")
        for start, photos in enumerate(calibration.photos)
    ]
    reliability = _chart(bars, ("0", "0.5", "1"), ("0", "1"), ideal=True)
    return f"""<h2>Calibration</h2>
<p class="quiet">Does an answer's share of the ensemble's vote say how likely it is to be right? The
expected calibration error, the mean distance between the two, is {calibration.error:.3f}.</p>
<div class="charts"><figure>{reliability}
<figcaption>Accuracy by share of the vote; on the dashed line they agree</figcaption></figure>
<figure>{_chart(histogram, ("0", "0.5", "1"), ("0", f"{most:,}"))}
<figcaption>Photos by share of the vote</figcaption></figure></div>"""


def _learning(model: HybridClassifier) -> str:
    curve = learning_curve(model.prequential)
    if not curve:
        return ""
    starts = [0, *(end for end, _ in curve)]
    total = starts[-1]
    bars = [
        (
            (start / total, (end - start) / total, accuracy),
            f"photos {start + 1:,} to {end:,}: {accuracy:.0%} right",
        )
        for start, (end, accuracy) in zip(starts, curve, strict=False)
    ]
    chart = _chart(bars, ("0", f"{total // 2:,}", f"{total:,}"), ("0", "1"))
    return f"""<h2>Learning</h2>
<p class="quiet">Each photo was answered once before it was learned. In all, the model was right
{model.prequential.mean():.1%} of the time; of the last {total - starts[-2]:,} photos,
{curve[-1][1]:.1%}. It falls when a new class comes.</p>
<figure>{chart}<figcaption>Accuracy over the stream, by photos learned</figcaption></figure>"""


def _photos(result: Evaluation) -> str:
    wrong = [pair for pair in result.answers if pair[1].label != pair[0]]
    wrong.sort(key=lambda pair: -pair[1].shares.max())
    unsure = sorted(result.answers, key=lambda pair: _margin(pair[1].shares))[:MAX_UNSURE]
    most = min(len(wrong), MAX_WRONG)
    count = f"{most} of {len(wrong):,}, the surest first." if wrong else "There are none."
    return f"""<h2>Wrong answers</h2><p class="quiet">{count}</p>
<div class="photos">{"".join(map(_thumbnail, wrong[:most]))}</div>
<h2>Least sure answers</h2>
<p class="quiet">Where the first two classes are closest.</p>
<div class="photos">{"".join(map(_thumbnail, unsure))}</div>"""


def _decision(model: HybridClassifier, result: Evaluation) -> str:
    """Draw the spikes behind the surest wrong answer, or the least sure one if none is wrong."""
    wrong = [pair for pair in result.answers if pair[1].label != pair[0]]
    if wrong:
        label, answer = max(wrong, key=lambda pair: pair[1].shares.max())
        which = "the surest wrong answer"
    else:
        label, answer = min(result.answers, key=lambda pair: _margin(pair[1].shares))
        which = "the least sure answer"
    true = model.classes.index(label) if label in model.classes else None
    return f"""<h2>Behind a decision</h2>
<p class="quiet">{which.capitalize()}, in the member of the ensemble that agrees with it most: what
went in, what each class's column answered, and how near each came to its threshold. Below, the
weights of the classes in question, {_arrangement(model)}.</p>
{_decision_pictures(model, answer, true)}"""


def _decision_pictures(model: HybridClassifier, answer: Answer, true: int | None) -> str:
    network, predicted = model.head.network_, int(answer.shares.argmax())
    size = network.parameters.microcolumns
    trains = network.even_trains(activations_of(model, [answer.path]))
    members = reference.run(network, trains)[0]
    votes = [member.out(size).sum(axis=0) for member in members]
    best = int(
        np.argmax([vote[predicted] - np.delete(vote, predicted).max(initial=0) for vote in votes])
    )
    seen = members[best]
    ratios = seen.potentials / seen.thresholds
    raster = spike_raster(
        seen.input,
        seen.out(size),
        title=f"Spikes for {answer.path.parent.name}/{answer.path.name}, member {best + 1}",
        class_names=model.classes,
        predicted=predicted,
        true=true,
        potentials=ratios.reshape(len(ratios), -1, size).max(axis=2),
    )
    columns = [predicted] if true in (None, predicted) else [predicted, true]
    patterns = []
    for column in columns:
        neurons = network.weight_map(column, best)
        patterns.append(neurons[np.abs(neurons).sum(axis=1).argmax()])
    weights = weight_map(
        _as_pictures(np.array(patterns)),
        labels=[model.classes[column] for column in columns],
        title="Weights of each class's most trained neuron, in the same member",
    )
    return _embedded(raster, "The spikes behind the decision") + _embedded(weights, "The weights")


def _neurons(firing: Firing) -> str:
    tiles = [
        (
            "Input spikes",
            f"{firing.input_spikes:,.0f}",
            f"{firing.active_inputs:.0%} of inputs spike",
        ),
        (
            "Output spikes",
            f"{firing.output_spikes:.2f}",
            f"a member; {firing.winner_spikes:.2f} of them by the winner",
        ),
        ("Silent", f"{firing.silent:.1%}", "of members' answers: nothing fired"),
        ("Stable neurons", f"{firing.stable:.0%}", "learn at half speed or slower"),
    ]
    values = np.array(firing.stability)
    low, high = min(0.0, np.floor(values[0] * 10) / 10), max(STABLE, values[-1])
    counts, edges = np.histogram(values, 24, (low, high))
    bars = [
        ((place / 24, 1 / 24, n / counts.max()), f"{n} neurons from {edges[place]:.2f}")
        for place, n in enumerate(counts.tolist())
    ]
    chart = _chart(
        bars, (f"{low:.1f}", f"{(low + high) / 2:.1f}", f"{high:.1f}"), ("0", f"{counts.max():,}")
    )
    return f"""<h2>Firing and stability</h2>
<p class="quiet">Means over {firing.photos:,} of the photos. Each unit of stability halves how fast
a neuron's synapses change: a stable neuron keeps what it knows.</p>
{_tiles(tiles)}
<figure>{chart}<figcaption>Neurons of the ensemble by stability</figcaption></figure>"""


def _energy(energy: Energy) -> str:
    work = energy.learning
    tiles = [
        (
            "Synaptic operations",
            f"{work.synaptic_operations:,.0f}",
            "a weight is added to a potential",
        ),
        ("Neuron updates", f"{work.neuron_updates:,.0f}", "leak, noise, threshold"),
        (
            "Resource updates",
            f"{work.resource_updates:,.0f}",
            "only while learning; the mean over all photos learned",
        ),
    ]
    ensemble, ann, linear = energy.answering, energy.ann, energy.linear
    rows = [
        ("This ensemble", f"{ensemble.operations:,.0f}", ensemble.joules, work.joules),
        *(
            (name, f"{dense.multiplications:,}", dense.answering_joules, dense.learning_joules)
            for name, dense in [
                (f"Dense ANN, a hidden layer of {ann.layers[1]:,} neurons", ann),
                ("Dense linear layer", linear),
            ]
        ),
    ]
    cells = "".join(
        f'<tr><td>{name}</td><td class="number">{operations}</td>'
        f'<td class="number">{1e6 * answer:,.3g} µJ</td>'
        f'<td class="number">{1e6 * lesson:,.3g} µJ</td></tr>'
        for name, operations, answer, lesson in rows
    )
    return f"""<h2>Energy</h2>
<p class="quiet">What the head does for a photo, counted exactly in the whole ensemble.</p>
{_tiles(tiles)}
<div class="scroll"><table class="classes"><thead><tr><th>Head</th>
<th class="number">Operations a decision</th><th class="number">Energy a decision</th>
<th class="number">Energy to learn a photo</th></tr></thead><tbody>{cells}</tbody></table></div>
<p class="quiet">An estimate, not a measurement: the operations times their energies in a 45 nm
process (Horowitz, ISSCC 2014), with every number in an SRAM of 8 KB; dense heads in float32,
learning by one step of gradient descent. Left out are the encoder, which takes by far the most (a
billion multiplications are about {1e12 * MULTIPLY_ADD:.0f} mJ by the same model), coding,
transport, control and static power. A dense head of low precision costs several times less.</p>"""


# ---------------------------------------------------------------- pieces


def _text(text: object) -> str:
    """Return text as HTML that shows it, and does nothing else."""
    return escape(shown(text))


def _tiles(tiles: Iterable[tuple[str, str, str]]) -> str:
    boxes = (
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}<small>{_text(note)}</small></dd></div>"
        for name, value, note in tiles
    )
    return f'<dl class="tiles">{"".join(boxes)}</dl>'


def _chart(
    bars: Iterable[tuple[tuple[float, float, float], str]],
    x_ticks: tuple[str, str, str],
    y_ticks: tuple[str, str],
    *,
    ideal: bool = False,
) -> str:
    """Draw bars, each with its left end, width and height from 0 to 1, and a text on it."""
    left, top, width, height = 44, 10, 340, 180
    shapes = [
        f'<rect class="fill" x="{left + x * width + 1:.1f}" y="{top + (1 - y) * height:.1f}" '
        f'width="{wide * width - 2:.1f}" height="{y * height:.1f}">'
        f"<title>{_text(text)}</title></rect>"
        for (x, wide, y), text in bars
    ]
    if ideal:
        shapes.append(
            f'<line class="ideal" x1="{left}" y1="{top + height}" x2="{left + width}" y2="{top}"/>'
        )
    for place, tick in enumerate(x_ticks):
        x = left + place * width / 2
        shapes.append(f'<text x="{x}" y="{top + height + 18}" text-anchor="middle">{tick}</text>')
    for place, tick in enumerate(y_ticks):
        y = top + (1 - place) * height
        shapes.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{tick}</text>')
    base = top + height
    return (
        f'<svg viewBox="0 0 {left + width + 16} {base + 28}" role="img">'
        f'<line class="axis" x1="{left}" y1="{base}" x2="{left + width}" y2="{base}"/>'
        f"{''.join(shapes)}</svg>"
    )


def _thumbnail(pair: _Labelled) -> str:
    label, answer = pair
    first, second = _two_best(answer.shares)
    wrong = " class='is-wrong'" if answer.label != label else ""
    said = str(answer.label) if not wrong else f"{answer.label}, not {label}"
    return (
        f"<figure{wrong}>{_small_photo(answer.path)}<figcaption><b>{_text(said)}</b>"
        f"{first:.0%}, next {second:.0%}<br>{_text(answer.path.name)}</figcaption></figure>"
    )


def _small_photo(path: Path) -> str:
    try:
        photo = read_photo(path)
    except UnreadablePhoto as problem:  # it could be read a moment ago
        return _text(str(problem))
    kind = ' class="pixels"' if max(photo.size) < _THUMBNAIL / 2 else ""
    photo.thumbnail((2 * _THUMBNAIL, 2 * _THUMBNAIL))
    return f'<img{kind} alt="" src="{_data(photo, "PNG" if kind else "JPEG")}">'


def _embedded(picture: Image.Image, alt: str) -> str:
    few = picture.quantize(256, dither=Image.Dither.NONE)
    return f'<img class="picture" alt="{_text(alt)}" src="{_data(few, "PNG")}">'


def _data(picture: Image.Image, form: str) -> str:
    content = BytesIO()
    picture.save(content, form, optimize=True, quality=80)
    return f"data:image/{form.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"


def _two_best(shares: NDArray[np.float64]) -> tuple[float, float]:
    best = np.sort(np.append(shares, 0.0))[::-1]
    return float(best[0]), float(best[1])


def _margin(shares: NDArray[np.float64]) -> float:
    first, second = _two_best(shares)
    return first - second


def _shape(n_inputs: int) -> tuple[int, int]:
    """Return height and width of a rectangle that holds so many inputs, nearly square."""
    height = max(1, int(np.sqrt(n_inputs / 2)))
    return height, -(-n_inputs // height)


def _as_pictures(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return weights, shape (n, n_inputs), as pictures; NaN where there is no input."""
    side = int(np.sqrt(weights.shape[1]))
    height, width = (side, side) if side * side == weights.shape[1] else _shape(weights.shape[1])
    pictures = np.full((len(weights), height * width), np.nan, np.float32)
    pictures[:, : weights.shape[1]] = weights
    return pictures.reshape(-1, height, width)


def _arrangement(model: HybridClassifier) -> str:
    if model.encoder.name.startswith("pixels"):
        return "as a picture"
    return "one square for each activation, row by row"
