"""What the commands share: where they write, options, progress, and how they fail."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from spikehead.encoders import ActivationCache, Encoder, encode_photos
from spikehead.evaluation.examples import Examples, read_activations
from spikehead.evaluation.methods import Method, colanet, others
from spikehead.heads.colanet.classifier import AUTO
from spikehead.heads.colanet.parameters import RECOMMENDED, CoLaNETParameters
from spikehead.images import LeftOut, Photo, PhotoFolder
from spikehead.models.hybrid import HybridClassifier, none_readable
from spikehead.models.obtain import obtain_encoder
from spikehead.names import shown

if TYPE_CHECKING:
    from spikehead.cluster import Cluster


class _Console(Console):
    """Prints text as it is: no markup, no codes for emoji, and control characters as escapes.

    Names of classes and files are in nearly all that is printed. So a text is one line, whatever is
    in it, and what is more, or has a style, is several texts, or a `rich.text.Text`. What
    does not go to a terminal has lines as long as they come, so that no name is cut.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = 100_000

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text), **options)


class _Description(ProgressColumn):
    """What a progress bar is about, printed like all other text."""

    def render(self, task: Task) -> Text:
        return Text(shown(task.description))


out = _Console()
messages = _Console(stderr=True)

DEFAULT_ENCODER = "efficientnet_b3"
"""The encoder of the hybrid paper."""

EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="As `spikehead encoder list` names it.  [default: efficientnet_b3 where it is at "
        "hand or can be fetched, else bundled]",
        show_default=False,
    ),
]
AsClasses = Annotated[
    bool,
    typer.Option("--as-classes", help="Take folders such as train and test for classes, too."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads to use.  [default: all]", show_default=False)
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder for activations.  [default: SPIKEHEAD_CACHE, or the user's cache folder]",
        show_default=False,
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no activations on disk.")]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Spread the work over a Ray cluster: auto for the one of this machine, or HOST:PORT. "
        "With no address Ray is started here.",
        show_default=False,
    ),
]
MoreParameters = Annotated[
    Path | None,
    typer.Option(
        "--parameters",
        help="JSON file of hyperparameters: one more row, beside Table 1 and the recommended ones. "
        "They must not have been chosen on the test part.",
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="METHOD",
        help="Compare with this method only; give it again for more.  [default: all]",
        show_default=False,
    ),
]
Members = Annotated[
    int, typer.Option("--members", min=1, max=1000, help="Networks in the head's ensemble.")
]
Seeds = Annotated[
    int,
    typer.Option("--seeds", min=1, max=1000, help="Runs of each method, each in another order."),
]


def print_lines(text: str) -> None:
    """Print text of the program's own that has several lines."""
    for line in text.splitlines():
        out.print(line, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a JSON document for other programs; in ASCII, so that every stream takes it whole."""
    print(json.dumps(value, indent=2))  # noqa: T201


def photo_folder(
    folder: Path, *, known: Collection[str] = (), as_classes: bool = False
) -> PhotoFolder:
    """Find the photos in a folder, and tell what is left out."""
    found = PhotoFolder.read(folder, known=known, as_classes=as_classes)
    tell_left_out(found.left_out)
    return found


def tell_left_out(left_out: LeftOut) -> None:
    """Tell what lies among photos and is not used."""
    for sentence in left_out.sentences():
        messages.print(sentence, soft_wrap=True)


def open_cache(
    encoder: Encoder, folder: Path | None, no_cache: bool
) -> AbstractContextManager[ActivationCache | None]:
    """Return the cache that the options ask for."""
    return nullcontext() if no_cache else ActivationCache(encoder, folder)


@contextmanager
def cluster(address: str | None) -> Iterator[Cluster | None]:
    """Join the Ray cluster that the option names, if it names one."""
    if address is None:
        yield None
        return
    from spikehead.cluster import Cluster

    # Ray reports on the output what it makes good by itself, such as a machine that is lost.
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        Cluster(address) as joined,
    ):
        yield joined


@contextmanager
def at_work(
    model: HybridClassifier, cache_folder: Path | None, no_cache: bool
) -> Iterator[HybridClassifier]:
    """Let a model work with the cache that the options ask for."""
    with open_cache(model.encoder, cache_folder, no_cache) as model.cache:
        yield model


def encode(
    photos: list[Photo],
    encoder: Encoder,
    cache: ActivationCache | None,
    cluster: Cluster | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return the activations and labels of the photos that can be read; list the others."""
    activations, labels, skipped = [], [], []
    with progress() as shown:
        task = shown.add_task("Encoding", total=len(photos))
        paths = [photo.path for photo in photos]
        for batch in encode_photos(paths, encoder, cache, cluster=cluster):
            activations.append(batch.activations)
            labels += [photos[index].label for index in batch.indices]
            skipped += [(photos[index].path, why) for index, why in batch.problems.items()]
            shown.update(task, completed=len(labels) + len(skipped))
    if not labels:
        raise ValueError(none_readable(skipped))
    list_skipped(skipped)
    return np.concatenate(activations), np.array(labels)


def read_examples(
    sources: Sequence[Path],
    encoder_name: str | None,
    threads: int | None,
    cache: Path | None,
    no_cache: bool,
    as_classes: bool,
) -> tuple[list[Examples], float | str | None]:
    """Return the examples in folders of photos or in .npz files, and the saturation for them.

    It is the encoder's, if it knows one; for an .npz file it is left to the first batch.
    """
    if all(source.suffix == ".npz" for source in sources):
        if encoder_name is not None:
            raise typer.BadParameter(
                "activations are encoded already; leave it out, or give photos.",
                param_hint="--encoder",
            )
        return [read_activations(source) for source in sources], "auto"
    found = [photo_folder(source, as_classes=as_classes).photos for source in sources]
    opened = encoder(encoder_name, threads)
    with open_cache(opened, cache, no_cache) as kept:
        return [Examples(*encode(part, opened, kept)) for part in found], opened.saturation


def spiking_heads(
    more: Mapping[str, CoLaNETParameters],
    members: int,
    threads: int | None,
    saturation: float | str | None,
) -> list[Method]:
    """Return the spiking head with Table 1, as recommended, and with more parameters by name.

    The saturation is for the first two; where it is not known, the recommended head takes it from
    the first batch, as `learn` does.
    """

    def head(name: str, p: CoLaNETParameters, saturation: float | str | None = None) -> Method:
        name = f"CoLaNET, {name}"
        return colanet(name, p, saturation=saturation, members=members, n_threads=threads)

    return [
        head("Table 1", CoLaNETParameters(), saturation),
        head("recommended", RECOMMENDED, saturation or AUTO),
        *(head(name, parameters) for name, parameters in more.items()),
    ]


def rivals(names: Sequence[str] | None) -> list[Method]:
    """Return the methods to compare with, or those that are named."""
    known = {method.name: method for method in others()}
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(
                f"there is no {name!r}; there are {', '.join(known)}.", param_hint="--against"
            )
    return [method for name, method in known.items() if not names or name in names]


def read_parameters(path: Path) -> CoLaNETParameters:
    """Read hyperparameters from a JSON file."""
    try:
        return CoLaNETParameters.from_dict(json.loads(path.read_text("utf-8")))
    except (TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError(f"{path} is not a JSON object of hyperparameters") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def progress() -> Progress:
    """Return a progress bar on the error stream, so that output stays clean."""
    return Progress(
        _Description(),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    )


def show_progress_of_hub() -> None:
    """Let the Hugging Face Hub's own progress bars be on terminals only."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not messages.is_terminal:
        disable_progress_bars()


@contextmanager
def download(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a download is."""
    with Progress(
        _Description(),
        BarColumn(),
        DownloadColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    ) as shown:
        task = shown.add_task(f"Fetching {what}", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def encoder(name: str | None, threads: int | None) -> Encoder:
    """Return an encoder by name; by default the paper's, or the bundled one where it is not had."""
    try:
        with download(name or DEFAULT_ENCODER) as progress:
            return obtain_encoder(name or DEFAULT_ENCODER, n_threads=threads, progress=progress)
    except (ImportError, OSError) as error:
        if name:
            raise
        messages.print(
            f"Using the bundled encoder, which is small and weak, since {DEFAULT_ENCODER} is not "
            f"at hand: {error}",
            soft_wrap=True,
        )
        return obtain_encoder("bundled", n_threads=threads)


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Say which extra to install if what is imported here is missing."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f'{error}: pip install "spikehead[{extra}]"') from error


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print a list of facts by name."""
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        table.add_row(name.replace("_", " "), str(value))
    out.print(table)


def table(first: str, *others: str) -> Table:
    """Return an empty table whose first column is names and whose others are numbers."""
    made = Table(first, *others, box=None)
    made.columns[0].no_wrap = True
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def percent(values: Sequence[float | None]) -> str:
    """Return the mean and standard deviation of fractions in percent; nothing of none."""
    known = [100 * value for value in values if value is not None]
    if not known:
        return ""
    spread = f"±{np.std(known, ddof=1):.2f}" if len(known) > 1 else ""
    return f"{np.mean(known):.2f}{spread}"


def list_skipped(skipped: list[tuple[Path, str]]) -> None:
    """List the photos that could not be read."""
    if skipped:
        noun = "photo" if len(skipped) == 1 else "photos"
        messages.print(f"Skipped {len(skipped)} {noun} that cannot be read:")
        for path, reason in skipped:
            messages.print(f"  {path}: {reason}", soft_wrap=True)


def tell(sentence: str) -> None:
    """Say something that is no part of the output."""
    messages.print(f"{sentence[0].upper()}{sentence[1:]}.", soft_wrap=True)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning in one sentence, as `warnings.showwarning` does in its own form."""
    _print_marked("Warning: ", "bold yellow", str(message))


def fail(error: BaseException) -> NoReturn:
    """Print an error in one sentence, and exit with 1."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = ": ".join(filter(None, (error.filename, error.strerror.lower())))
    _print_marked("Error: ", "bold red", text)
    sys.exit(1)


def _print_marked(mark: str, style: str, text: str) -> None:
    messages.print(Text(mark, style=style), text, sep="", soft_wrap=True)
