"""Files of a training, written so that a crash leaves the old one whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from spikehead.files import write_file

__all__ = ["save_table", "save_tensors"]


def save_tensors(file: Path, content: Any) -> None:
    """Write what `torch.save` takes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_file(file, buffer.getvalue())


def save_table(file: Path, rows: Sequence[Any]) -> None:
    """Write one or more instances of a dataclass as CSV, its fields being the columns."""
    text = io.StringIO()
    columns = [column.name for column in fields(rows[0])]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in asdict(row).items()})
    write_file(file, text.getvalue().encode())
