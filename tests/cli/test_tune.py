"""spikehead tune, as a user and as a program meet it."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import HybridClassifier

ADVICE = "write it with np.savez(file, X=activations, y=labels)"
SMALL = ("--population", 4, "--generations", 2, "--descent", 0, "--members", 2)


@pytest.fixture
def digits(tmp_path):
    pytest.importorskip("optuna")
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    path = tmp_path / "digits.npz"
    np.savez(path, X=X[:300], y=y[:300], X_test=X[300:400], y_test=y[300:400])
    return path


def test_activations(run, digits, tmp_path):
    study = tmp_path / "study"
    code, out, err = run("tune", digits, "--study", study, *SMALL, "--fix", "microcolumns=2")
    assert code == 0, err
    assert "Candidates were ranked by accuracy on a validation part of the training set." in out
    assert "Test set, after learning all training examples: " in out
    assert json.loads((study / "parameters.json").read_text())["microcolumns"] == 2
    options = (*SMALL, "--fix", "microcolumns=2", "--json")
    code, out, _ = run("tune", digits, "--study", study, *options)
    document = json.loads(out)
    assert (document.pop("skipped"), document.pop("left_out")["files"]) == ([], {})
    assert document == json.loads((study / "report.json").read_text())


def test_the_paper_protocol_says_so(run, digits, tmp_path):
    options = ("--study", tmp_path / "study", *SMALL, "--protocol", "paper", "--experiments", 4)
    code, out, err = run("tune", digits, *options)
    assert code == 0, err
    assert "ranked by accuracy on the test set, as in the hybrid paper" in out
    assert "parameters-ranked-by-test.json" in out


def test_learn_takes_what_tune_finds_in_photos(run, tmp_path):
    pytest.importorskip("optuna")
    images, labels = load_digits(return_X_y=True)
    for number in range(120):
        part = "train" if number < 90 else "test"
        folder = tmp_path / part / f"digit {labels[number]}"
        folder.mkdir(parents=True, exist_ok=True)
        grey = np.uint8(images[number].reshape(8, 8) * 255 / 16)
        Image.fromarray(grey).save(folder / f"{number:04}.png")
    (tmp_path / "train" / "digit 0" / "broken.png").write_bytes(b"no photo")
    (tmp_path / "test" / "notes.txt").write_text("no photo either")
    study, model, encoder = tmp_path / "study", tmp_path / "model", ("--encoder", "intensities:8")
    where = ("--test", tmp_path / "test", "--study", study)
    code, out, err = run("tune", tmp_path / "train", *where, *encoder, *SMALL, "--json")
    assert code == 0, err
    assert "Skipped 1 photo that cannot be read" in err
    report = json.loads(out)
    assert (len(report["skipped"]), report["left_out"]["files"]) == (1, {".txt": 1})
    options = ("--head", study / "parameters.json", "--members", 2, *encoder)
    code, _, err = run("learn", tmp_path / "train", "--model", model, *options)
    assert code == 0, err
    assert HybridClassifier.load(model).head.parameters_.to_dict() == report["parameters"]


def test_ctrl_c_says_how_to_go_on(run, digits, tmp_path, monkeypatch):
    from spikehead.tuning.experiment import Experiment

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Experiment, "evaluate", interrupt)
    code, _, err = run("tune", digits, "--study", tmp_path / "study", *SMALL)
    assert code == 130
    assert "Stopped after 0 experiments; give the same command again to go on." in err


def test_a_missing_extra_names_what_to_install(run, digits, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("spikehead.tuning.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, _, err = run("tune", digits)
    assert code == 1
    assert err == "Error: tuning needs Optuna; install it with: pip install 'spikehead[tune]'\n"


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (None, f"does not exist: {ADVICE}"),
        (b"text", f"is no .npz file of arrays: {ADVICE}"),
        ({"features": np.ones(3)}, f"holds no X, but features: {ADVICE}"),
        (
            {"X": np.ones((3, 2)), "y": np.arange(2)},
            ": X has the shape (3, 2) and y (2,); X must be numbers in the shape (examples, "
            "activations), with one label in y for each example",
        ),
    ],
)
def test_bad_activations_are_named_in_one_sentence(run, tmp_path, digits, arrays, sentence):
    path = tmp_path / "bad.npz"
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif arrays:
        np.savez(path, **arrays)
    code, _, err = run("tune", path)
    assert code == 1
    assert err == f"Error: {path}{'' if sentence[0] == ':' else ' '}{sentence}\n"


def test_no_gpu(run, digits):
    if pytest.importorskip("numba.cuda").is_available():
        pytest.skip("there is a GPU")
    code, _, err = run("tune", digits, "--device", "cuda")
    assert code == 1
    assert err.startswith("Error: there is no NVIDIA GPU to compute on")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--search", "microcolumns=3"), "'microcolumns=3' is not of the form NAME=LOW:HIGH"),
        (("--fix", "microcolumns"), "'microcolumns' is not of the form NAME=VALUE"),
        (("--test", "photos"), "brings its own test set, X_test and y_test."),
    ],
)
def test_wrong_usage(run, digits, options, sentence):
    code, _, err = run("tune", digits, *options)
    assert code == 2
    assert sentence in err
