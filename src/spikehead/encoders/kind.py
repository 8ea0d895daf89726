"""What is known of a kind of encoders: how one is opened, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from spikehead.encoders.encoder import Encoder

Norms = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]
"""Mean and standard deviation that batch normalisation gives to the channels of layers, by what
their outputs are called."""


class Open(Protocol):
    """Opens an encoder by what stands after the colon in its name; None where there is none."""

    def __call__(self, argument: str, /, *, n_threads: int | None) -> Encoder | None:
        """Return the encoder."""
        ...


class Restore(Protocol):
    """Opens an encoder by what its `to_dict` gave, and its `files` where they lie now."""

    def __call__(
        self,
        description: Mapping[str, Any],
        files: Mapping[str, Path],
        /,
        *,
        n_threads: int | None,
    ) -> Encoder:
        """Return the encoder."""
        ...


@dataclass(frozen=True)
class Provenance:
    """Where encoders come from, and how good they are known to be.

    Attributes
    ----------
    origin : str
        Who made them of what, in a few words.
    licence : str
        Its SPDX name, or what else is known of it.
    notice : str, optional
        What the licence asks to go with every copy.
    n_bytes : int, optional
        Size of the weights as they are published.
    top_1 : float, optional
        Accuracy on the validation photos of ImageNet, in percent.
    source : str, optional
        Who says so.
    """

    origin: str
    licence: str
    notice: str = ""
    n_bytes: int | None = None
    top_1: float | None = None
    source: str = ""


@dataclass(frozen=True)
class EncoderKind:
    """A kind of encoders.

    It goes by a name: users write it, alone or with an argument after a colon, and the encoders'
    `to_dict` gives it as ``"kind"``. `spikehead.encoders.register` makes it known to this program;
    an entry point of that name in the group ``spikehead.encoders``, of any package that is
    installed, to all.

    Attributes
    ----------
    about : str
        What they are, in a few words.
    provenance : Provenance
        Where they come from.
    open : callable
        ``open(argument, n_threads=None)`` returns the encoder; None where there is none of that
        argument, which is empty where there is no colon.
    restore : callable, optional
        ``restore(description, files, n_threads=None)`` returns the encoder that was saved in a
        model, by what its `to_dict` gave and its `files` where they lie now. Default: none says
        that it is of this kind.
    arguments : tuple of str, default=("",)
        What users may write after the colon, in capitals; nothing for the name alone.
    range : (float, float or None), optional
        The least and the most that an activation can be, or None where there is no most; they are
        signed where the least is below zero. Default: not known.
    norms : callable, optional
        ``norms()`` returns what is known of the batch normalisation that is folded into the
        convolutions of the encoder's ONNX file. Default: nothing is.
    made_of_another : bool, default=False
        Whether what stands after the colon is the name of the encoder that it is made of.
    file : callable, optional
        ``file()`` returns the file that must be there for the encoder to be at hand: itself, once
        it is built, or what it is made of then and there. Default: it needs none.
    """

    about: str
    provenance: Provenance
    open: Open
    restore: Restore | None = None
    arguments: tuple[str, ...] = ("",)
    range: tuple[float, float | None] | None = None
    norms: Callable[[], Norms] | None = None
    made_of_another: bool = False
    file: Callable[[], Path] | None = None

    def takes(self, name: str) -> bool:
        """Return whether a name of this kind has an argument where it needs one, and only there."""
        _, colon, argument = name.partition(":")
        return bool(argument) and any(self.arguments) if colon else "" in self.arguments

    def forms(self, name: str) -> list[str]:
        """Return how users write names of this kind, which goes by a name."""
        return [f"{name}:{argument}" if argument else name for argument in self.arguments]
