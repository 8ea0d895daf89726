"""spikehead continual."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture
def digits(tmp_path):
    X, y = load_digits(return_X_y=True)
    names = np.char.add("digit ", y.astype(str))
    np.savez(tmp_path / "light.npz", X=X[:300] / 16, y=names[:300])
    np.savez(tmp_path / "dark.npz", X=X[300:600] / 20, y=names[300:600])
    return tmp_path / "light.npz", tmp_path / "dark.npz"


FEW = ("--seeds", "2", "--members", "2", "--threads", "1", "--against", "nearest class mean")


def document(run, *arguments):
    code, out, _ = run("continual", *arguments, *FEW, "--json")
    assert code == 0
    return json.loads(out)


def test_classes_come_in_parts_and_none_is_lost_by_the_mean(run, digits):
    found = document(run, digits[0], "--tasks", "3")
    assert (found["train"], found["test"], found["seeds"]) == (240, 60, 2)
    assert [len(tasks) for tasks in found["tasks"]] == [3, 3]
    head, *_, mean = found["methods"]
    assert head["name"] == "decorrelated columns"
    for course in mean["courses"]:
        assert course["accuracies"][0][1:] == [None, None]
        assert course["accuracy"] > 0.75
    # The means do not depend on the order: after all classes it is the same classifier.
    assert len({round(course["accuracy"], 9) for course in mean["courses"]}) == 1


def test_several_sources_come_one_after_the_other(run, digits):
    found = document(run, *digits, "--test", digits[1], "--test", digits[0])
    assert found["tasks"] == [["light", "dark"]] * 2
    assert (found["train"], found["test"]) == (600, 600)


def test_streams_of_one_source(run, digits):
    found = document(run, digits[0], "--stream", "permuted", "--tasks", "2")
    assert found["tasks"][0] == ["permutation 0", "permutation 1"]
    found = document(run, digits[0], "--stream", "new-class", "--examples", "4")
    assert [tasks[1] for tasks in found["tasks"]] == ["digit 0, 4 examples", "digit 1, 4 examples"]
    clean = document(run, digits[0], "--tasks", "1")["methods"][-1]["courses"][0]
    noisy = document(run, digits[0], "--tasks", "1", "--wrong-labels", "0.9")
    assert clean["forgetting"] is None
    assert noisy["methods"][-1]["courses"][0]["accuracy"] < clean["accuracy"] - 0.2


def test_what_is_not_used_of_photos_is_told(run, digit_photos):
    photos = digit_photos(60)
    broken = photos / "digit 0" / "broken.png"
    broken.write_text("no photo")
    (photos / "digit 1" / "notes.txt").write_text("no photo either")
    found = document(run, photos, photos, "--encoder", "intensities:8")
    assert (found["train"] + found["test"], found["left_out"]["files"]) == (120, {".txt": 2})
    assert [one["photo"] for one in found["skipped"]] == [
        str(photos / "digit 0" / "broken.png")
    ] * 2


def test_the_table(run, digits):
    code, out, _ = run("continual", digits[0], "--tasks", "2", *FEW)
    assert code == 0
    assert "240 + 60 examples of 10 classes, 64 activations, 2 tasks, 2 orders" in out
    order = [out.index(f"{name} ") for name in ("decorrelated columns", "CoLaNET, paper")]
    assert order == sorted(order) < [out.index("nearest class mean")]
    heading = "accuracy (%) on each task (a column), after each task (a row)"
    assert f"decorrelated columns: {heading}" in out
    assert "Task 2 (of the first order): digit" in out


def test_failures(run, digits, tmp_path):
    np.savez(tmp_path / "wide.npz", X=np.ones((4, 3)), y=[1, 1, 2, 2])
    code, _, err = run("continual", *digits, "--test", digits[0])
    assert code == 2
    assert "give it once for each source, 2 times, or leave it out" in err
    code, _, err = run("continual", *digits, "--stream", "permuted")
    assert code == 2
    assert "several sources come one after the other; leave it out, or give one source" in err
    code, out, err = run("continual", digits[0], tmp_path / "wide.npz")
    assert (code, out) == (1, "")
    assert "one source has 3 activations and another 64: all must come from one encoder" in err
    code, _, err = run("continual", digits[0], "--wrong-labels", "1.5")
    assert code == 2
