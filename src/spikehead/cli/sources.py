"""What the options name, opened: photos, encoders and their cache, a cluster, hyperparameters."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import typer

from spikehead.activations import Row
from spikehead.cli import console, progress
from spikehead.encoders import (
    DEFAULT,
    ActivationCache,
    Encoder,
    OnnxEncoder,
    encode_photos,
    given,
)
from spikehead.encoders.providers import AUTO
from spikehead.heads.parameters import Hyperparameters
from spikehead.heads.registry import COLANET, head_class, kind_of
from spikehead.images import LeftOut, Photo, PhotoFolder
from spikehead.models.hybrid import HybridClassifier, none_readable
from spikehead.models.obtain import obtain_encoder

if TYPE_CHECKING:
    from spikehead.cluster import Cluster
    from spikehead.evaluation.examples import Examples


def photo_folder(
    folder: Path, *, known: Collection[str] = (), as_classes: bool = False
) -> PhotoFolder:
    """Find the photos in a folder, and tell what is left out."""
    found = PhotoFolder.read(folder, known=known, as_classes=as_classes)
    console.tell_left_out(found.left_out)
    return found


def encoder(name: str | None, threads: int | None) -> Encoder:
    """Return an encoder by name, or the default one."""
    name = name or DEFAULT
    with progress.download(name) as shown:
        return obtain_encoder(name, n_threads=threads, progress=shown)


def placed(encoder: Encoder, provider: str) -> Encoder:
    """Return an encoder that computes where the option says, and tell what it has chosen."""
    if not isinstance(encoder, OnnxEncoder):
        if provider not in (AUTO, "cpu"):
            raise typer.BadParameter(
                f"{encoder.name} is computed on the CPU; leave it out.", param_hint="--provider"
            )
        return encoder
    found = encoder.on(provider)
    if provider == AUTO and found is not encoder:
        console.tell(
            f"{encoder.name} is computed by {found.provider}; --provider cpu takes the CPU"
        )
    return found


def encoder_for(found: PhotoFolder, name: str | None) -> str | None:
    """Return the encoder of a new model that learns this: the one named, or for activations."""
    first = found.photos[0]
    if not isinstance(first, Row):
        return name
    check_unnamed(name)
    return f"{given.NAME}:{len(first.activations)}"


def check_unnamed(encoder: str | None) -> None:
    """Refuse an encoder where activations are given."""
    if encoder is not None:
        raise typer.BadParameter(
            "activations are encoded already; leave it out, or give photos.",
            param_hint="--encoder",
        )


def cache(
    encoder: Encoder, folder: Path | None, no_cache: bool
) -> AbstractContextManager[ActivationCache | None]:
    """Return the cache that the options ask for."""
    return nullcontext() if no_cache else ActivationCache(encoder, folder)


@contextmanager
def at_work(
    model: HybridClassifier, cache_folder: Path | None, no_cache: bool, provider: str
) -> Iterator[HybridClassifier]:
    """Let a model work with the cache, and on the provider, that the options ask for."""
    model.encoder = placed(model.encoder, provider)
    with cache(model.encoder, cache_folder, no_cache) as model.cache:
        yield model


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


@dataclass(frozen=True)
class Unused:
    """What lies among photos and is not used: every JSON document about photos has both parts.

    Attributes
    ----------
    skipped : list of (Path, str)
        Photos that cannot be read, and why.
    left_out : LeftOut
        What is no photo of a class.
    """

    skipped: list[tuple[Path, str]] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)

    def __add__(self, other: Unused) -> Unused:
        """Return what is not used of both."""
        return Unused(self.skipped + other.skipped, self.left_out + other.left_out)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "skipped": [{"photo": str(path), "reason": reason} for path, reason in self.skipped],
            "left_out": self.left_out.to_dict(),
        }


class Encoded(NamedTuple):
    """Photos or activations as examples, one for each source."""

    examples: list[Examples]
    saturation: float | str | None
    """That of the encoder, if it knows one; of activations it is left to the first batch."""
    unused: Unused


def encode(
    folders: Sequence[Path],
    encoder_name: str | None,
    threads: int | None,
    cache_folder: Path | None,
    no_cache: bool,
    as_classes: bool,
    joined: Cluster | None = None,
    provider: str = AUTO,
) -> Encoded:
    """Encode the photos in folders, one sub-folder a class; tell what is left out or unreadable."""
    found = [photo_folder(folder, as_classes=as_classes) for folder in folders]
    opened = placed(encoder(encoder_name, threads), provider)
    examples, skipped = [], []
    with cache(opened, cache_folder, no_cache) as kept:
        for folder in found:
            read, unreadable = _encode(folder.photos, opened, kept, joined)
            examples.append(read)
            skipped += unreadable
    left_out = sum((folder.left_out for folder in found), LeftOut())
    return Encoded(examples, opened.saturation, Unused(skipped, left_out))


def _encode(
    photos: list[Photo],
    encoder: Encoder,
    cache: ActivationCache | None,
    cluster: Cluster | None,
) -> tuple[Examples, list[tuple[Path, str]]]:
    """Return the examples in the photos that can be read; list the others."""
    from spikehead.evaluation.examples import Examples

    activations, labels, skipped = [], [], []
    with progress.bar() as shown:
        task = shown.add_task("Encoding", total=len(photos))
        paths = [photo.path for photo in photos]
        for batch in encode_photos(paths, encoder, cache, cluster=cluster):
            activations.append(batch.given)
            labels += [photos[index].label for index in batch.indices]
            skipped += [(photos[index].path, why) for index, why in batch.problems.items()]
            shown.update(task, completed=len(labels) + len(skipped))
    if not labels:
        raise ValueError(none_readable(skipped))
    console.list_skipped(skipped)
    return Examples(np.concatenate(activations), np.array(labels)), skipped


def head(named: str) -> tuple[str, Hyperparameters | None]:
    """Return the name of a head and its hyperparameters, if they are in a JSON file.

    A file may say whose they are by ``"head"``; without it they are CoLaNET's.
    """
    if not named.endswith(".json"):
        head_class(kind_of(named))
        return named, None
    try:
        values = json.loads(Path(named).read_text("utf-8"))
        name = values.pop("head", COLANET)
        return name, head_class(kind_of(name)).hyperparameters.from_dict(values)
    except (TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError(f"{named} is not a JSON object of hyperparameters") from None
    except ValueError as error:
        raise ValueError(f"{named}: {error}") from None
