"""Tables of the benchmarks: on the screen, and as JSON."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numba
import numpy as np
import sklearn
from rich.console import Console
from rich.table import Table


def show(title: str, rows: list[dict[str, Any]], path: Path | None, note: str = "") -> None:
    """Print rows, one alone upright, and write them to a file with what they were measured on."""
    table = Table(title=title, show_header=len(rows) > 1)
    if len(rows) == 1:
        for name, value in rows[0].items():
            table.add_row(name, _text(value))
    else:
        for name in rows[0]:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*(_text(value) for value in row.values()))
    console = Console(width=None if os.isatty(1) else 100)
    console.print(table)
    if note:
        console.print(note)
    if path is not None:
        results = {"title": title, "machine": _machine(), "note": note, "results": rows}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")


def _text(value: Any) -> str:
    return (
        f"{value:,.4g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "scikit-learn": sklearn.__version__,
    }
