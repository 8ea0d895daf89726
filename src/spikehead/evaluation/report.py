"""Reports: of an evaluation and of doubtful labels, each an HTML file that needs nothing else."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead import pictures
from spikehead.evaluation.energy import MULTIPLY_ADD, Energy, measure_energy
from spikehead.evaluation.firing import STABLE, Firing, activations_of, measure_firing
from spikehead.evaluation.metrics import Evaluation, learning_curve, unknown_sentence
from spikehead.files import replace_file
from spikehead.images import UnreadablePhoto, read_photo
from spikehead.models.answers import Answer, Checked
from spikehead.models.hybrid import HybridClassifier
from spikehead.names import shown

__all__ = ["check_report", "page", "write_doubts", "write_report"]

MAX_WRONG = 24
MAX_UNSURE = 12
MAX_MATRIX = 25
MAX_FIRING_PHOTOS = 256

_THUMBNAIL = 160
_STABILITY_BARS = 24
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
    ImportError
        If Jinja2 or matplotlib is missing.
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"{path}: the name of a report ends in .html; name it so")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} for the report does not exist: make it")
    pictures.require("jinja2")
    pictures.require("matplotlib")


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
    ImportError
        If Jinja2 or matplotlib is missing.
    """
    html, data = Path(path), Path(path).with_suffix(".json")
    every = max(1, -(-len(result.answers) // MAX_FIRING_PHOTOS))
    activations = activations_of(model, [answer.path for _, answer in result.answers[::every]])
    firing = measure_firing(model.head, activations)
    energy = measure_energy(model.head, activations)
    _replace(data, json.dumps(_document(model, result, firing, energy), indent=2) + "\n")
    _replace(html, _page(model, result, firing, energy, title))
    return [html, data]


def write_doubts(path: str | Path, checked: Checked, number: int, *, title: str) -> None:
    """Write a page of photos whose labels are doubtful; an older one stays whole until then.

    Parameters
    ----------
    path : str or Path
        The HTML file.
    checked : Checked
        What `HybridClassifier.check` found.
    number : int
        Photos to show at most.
    title : str
        The heading.

    Raises
    ------
    OSError
        If the file cannot be written.
    ImportError
        If Jinja2 is missing.
    """
    shown = checked.doubtful[:number]
    text = page(
        "doubts.html",
        title=title,
        checked=checked,
        n_photos=len(checked.doubts) + len(checked.unscored),
        labels=len({one.label for one in checked.doubts}),
        shown=[
            _image(one.path)
            | {"label": one.label, "said": one.likely, "note": f"doubt {one.doubt:.2f}"}
            for one in shown
        ],
    )
    _replace(Path(path), text)


def _replace(path: Path, text: str) -> None:
    try:
        replace_file(path, [text.encode(errors="replace")])
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error.strerror}; make room there, or name another place"
        ) from error


def _document(
    model: HybridClassifier, result: Evaluation, firing: Firing, energy: Energy
) -> dict[str, Any]:
    calibration = result.calibration()
    return {
        **result.to_dict(),
        "photos_learned": model.head.network_.presentations,
        "calibration": {**vars(calibration), "error": calibration.error},
        "firing": firing.to_dict(),
        "energy": energy.to_dict() if energy.answering.counts else None,
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
                "familiarity": answer.familiarity,
                "unknown": answer.unknown,
            }
            for label, answer in result.answers
        ],
    }


def _page(
    model: HybridClassifier, result: Evaluation, firing: Firing, energy: Energy, title: str
) -> str:
    wrong = sorted(
        (pair for pair in result.answers if pair[1].label != pair[0]),
        key=lambda pair: -pair[1].shares.max(),
    )
    unsure = sorted(result.answers, key=lambda pair: _margin(pair[1].shares))
    label, telling = (wrong or unsure)[0]
    names = sorted({name for pair in result.counts for name in pair})
    return page(
        "report.html",
        title=title,
        encoder=model.encoder.name,
        network=model.head.network_,
        result=result,
        unknown=unknown_sentence(result),
        weakest_first=sorted(result.labels, key=result.recall),
        confused=_confused(result, names),
        all_names=len(names),
        calibration=result.calibration(),
        curve=_stretches(model.prequential),
        prequential=model.prequential.mean() if model.prequential.size else None,
        n_wrong=len(wrong),
        wrong=[_photo(*pair) for pair in wrong[:MAX_WRONG]],
        unsure=[_photo(*pair) for pair in unsure[:MAX_UNSURE]],
        decision=_data(pictures.rendered(pictures.explain(model, telling.path, true=label)), "png"),
        firing=firing,
        stability=_histogram(np.array(firing.stability)) if firing.stability else None,
        energy=energy,
        work=[
            (kind.name.capitalize(), f"{n:,.0f}", kind.what)
            for kind, n in energy.learning.counts.items()
        ],
        multiply_add=MULTIPLY_ADD,
    )


def page(template: str, **facts: Any) -> str:
    """Fill in a template, which says what is shown, and how.

    Parameters
    ----------
    template : str
        Its name among `templates`.
    **facts
        What it shows.

    Raises
    ------
    ImportError
        If Jinja2 is missing.
    """
    pictures.require("jinja2")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("spikehead.evaluation"),
        autoescape=True,
        finalize=lambda value: value if hasattr(value, "__html__") else shown(value),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    pages.filters["to"] = format
    return pages.get_template(template).render(**facts)


def _confused(result: Evaluation, names: list[str]) -> list[str]:
    """Return the classes to compare: all, or of many those with more than one error, at most 25."""
    if len(names) <= MAX_MATRIX:
        return names
    errors = dict.fromkeys(names, 0)
    for (label, answer), n in result.counts.items():
        if label != answer:
            errors[label] += n
            errors[answer] += n
    worst = sorted(names, key=lambda name: -errors[name])[:MAX_MATRIX]
    return sorted(name for name in worst if errors[name] > 1)


def _stretches(prequential: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the stretches of the learning curve, each with the photos before and after it."""
    curve = learning_curve(prequential)
    starts = [0, *(end for end, _ in curve)]
    return [
        {"start": start, "end": end, "accuracy": accuracy}
        for start, (end, accuracy) in zip(starts, curve, strict=False)
    ]


def _histogram(stability: NDArray[np.float64]) -> dict[str, list[Any]]:
    """Return how many neurons are how stable, from `stability` in ascending order."""
    low, high = min(0.0, np.floor(stability[0] * 10) / 10), max(STABLE, stability[-1])
    counts, edges = np.histogram(stability, _STABILITY_BARS, (low, high))
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def _photo(label: str, answer: Answer) -> dict[str, Any]:
    """Return a photo with what was said of it."""
    first, second = _two_best(answer.shares)
    note = f"{first:.0%}, next {second:.0%}"
    return _image(answer.path) | {"label": label, "said": answer.label, "note": note}


def _image(path: Path) -> dict[str, Any]:
    """Return a photo, small, with its name."""
    try:
        photo = read_photo(path)
    except UnreadablePhoto as problem:  # it could be read a moment ago
        return {"name": path.name, "problem": str(problem)}
    small = max(photo.size) < _THUMBNAIL / 2
    photo.thumbnail((2 * _THUMBNAIL, 2 * _THUMBNAIL))
    content, form = BytesIO(), "png" if small else "jpeg"
    photo.save(content, form, optimize=True, quality=80)
    image = _data(content.getvalue(), form)
    return {"name": path.name, "problem": "", "small": small, "image": image}


def _data(content: bytes, form: str) -> str:
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


def _two_best(shares: NDArray[np.float64]) -> tuple[float, float]:
    best = np.sort(np.append(shares, 0.0))[::-1]
    return float(best[0]), float(best[1])


def _margin(shares: NDArray[np.float64]) -> float:
    first, second = _two_best(shares)
    return first - second
