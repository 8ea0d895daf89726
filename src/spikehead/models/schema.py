"""What stands in a model folder: the names of its files, and ``model.json``, typed and versioned.

All that is written is of the newest version. What was written by an older one is brought up to
date, step by step, when it is read (`UPGRADES`):

1. named no lessons: all that lay in the folder counted;
2. kept what is the head's beside what is the model's, and knew one kind of head;
3. has a record of the head: its kind, its hyperparameters and its counters; knew photos by hashes
   with their classes' names in them, and CoLaNET by three rules more than the paper's;
4. knows photos by their own, and how often each was learned; lessons may be corrections; a CoLaNET
   that such rules taught is a kind of its own, which learns no more.

To add a version, raise `VERSION`, let `Manifest` or `Description` read and write what is new, and
add the step from the version before to `UPGRADES`; ``tests/models/folders`` keeps a model of each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from spikehead.files import explained, read_file, sha256
from spikehead.models.lock import LOCK

FORMAT = "spikehead model"
VERSION = 4

MANIFEST = "model.json"
CARD = "README.md"
NETWORK = "network"
LESSONS = "lessons"
QUEUE = "queue"
DIGITS = 12
"""Of a file's digest, in its name."""

_DATA_FILE = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{12}(\.[A-Za-z0-9]{1,16})?")
_LESSON_FILE = re.compile(r"(?P<number>[0-9]{6,})-(?P<digest>[0-9a-f]{12})\.safetensors")
_ATTACHMENT = re.compile(r"[a-z][a-z0-9_]*")
_NAMES = "|".join((r"model\.json", r"README\.md", _DATA_FILE.pattern, _LESSON_FILE.pattern))
_TEMPORARY = re.compile(rf"\.(.*\.[0-9a-f]{{16}}|{_NAMES})\.tmp")


# ---------------------------------------------------------------- the names of files


def is_own_file(name: str) -> bool:
    """Return whether a model folder can hold a file of this name of its own.

    Parameters
    ----------
    name : str
        Relative to the folder, with slashes.
    """
    folder, _, file = name.rpartition("/")
    if folder:
        return folder == LESSONS and bool(_LESSON_FILE.fullmatch(file))
    return name in (MANIFEST, CARD) or bool(_DATA_FILE.fullmatch(name))


def holds_model(names: Iterable[str]) -> bool:
    """Return whether files of these names can be a model: a ``model.json`` and a network."""
    own = set(filter(is_own_file, names))
    return MANIFEST in own and any(name.startswith(f"{NETWORK}-") for name in own)


def may_be_left_over(name: str) -> bool:
    """Return whether spikehead gives such a name to its locks, data, lessons and temporary files.

    Such a file that no ``model.json`` names is what a crash has left.

    Parameters
    ----------
    name : str
        Relative to the folder, with slashes.
    """
    folder, _, file = name.rpartition("/")
    forms = (_DATA_FILE, _TEMPORARY, *([_LESSON_FILE] if folder else []))
    return file == LOCK or any(form.fullmatch(file) for form in forms)


def check_attachment(name: str) -> None:
    """Raise unless a file can be attached to a model under this name."""
    if name == NETWORK or not _ATTACHMENT.fullmatch(name):
        raise ValueError(
            f"an attachment cannot be named {name!r}: use small letters, digits and "
            f"underscores, and not {NETWORK!r}"
        )


def data_file(name: str, digest: str, suffix: str) -> str:
    """Return the name of a data file in the folder; a strange suffix is left out."""
    stem = f"{name}-{digest[:DIGITS]}"
    return stem + suffix if _DATA_FILE.fullmatch(stem + suffix) else stem


def lesson_file(number: int, digest: str) -> str:
    """Return the name of a lesson's file in the folder of lessons."""
    return f"{number:06}-{digest[:DIGITS]}.safetensors"


# ---------------------------------------------------------------- model.json


@dataclass(frozen=True)
class StoredFile:
    """A file that ``model.json`` names.

    Attributes
    ----------
    name : str
        In the model folder or, of a lesson, in the folder of lessons.
    bytes : int
        Its size.
    sha256 : str
        Its checksum, or the beginning of it.
    """

    name: str
    bytes: int
    sha256: str

    @classmethod
    def checked(cls, entry: Mapping[str, Any], form: re.Pattern[str]) -> StoredFile:
        """Return the file of an entry; raise where it is none, or its name leads elsewhere."""
        file = cls(entry["name"], entry["bytes"], entry["sha256"])
        if not (
            form.fullmatch(file.name)
            and isinstance(file.bytes, int)
            and isinstance(file.sha256, str)
            and len(file.sha256) >= DIGITS
        ):
            raise ValueError(f"{entry} names no file")
        return file

    @property
    def number(self) -> int:
        """Of a lesson."""
        return int(self.name.partition("-")[0])


@dataclass(frozen=True)
class Manifest:
    """What ``model.json`` says.

    Attributes
    ----------
    description : dict
        What the model is: JSON values. `Description` knows its fields.
    files : dict of str to StoredFile
        The network and the attachments.
    lessons : list of StoredFile
        What it was taught since, in order.
    """

    description: dict[str, Any]
    files: dict[str, StoredFile]
    lessons: list[StoredFile]

    @property
    def sha256(self) -> str:
        """The checksum that covers all that is the model's."""
        return checksum(self._document())

    def content(self) -> bytes:
        """Return the content of ``model.json``."""
        document = self._document()
        document["sha256"] = checksum(document)
        return json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"

    def _document(self) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def _of(cls, document: Mapping[str, Any]) -> Manifest:
        files = document["files"].items()
        lessons = [StoredFile.checked(entry, _LESSON_FILE) for entry in document["lessons"]]
        if (
            not isinstance(document["description"], dict)
            or NETWORK not in document["files"]
            or any(one.number >= next_.number for one, next_ in pairwise(lessons))
        ):
            raise ValueError("not a manifest")
        return cls(
            document["description"],
            {name: StoredFile.checked(entry, _DATA_FILE) for name, entry in files},
            lessons,
        )


def is_model(folder: str | Path) -> bool:
    """Return whether the folder says that it holds a model: it has a ``model.json``."""
    with explained(f"cannot read {folder}"):
        return (Path(folder) / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """Return the checked content of ``model.json``, in the newest form.

    Raises
    ------
    FileNotFoundError
        The folder or its ``model.json`` is missing.
    ValueError
        It is damaged, not of a spikehead model, or of a newer version.
    OSError
        It cannot be read.
    """
    path = folder / MANIFEST
    if not is_model(folder):
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist: give the folder of a saved model")
        raise FileNotFoundError(
            f"{folder} is not a spikehead model (it has no {MANIFEST}): "
            "give the folder of a saved model"
        )
    with explained(f"cannot read {path}"):
        content = read_file(path)
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged (it is not JSON): restore the model from a copy"
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(
            f"{path} does not describe a spikehead model: give the folder of a saved model"
        )
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"{folder} was written by a newer spikehead (format {version}; this one reads up to "
            f"{VERSION}): upgrade with pip install -U spikehead"
        )
    try:
        manifest = Manifest._of(_up_to_date(document, folder))
        written = document["sha256"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged (its content is not that of a model): restore the model from a copy"
        ) from error
    if written != checksum(document):
        raise ValueError(
            f"{path} has been changed since it was saved (its checksum does not match): "
            "restore the model from a copy"
        )
    return manifest


def checksum(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all of a manifest but its own checksum."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return sha256([json.dumps(rest, sort_keys=True).encode()])


# ---------------------------------------------------------------- older versions


def _up_to_date(document: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    for version in range(document["version"], VERSION):
        document = UPGRADES[version](document, folder)
    return document


def _name_lessons(document: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """From version 1: a part of a lesson's digest is in the name of its file."""
    lessons = [
        StoredFile(path.name, path.stat().st_size, name["digest"])
        for path in (folder / LESSONS).glob("*.safetensors")
        if (name := _LESSON_FILE.fullmatch(path.name))
    ]
    lessons.sort(key=lambda lesson: lesson.number)
    return {**document, "lessons": list(map(asdict, lessons))}


def _give_the_head_a_record(document: Mapping[str, Any], _: Path) -> Mapping[str, Any]:
    """From version 2, whose only head was CoLaNET."""
    rest = dict(document["description"])

    def taken(*names: str) -> dict[str, Any]:
        return {name: rest.pop(name) for name in names if name in rest}

    hyperparameters = {**rest.pop("hyperparameters", {}), **taken("members", "seed")}
    if rest.pop("saturation_from_photos", False):
        hyperparameters["saturation"] = "auto"
    rest.pop("inputs", None)  # the encoder knows
    head = Head("colanet", hyperparameters, taken("presentations", "resource_updates"))
    return {**document, "description": {**rest, "head": asdict(head)}}


def _retire_rules(document: Mapping[str, Any], _: Path) -> Mapping[str, Any]:
    """From version 3, whose CoLaNET could have rules that are gone; the rest is in the arrays."""
    head = Head(**document["description"]["head"])
    if head.kind != "colanet":
        return document
    values = dict(head.hyperparameters)
    rules = (
        values.pop("per_spike", False),
        values.pop("max_depressions", -1) >= 0,
        values.pop("homeostasis", False),
    )
    kept = Head("colanet-0.2" if any(rules) else head.kind, values, head.counters)
    if any(rules) and not head.counters["presentations"]:
        kept = Head("decorrelated", {}, {})  # as it has learned nothing, another can learn for it
    return {**document, "description": {**document["description"], "head": asdict(kept)}}


UPGRADES: dict[int, Callable[[Mapping[str, Any], Path], Mapping[str, Any]]] = {
    1: _name_lessons,
    2: _give_the_head_a_record,
    3: _retire_rules,
}
"""What brings the content of ``model.json``, in a folder, from a version to the next."""


# ---------------------------------------------------------------- what the model is


@dataclass(frozen=True)
class Head:
    """What a model says of its head; the arrays of its state are in the network's file, by name.

    Attributes
    ----------
    kind : str
        Which head.
    hyperparameters : dict of str to JSON value
        What it was made with.
    counters : dict of str to int
        What of its state is no array.
    """

    kind: str
    hyperparameters: dict[str, Any]
    counters: dict[str, int]


@dataclass(frozen=True)
class Measurement:
    """An accuracy that was measured on photos that the model had not learned.

    Attributes
    ----------
    data : str
        The name of their folder.
    n_photos, n_right : int
        How many photos there were, and how many of the answers were right.
    photos_learned : int
        How many photos the model had learned then.
    """

    data: str
    n_photos: int
    n_right: int
    photos_learned: int


@dataclass(frozen=True)
class Description:
    """What a model is, beside its arrays and files.

    Attributes
    ----------
    encoder : dict of str to JSON value
        What the encoder's `to_dict` gave.
    fingerprint : str
        Of the encoder.
    classes : list of str
        In the order of the columns.
    head : Head
        The head.
    measurement : Measurement or None
        An accuracy for the model card.
    """

    encoder: dict[str, Any]
    fingerprint: str
    classes: list[str]
    head: Head
    measurement: Measurement | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, as `Manifest` keeps it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Description:
        """Return what `to_dict` gave.

        Raises
        ------
        KeyError, TypeError
            Something is missing or wrong.
        """
        measured = values.get("measurement")
        return cls(
            values["encoder"],
            values["fingerprint"],
            values["classes"],
            Head(**values["head"]),
            measured and Measurement(**measured),
        )


@contextmanager
def whole(folder: str | Path) -> Iterator[None]:
    """Say that a model is not whole, where what is done with its content shows it.

    Raises
    ------
    ValueError
        It is not.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"{folder} is not a whole model: {error} is missing or wrong") from None
