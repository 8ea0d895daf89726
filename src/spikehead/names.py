"""What is a class name, and how any name is shown: one rule for every door."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterable
from numbers import Integral, Real

MAX_LENGTH = 255
"""Characters of a class name at most; no file system allows a folder a longer one."""

# Characters that move what stands beside them: line ends, and changes of the writing direction.
_MOVING = frozenset(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def class_name(label: object, known: Collection[str] = ()) -> str:
    """Return the name of the class that a label means.

    Names are compared in Unicode's composed form (NFC) and without blanks at the ends, so that a
    folder from one system and a name typed on another are one class. A number that is whole is
    named by its digits, however the table that it comes from has stored it.

    Parameters
    ----------
    label : object
        Text, or a whole number: a folder's name, a label from a table, what someone has typed.
    known : collection of str, optional
        Classes that there are already. One of these is taken as it is, whatever the rule says now,
        and so is a label that differs from it in Unicode form or blanks only.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ValueError
        If the label is missing (None, NaN), is empty, is of another type, holds control characters
        or characters that are not valid Unicode, or has more than 255 characters.
    """
    if isinstance(label, str) and label in known:
        return str(label)
    name = _composed(_text(label))
    for old in known:
        if _composed(old) == name:
            return str(old)
    if not name:
        raise ValueError("a class needs a name, and this one is empty")
    if len(name) > MAX_LENGTH:
        raise ValueError(
            f"a class name has at most {MAX_LENGTH} characters, not {len(name)}: "
            f"{shown(name[:20])}..."
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ValueError(
            f"a class name cannot hold control characters or broken Unicode: {shown(name)}"
        )
    return name


def class_names(
    labels: Iterable[object], sources: Iterable[object], known: Collection[str] = ()
) -> list[str]:
    """Return the names of the classes that labels mean.

    Parameters
    ----------
    labels : iterable of object
        Each as `class_name` takes it.
    sources : iterable of object
        Where each label is from: a photo, or a row of a table.
    known : collection of str, optional
        Classes that there are already.

    Raises
    ------
    ValueError
        If a label is none; the sentence begins with its source.
    """

    def name(label: object, source: object) -> str:
        try:
            return class_name(label, known)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None

    return [name(*pair) for pair in zip(labels, sources, strict=True)]


def shown(name: object) -> str:
    """Return a name, or a text with names in it, as it can be shown without doing anything.

    Control characters, line ends, changes of the writing direction and broken Unicode are written
    as escapes; all else stays.

    Parameters
    ----------
    name : object
        A class, a path, or a sentence that holds them.
    """
    return "".join(
        character.encode("unicode_escape").decode()
        if character in _MOVING or unicodedata.category(character) in ("Cc", "Cs")
        else character
        for character in str(name)
    )


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without a full stop; else what it is called."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _text(label: object) -> str:
    if isinstance(label, str):
        return str(label)
    if label is None or (isinstance(label, Real) and math.isnan(label)):
        raise ValueError(f"a class needs a name, and this label is missing ({label})")
    if isinstance(label, Real) and not isinstance(label, bool):
        number = label if isinstance(label, Integral) else float(label)
        if float(number).is_integer():
            return str(int(number))
    raise ValueError(f"a class name must be text or a whole number, not {label!r}")
