"""Kinds of encoders from outside: by the entry point of a package, or registered by a program."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.encoders import EncoderKind, Provenance, kinds, open_encoder, register
from spikehead.models import storage

PACKAGE = '''
import numpy as np
from spikehead.encoders import EncoderKind, Provenance
from spikehead.encoders.encoder import fingerprint
from spikehead.images import Preprocessing


class Columns:
    """The mean light of each of some columns of a photo."""

    saturation = 1.0
    files = {}

    def __init__(self, n):
        self.name = f"columns:{n}"
        self.n_activations = n
        self.preprocessing = Preprocessing(n, n, mean=(0.0,), std=(1.0,), mode="L")
        self.fingerprint = fingerprint("columns 1", self.preprocessing)

    def to_dict(self):
        return {"kind": "columns", "n": self.n_activations}

    def encode(self, pixels):
        return pixels.mean((1, 2))


KIND = EncoderKind(
    about="mean light, column by column",
    provenance=Provenance("computed by the package columns", "Zlib"),
    open=lambda argument, *, n_threads: Columns(int(argument)) if argument.isdecimal() else None,
    restore=lambda description, files, *, n_threads: Columns(description["n"]),
    arguments=("N",),
)
'''
ENTRY = """
[spikehead.encoders]
columns = columns_encoder:KIND
"""


@pytest.fixture
def photos(tmp_path):
    random = np.random.default_rng(0)
    for label, end in (("left", slice(4)), ("right", slice(4, 8))):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 60, (8, 8), np.uint8)
            pixels[:, end] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def site(tmp_path):
    """A folder of installed packages, with one that brings encoders."""
    site = tmp_path / "site"
    information = site / "columns_encoder-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "columns_encoder.py").write_text(PACKAGE)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: columns-encoder\n")
    (information / "entry_points.txt").write_text(ENTRY)
    return site


def run(site, program, *arguments):
    """Run the command line in a process that finds the packages of a folder."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


COMMANDS = """
    import json, sys
    from pathlib import Path
    from spikehead import cli

    def run(*arguments):
        sys.argv = ["spikehead", *arguments]
        try:
            cli.main()
        except SystemExit as end:
            assert not end.code, arguments

    photos, model = sys.argv[1:]
    run("encoder", "list", "--json")
    run("learn", photos, "--model", model, "--encoder", "columns:8", "--no-cache")
    for photo in sorted(Path(photos).rglob("*.png")):
        run("predict", model, str(photo), "--json")
    """


def test_a_package_brings_encoders(photos, site, tmp_path):
    code, out, err = run(site, COMMANDS, photos, tmp_path / "model")
    assert code == 0, err
    listed, end = json.JSONDecoder().raw_decode(out)
    (row,) = (row for row in listed if row["name"] == "columns:N")
    assert (row["about"], row["licence"]) == ("mean light, column by column", "Zlib")
    answers = out[end:].count('"left"'), out[end:].count('"right"')
    assert min(answers) > 0
    card = (tmp_path / "model" / "README.md").read_text()
    assert "computed by the package columns" in card
    assert "The licence of the encoder: Zlib." in card
    # Where the package is missing, nothing is guessed.
    with pytest.raises(ValueError, match="unknown kind 'columns': upgrade spikehead, or install"):
        HybridClassifier.load(tmp_path / "model")


def test_a_package_that_cannot_be_loaded_says_so(site, monkeypatch):
    (site / "columns_encoder.py").write_text("KIND = 3")
    monkeypatch.syspath_prepend(site)
    sentence = (
        r"the encoders 'columns' of the package columns-encoder cannot be loaded "
        r"\(columns_encoder:KIND is no EncoderKind\): upgrade it, or remove it"
    )
    with pytest.raises(ImportError, match=f"^{sentence}$"):
        open_encoder("columns:3")
    with pytest.warns(UserWarning, match=sentence):
        assert "columns" not in kinds()
    open_encoder("intensities:3")  # the others do not need it


class Mean:
    """The mean light of a photo."""

    def __init__(self):
        pixels = open_encoder("intensities:2")
        self.name, self.saturation, self.n_activations, self.files = "mean", 1.0, 1, {}
        self.preprocessing, self.fingerprint = pixels.preprocessing, "0" * 64

    def to_dict(self):
        return {"kind": "mean"}

    def encode(self, pixels):
        return pixels.mean((1, 2, 3))[:, None]


def test_what_could_not_be_loaded_is_not_saved(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("spikehead.encoders.registry._registered", {})
    model = HybridClassifier(Mean())
    with pytest.raises(ValueError, match=r"^a model with the encoder mean could not be loaded"):
        model.save(tmp_path / "model")
    assert not storage.is_model(tmp_path / "model")
    mean = EncoderKind(
        about="mean light",
        provenance=Provenance("made up", "CC0-1.0"),
        open=lambda argument, *, n_threads: Mean(),
        restore=lambda description, files, *, n_threads: Mean(),
    )
    register("mean", mean)
    model.learn(photos)
    model.save(tmp_path / "model")
    loaded = HybridClassifier.load(tmp_path / "model")
    shown = sorted(photos.rglob("*.png"))
    assert loaded.predict(shown) == model.predict(shown)
    assert HybridClassifier("mean").encoder.fingerprint == "0" * 64
    with pytest.raises(ValueError, match=r"no encoder 'mean:3'.*, spiking:NAME or mean$"):
        open_encoder("mean:3")
    for name in ("pixels", "a:b", ""):
        with pytest.raises(ValueError, match="cannot be named"):
            register(name, mean)
