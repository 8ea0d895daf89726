"""spikehead compare."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

FEW = ("--against", "logistic regression", "--against", "nearest class mean")


@pytest.fixture
def photos(tmp_path):
    images, labels = load_digits(return_X_y=True)
    for number in range(150):
        target = tmp_path / "photos" / f"digit {labels[number]}"
        target.mkdir(parents=True, exist_ok=True)
        grey = np.uint8(images[number].reshape(8, 8) * 255 / 16)
        Image.fromarray(grey).save(target / f"{number:04}.png")
    return tmp_path / "photos"


def test_photos_and_their_activations_give_the_same_accuracies(run, photos, tmp_path):
    heads = ("decorrelated", "paper", tmp_path / "own.json")
    heads[-1].write_text('{"head": "decorrelated", "lam": 2}')
    (photos / "digit 1" / "broken.png").write_text("no photo")
    (photos / "digit 1" / "notes.txt").write_text("no photo either")
    options = ("--seeds", "2", "--members", "3", "--threads", "1", *FEW)
    encoder = ("--encoder", "intensities:8", *(part for head in heads for part in ("--head", head)))
    code, out, err = run("compare", photos, *encoder, *options, "--json")
    document = json.loads(out)
    assert code == 0
    assert "broken.png: it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo" in err
    assert (document["train"], document["test"], document["seeds"]) == (120, 30, 2)
    assert [one["photo"] for one in document["skipped"]] == [str(photos / "digit 1" / "broken.png")]
    assert document["left_out"]["files"] == {".txt": 1}
    ours = ["decorrelated columns", "CoLaNET, paper"]
    names = [method["name"] for method in document["methods"]]
    assert names == [
        *ours,
        "decorrelated columns, own",
        "nearest class mean",
        "logistic regression",
    ]
    for method in document["methods"]:
        assert len(method["accuracies"]) == (1 if method["name"] == "logistic regression" else 2)

    images, labels = load_digits(return_X_y=True)
    grey = np.uint8(images[:150] * 255 / 16).astype(np.float32) / 255
    order = sorted(range(150), key=lambda number: (labels[number], number))
    names = [f"digit {labels[number]}" for number in order]
    np.savez(tmp_path / "all.npz", X=grey[order], y=names)
    code, out, _ = run("compare", tmp_path / "all.npz", *options, "--json")
    from_file = json.loads(out)["methods"]
    assert code == 0
    assert [method["name"] for method in from_file[:-2]] == ours
    assert from_file[-2]["accuracies"] == document["methods"][-2]["accuracies"]

    code, out, _ = run("compare", tmp_path / "all.npz", "--test", tmp_path / "all.npz", *options)
    assert code == 0
    assert "150 + 150 examples of 10 classes, 64 activations, 2 orders" in out
    assert out.index("CoLaNET, paper") < out.index("offline") < out.index("logistic regression")


def test_failures(run, photos, tmp_path):
    np.savez(tmp_path / "all.npz", X=np.ones((2, 2)), y=[1, 1])
    for arguments, message in [
        ((tmp_path / "none",), f"{tmp_path / 'none'} does not exist: give a folder"),
        ((tmp_path / "none.npz",), f"{tmp_path / 'none.npz'} does not exist: write it with"),
        ((tmp_path / "all.npz", "--test", tmp_path / "all.npz"), "there is only one class, 1: a"),
        (
            (photos, "--head", "magic"),
            "there is no head 'magic'; there are colanet, decorrelated, ",
        ),
        ((photos, "--head", tmp_path / "none.json"), "none.json"),
        ((tmp_path / "all.npz", "--test", photos), f"{tmp_path / 'all.npz'} is not a folder: "),
    ]:
        code, out, err = run("compare", *arguments)
        assert (code, out) == (1, "")
        assert message in err
        assert len(err.strip().splitlines()) == 1
    code, _, err = run("compare", tmp_path / "all.npz", "--encoder", "intensities:8")
    assert code == 2
    assert "activations are encoded already; leave it out, or give photos" in err
    code, _, err = run("compare", photos, "--against", "magic")
    assert code == 2
    assert "there is no 'magic'; there are nearest class mean, cosine class mean," in err
