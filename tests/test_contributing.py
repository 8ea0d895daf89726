"""The recipes of CONTRIBUTING.md are true: each one's diffs apply, and its check passes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECIPES = re.findall(
    r"^## (Add [^\n]+)\n(.*?)(?=^## |\Z)",
    (ROOT / "CONTRIBUTING.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)
BLOCK = re.compile(r"^```(diff|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
def copy(tmp_path):
    """A copy of what the recipes change, with the compiled code of what they leave as it is."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    compiled = tmp_path / "src" / "spikehead" / "__pycache__"
    compiled.mkdir()
    for file in (ROOT / "src" / "spikehead" / "__pycache__").glob("*.nb[ic]"):
        with suppress(FileNotFoundError):  # another process writes it anew
            shutil.copy(file, compiled)
    return tmp_path


@pytest.mark.parametrize(("name", "text"), RECIPES, ids=[name for name, _ in RECIPES])
def test_a_recipe_is_true(name, text, copy):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(copy / "src"), str(copy / "site")]),
        "GIT_CEILING_DIRECTORIES": str(copy.parent),
    }

    def run(*command, **options):
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=300, **options
        )
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    kinds = [kind for kind, _ in BLOCK.findall(text)]
    assert {*kinds} == {"diff", "sh"}
    for kind, block in BLOCK.findall(text):
        if kind == "diff":
            run("git", "apply", input=block.encode())
        else:
            for line in block.splitlines():
                tool, *arguments = shlex.split(line)
                run(sys.executable, *(() if tool == "python" else ("-m", tool)), *arguments)


def test_there_are_the_five_that_the_readme_promises():
    assert len(RECIPES) == 5
