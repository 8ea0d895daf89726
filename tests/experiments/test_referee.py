"""The tables of the documentation are those of the record, and ablations are of our rule."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from spikehead import DecorrelatedColumns

FOLDER = Path(__file__).parents[2] / "experiments" / "15_referee"


def test_every_page_has_the_tables_of_the_record():
    script = runpy.run_path(str(FOLDER / "tables.py"))
    pages = {path: path.read_text("utf-8") for path in script["PAGES"]}
    asked = [name for page in pages.values() for _, name, _ in script["MARKED"].findall(page)]
    assert {*asked} == {*script["TABLES"]}
    for path, page in pages.items():
        assert script["written"](page) == page, path


@pytest.mark.parametrize("order", ["mixed", "class after class"])
def test_with_nothing_left_out_columns_answer_as_the_head_does(order):
    learner = runpy.run_path(str(FOLDER / "ablations" / "spikehead_ablations.py"))["Columns"]()
    X, y = load_digits(n_class=5, return_X_y=True)
    if order != "mixed":
        X[:300], y[:300] = X[np.argsort(y[:300])], np.sort(y[:300])
    head = DecorrelatedColumns()
    for part in np.split(np.arange(300), [32, 64, 150]):
        for one in (learner, head):
            one.partial_fit(X[part], y[part], classes=np.arange(5))
    np.testing.assert_array_equal(learner.predict(X[300:]), head.predict(X[300:]))
    np.testing.assert_allclose(
        learner.score_samples(X[300:]), head.score_samples(X[300:]), atol=1e-6
    )
