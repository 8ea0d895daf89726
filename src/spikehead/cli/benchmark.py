"""spikehead benchmark: any learner, any data, any stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from spikehead.cli import console, options, progress, rivalry, sources
from spikehead.evaluation.benchmark import Cell, Record, Sheet, measure, measure_costs, sheets
from spikehead.evaluation.circumstances import CIRCUMSTANCES, write_photos
from spikehead.evaluation.examples import Examples, check_parts
from spikehead.evaluation.methods import Method
from spikehead.evaluation.protocols import PROTOCOLS, QUICK, Data
from spikehead.files import replace_file
from spikehead.images import PhotoFolder

FIRST_LOOK = (
    "nearest class mean",
    "cosine class mean",
    "streaming LDA",
    "ridge regression",
    "SGD, logistic loss",
    "logistic regression",
)
"""Learners of `--quick`, beside our own."""


def benchmark(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of photos, one sub-folder a class; or a file of activations. Several are "
            "several data sets."
        ),
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(
            help="Test part, of the same kind; give it once for each.  [default: a fifth of each "
            "class]",
            show_default=False,
        ),
    ] = None,
    encoder: options.EncoderName = None,
    head: options.Heads = None,
    against: rivalry.Against = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Measure this only; give it again for more: {', '.join(PROTOCOLS)}.  "
            "[default: all]",
            show_default=False,
        ),
    ] = None,
    orders: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Orders of each stream.  [default: 5; quick: 2]",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Training examples at most, of each class as large a share, drawn by lot.  "
            "[default: all; quick: 5000]",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A first look: few learners, protocols, orders and examples."),
    ] = False,
    record: Annotated[
        Path, typer.Option(help="What was measured; what is in it is not measured again.")
    ] = Path("benchmark.json"),
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write all tables into this file, too: .html or .md.", show_default=False
        ),
    ] = None,
    members: rivalry.Members = 15,
    as_classes: options.AsClasses = False,
    ray: options.Ray = None,
    threads: options.Threads = None,
    provider: options.Provider = "auto",
    cache: options.CacheFolder = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Judge learners that learn online by many kinds of streams, each learned in one pass.

    Whatever is chosen is chosen before the test part is asked. It can be stopped at any time, and
    goes on where it was.
    """
    protocols = _protocols(protocol, quick)
    if report and report.suffix not in (".html", ".md"):
        raise typer.BadParameter("its name ends in .html or .md.", param_hint="--report")
    kept = Record(record)
    learners = rivalry.rivals(against or (FIRST_LOOK if quick else None), outside=True)
    ours = rivalry.heads(head)

    def read(paths: Sequence[Path]) -> sources.Encoded:
        return rivalry.read_examples(paths, encoder, threads, cache, no_cache, as_classes, provider)

    most = limit or (5000 if quick else None)
    sets, saturation, unused = _read(
        data, test or [], read, most, as_classes, "domains" in protocols
    )
    learners = rivalry.methods(ours, members, threads, saturation) + learners
    for one in sets:
        kept.admit(one)
    _measure(kept, sets, learners, protocols, orders or (2 if quick else 5), ray)
    offline = [learner.name for learner in learners if learner.offline]
    found = sheets(kept, learners[0].name, offline)
    if report:
        _write(report, found, kept)
    if as_json:
        console.print_json({**kept.to_dict(), **unused.to_dict()})
    else:
        _print(found, kept)


def _protocols(named: Sequence[str] | None, quick: bool) -> list[str]:
    for name in named or ():
        if name not in PROTOCOLS:
            raise typer.BadParameter(
                f"there is no {name!r}; there are {', '.join(PROTOCOLS)}.", param_hint="--protocol"
            )
    return list(named or (QUICK if quick else PROTOCOLS))


def _read(
    paths: list[Path],
    tests: list[Path],
    read: Callable[[Sequence[Path]], sources.Encoded],
    most: int | None,
    as_classes: bool,
    circumstances: bool,
) -> tuple[list[Data], float | str | None, sources.Unused]:
    """Return the data sets, the saturation of their encoder, and what is not used."""
    if tests and len(tests) != len(paths):
        raise typer.BadParameter(
            f"give it once for each data set, {len(paths)} times, or leave it out.",
            param_hint="--test",
        )
    found: list[Data] = []
    saturation, unused = None, sources.Unused()
    for number, path in enumerate(paths):
        parts = [path, *tests[number : number + 1]]
        examples, saturation, more = read(parts)
        unused += more
        train, asked = _divided(examples, most)
        check_parts(train, asked)
        domains = []
        if circumstances and path.is_dir():
            domains.append(("clear", train, asked))
            for name in CIRCUMSTANCES:
                with TemporaryDirectory() as folder:
                    places = [Path(folder, str(place)) for place, _ in enumerate(parts)]
                    for part, place in zip(parts, places, strict=True):
                        photos = PhotoFolder.read(part, as_classes=as_classes)
                        write_photos(photos, name, place)
                    domains.append((name, *_divided(read(places).examples, most)))
        found.append(Data(_name(path), train, asked, domains))
    return found, saturation, unused


def _divided(parts: list[Examples], most: int | None) -> tuple[Examples, Examples]:
    train, test = parts[0].divided() if len(parts) == 1 else parts
    return train.limited(most), test


def _name(path: Path) -> str:
    """Return what a data set is called: ``digits`` of digits/, digits/train, digits-train.npz."""
    path = path.resolve()
    return path.parent.name if path.name == "train" else path.stem.removesuffix("-train")


def _measure(
    kept: Record,
    sets: Sequence[Data],
    learners: Sequence[Method],
    protocols: Sequence[str],
    orders: int,
    ray: str | None,
) -> None:
    """Measure what is missing; what is done is kept, however this ends."""
    cells = kept.missing(sets, protocols, learners, orders)
    try:
        with sources.cluster(ray) as cluster, progress.bar() as shown:
            task = shown.add_task("Measuring", total=len(cells))
            for cell, points in measure(cells, sets, learners, cluster):
                kept.add(cell, points)
                shown.update(task, description=_told(cell), advance=1)
            for one in sets:
                shown.update(task, description=f"What learners cost on {one.name}")
                missing = [m for m in learners if m.name not in kept.costs.get(one.name, {})]
                kept.costs.setdefault(one.name, {}).update(measure_costs(one, missing))
    finally:
        kept.save()


def _told(cell: Cell) -> str:
    return f"{cell.data}, {cell.protocol}: {cell.learner}"


def _print(found: Sequence[Sheet], kept: Record) -> None:
    for sheet in found:
        console.out.print(f"{sheet.data}: {sheet.protocol}. {sheet.question}", soft_wrap=True)
        table = console.table(*sheet.header)
        for row in sheet.rows:
            table.add_row(*row)
        console.out.print(table)
        console.out.print()
    console.print_lines(
        f"""\
Percent, mean ± standard deviation over the orders. The lead is over the best other learner of one
pass, order by order, with a 95 % interval. All of it is in {kept.path}."""
    )


def _write(path: Path, found: Sequence[Sheet], kept: Record) -> None:
    if path.suffix == ".md":
        text = "\n".join(sheet.markdown() for sheet in found)
    else:
        from spikehead.evaluation.report import page

        text = page(
            "benchmark.html", title="Learning online, in one pass", sheets=found, record=kept
        )
    replace_file(path, [text.encode(errors="replace")])
