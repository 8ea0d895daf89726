"""Activations from anywhere: learned, answered and measured by the same commands as photos."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits


@pytest.fixture
def files(tmp_path):
    """Write signed features of digits: some to learn, some to answer, and the same by class."""
    X, y = load_digits(return_X_y=True)
    X = (X - X.mean(axis=0)) / 16
    np.savez(tmp_path / "train.npz", X=X[:900], y=y[:900])
    np.savez(tmp_path / "test.npz", X=X[900:1200], y=y[900:1200])
    np.save(tmp_path / "new.npy", X[900:1200])
    (tmp_path / "train").mkdir()
    for digit in range(10):
        np.save(tmp_path / "train" / f"{digit}.npy", X[:900][y[:900] == digit])
    return tmp_path, y[900:1200].astype(str).tolist()


@pytest.fixture
def photo(tmp_path):
    Image.new("L", (8, 8), 128).save(tmp_path / "grey.png")
    return tmp_path / "grey.png"


def test_they_are_learned_answered_and_measured(run, files, photo):
    folder, labels = files
    model = folder / "model"
    learn = ("learn", "--model", model, "--json")
    code, out, err = run(*learn, folder / "train.npz", "--head", "decorrelated")
    assert (code, err) == (0, "")
    assert json.loads(out)["learned"] == 900
    document = json.loads(run(*learn, folder / "train")[1])
    assert (document["learned"], document["known"]) == (0, 900)  # the same rows, by class
    answers = json.loads(run("predict", model, folder / "new.npy", "--json")[1])["answers"]
    assert answers[299]["photo"] == f"{folder / 'new.npy'}[299]"
    right = np.mean([one["class"] == label for one, label in zip(answers, labels, strict=True)])
    assert right > 0.9
    measured = json.loads(run("evaluate", model, folder / "test.npz", "--json")[1])
    assert measured["accuracy"] == pytest.approx(right)
    facts = json.loads(run("info", model, "--json")[1])
    assert (facts["encoder"], facts["activations"]) == ({"kind": "activations", "n": 64}, 64)

    narrow = folder / "narrow.npz"
    np.savez(narrow, X=np.ones((2, 3)), y=[1, 2])
    refused = [
        (("predict", model, photo), f"{photo} is no file of activations, and the model takes noth"),
        (("predict", model, narrow), f"{narrow}[0] has 3 activations, but the model takes 64: all"),
        (("learn", narrow, "--model", model), "] has 3 activations, but the model takes 64: all"),
        (("learn", folder / "new.npy", "--model", folder / "other"), "new.npy holds no y: write"),
    ]
    for arguments, message in refused:
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert message in err
    options = (("learn", narrow, "--model", folder / "other", "--encoder", "pixels"),)
    options += (("evaluate", model, folder / "test.npz", "--report", folder / "report.html"),)
    options += (("predict", model, narrow, "--explain", folder / "why.png"),)
    assert [run(*arguments)[0] for arguments in options] == [2, 2, 2]
    assert not (folder / "other").exists()


def test_photos_and_activations_are_not_mixed(run, files, photo):
    folder, _ = files
    (folder / "photos" / "grey").mkdir(parents=True)
    photo.rename(folder / "photos" / "grey" / "grey.png")
    model = folder / "model"
    assert run("learn", folder / "photos", "--model", model, "--encoder", "intensities:8")[0] == 0
    code, _, err = run("learn", folder / "train.npz", "--model", model)
    assert code == 1
    assert (
        "] holds activations, and the model takes photos, through intensities:8: give photos" in err
    )
