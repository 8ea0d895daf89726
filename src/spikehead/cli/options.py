"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="As `spikehead encoder list` names it.  [default: efficientnet_lite0]",
        show_default=False,
    ),
]
Labelled = Annotated[
    Path,
    typer.Argument(
        help="Folder of photos, one sub-folder a class; or activations: an .npz file of X and y, "
        "a Parquet file, or a folder with a file for each class."
    ),
]
HeadName = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="NAME|FILE",
        help="Head of a new model: decorrelated, paper (CoLaNET with Table 1), or one of another "
        "package; or a JSON file of hyperparameters, as tune writes it.  [default: decorrelated]",
        show_default=False,
    ),
]
Provider = Annotated[
    Literal["auto", "cpu", "cuda", "coreml", "directml", "openvino"],
    typer.Option(
        "--provider",
        help="What computes the encoder: auto takes a faster one than the CPU where the installed "
        "ONNX Runtime has one, and says so.",
    ),
]
Heads = Annotated[
    list[str] | None,
    typer.Option(
        "--head",
        metavar="NAME|FILE",
        help="Take only this spiking head, as of learn; give it again for more. Hyperparameters in "
        "a file must not have been chosen on the test part.  [default: all of ours]",
        show_default=False,
    ),
]
AsClasses = Annotated[
    bool,
    typer.Option("--as-classes", help="Take folders such as train and test for classes, too."),
]
SendBack = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share of known photos that may be taken for unknown.  [default: the model's, 0.05]",
        show_default=False,
    ),
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
