"""The paper's ImageNet experiments: class lists, folders under any name, and a dry run."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "experiments" / "09_imagenet_subsets"

IMAGENETTE = """\
n01440764 tench
n02102040 english_springer
n02979186 cassette_player
n03000684 chain_saw
n03028079 church
n03394916 french_horn
n03417042 garbage_truck
n03425413 gas_pump
n03445777 golf_ball
n03888257 parachute
"""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("imagenet_subsets", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("n_classes", [26, 64])
def test_class_lists_are_as_long_as_the_paper_says(script, n_classes):
    classes = script.read_classes(FOLDER / f"classes-{n_classes}.txt")
    assert len(classes) == len(set(classes.values())) == n_classes
    assert all(re.fullmatch(r"n\d{8}", number) for number in classes)
    assert all(script.plain(name) == name for name in classes.values())


def test_folders_may_be_named_in_any_way(script, tmp_path):
    classes = {"n02690373": "airliner", "n07742313": "granny_smith", "n02835271": "a_b", "n0": "x"}
    for folder in ("n02690373", "Granny_Smith", "n02835271-whatever", "n99999999", "other"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / folder / f"{number}.png")
    with pytest.raises(SystemExit) as stop:
        script.select(tmp_path, classes, None)
    assert str(stop.value) == (
        f"{tmp_path} has no photos of 1 of the 4 classes, x (n0): name their folders by WordNet id "
        "or by name"
    )
    del classes["n0"]
    photos = script.select(tmp_path, classes, 2)
    assert [photo.label for photo in photos] == ["airliner"] * 2 + ["granny_smith"] * 2 + [
        "a_b"
    ] * 2
    assert photos == script.select(tmp_path, classes, 2)


def test_dry_run_on_imagenette(script, real_data, tmp_path, monkeypatch, capsys):
    (tmp_path / "classes.txt").write_text(IMAGENETTE)
    (tmp_path / "imagenet").mkdir()
    for place, entry in enumerate(IMAGENETTE.splitlines()):
        number, name = entry.split()
        source = real_data / "imagenette-300" / "train" / name
        (tmp_path / "imagenet" / (number if place % 2 else name.title())).symlink_to(source)
    output = tmp_path / "results"
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))
    options = ["--encoder", "intensities:16", "--per-class", "15", "--seeds", "2"]
    places = [tmp_path / "imagenet", tmp_path / "classes.txt", "--output", output]
    monkeypatch.setattr(sys, "argv", ["run", *map(os.fspath, places), *options])
    script.main()
    printed = capsys.readouterr().out
    assert printed == (output / "table.txt").read_text()
    assert "120 + 30 photos of 10 classes, intensities:16, 256 activations, 2 seeds" in printed
    # A dense layer of 256 x 1,000 and one of 1,000 x 10 weights, 9.6 pJ each.
    assert re.search(r"ANN, 12 epochs .* 2\.55 ", printed)
    report = json.loads((output / "report.json").read_text())
    assert (report["photos"], report["photos_learned"]) == (30, 120)
    assert (output / "report.html").exists()
    assert (output / "model" / "model.json").exists()
