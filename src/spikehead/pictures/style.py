"""The look of all pictures, and how they become files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from spikehead.files import write_file
from spikehead.names import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

INK, QUIET, LINE, GROUND = "#212529", "#6c757d", "#dee2e6", "#f1f3f5"
BLUE, ORANGE = "#0064b2", "#d55e00"
# Distinct for colour-blind readers too (Okabe and Ito).
SERIES = (BLUE, ORANGE, "#009e73", "#cc79a7", "#56b4e9", "#785e14")

_LOOK = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.titlesize": 14,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.prop_cycle": f"cycler(color={list(SERIES)})",
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "grid.color": LINE,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "legend.edgecolor": "white",
    "legend.fontsize": 9,
    "image.interpolation": "nearest",
    # A name with a $ in it is no formula.
    "text.parse_math": False,
    "svg.hashsalt": "spikehead",
}
# Where they are installed, they have what matplotlib's own font lacks.
_WIDE_FONTS = ("Noto Sans CJK JP", "Arial Unicode MS", "Hiragino Sans", "Microsoft YaHei")
# What each kind of file would say of when it was made, and by which version.
_METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}
_ONE_AT_A_TIME = RLock()  # matplotlib's settings are the whole process's


def require(package: str) -> None:
    """Refuse to go on where a package of the extra is missing.

    Parameters
    ----------
    package : str
        What is to be imported.

    Raises
    ------
    ImportError
        The sentence says how to install it.
    """
    try:
        import_module(package)
    except ImportError as error:
        raise ImportError(
            f'pictures and reports need {package}: pip install "spikehead[pictures]"'
        ) from error


@contextmanager
def style() -> Iterator[None]:
    """Draw in the look of these pictures what is drawn in a `with` block or decorated function.

    One thread at a time draws in it.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    require("matplotlib")
    from matplotlib.style import context

    with _ONE_AT_A_TIME, context(["default", {**_LOOK, "font.family": _fonts()}]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that belongs to nobody: pyplot does not know it."""
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def axes_or_new(ax: Axes | None, width: float = 10, height: float = 4.5) -> Axes:
    """Return the axes that were given, or those of a new figure."""
    return new_figure(width, height).subplots() if ax is None else ax


def one_line(text: object, most: int = 32) -> str:
    """Return a name as it can be shown in one line, with an ellipsis where it is long."""
    line = " ".join(shown(text).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def check_file(path: str | Path) -> None:
    """Refuse a place where no picture can be written, before the work begins.

    Parameters
    ----------
    path : str or Path
        Where it is to be.

    Raises
    ------
    ValueError
        If its name ends otherwise than in .pdf, .png or .svg.
    FileNotFoundError
        If its folder does not exist.
    ImportError
        If matplotlib is missing.
    """
    path = Path(path)
    if path.suffix.lower() not in _METADATA:
        raise ValueError(
            f"{path}: the name of a picture ends in {', '.join(_METADATA)}; name it so"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} for the picture does not exist: make it")
    require("matplotlib")


def save(picture: Axes | FigureBase, path: str | Path) -> None:
    """Write a picture to a file: the same picture, the same bytes.

    Parameters
    ----------
    picture : Axes or Figure
        What a function of this package returned.
    path : str or Path
        Its name ends in .pdf, .png or .svg.

    Raises
    ------
    ValueError
        If its name ends otherwise.
    OSError
        If it cannot be written.
    """
    check_file(path)
    write_file(path, rendered(picture, Path(path).suffix.lower()))


@style()
def rendered(picture: Axes | FigureBase, suffix: str = ".png") -> bytes:
    """Return the content of a picture's file.

    Parameters
    ----------
    picture : Axes or Figure
        What a function of this package returned.
    suffix : {".png", ".pdf", ".svg"}, default=".png"
        The kind of file.
    """
    figure: Any = picture.figure
    content = BytesIO()
    with warnings.catch_warnings():
        # A name may have signs that no font here has; they are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(content, format=suffix[1:], metadata=_METADATA[suffix])
    return content.getvalue()


@cache
def _fonts() -> list[str]:
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return ["DejaVu Sans", *(name for name in _WIDE_FONTS if name in installed)]
