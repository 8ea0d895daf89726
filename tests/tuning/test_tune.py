"""Tuning from beginning to end, on handwritten digits."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

pytest.importorskip("optuna")

from spikehead import CoLaNETClassifier, CoLaNETParameters
from spikehead.images import split
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.study import Budget
from spikehead.tuning.tune import Dataset, tune

X, Y = np.ones((4, 3)), np.array([0, 0, 1, 1])

OPTIONS = {
    "genetic": GeneticSearch(6, 2),
    "descent": StochasticDescent(1, 3),
    "ranges": {"microcolumns": (1, 4)},
    "fixed": {"max_synapses": 50},
    "members": 2,
}


@pytest.fixture(scope="module")
def task():
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    return Dataset(X[:400], y[:400], X[400:600], y[400:600])


@pytest.fixture(scope="module")
def tuned(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    return tune(task, folder, **OPTIONS, n_seeds=2), folder


def head(report, seed):
    return CoLaNETClassifier(**report.parameters.to_dict(), members=2, random_state=seed)


def test_validation_accuracy_is_that_of_the_classifier_on_examples_not_learned(task, tuned):
    report, _ = tuned
    learned, held_out = split(map(str, task.labels))
    X, y = task.activations, task.labels
    accuracies = []
    for seed in (0, 1):
        order = learned[np.random.RandomState(seed).permutation(len(learned))]
        model = head(report, seed).fit(X[order], y[order])
        accuracies.append(model.score(X[held_out], y[held_out]))
    assert report.accuracy == pytest.approx(np.mean(accuracies))
    assert report.accuracy > 0.6


def test_test_accuracy_is_that_after_learning_everything(task, tuned):
    report, _ = tuned
    accuracies = []
    for seed in (0, 1):
        order = np.random.RandomState(seed).permutation(400)
        model = head(report, seed).fit(task.activations[order], task.labels[order])
        accuracies.append(model.score(task.test_activations, task.test_labels))
    assert report.test_accuracies == accuracies
    assert report.test_accuracy == pytest.approx(np.mean(accuracies))
    assert report.n_tests == 1


def test_the_test_set_has_no_say(task, tuned, tmp_path):
    other = Dataset(task.activations, task.labels)
    report = tune(other, tmp_path, **OPTIONS, n_seeds=2)
    assert report.parameters == tuned[0].parameters
    assert report.course == tuned[0].course
    assert report.test_accuracy is None


def test_the_files(tuned):
    report, folder = tuned
    names = sorted(path.name for path in folder.iterdir() if "sqlite" not in path.name)
    assert names == ["parameters.json", "report.json", "report.md"]
    parameters = json.loads((folder / "parameters.json").read_text())
    assert CoLaNETParameters.from_dict(parameters) == report.parameters
    document = json.loads((folder / "report.json").read_text())
    assert document["accuracy"] == report.accuracy
    assert document["protocol"] == "validation"
    assert document["experiments"] == 6 + 5 + 3 == report.n_experiments
    assert [stage["kind"] for stage in document["course"]] == ["genetic", "genetic", "descent"]
    assert document["course"][-1]["best"] == report.accuracy
    text = (folder / "report.md").read_text()
    assert f"| microcolumns | {report.parameters.microcolumns} | 1 to 4 |" in text
    assert "| max_synapses | 50 | fixed |" in text
    assert f"Best candidate: {report.accuracy:.2%} (validation)" in text
    assert f"{report.test_accuracy:.2%}" in text


def test_the_paper_protocol_ranks_by_test_accuracy_and_says_so(task, tmp_path):
    report = tune(task, tmp_path, **OPTIONS, protocol="paper")
    order = np.random.RandomState(0).permutation(400)
    model = head(report, 0).fit(task.activations[order], task.labels[order])
    assert report.accuracy == model.score(task.test_activations, task.test_labels)
    assert report.test_accuracy == report.accuracy
    assert (tmp_path / "parameters-ranked-by-test.json").exists()
    assert not (tmp_path / "parameters.json").exists()
    for name in ("report.json", "report.md"):
        assert "ranked by accuracy on the test set" in (tmp_path / name).read_text()


def test_a_larger_budget_goes_on_and_counts_its_looks_at_the_test_set(task, tmp_path):
    tested = set()
    for experiments in (4, 9, None):
        report = tune(task, tmp_path, **OPTIONS, budget=Budget(experiments))
        tested.add(report.parameters)
        assert report.n_experiments == (experiments or 14)
        assert report.n_tests == len(tested)


def test_an_interrupted_search_leaves_a_report_and_no_look_at_the_test_set(task, tmp_path):
    def interrupt(finished, best):
        if finished >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(task, tmp_path, **OPTIONS, on_outcome=interrupt)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["experiments"] >= 5
    assert document["test_accuracy"] is None
    whole = tune(task, tmp_path / "whole", **OPTIONS)
    resumed = tune(task, tmp_path, **OPTIONS)
    assert resumed.course == whole.course
    assert resumed.parameters == whole.parameters


def test_negative_activations_count_as_zero(task, tmp_path):
    shifted = np.where(task.activations == 0, -0.1, task.activations).astype(np.float32)
    tests = np.where(task.test_activations == 0, -0.1, task.test_activations).astype(np.float32)
    some = {**OPTIONS, "budget": Budget(4)}
    report = tune(Dataset(shifted, task.labels, tests, task.test_labels), tmp_path / "a", **some)
    plain = tune(task, tmp_path / "b", **some)
    assert (report.parameters, report.test_accuracy) == (plain.parameters, plain.test_accuracy)


def test_another_seed_is_refused_for_an_old_study(task, tuned):
    with pytest.raises(ValueError, match=r"^the study was begun with other settings: seed was 0"):
        tune(task, tuned[1], **OPTIONS, n_seeds=2, seed=1)


def test_candidates_that_are_all_refused_give_no_result(tmp_path):
    wide = Dataset(np.ones((4, 60_000), np.float32), Y)
    fixed = {"max_weight": 7.9, "max_synapses": 60_000}
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        tune(wide, tmp_path, fixed=fixed, genetic=GeneticSearch(4, 1), budget=Budget(4))
    assert str(refusal.value) == (
        "every candidate was refused, since its weights could overflow a membrane; search lower "
        "max_weight, min_weight or max_synapses"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (np.ones(4), Y),
            "the training activations must be floating-point numbers in the shape (examples, "
            "inputs), not float64 in the shape (4,)",
        ),
        (
            (X, Y[:3]),
            "the training set has 4 examples but labels in the shape (3,); give one label an "
            "example",
        ),
        ((X, Y * 0), "there is only one class; tuning needs at least two"),
        ((X * np.nan, Y), "the training activations hold NaN or infinity"),
        ((X, Y / 2), "the training labels must be whole numbers or text, not float64"),
        ((X, Y, X), "a test set needs both activations and labels"),
        (
            (X, Y, X[:, :2], Y),
            "the test set has 2 activations an example, but the training set 3; use one encoder "
            "for both",
        ),
    ],
)
def test_bad_data_is_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        Dataset(*arguments)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"protocol": "test"}, "protocol must be one of validation, paper, not 'test'"),
        ({"protocol": "paper"}, "the paper's protocol ranks by accuracy on the test set; give one"),
        ({"n_seeds": 0}, "n_seeds must be at least 1, not 0"),
        ({"seed": -1}, "seed must be from 0 to 4294967295, not -1"),
        ({"validation_fraction": 1}, "test_fraction must be above 0 and below 1, not 1"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(tmp_path, options, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        tune(Dataset(X, Y), tmp_path, **options)
    assert str(refusal.value) == sentence
