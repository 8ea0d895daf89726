"""A model of every format that there ever was opens, answers as it did, and goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spikehead import HybridClassifier
from spikehead.models import storage
from spikehead.models.schema import UPGRADES, VERSION

FOLDERS = Path(__file__).parent / "folders"


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
