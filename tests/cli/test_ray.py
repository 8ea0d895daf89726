"""The option --ray, which spreads a command over a Ray cluster."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier


@pytest.fixture
def photos(tmp_path):
    for number in range(6):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (tmp_path / "photos" / "a" / "broken.png").write_bytes(b"no photo")
    return tmp_path / "photos"


def test_without_an_address_ray_is_started_and_ended(run, photos, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray keeps a token there
    models = tmp_path / "here", tmp_path / "cluster"
    for model, options in zip(models, ((), ("--ray",)), strict=True):
        code, out, err = run(
            "learn", photos, "--model", model, "--encoder", "intensities:8", "--json", *options
        )
        assert code == 0, err
        assert "ray" not in err.replace(str(tmp_path), "")
        report = json.loads(out)
        assert (report["learned"], len(report["skipped"])) == (6, 1)
    assert not ray.is_initialized()
    here, cluster = (HybridClassifier.load(model).head.network_ for model in models)
    np.testing.assert_array_equal(here.weights, cluster.weights)


@pytest.mark.parametrize("command", ["learn", "tune"])
def test_a_cluster_that_is_not_there_fails_in_one_sentence(run, photos, tmp_path, command):
    pytest.importorskip("ray")
    pytest.importorskip("optuna")
    where = ("--model" if command == "learn" else "--study", tmp_path / "result")
    options = ("--encoder", "intensities:8", "--ray", "nonsense")
    code, _, err = run(command, photos, *where, *options)
    assert code == 1
    assert err.startswith("Error: cannot join a Ray cluster at 'nonsense'")
    assert err.count("\n") == 1
    assert not (tmp_path / "result").exists()


def test_a_missing_extra_names_what_to_install(run, photos, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "spikehead.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    options = ("--model", tmp_path / "model", "--encoder", "intensities:8", "--ray")
    code, _, err = run("learn", photos, *options)
    assert code == 1
    assert err == "Error: a cluster needs Ray; install it with: pip install 'spikehead[ray]'\n"
