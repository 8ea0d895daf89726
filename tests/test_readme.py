"""The README keeps its word."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_runs(capsys):
    example = code_blocks("python")[0]
    exec(example, {})
    assert float(capsys.readouterr().out) > 0.86
