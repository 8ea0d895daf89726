"""How the command line starts: what it imports, and the options that all commands have."""

import inspect
import json
import os
import runpy
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.main import get_command

from spikehead import HybridClassifier, cli
from spikehead.models import storage
from spikehead.models.lessons import StoredLesson

DOCS = Path(__file__).parents[2] / "docs"


def leaves(group=None, names=()):
    """Yield all commands, each with what calls it."""
    for name, command in (group or get_command(cli.app)).commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*names, name))
        else:
            yield (*names, name), command


def started(*arguments, **environment):
    """Run spikehead in a process of its own; return it, and the modules that it imported."""
    command = [sys.executable, "-X", "importtime", "-m", "spikehead", *arguments]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    timed = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done, {line.rpartition("|")[2].strip() for line in timed}


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (["--version"], 0, f"spikehead {version('spikehead')}\n"),
        (["--help"], 0, "\n  learn "),
        ([], 2, "\n  learn "),
        (["encoder", "--help"], 0, "\n  scale "),
        (["--show-completion", "bash"], 0, "_SPIKEHEAD_COMPLETE=complete_bash"),
    ],
)
def test_what_runs_no_command_imports_none(arguments, code, shown):
    done, modules = started(*arguments, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == code
    assert shown in done.stdout + done.stderr
    assert "spikehead.cli.commands" in modules
    assert not {"numpy", "rich", "spikehead.cli.learn", "spikehead.cli.console"} & modules


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("spikehead pu", ["push", "pull"]), ("spikehead encoder s", ["spike", "scale"])],
)
def test_completing_a_name_imports_no_command(typed, completed):
    done, modules = started(
        _SPIKEHEAD_COMPLETE="complete_bash",
        COMP_WORDS=typed,
        COMP_CWORD=str(typed.count(" ")),
    )
    assert (done.returncode, done.stdout.split()) == (0, completed)
    assert "numpy" not in modules


def test_completing_an_option():
    done, _ = started(
        _SPIKEHEAD_COMPLETE="complete_bash", COMP_WORDS="spikehead learn --ord", COMP_CWORD="2"
    )
    assert (done.returncode, done.stdout.split()) == (0, ["--order"])


def test_the_lists_say_what_the_commands_say():
    for name, command in leaves():
        command.load()
        first, _, _ = inspect.cleandoc(command.help).partition("\n\n")
        assert command.short_help == " ".join(first.split()), name


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_debug_may_stand_anywhere(monkeypatch, place):
    arguments = ["encoder", "info", "onnx:none.onnx"]
    arguments.insert(place, "--debug")
    monkeypatch.setattr(sys, "argv", ["spikehead", *arguments])
    with pytest.raises(FileNotFoundError):
        cli.main()


def test_debug_is_no_option_after_two_dashes(run):
    code, _, err = run("info", "--", "--debug")
    assert (code, err.startswith("Error: --debug")) == (1, True)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (["tune", "photos", "--ray"], "local"),
        (["tune", "--ray", "--json", "photos"], "local"),
        (["tune", "photos", "--ray", "auto"], "auto"),
        (["tune", "--ray=host:1", "photos"], "host:1"),
        (["tune", "photos"], None),
    ],
)
def test_the_address_of_ray_may_be_left_out(given, address):
    commands = get_command(cli.app)
    name, command, rest = commands.resolve_command(typer.Context(commands), given)
    context = command.make_context(name, rest)
    assert (str(context.params["source"]), context.params["ray"]) == ("photos", address)


def test_the_reference_is_written_from_the_commands():
    reference = runpy.run_path(str(DOCS / "commands.py"))["reference"]()
    for name, command in leaves():
        assert f"# `spikehead {' '.join(name)}`\n\n" in reference
        command.load()
        for parameter in command.params:
            assert f"* `{parameter.opts[0]}" in reference


def test_info_sets_no_head_to_work(tmp_path):
    model = HybridClassifier("intensities:2")
    model.save(tmp_path)
    activations = np.ones((2, 4), np.float32)
    storage.add_lesson(tmp_path, StoredLesson(1, "a", 0.0, np.eye(2, 32, dtype="u1"), activations))
    done, modules = started("info", str(tmp_path), "--json")
    shown = json.loads(done.stdout)
    network = HybridClassifier.load(tmp_path).head.network_
    assert (shown["classes"], shown["photos_learned"]) == (["a"], network.presentations)
    assert (shown["activations"], shown["members"]) == (network.n_inputs, network.n_members)
    assert not {"sklearn", "numba", "torch", "matplotlib", "spikehead.heads"} & modules


def test_predicting_imports_what_it_uses(tmp_path):
    model, photo = tmp_path / "model", tmp_path / "a.png"
    Image.new("L", (2, 2), 200).save(photo)
    classifier = HybridClassifier("intensities:2")
    classifier.learn([photo], ["a"])
    classifier.save(model)
    done, modules = started("predict", str(model), str(photo), "--no-cache")
    assert done.returncode == 0, done.stderr
    assert (
        not {"sklearn.linear_model", "torch", "matplotlib", "spikehead.evaluation.methods"}
        & modules
    )
