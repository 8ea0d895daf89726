"""Spiking encoders at work: by name, in models, and straight into a head."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from spikehead import CoLaNETClassifier, DecorrelatedColumns, HybridClassifier
from spikehead.coding import STEPS
from spikehead.encoders import SpikingEncoder, open_encoder, record


@pytest.fixture(scope="module")
def encoder(lite):
    return SpikingEncoder(lite, n_threads=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return a cache of its own, in which encoders are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKEHEAD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.usefixtures("cache")
def test_it_is_made_by_a_command_and_kept_in_models(run, tmp_path):
    name = "spiking:bundled"
    with pytest.raises(FileNotFoundError, match="not made yet: spikehead encoder spike bundled"):
        open_encoder(name)
    files = []
    for number in range(6):
        colour = ("red", "blue")[number % 2]
        files.append(tmp_path / "photos" / colour / f"{number}.png")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((40, 40), 20 + number).convert("RGB").save(files[-1])
    code, _, err = run("encoder", "spike", "bundled")
    assert (code, "give some typical photos" in err) == (1, True)
    assert run("encoder", "spike", "bundled", "--photos", tmp_path / "photos")[0] == 0
    picture = tmp_path / "spikes.png"
    options = ("--photos", tmp_path / "photos", "--picture", picture, "--json")
    shown = run("encoder", "info", name, *options)[1]
    assert picture.stat().st_size > 0
    assert 0 < json.loads(shown)["spikes_a_neuron"] < 8
    assert record(name).provenance == record("bundled").provenance
    model = HybridClassifier(name)
    model.learn(tmp_path / "photos")
    model.save(tmp_path / "model")
    kept = HybridClassifier.load(tmp_path / "model")
    assert kept.encoder.fingerprint == model.encoder.fingerprint
    assert kept.predict(files) == model.predict(files)
    told = run("export", tmp_path / "model", "--nir", tmp_path / "model.nir")[1]
    assert "It holds the head alone: NIR has no node for SiLU and sigmoid" in told
    for other in ("pixels", "spiking:bundled"):
        assert run("encoder", "spike", other)[0] == 1
    assert run("encoder", "spike", "bundled", "--bits", "13")[0] == 2


def test_a_copy_computes_the_same(encoder, photos):
    copy = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(copy.encode(photos), encoder.encode(photos))
    assert np.array_equal(encoder.encode(photos[:0]), np.empty((0, 1280), np.float32))


def test_a_damaged_file_is_told(lite, tmp_path):
    content = lite.read_bytes()
    for damaged in (
        b"",
        content[:100],
        content.replace(b"_conv_head.clipped", b"_conv_tail.clipped", 1),
    ):
        (tmp_path / "x").write_bytes(damaged)
        with pytest.raises(ValueError, match="keeps no spiking encoder"):
            SpikingEncoder(tmp_path / "x")


def test_its_last_membranes_discharge_into_a_head_step_by_step(encoder, photos):
    """Relays that integrate and fire, with whole numbers alone, are what the head hears."""
    membranes, activations = encoder.membranes(photos), encoder.encode(photos)
    saturation = 2.0**-2
    head = CoLaNETClassifier(saturation=saturation, members=2, grow=True)
    head.partial_fit(activations, ["a", "b", "a", "b"])
    trains = head.coding_.to_answer(activations)
    # A spike for each tenth of the saturation, the first one at half of it.
    full = int(saturation * 2**encoder.network.exponent)
    counts = np.clip((2 * STEPS * membranes + full) // (2 * full), 0, STEPS)
    for phase in range(STEPS):
        for photo, count in enumerate(counts):
            level, spikes = np.full(len(count), phase), []
            for _ in range(STEPS):
                level = level + count
                spikes.append(level >= STEPS)
                level = level - STEPS * spikes[-1]
            assert np.array_equal(trains.raster(photo, phase), spikes)


def test_thresholds_that_follow_the_strength_of_a_photo_are_what_the_other_head_hears(
    encoder, photos
):
    """One neuron hears all membranes, and sets the relays' thresholds: whole numbers alone."""
    membranes = encoder.membranes(photos).astype(object)
    head = DecorrelatedColumns().fit(encoder.encode(photos), ["a", "b", "a", "b"])
    told = head.coding_.spike_counts(encoder.encode(photos))
    top, bottom = head.coding_.scale.as_integer_ratio()
    for photo, row in zip(told, membranes, strict=True):
        power = (row**2).sum()
        for count in range(1, STEPS + 1):
            # |u| reaches (count - 1/2) / STEPS of scale times the root mean square.
            reached = (
                row**2 * (2 * STEPS * bottom) ** 2 * len(row)
                >= ((2 * count - 1) * top) ** 2 * power
            )
            assert np.array_equal(np.abs(photo) >= count, reached.astype(bool))
