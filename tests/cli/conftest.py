"""What the tests of the commands share."""

import sys

import pytest

from spikehead import cli


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command; return its exit code, output and messages."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["spikehead", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return run
