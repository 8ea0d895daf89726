"""Classes are renamed, merged and removed, and lessons taken back: what the others answer stays."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from spikehead import CoLaNETClassifier, DecorrelatedColumns

X, Y = load_digits(return_X_y=True)
TEST = X[400:440]


def colanet(**options):
    return CoLaNETClassifier(
        saturation=16, members=3, microcolumns=2, max_synapses=40, grow=True, n_threads=1, **options
    )


def columns(**options):
    return DecorrelatedColumns(n_threads=1, **options)


HEADS = pytest.mark.parametrize("new", [colanet, columns])


def taught(new, n=200):
    return new().fit(X[:n], Y[:n])


def bits(head):
    state = {name: np.asarray(value).tobytes() for name, value in head.state().items()}
    state.pop("resource_updates", None)  # those of a removed class are counted as well
    return state, head.classes_.tolist(), head.columns_.tolist()


@HEADS
def test_a_renamed_class_is_the_same_class(new):
    names = np.array(list("cadbefghij"))
    head = new().fit(X[:200], names[Y[:200]])
    shares, before = head.predict_proba(TEST), head.predict(TEST)
    head.rename_class("a", "zebra")
    assert head.predict(TEST).tolist() == ["zebra" if n == "a" else n for n in before]
    assert head.classes_.tolist() == sorted({*names, "zebra"} - {"a"})
    assert (head.predict_proba(TEST)[:, -1] == shares[:, 0]).all()
    longer = np.where(names == "a", "zebra", names)
    head.partial_fit(X[200:300], longer[Y[200:300]])
    never = new().fit(X[:300], names[Y[:300]])
    assert bits(head)[0] == bits(never)[0]


@HEADS
def test_without_a_class_the_others_are_as_they_were(new):
    head = taught(new)
    spikes, kept = head.member_spikes(TEST), np.arange(10) != 3
    head.remove_class(3)
    assert head.classes_.tolist() == [0, 1, 2, *range(4, 10)]
    if new is colanet:
        # Its columns do not touch each other: the same spikes, of which the shares follow.
        assert (head.member_spikes(TEST) == spikes[..., kept]).all()
        votes = spikes[..., kept].sum(axis=2)
        shares = (votes / np.maximum(votes.sum(axis=2, keepdims=True), 1)).mean(axis=1)
        fired = shares.any(axis=1)
        expected = shares[fired] / shares[fired].sum(axis=1, keepdims=True)
        assert head.predict_proba(TEST[fired]) == pytest.approx(expected, abs=1e-6)
    else:
        # Thresholds share a tone, so that spikes may be others, and what they count is not.
        coded = head.coding_.to_answer(TEST)
        rest = head._engine().respond(coded, cosines=True).cosines
        all_ten = taught(new)
        whole = all_ten._engine().respond(coded, cosines=True).cosines
        order = np.flatnonzero(all_ten._by_column() != 3)
        assert (rest == whole[:, order]).all()
        assert (head.predict(TEST) == all_ten._by_column()[order][rest.argmax(axis=1)]).all()
        assert head.network_.inhibition.tobytes() == all_ten.network_.inhibition.tobytes()
    # It goes on, saved or not, as the one does that still has the class.
    again = new().resume(head._by_column(), head.state(), n_features=64)
    more = Y[200:300] != 3
    for one in (head, again):
        one.partial_fit(X[200:300][more], Y[200:300][more])
    assert bits(head) == bits(again)
    later = taught(new).partial_fit(X[200:300][more], Y[200:300][more]).remove_class(3)
    assert bits(head) == bits(later)
    head.add_classes([3])
    if new is colanet:
        assert len(set(head.network_.noise_keys()[0])) == 20
        assert len(set(map(bytes, head.network_.synapses[0]))) == 20
    assert (head.predict(TEST) != 3).all()


def test_classes_of_columns_are_merged_and_examples_taken_back():
    whole = columns().fit(X[:300], np.where(Y[:300] == 9, 1, Y[:300]))
    merged = taught(columns, 300).merge_class(9, 1)
    assert merged.classes_.tolist() == list(range(9))
    assert merged.decision_function(TEST) == pytest.approx(whole.decision_function(TEST), abs=1e-5)
    head = taught(columns, 300).unlearn(X[200:300], Y[200:300])
    never = taught(columns)
    assert (head.network_.counts == never.network_.counts).all()
    assert head.decision_function(TEST) == pytest.approx(never.decision_function(TEST), abs=1e-5)
    # Of a silent example nothing was learned.
    silent = columns().fit(np.vstack([X[:20], 0 * X[:1]]), Y[:21])
    silent.unlearn(np.vstack([X[19:20], 0 * X[:1]]), Y[19:21])
    assert silent.network_.presentations == 19


@HEADS
def test_what_cannot_be_corrected_gets_one_sentence_and_changes_nothing(new):
    head = taught(new, 60)
    before = bits(head)
    wrongs = {
        "there is no class 11": lambda: head.remove_class(11),
        "there is no class 12": lambda: head.rename_class(12, 1),
        "there is no class 'x'": lambda: head.merge_class(0, "x"),
        "there is no class 13": lambda: head.unlearn(X[:1], [13]),
        "there is a class 1 already; to make one of both, merge them": lambda: head.rename_class(
            0, 1
        ),
        "label 'one' is of another type than the classes 0, 1, 2": lambda: head.rename_class(
            0, "one"
        ),
        "class 2 cannot be merged with itself": lambda: head.merge_class(2, 2),
    }
    if new is colanet:
        order = "depends on the order in which they learned it"
        wrongs[
            f"classes of a head of the kind CoLaNET cannot be merged: what they know {order}"
        ] = lambda: head.merge_class(0, 1)
        wrongs[f"heads of the kind CoLaNET can take nothing back: what they know {order}"] = (
            lambda: head.unlearn(X[:1], Y[:1])
        )
    else:
        wrongs["the example cannot be taken back, since this head cannot have learned it"] = (
            lambda: head.unlearn(np.vstack([X[:1], X[:1, ::-1]]), [0, 0])
        )
    for sentence, wrong in wrongs.items():
        with pytest.raises(ValueError, match=f"^{sentence}"):
            wrong()
        assert bits(head) == before
    alone = new().partial_fit(X[:1], Y[:1])
    with pytest.raises(ValueError, match=r"^0 is the only class, and cannot be removed: teach"):
        alone.remove_class(0)
