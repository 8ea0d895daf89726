"""Class names follow one rule, and showing a name never does anything."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikehead.names import MAX_LENGTH, class_name, shown


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("cat", "cat"),
        (" b\n", "b"),
        ("Cafe\u0301", "Café"),
        ("[/x]", "[/x]"),
        ("a\u202egpj", "a\u202egpj"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        (3, "3"),
        (3.0, "3"),
        (np.int64(3), "3"),
        (np.float32(3), "3"),
        (np.str_("cat"), "cat"),
        ("x" * MAX_LENGTH, "x" * MAX_LENGTH),
    ],
)
def test_what_is_a_name(label, name):
    assert class_name(label) == name
    assert type(class_name(label)) is str


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (None, "missing"),
        (float("nan"), "missing"),
        (np.float64("nan"), "missing"),
        ("", "empty"),
        (" \t", "empty"),
        (1.5, "whole number"),
        (float("inf"), "whole number"),
        (True, "whole number"),
        (b"cat", "whole number"),
        ("a\nb", "control"),
        ("a\udcffb", "broken Unicode"),
        ("x" * (MAX_LENGTH + 1), "at most 255"),
    ],
)
def test_what_is_none(label, sentence):
    with pytest.raises(ValueError, match=sentence):
        class_name(label)


@pytest.mark.parametrize("known", [" old ", "a\nb", "Cafe\u0301", "x" * 300])
def test_a_known_class_is_always_accepted(known):
    assert class_name(known, [known]) == known


def test_a_known_class_of_another_form_is_the_same_class():
    assert class_name("Caf\u00e9", ["Cafe\u0301"]) == "Cafe\u0301"
    assert class_name("old", [" old "]) == " old "


@given(st.text())
def test_a_name_is_its_own_name(text):
    try:
        name = class_name(text)
    except ValueError:
        return
    assert class_name(name) == name
    assert unicodedata.is_normalized("NFC", name)


@given(st.text())
def test_what_is_shown_moves_nothing(text):
    line = shown(text)
    line.encode()
    assert line.splitlines() in ([line], [])
    explicit = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not explicit & {unicodedata.bidirectional(character) for character in line}
    assert shown("plain [/x] :dog:") == "plain [/x] :dog:"


def test_directions_are_escaped():
    assert shown("a\u202egpj") == r"a\u202egpj"
    assert shown("a\x1b[31mb") == r"a\x1b[31mb"
    assert shown("👩\u200d🔬") == "👩\u200d🔬"
