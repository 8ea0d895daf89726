"""The commands, as a user and as a program meet them."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from PIL import Image

from spikehead import CoLaNETParameters, DecorrelatedParameters, HybridClassifier, cli


@pytest.fixture
def photos(digit_photos):
    return digit_photos(120)


@pytest.fixture
def model(run, photos, tmp_path):
    run("learn", photos, "--model", tmp_path / "model", "--encoder", "intensities:8")
    return tmp_path / "model"


def test_learn_predict_evaluate_info(run, photos, tmp_path):
    model = tmp_path / "model"
    options = ("--encoder", "intensities:8")
    code, out, _ = run("learn", photos, "--model", model, *options, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["learned"], document["known"], document["skipped"]) == (120, 0, [])
    assert document["classes"] == [f"digit {n}" for n in range(10)]

    photo = next((photos / "digit 3").iterdir())
    code, out, _ = run("predict", model, photo, "--json")
    (answer,) = json.loads(out)["answers"]
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


def test_predict_draws_why(run, photos, model, tmp_path):
    photo, other = sorted((photos / "digit 3").iterdir())[:2]
    code, out, err = run("predict", model, photo, "--json", "--explain", tmp_path / "why.png")
    assert (code, json.loads(out)["answers"][0]["photo"]) == (0, str(photo))
    assert f"Explained in {tmp_path / 'why.png'}" in err
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.width >= 1000
    code, _, err = run("predict", model, photo, "--explain", tmp_path / "why.gif")
    assert (code, "why.gif: the name of a picture ends in .pdf, .png, .svg" in err) == (1, True)
    code, _, err = run("predict", model, photo, other, "--explain", tmp_path / "why.png")
    assert (code, "one photo is explained at a time" in err) == (2, True)


def test_the_papers_own_form_is_one_option_away(run, photos, tmp_path):
    learn = ("learn", photos, "--encoder", "intensities:8", "--model")
    for name, options, expected in (
        ("own", (), DecorrelatedParameters()),
        ("paper", ("--head", "paper", "--members", "1"), CoLaNETParameters(saturation=1.0)),
    ):
        run(*learn, tmp_path / name, *options)
        assert HybridClassifier.load(tmp_path / name).head.parameters_ == expected


def test_a_head_is_named(run, photos, tmp_path):
    model, photo = tmp_path / "model", next(photos.rglob("*.png"))
    learn = ("learn", photos, "--encoder", "intensities:8", "--model")
    assert run(*learn, model, "--head", "decorrelated")[0] == 0
    info = json.loads(run("info", model, "--json")[1])
    assert (info["head"], info["members"], info["neurons"]) == ("decorrelated", 1, 10)
    assert info["synapses"] == 640
    assert "decorrelated columns" in (model / "README.md").read_text()
    code, out, _ = run("predict", model, photo, "--json", "--explain", tmp_path / "why.png")
    assert (code, sum(json.loads(out)["answers"][0]["shares"].values())) == (0, pytest.approx(1))
    assert (tmp_path / "why.png").exists()
    (tmp_path / "own.json").write_text('{"head": "decorrelated", "lam": 2}')
    assert run(*learn, tmp_path / "own", "--head", tmp_path / "own.json")[0] == 0
    assert HybridClassifier.load(tmp_path / "own").head.lam == 2
    for options, sentence in (
        (("decorrelated", "--members", "3"), "head decorrelated columns has no option 'members'"),
        (("magic",), "there is no head 'magic'; there are colanet, decorrelated, paper (anoth"),
    ):
        code, _, err = run(*learn, tmp_path / "new", "--head", *options)
        assert (code, sentence in err, (tmp_path / "new").exists()) == (1, True, False)
    code, _, err = run(*learn, model, "--head", "paper")
    assert (code, "--head" in err) == (2, True)


def test_learn_says_that_the_head_hears_nothing(run, photos, tmp_path):
    (tmp_path / "deaf.json").write_text('{"saturation": 100}')
    new = "learn", photos, "--model", tmp_path / "deaf", "--encoder", "intensities:8"
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, out, err = run(*new, "--head", tmp_path / "deaf.json", "--json")
    sentence = "100.0% of what the encoder intensities:8 gives is too weak for a single spike: "
    assert code == 0
    assert json.loads(out)["warning"].startswith(sentence)
    assert [line for line in err.splitlines() if line.startswith(f"Warning: {sentence}")]
    assert ".py:" not in err


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
    assert f"{broken}: it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo" in err
    good = next((photos / "digit 3").iterdir())
    code, out, err = run("predict", model, broken, good)
    assert code == 1
    assert str(good) in out
    assert f"{broken}: it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo" in err
    code, out, _ = run("predict", model, broken, good, "--json")
    document = json.loads(out)
    assert [sorted(answer) for answer in document["answers"]] == [
        ["class", "familiarity", "few_examples", "photo", "shares", "unknown"]
    ]
    assert document["skipped"] == [
        {
            "photo": str(broken),
            "reason": "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo",
        }
    ]


NAMES = ["[∕x]", "[bold]", "[red]cat", ":dog:", "a\u202egpj", "😀犬"]


@pytest.fixture
def named(tmp_path):
    """A model of classes whose names are markup, codes for emoji, or turn the line around."""
    for level, name in enumerate(NAMES):
        (tmp_path / "named" / name).mkdir(parents=True)
        for number in range(2):
            photo = Image.new("L", (8, 8), number)
            photo.paste(200, (level, 0, level + 1, 8))
            photo.save(tmp_path / "named" / name / f"[i]{number}.png")
    model = HybridClassifier("intensities:8")
    model.learn(tmp_path / "named")
    model.save(tmp_path / "[b]model")
    return tmp_path / "[b]model"


def test_names_are_printed_as_they_are(run, named, tmp_path):
    photos = tmp_path / "named"
    for command in (
        ("info", named),
        ("predict", named, photos, "--top", "6"),
        ("evaluate", named, photos),
    ):
        code, out, err = run(*command)
        assert (code, err) == (0, "")
        for name in NAMES:
            assert name.replace("\u202e", r"\u202e") in out
        assert "\u202e" not in out
    assert f"{photos / '[bold]' / '[i]0.png'}" in run("predict", named, photos)[1]
    gone = tmp_path / "[x]\x1b\n.png"
    code, _, err = run("predict", named, gone)
    assert (code, rf"{tmp_path}/[x]\x1b\n.png: it does not exist" in err) == (1, True)
    code, _, err = run("info", tmp_path / "[none]\x1b")
    assert (code, r"[none]\x1b" in err, "\x1b" in err) == (1, True, False)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_every_stream_gets_the_whole_answer(named, tmp_path, encoding):
    def output(*arguments):
        program = "from spikehead import cli; cli.main()"
        command = [sys.executable, "-c", program, *map(str, arguments)]
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        done = subprocess.run(command, capture_output=True, env=environment, timeout=100)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(encoding)

    photo = tmp_path / "named" / "😀犬" / "[i]1.png"
    expected = "😀犬" if encoding == "utf-8" else r"\U0001f600\u72ac"
    assert expected in output("predict", named, photo)
    (answer,) = json.loads(output("predict", named, photo, "--json"))["answers"]
    assert (answer["photo"], set(answer["shares"])) == (str(photo), set(NAMES))


def test_what_lies_in_the_folders_is_told(run, photos, tmp_path):
    options = ("--encoder", "intensities:8")
    (photos / "digit 1" / "notes.txt").write_text("hello")
    (photos / "loose.png").write_bytes(b"")
    (photos / "empty").mkdir()
    (photos / "gone").symlink_to(tmp_path / "nowhere")
    (photos / "@eaDir").mkdir()
    twice = next((photos / "digit 3").iterdir())
    (photos / "digit 7" / "twice.png").write_bytes(twice.read_bytes())
    code, _, err = run("learn", photos, "--model", tmp_path / "model", *options, "--order=as-given")
    assert (code, err.splitlines()) == (
        0,
        [
            "Left out 1 file that is no photo: 1 .txt.",
            "Left out 1 photo that lies beside the folders of the classes.",
            f"No photos in {photos / 'empty'}.",
            f"Links to nothing: {photos / 'gone'}.",
            "The same photos under several names, learned under each:",
            f"  {photos / 'digit 7' / 'twice.png'}: digit 7, before digit 3",
        ],
    )
    document = json.loads(run("learn", photos, "--model", tmp_path / "m2", *options, "--json")[1])
    assert document["left_out"]["files"] == {".txt": 1}
    assert {one["class"] for one in document["renamed"]} <= {"digit 3", "digit 7"}
    assert len(document["renamed"]) == 1
    code, out, err = run("evaluate", tmp_path / "model", photos)
    assert (code, "Left out 1 file" in err) == (0, True)
    assert "The model has learned 121 of these photos" in out
    document = json.loads(run("evaluate", tmp_path / "model", photos, "--json")[1])
    assert (document["learned"], document["left_out"]["dead_links"]) == (121, [f"{photos}/gone"])


def test_the_parts_of_a_data_set_are_refused_unless_one_insists(run, photos, tmp_path):
    (tmp_path / "set").mkdir()
    photos.rename(tmp_path / "set" / "train")
    (tmp_path / "set" / "test").mkdir()
    learn = ("learn", tmp_path / "set", "--model", tmp_path / "m", "--encoder", "intensities:8")
    code, out, err = run(*learn)
    assert (code, out) == (1, "")
    assert f"give one of them, such as {tmp_path / 'set' / 'train'} " in err
    code, out, _ = run(*learn, "--as-classes")
    assert (code, "knows 1 classes" in out) == (0, True)


def test_predict_takes_folders_and_lists(run, photos, model, tmp_path):
    (photos / "digit 3" / "x.mp4").write_text("")
    threes = sorted((photos / "digit 3").glob("*.png"))
    (tmp_path / "list.txt").write_text("".join(f"{photo}\n" for photo in threes))
    expected = [str(photo) for photo in threes]
    for source in (tmp_path / "list.txt", f"@{tmp_path / 'list.txt'}"):
        code, out, _ = run("predict", model, source, "--json")
        assert (code, [answer["photo"] for answer in json.loads(out)["answers"]]) == (0, expected)
    code, out, _ = run("predict", model, photos / "digit 3", "--json")
    document = json.loads(out)
    assert [answer["photo"] for answer in document["answers"]] == expected
    assert document["left_out"]["files"] == {".mp4": 1}
    assert "1 .mp4" in run("predict", model, photos / "digit 3")[2]


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
        ((*new, "--head", tmp_path / "none.json"), "none.json"),
        ((*new, "--head", tmp_path / "broken.json"), "is not a JSON object of hyperparam"),
        ((*new, "--head", tmp_path / "parameters.json"), "potential is not a hyperparameter"),
        ((*new, "--head", tmp_path / "range.json"), "microcolumns must be a whole number fr"),
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
    assert document["accuracy"] > 0.97
    assert document["accuracy_from_pixels"] > 0.92
    assert document["accuracy_on_the_added_class"] > 0.9
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
from spikehead.models.hybrid import HybridClassifier
learn.SAVE_EVERY = -1
batch = HybridClassifier._learn_batch
def slow(*arguments):
    time.sleep(0.3)
    batch(*arguments)
HybridClassifier._learn_batch = slow
import sys
sys.argv = ["spikehead", "learn", {str(photos)!r}, "--model", {str(model)!r},
            "--encoder", "intensities:8"]
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
    assert networks[0].weights.tobytes() == networks[1].weights.tobytes()
    assert networks[0].presentations == networks[1].presentations == 120


@pytest.mark.filterwarnings("always")
def test_work_goes_on_without_a_cache_after_one_sentence(run, digit_photos, tmp_path):
    (tmp_path / "cache").touch()
    options = ("--model", tmp_path / "model", "--encoder", "intensities:8")
    code, out, err = run("learn", digit_photos(6), *options)
    assert code == 0
    assert "Learned 6 photos" in out
    assert err.startswith("Warning: cannot use the activation cache ")
    assert err.endswith("with --cache or in the environment variable SPIKEHEAD_CACHE\n")
    assert err.count("\n") == 1
