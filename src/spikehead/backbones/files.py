"""Files of a training, written so that a crash leaves the old one whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

__all__ = ["save_table", "save_tensors"]


def save_tensors(file: Path, content: Any) -> None:
    """Write what `torch.save` takes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    _replace(file, buffer.getvalue())


def save_table(file: Path, rows: Sequence[Any]) -> None:
    """Write one or more instances of a dataclass as CSV, its fields being the columns."""
    text = io.StringIO()
    columns = [column.name for column in fields(rows[0])]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in asdict(row).items()})
    _replace(file, text.getvalue().encode())


def _replace(file: Path, content: bytes) -> None:
    beside = file.with_name(file.name + ".part")
    beside.write_bytes(content)
    beside.replace(file)
