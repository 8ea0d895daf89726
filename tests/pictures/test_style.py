"""The look, names as data, and files."""

import subprocess
import sys
import threading
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from spikehead import pictures

NAMES = [
    "",
    "x" * 500,
    "two\nlines\tand tabs",
    "\udce9",
    "日本語 é",
    "\0",
    "$a_b$",
    r"\frac",
    "\u202eabc",
]


def texts(figure):
    """Return all texts of a picture that are not empty."""
    return [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_any_name_is_shown_as_it_is_in_one_line():
    names, n = NAMES, len(NAMES)
    drawn = [
        pictures.spike_raster(
            np.ones((10, 4)),
            np.ones((15, n)),
            class_names=names,
            predicted=6,
            true=4,
            potentials=np.ones((15, n)),
            marks={names[6]: 0},
            title=names[6],
        ),
        pictures.weight_maps(np.ones((n, 2, 2)), labels=names, title=names[6]),
        pictures.confusion_matrix(np.eye(n), class_names=names, title=names[6]).figure,
        pictures.curves({"$a_b$": [1]}, x_label="$a_b$", title="$a_b$").figure,
        pictures.member_votes(
            np.eye(n), class_names=names, shares=np.ones(n) / n, predicted=6
        ).figure,
    ]
    for figure in drawn:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pictures.rendered(figure)
        shown = texts(figure)
        assert all(text.get_text().isprintable() and len(text.get_text()) < 100 for text in shown)
        assert not any(text.get_parse_math() for text in shown)
        assert any("$a_b$" in text.get_text() for text in shown)


def test_the_axes_that_are_given_are_drawn_on_and_returned():
    ax = Figure().subplots()
    assert pictures.weight_map(np.eye(2), ax=ax) is ax
    assert pictures.curves({"a": [1]}, x_label="epoch", ax=ax) is ax
    assert pictures.confusion_matrix(np.eye(2), class_names=["$a$", "b"], ax=ax) is ax
    assert not ax.get_yticklabels()[0].get_parse_math()


def test_drawing_leaves_the_settings_alone_in_any_thread():
    before = dict(matplotlib.rcParams)

    def draw():
        for _ in range(3):
            pictures.rendered(pictures.weight_map(np.eye(2)))

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_picture_has_the_same_bytes(suffix, tmp_path):
    for name in "ab":
        pictures.save(pictures.weight_map(np.eye(2), label="x"), tmp_path / f"{name}{suffix}")
    first, second = (file.read_bytes() for file in sorted(tmp_path.iterdir()))
    assert first == second


def test_places_where_no_picture_can_be(tmp_path):
    picture = pictures.weight_map(np.eye(2))
    with pytest.raises(ValueError, match=r"a\.gif: the name of a picture ends in \.pdf, \.png, "):
        pictures.save(picture, tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError, match="for the picture does not exist: make it"):
        pictures.save(picture, tmp_path / "none" / "a.png")


def test_matplotlib_is_imported_only_to_draw_and_pyplot_never():
    code = """
import sys
from spikehead import cli, pictures
assert "matplotlib" not in sys.modules and "jinja2" not in sys.modules
pictures.rendered(pictures.curves({"a": [1]}, x_label="x"))
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_missing_extra_is_one_sentence_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sentence = r'^pictures and reports need matplotlib: pip install "spikehead\[pictures\]"$'
    with pytest.raises(ImportError, match=sentence):
        pictures.curves({"a": [1]}, x_label="x")
    with pytest.raises(ImportError, match=sentence):
        pictures.check_file(tmp_path / "a.png")
