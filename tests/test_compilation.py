"""Compiled code: kept where only this user can write, fresh, and no reason to fail."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spikehead
from spikehead import compilation

PACKAGE = Path(spikehead.__file__).parent

# What a user does who comes to the package for the first time, with little to compile.
PROGRAM = """
import numpy as np
from spikehead import coding, compilation
coding._count_signed(np.ones((1, 3)), 1.0, np.zeros((1, 3), np.int8))
print(compilation._folder(), sum(coding._count_signed.stats.cache_hits.values()))
"""


def modules():
    return [path for path in PACKAGE.rglob("*.py") if path.name != "compilation.py"]


def test_every_compiled_function_is_kept_in_the_same_way():
    for path in modules():
        text = path.read_text("utf-8")
        assert "njit" not in text, path
        assert "cache=True" not in text, path


def borrowed(path):
    """Yield what functions that are compiled take from other modules: a file or two candidates."""
    tree = ast.parse(path.read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    origins = {alias.name: node.module for node in imports for alias in node.names}
    for function in tree.body:
        decorators = map(ast.unparse, getattr(function, "decorator_list", []))
        if {"compiled", "summing", "register_jitable"} & {*decorators}:
            for used in ast.walk(function):
                if isinstance(used, ast.Name) and used.id in origins.keys() - {"compiled"}:
                    module = origins[used.id].removeprefix("spikehead.")
                    yield module, f"{module}.{used.id}"  # an object of the module, or a module


def test_the_sources_of_compiled_code_are_known():
    known = {name.removesuffix(".py").replace("/", ".") for name in compilation.INLINED}
    found = [(path, places) for path in modules() for places in borrowed(path)]
    for path, (module, name) in found:
        if not module.startswith(("typing", "numba", "numpy")):
            assert known & {module, name}, (path, name)
    assert len(found) > 10


@pytest.mark.parametrize(
    "edited", ["coding.py", "randomness.py", "heads/colanet/rules.py", "tuning/activations.py"]
)
def test_code_of_other_sources_is_not_taken(tmp_path, monkeypatch, edited):
    copy = tmp_path / "spikehead"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.onnx", "__pycache__"))
    monkeypatch.setattr(compilation, "_PACKAGE", copy)
    stamp = compilation._stamp.__wrapped__
    file = str(copy / "tuning" / "population.py")
    before = stamp(file)
    (copy / "images.py").write_text("# has no part in it")
    assert stamp(file) == before
    with (copy / edited).open("a") as source:
        source.write("\n# edited\n")
    assert stamp(file) != before


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Return a function that is compiled, with a folder of its own, as if in a new process."""
    monkeypatch.setattr(compilation, "_folder", lambda: tmp_path)

    def again():
        return compilation.compiled(doubled)

    return again


def doubled(x):
    return 2 * x


def hits(function):
    return sum(function.stats.cache_hits.values())


def test_compiled_code_is_kept(kept, tmp_path):
    first, second = kept(), kept()
    assert (first(4), hits(first)) == (8, 0)
    assert (second(4), hits(second)) == (8, 1)
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no pickle", None])
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_damaged_code_is_compiled_anew(kept, tmp_path, suffix, content):
    kept()(4)
    (path,) = tmp_path.glob(f"*.{suffix}")
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    assert kept()(4) == 8
    mended = kept()
    assert (mended(4), hits(mended)) == (8, 1)


def test_a_folder_that_is_lost_is_no_reason_to_fail(kept, tmp_path):
    function = kept()
    shutil.rmtree(tmp_path)
    tmp_path.touch()
    assert function(4) == 8


def test_a_user_without_any_folder_compiles_anew(monkeypatch):
    def nowhere():
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(compilation, "_PACKAGE", Path("/proc/nowhere"))
    monkeypatch.setattr(compilation, "default_cache_folder", nowhere)
    monkeypatch.setattr(compilation, "temporary_folder", nowhere)
    assert compilation._folder.__wrapped__() is None


def test_numba_s_own_setting_holds(monkeypatch, tmp_path):
    monkeypatch.setattr(compilation.numba.config, "CACHE_DIR", str(tmp_path))
    assert compilation._folder.__wrapped__() == tmp_path


def stranger(program, environment, folder):
    """Run a program as a user who is not known here, and may read everything and write nothing."""
    user = ("--reuid=12345", "--regid=12345", "--clear-groups")
    reads = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    variables = [f"{name}={value}" for name, value in environment.items()]
    command = ["setpriv", *user, *reads, "env", "-i", *variables, sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="becomes another user",
)
def test_it_starts_anywhere(tmp_path):
    """No home, a package that cannot be written: compiled code is kept among temporary files."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    environment = {"TMPDIR": temporary, "PYTHONPATH": PACKAGE.parent}
    if stranger("", environment, tmp_path).returncode:
        pytest.skip("cannot become another user here")
    for hits in (0, 1):
        run = stranger(PROGRAM, environment, tmp_path)
        folder, found = run.stdout.split()
        assert Path(folder).parents[1] == temporary / "spikehead-12345", run.stderr
        assert (int(found), run.stderr) == (hits, "")
