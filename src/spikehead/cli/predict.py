"""spikehead predict: what is on photos."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from spikehead.activations import Row, named
from spikehead.cli import console, options, sources
from spikehead.models.answers import Answer, Verdict
from spikehead.models.hybrid import HybridClassifier


def predict(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos; folders of photos; @list.txt, a file that names one on each line; or "
            "files of activations."
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Classes to show for each photo.")] = 1,
    sets: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Also name the classes that hold the right one with this probability, as 0.9.",
            show_default=False,
        ),
    ] = None,
    send_back: options.SendBack = None,
    explain: Annotated[
        Path | None,
        typer.Option(help="Also draw why: this .png, .pdf or .svg file, for one photo."),
    ] = None,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Name the class of each photo, how likely it is, and how familiar the photo is.

    A photo that seems to be of no known class is unknown; the class most like it stands beside.

    The exit code is 1 if a photo cannot be read; the others are answered all the same.
    """
    found, left_out = named(photos)
    if explain:
        from spikehead import pictures

        if len(found) > 1:
            raise typer.BadParameter("one photo is explained at a time.", param_hint="--explain")
        if isinstance(found[0], Row):
            raise typer.BadParameter(
                "a picture shows a photo, and these are activations; leave it out.",
                param_hint="--explain",
            )
        pictures.check_file(explain)
    classifier = HybridClassifier.load(model, n_threads=threads)
    if send_back is not None:
        classifier.send_back = send_back
    if sets is not None:
        classifier.head.unlikely_below(sets)  # or say why not, before the work
    with sources.at_work(classifier, cache, no_cache, provider):
        answers = list(classifier.classify(found))
        if explain and answers and not answers[0].problem:
            pictures.save(pictures.explain(classifier, found[0].path), explain)
            console.messages.print(f"Explained in {explain}", soft_wrap=True)
    read = [answer for answer in answers if answer.label is not None]
    skipped = [(answer.path, answer.problem) for answer in answers if answer.label is None]
    unused = sources.Unused(skipped, left_out)
    if as_json:
        documents = [document(answer, classifier, sets) for answer in read]
        console.print_json({"answers": documents, **_ground(classifier), **unused.to_dict()})
    else:
        console.tell_left_out(unused.left_out)
        _print_table(read, classifier, top, sets)
        _tell_ground(classifier, sets)
        console.list_skipped(unused.skipped)
    if unused.skipped:
        raise typer.Exit(1)


def document(answer: Answer, model: HybridClassifier, sets: float | None) -> dict[str, Any]:
    """Return an answer as JSON values, with a set of classes where that is asked for."""
    facts = {"photo": str(answer.path), **said(answer, model.classes)}
    return facts | ({} if sets is None else {"set": model.likely(answer, sets)})


def said(answer: Answer | Verdict, classes: list[str]) -> dict[str, Any]:
    """Return what the model says as JSON values."""
    return {
        "class": answer.label,
        "shares": dict(zip(classes, answer.shares.round(6).tolist(), strict=True)),
        "familiarity": answer.familiarity and round(answer.familiarity, 6),
        "unknown": answer.unknown,
        "few_examples": answer.few_examples,
    }


def why_none_unknown(model: HybridClassifier) -> str:
    """Return why nothing is called unknown, though it is asked for; nothing where something is."""
    if not model.send_back or isfinite(model.head.unfamiliar_below()):
        return ""
    return (
        "Nothing is called unknown yet: for that the model has answered too few photos of classes "
        f"that it knew, {model.head.n_answered_}; teach it more."
    )


def _ground(model: HybridClassifier) -> dict[str, Any]:
    """Return what "unknown" and sets rest on."""
    threshold = model.head.unfamiliar_below()
    return {
        "unknown_below": threshold if isfinite(threshold) else None,
        "own_answers": model.head.n_answered_,
    }


def _print_table(
    answers: list[Answer], model: HybridClassifier, top: int, sets: float | None
) -> None:
    table = Table("photo", "class", "share", "familiar", "", box=None)
    for answer in answers:
        known = "" if answer.familiarity is None else f"{answer.familiarity:.0%}"
        first = [str(answer.path), known, _remark(answer, model, sets)]
        for column in (-answer.shares).argsort(kind="stable")[:top]:
            path, familiar, remark = first
            share = f"{answer.shares[column]:.0%}"
            table.add_row(path, model.classes[column], share, familiar, remark)
            first = ["", "", ""]
    if table.row_count:
        console.out.print(table)


def _remark(answer: Answer, model: HybridClassifier, sets: float | None) -> str:
    """Return what else there is to say of an answer."""
    remarks = ["unknown"] if answer.unknown else []
    remarks += ["few examples"] if answer.few_examples else []
    remarks += [] if sets is None else ["{" + ", ".join(model.likely(answer, sets)) + "}"]
    return "; ".join(remarks)


def _tell_ground(model: HybridClassifier, sets: float | None) -> None:
    """Say what "unknown" and sets rest on, where that is little or was asked for."""
    if why := why_none_unknown(model):
        console.out.print(why, soft_wrap=True)
    if sets is not None:
        console.out.print(
            f"Sets hold the right class with probability {sets:g} on average, by the model's own "
            f"{model.head.n_answered_} latest answers, if these photos are such as those were; a "
            "class of few photos, less often.",
            soft_wrap=True,
        )
