"""Labelled activations: their parts, and the files they come from."""

import numpy as np
import pytest

from spikehead.evaluation.examples import Examples, check_parts, read_activations


def examples(labels, n_activations=2):
    return Examples(np.ones((len(labels), n_activations), np.float32), np.array(list(labels)))


def test_parts_and_orders_keep_each_example_with_its_label():
    whole = Examples(np.arange(40, dtype=np.float32)[:, None], np.array(list("abcd") * 10))
    train, test = whole.divided()
    assert sorted(test.y.tolist()) == list("aabbccdd")
    for part in (Examples.joined([train, test]), whole.shuffled(3)):
        assert sorted(part.X[:, 0].tolist()) == list(range(40))
        assert (part.y == whole.y[part.X[:, 0].astype(int)]).all()
    assert whole.shuffled(3).y.tolist() == whole.shuffled(3).y.tolist() != whole.y.tolist()
    with pytest.raises(ValueError, match=r"^one source has 2 activations and another 3: all must"):
        Examples.joined([examples("ab", 3), examples("ab", 2)])


def test_a_limit_takes_as_large_a_share_of_each_class():
    whole = Examples(np.arange(60, dtype=np.float32)[:, None], np.array(list("aaabbc") * 10))
    some = whole.limited(30)
    assert sorted(some.y.tolist()) == ["a"] * 15 + ["b"] * 10 + ["c"] * 5
    assert (np.diff(some.X[:, 0]) > 0).all()
    assert (some.y == whole.y[some.X[:, 0].astype(int)]).all()
    assert len(whole.limited(61)) == len(whole.limited(None)) == 60


def test_examples_that_cannot_be_compared_are_refused():
    refused = [
        (examples("aa"), examples("a"), "there is only one class, a: a comparison needs at least"),
        (examples("aab"), examples("a"), "class b has one training example: give at least two"),
        (examples("aabb"), examples("ac"), "class c is in the test part only: give training exam"),
        (
            examples("aabb"),
            examples("ab", 3),
            "the training part has 2 activations and the test part 3: both must come from one enco",
        ),
    ]
    for train, test, message in refused:
        with pytest.raises(ValueError, match=f"^{message}"):
            check_parts(train, test)


def test_files_of_activations(tmp_path):
    path = tmp_path / "a.npz"
    advice = r"write it with np.savez\(file, X=activations, y=labels\)$"
    with pytest.raises(FileNotFoundError, match=f"a.npz does not exist: {advice}"):
        read_activations(path)
    np.savez(path, x=np.ones((2, 2)), y=[1, 2])
    with pytest.raises(ValueError, match=f"a.npz holds no X, but x, y: {advice}"):
        read_activations(path)
    np.savez(path, X=np.ones((2, 2)), y=[1])
    with pytest.raises(ValueError, match=r"a.npz: X has the shape \(2, 2\) and y \(1,\); X must"):
        read_activations(path)
    np.savez(path, X=np.full((2, 2), np.nan), y=[1, 2])
    with pytest.raises(ValueError, match=r"a.npz: X holds NaN or infinity; every activation must"):
        read_activations(path)
    np.savez(path, X=[[1.5, -2.0], [0.0, 3.0]], y=[1, 2])
    examples = read_activations(path)
    assert examples.X.tolist() == [[1.5, -2.0], [0.0, 3.0]]
    assert examples.y.tolist() == ["1", "2"]
    np.savez(path, X=np.ones((3, 2)), y=np.array([1.0, 2.0, np.nan]))
    with pytest.raises(
        ValueError, match=r"a.npz: y\[2\]: a class needs a name, and this label is mi"
    ):
        read_activations(path)
    np.savez(path, X=np.ones((3, 2)), y=np.array([1.0, 2.0, 1.0]))
    assert read_activations(path).y.tolist() == ["1", "2", "1"]
    np.savez(path, X=np.ones((3, 2)), y=np.array([b"a", "é ".encode(), "e\u0301".encode()]))
    assert read_activations(path).y.tolist() == ["a", "é", "é"]
