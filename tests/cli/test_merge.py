"""spikehead merge."""

import json

import numpy as np

from spikehead import HybridClassifier
from spikehead.encoders import encode_photos


def test_models_that_learned_apart_become_one(run, digit_photos, tmp_path):
    photos = sorted(digit_photos(80).rglob("*.png"), key=lambda path: path.name)
    labels = [photo.parent.name for photo in photos]
    encoder = "intensities:8"
    parts = {"a": slice(0, 30), "b": slice(25, 80, 2), "all": slice(0, 0)}
    models = {name: HybridClassifier(encoder, n_threads=1) for name in parts}
    for name in ("a", "b"):
        models[name].learn(photos[parts[name]], labels[parts[name]])
        models[name].save(tmp_path / name)
    code, out, err = run(
        "merge", tmp_path / "a", tmp_path / "b", "--into", tmp_path / "c", "--json"
    )
    assert code == 0, err
    document = json.loads(out)
    assert (document["learned"], document["counted_again"]) == (30 + 28, 3)
    merged = HybridClassifier.load(tmp_path / "c")
    # Photo by photo, so that the three which both have learned are learned twice.
    X = np.array([merged.heard(one)[0] for one in encoded(merged, photos)])
    shown = [*range(30), *range(25, 80, 2)]
    whole = type(merged.head)(n_threads=1).fit(X[shown], np.array(labels)[shown])
    np.testing.assert_array_equal(merged.head.predict(X), whole.predict(X))
    counts = merged.photos_learned
    assert sum(counts.values()) == len(set(shown))
    assert all(counts[name] == len({i for i in shown if labels[i] == name}) for name in counts)
    assert len(merged.prequential) == len(shown)

    code, _, err = run("merge", tmp_path / "a", tmp_path / "b", "--into", tmp_path / "again")
    sentence = "Photos that several of them had learned in the same class count again: 3.\n"
    assert (code, err) == (0, sentence)

    HybridClassifier("intensities:4").save(tmp_path / "other")
    HybridClassifier(encoder, head="paper").save(tmp_path / "colanet")
    for second, sentence in (
        (
            "other",
            "models with different encoders, intensities:8 and intensities:4, cannot be merged",
        ),
        ("colanet", "decorrelated columns cannot be merged with a head of another kind"),
    ):
        code, _, err = run("merge", tmp_path / "a", tmp_path / second, "--into", tmp_path / "d")
        assert (code, sentence in err, (tmp_path / "d").exists()) == (1, True, False)
    code, _, err = run("merge", tmp_path / "a", tmp_path / "b", "--into", tmp_path / "c")
    assert (code, "is a model already; name a new folder" in err) == (2, True)


def encoded(model, photos):
    return encode_photos(photos, model.encoder, batch_size=1)


def test_a_horizon_is_an_option_of_decorrelated_columns(run, digit_photos, tmp_path):
    options = ("learn", digit_photos(20), "--encoder", "pixels:8", "--horizon", 5, "--model")
    code, _, err = run(*options, tmp_path / "a", "--head", "decorrelated")
    assert code == 0, err
    assert HybridClassifier.load(tmp_path / "a").head.parameters_.horizon == 5
    code, _, err = run("merge", tmp_path / "a", tmp_path / "a", "--into", tmp_path / "b")
    assert (code, err.startswith("Error: a head with a horizon, here 5, has forgotten")) == (
        1,
        True,
    )
    code, _, err = run(*options, tmp_path / "b", "--head", "paper")
    assert (code, err) == (1, "Error: the head CoLaNET has no option 'horizon'; leave it out\n")
    assert not (tmp_path / "b").exists()
