"""The README keeps its word."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def test_the_example_runs(capsys):
    example = code_blocks("python")[0]
    exec(example, {})
    assert float(capsys.readouterr().out) > 0.75
