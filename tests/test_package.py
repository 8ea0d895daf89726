"""What `import spikehead` gives, and when."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import spikehead

CITATION = Path(__file__).parents[1] / "CITATION.cff"


def run(code):
    """Run code in a process that has imported nothing."""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_what_it_gives_is_there():
    assert spikehead.__version__ == version("spikehead")
    assert f"\nversion: {spikehead.__version__}\n" in CITATION.read_text("utf-8")
    assert set(spikehead.__all__) <= set(dir(spikehead))
    for name in spikehead.__all__:
        assert getattr(spikehead, name)
    with pytest.raises(AttributeError, match="module 'spikehead' has no attribute 'nothing'"):
        spikehead.nothing  # noqa: B018


def test_it_imports_nothing_before_it_is_asked_for():
    run("""
import os, sys
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
import spikehead
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
assert not {"numpy", "onnxruntime", "sklearn", "importlib.metadata"} & set(sys.modules)
from spikehead import CoLaNETParameters
assert "onnxruntime" not in sys.modules
assert CoLaNETParameters().microcolumns == 1
from spikehead import HybridClassifier
from spikehead.models.hybrid import HybridClassifier as same
assert HybridClassifier is same
""")
