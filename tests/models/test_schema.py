"""A model of every format that there ever was opens, answers as it did, and goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spikehead import HybridClassifier
from spikehead.heads.classifiers import LearnsNoMore
from spikehead.models import storage
from spikehead.models.schema import UPGRADES, VERSION

FOLDERS = Path(__file__).parent / "folders"
RETIRED = Path(__file__).parent / "retired"  # written by version 0.2.0, by its own default


def test_there_is_a_folder_of_every_older_format():
    older = [f"v{version}" for version in range(1, VERSION)]
    assert sorted(path.name for path in FOLDERS.iterdir() if path.is_dir()) == older
    assert list(UPGRADES) == list(range(1, VERSION))


@pytest.fixture(params=range(1, VERSION))
def old(request, tmp_path):
    """A model folder written by the code of its time, and what that code answered."""
    kept = FOLDERS / f"v{request.param}"
    document = json.loads((kept / "model" / "model.json").read_text())
    assert document["version"] == request.param
    shutil.copytree(kept / "model", tmp_path / "model")
    return tmp_path / "model", json.loads((kept / "answers.json").read_text())


def check(folder, answers):
    model = HybridClassifier.load(folder)
    assert model.classes == answers["classes"]
    assert model.photos_learned == answers["photos_learned"]
    assert model.prequential.tolist() == answers["prequential"]
    votes = model.vote(np.array(answers["activations"], np.float32))
    np.testing.assert_allclose(votes, answers["votes"], rtol=1e-12)
    return model


def test_an_old_model_answers_as_it_did(old):
    folder, answers = old
    before = (folder / "model.json").read_bytes()
    check(folder, answers)
    assert (folder / "model.json").read_bytes() == before


def test_an_old_model_is_saved_in_the_newest_format(old):
    folder, answers = old
    check(folder, answers).save(folder)
    assert json.loads((folder / "model.json").read_text())["version"] == VERSION
    assert storage.read_lessons(folder) == []
    check(folder, answers)


def test_a_change_of_lessons_alone_brings_an_old_model_up_to_date(old, tmp_path):
    folder, answers = old
    (lesson,) = storage.read_lessons(folder)
    storage.copy(folder, tmp_path / "copy")
    check(tmp_path / "copy", answers)
    storage.remove_lesson(folder, 1)
    assert HybridClassifier.load(folder).classes == ["dark", "light"]
    storage.add_lesson(folder, lesson)
    assert json.loads((folder / "model.json").read_text())["version"] == VERSION
    check(folder, answers)


@pytest.fixture
def taught(tmp_path):
    """A model that was taught by rules that are gone, and what it answered."""
    shutil.copytree(RETIRED / "taught" / "model", tmp_path / "model")
    return tmp_path / "model", json.loads((RETIRED / "taught" / "answers.json").read_text())


def test_a_model_taught_by_rules_that_are_gone_answers_as_it_did(taught):
    folder, answers = taught
    model = check(folder, answers)
    activations = np.array(answers["activations"], np.float32)
    assert model.vote(activations).tolist() == answers["votes"]
    assert model.out_spikes(activations).sum(axis=1).tolist() == answers["out_spikes"]
    model.save(folder)
    assert check(folder, answers).vote(activations).tolist() == answers["votes"]


def test_it_learns_no_more_and_says_what_to_do(taught):
    folder, answers = taught
    model = check(folder, answers)
    activations = np.array(answers["activations"], np.float32)
    for learn in (
        lambda: model.head.partial_fit(activations[:1], ["arch"]),
        lambda: model.head.add_classes(["dome"]),
    ):
        with pytest.raises(LearnsNoMore, match=r"learns no more, since its rules are gone: teach"):
            learn()
    assert model.vote(activations).tolist() == answers["votes"]


def test_a_model_of_such_rules_that_has_learned_nothing_learns_its_lessons_anew(tmp_path):
    shutil.copytree(RETIRED / "served" / "model", tmp_path / "model")
    model = HybridClassifier.load(tmp_path / "model")
    assert model.photos_learned == {"arch": 3, "bar": 3, "cross": 3}
    answers = json.loads((RETIRED / "taught" / "answers.json").read_text())
    found = model.vote(np.array(answers["activations"][:6], np.float32)).argmax(axis=1)
    assert found.tolist() == [0, 1, 2, 0, 1, 2]
