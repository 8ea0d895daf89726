"""What predict and evaluate say beyond the class."""

import json

import numpy as np
from PIL import Image

from spikehead import HybridClassifier


def test_a_stranger_is_unknown_at_every_door(run, digit_photos, tmp_path):
    photos, model = digit_photos(150), tmp_path / "model"
    HybridClassifier("pixels:8", head="decorrelated").save(model)
    assert run("learn", photos, "--model", model)[0] == 0
    stranger = tmp_path / "others" / "stripes" / "0.png"
    stranger.parent.mkdir(parents=True)
    Image.fromarray(np.uint8(255 * (np.indices((8, 8)).sum(axis=0) % 2))).save(stranger)
    digit = next((photos / "digit 3").iterdir())

    found = json.loads(run("predict", model, digit, stranger, "--json", "--sets", "0.9")[1])
    known, unknown = found["answers"]
    assert (known["unknown"], unknown["unknown"]) == (False, True)
    assert 0 <= unknown["familiarity"] < found["unknown_below"] <= known["familiarity"] <= 1
    assert found["own_answers"] > 50
    assert unknown["class"] in unknown["set"]
    assert known["set"] == ["digit 3"]
    code, out, _ = run("predict", model, stranger, "--sets", "0.9")
    assert (code, "unknown" in out) == (0, True)
    assert f"{found['own_answers']} latest answers" in " ".join(out.split())
    for share, expected in (("0", False), ("0.001", False), ("0.5", True)):
        answer = json.loads(run("predict", model, stranger, "--json", "--send-back", share)[1])
        assert answer["answers"][0]["unknown"] is expected
    assert (
        "Nothing is called unknown yet" in run("predict", model, digit, "--send-back", "0.001")[1]
    )

    out = run("evaluate", model, tmp_path / "others", "--as-classes")[1]
    assert "Taken for unknown: 1 of 1 photos of other classes." in out
    assert run("predict", model, digit, "--send-back", "1.5")[0] == 2
    HybridClassifier("pixels:8", head="paper").save(tmp_path / "paper")
    code, _, err = run("predict", tmp_path / "paper", digit, "--send-back", "0.1")
    assert (code, "does not learn which photos are unknown" in err) == (1, True)


def test_few_examples_are_told(run, digit_photos, tmp_path):
    model = HybridClassifier("pixels:8", head="decorrelated")
    photos = sorted(digit_photos(60).rglob("*.png"))
    zeros, ones = ([p for p in photos if p.parent.name == f"digit {n}"][:6] for n in (0, 1))
    model.learn([*zeros, *ones[:5]], ["zero"] * 6 + ["one"] * 5, order="as-given")
    model.save(tmp_path / "model")
    answers = json.loads(run("predict", tmp_path / "model", zeros[0], ones[0], "--json")[1])
    told = {answer["class"]: answer["few_examples"] for answer in answers["answers"]}
    assert told == {"zero": False, "one": True}
