"""The commands, as a user and as a program meet them."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from spikehead import RECOMMENDED, CoLaNETParameters, HybridClassifier, cli


@pytest.fixture
def photos(digit_photos):
    return digit_photos(120)


@pytest.fixture
def model(run, photos, tmp_path):
    run("learn", photos, "--model", tmp_path / "model", "--encoder", "pixels:8", "--members", "3")
    return tmp_path / "model"


def test_learn_predict_evaluate_info(run, photos, tmp_path):
    model = tmp_path / "model"
    options = ("--encoder", "pixels:8", "--members", "3")
    code, out, _ = run("learn", photos, "--model", model, *options, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["learned"], document["known"], document["skipped"]) == (120, 0, [])
    assert document["classes"] == [f"digit {n}" for n in range(10)]

    photo = next((photos / "digit 3").iterdir())
    code, out, _ = run("predict", model, photo, "--json")
    (answer,) = json.loads(out)
    assert code == 0
    assert answer["class"] == max(answer["shares"], key=answer["shares"].get)
    assert sum(answer["shares"].values()) == pytest.approx(1, abs=1e-4)
    code, out, _ = run("predict", model, photo, "--top", "3")
    assert (code, out.count("digit")) == (0, 3 + str(photo).count("digit"))

    code, out, _ = run("evaluate", model, photos, "--json")
    result = json.loads(out)
    assert code == 0
    assert result["photos"] == 120
    assert result["accuracy"] == result["right"] / 120
    low, high = result["confidence_interval"]
    assert low < result["accuracy"] < high
    assert "Accuracy" in run("evaluate", model, photos)[1]

    code, out, _ = run("info", model, "--json")
    assert code == 0
    assert json.loads(out)["photos_learned"] == 120
    assert "digit 9" in run("info", model)[1]


def test_the_papers_own_form_is_one_option_away(run, photos, tmp_path):
    learn = ("learn", photos, "--encoder", "pixels:8", "--members", "1", "--model")
    for name, options, expected in (
        ("recommended", (), RECOMMENDED),
        ("paper", ("--parameters", "paper"), CoLaNETParameters()),
    ):
        run(*learn, tmp_path / name, *options)
        found = HybridClassifier.load(tmp_path / name).head.parameters_
        assert found == replace(expected, saturation=1.0)


def test_learning_again_goes_on(run, photos, model):
    code, out, _ = run("learn", photos, "--model", model)
    assert code == 0
    assert "Learned 0 photos (120 were known already)" in out
    (photos / "blank").mkdir()
    Image.new("L", (8, 8), 255).save(photos / "blank" / "a.png")
    code, out, _ = run("learn", photos, "--model", model)
    assert (code, "knows 11 classes" in out) == (0, True)


def test_broken_photos_are_listed(run, photos, tmp_path, model):
    broken = photos / "digit 1" / "a.jpg"
    broken.write_text("no photo")
    code, _, err = run("learn", photos, "--model", model)
    assert code == 0
    assert f"{broken}: it is not a JPEG, PNG or WebP photo" in err
    good = next((photos / "digit 3").iterdir())
    code, out, err = run("predict", model, broken, good)
    assert code == 1
    assert str(good) in out
    assert f"{broken}: it is not a JPEG, PNG or WebP photo" in err
    code, out, _ = run("predict", model, broken, good, "--json")
    assert [sorted(answer) for answer in json.loads(out)] == [
        ["error", "photo"],
        ["class", "photo", "shares"],
    ]


def test_failures_are_one_sentence_and_exit_with_1(run, photos, tmp_path, model):
    (tmp_path / "empty").mkdir()
    (tmp_path / "parameters.json").write_text('{"potential": 1}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "range.json").write_text('{"microcolumns": 0}')
    new = ("learn", photos, "--model", tmp_path / "new")
    failures = [
        (("predict", tmp_path / "none", "a.jpg"), f"{tmp_path / 'none'} "),
        (("learn", tmp_path / "none", "--model", model), f"{tmp_path / 'none'} does not exist: "),
        (("learn", tmp_path / "empty", "--model", model), f"{tmp_path / 'empty'} has no sub-fold"),
        (("learn", photos, "--model", photos), f"{photos} is not empty and is not a spikehead mo"),
        ((*new, "--encoder", "magic"), "'magic'"),
        ((*new, "--encoder", "onnx:none.onnx"), "none.onnx"),
        ((*new, "--parameters", tmp_path / "none.json"), "none.json"),
        ((*new, "--parameters", tmp_path / "broken.json"), "is not a JSON object of hyperparam"),
        ((*new, "--parameters", tmp_path / "parameters.json"), "potential is not a hyperparameter"),
        ((*new, "--parameters", tmp_path / "range.json"), "microcolumns must be a whole number fr"),
        (("evaluate", model, tmp_path / "empty"), f"{tmp_path / 'empty'} has no sub-folders"),
    ]
    for arguments, message in failures:
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert message in err
        assert err.startswith("Error: ")
        assert len(err.strip().splitlines()) == 1


def test_wrong_usage_exits_with_2(run, photos, model):
    wrong = [
        ("learn", photos),
        ("learn", photos, "--model", model, "--members", "0"),
        ("learn", photos, "--model", model, "--encoder", "pixels"),
        ("learn", photos, "--model", model, "--order", "random"),
        ("predict", model),
        ("teach",),
    ]
    for arguments in wrong:
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert "Error" in err


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["spikehead", "info", "none", "--debug"])
    with pytest.raises(FileNotFoundError):
        cli.main()


def test_help(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in ("demo", "learn", "predict", "evaluate", "info"):
        assert command in out
        assert run(command, "--help")[0] == 0


def test_demo(run, tmp_path):
    code, out, _ = run("demo", tmp_path / "demo", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["accuracy"] > 0.85
    assert document["accuracy_on_the_added_class"] > 0.7
    assert document["photos_learned"] + document["photos_tested"] == 1797
    for picture in document["pictures"]:
        with Image.open(picture) as image:
            assert image.width >= 1000
    code, out, _ = run("evaluate", document["model"], tmp_path / "demo" / "photos" / "test")
    assert (code, "Accuracy" in out) == (0, True)
    assert run("demo", tmp_path / "demo")[0] == 0


def started(photos: Path, model: Path) -> subprocess.Popen:
    """Start to learn in a process of its own that saves after every batch, slowly."""
    script = f"""
import time
from spikehead import cli
from spikehead.cli import learn
from spikehead.pipeline import HybridClassifier
learn.SAVE_EVERY = -1
batch = HybridClassifier._learn_batch
def slow(*arguments):
    time.sleep(0.3)
    batch(*arguments)
HybridClassifier._learn_batch = slow
import sys
sys.argv = ["spikehead", "learn", {str(photos)!r}, "--model", {str(model)!r},
            "--encoder", "pixels:8", "--members", "3"]
cli.main()
"""
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_learn_goes_on_where_it_was(run, photos, model, tmp_path, how):
    """It ends in the same state as one that was never stopped (`model`)."""
    stopped = tmp_path / "stopped"
    process = started(photos, stopped)
    while not (stopped / "model.json").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "give the same command again to go on" in err
    assert 0 < HybridClassifier.load(stopped).head.network_.presentations < 120
    code, _, _ = run("learn", photos, "--model", stopped)
    assert code == 0
    networks = [HybridClassifier.load(folder).head.network_ for folder in (stopped, model)]
    assert networks[0].resources.tobytes() == networks[1].resources.tobytes()
    assert networks[0].presentations == networks[1].presentations == 120


@pytest.mark.filterwarnings("always")
def test_work_goes_on_without_a_cache_after_one_sentence(run, digit_photos, tmp_path):
    (tmp_path / "cache").touch()
    options = ("--model", tmp_path / "model", "--encoder", "pixels:8")
    code, out, err = run("learn", digit_photos(6), *options)
    assert code == 0
    assert "Learned 6 photos" in out
    assert err.startswith("Warning: cannot use the activation cache ")
    assert err.endswith("with --cache or in the environment variable SPIKEHEAD_CACHE\n")
    assert err.count("\n") == 1
