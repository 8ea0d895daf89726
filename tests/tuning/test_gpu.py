"""Candidates evaluated together on a GPU; tests/heads/colanet/test_cuda.py simulates one."""

import numpy as np
import pytest

from spikehead import CoLaNETParameters
from spikehead.tuning.experiment import Experiment

engine = pytest.importorskip("spikehead.heads.colanet.cuda")

pytestmark = pytest.mark.skipif(
    not engine.cuda.is_available(), reason="needs a GPU or its simulator"
)

CANDIDATES = [
    CoLaNETParameters(potentiation=1.0, max_weight=3.0, microcolumns=2, max_synapses=9),
    CoLaNETParameters(potentiation=0.3, max_weight=7.0, saturation=0.5),
    CoLaNETParameters(potentiation=3.0, max_weight=7.0, silent_synapses=-1),
]


@pytest.fixture(scope="module")
def experiment():
    rng = np.random.default_rng(3)
    labels = np.array(list("ababab" + "ababc"))
    X = rng.gamma(1.0, 0.5, (11, 10))
    X[labels == "a", :5] += 1
    X[labels == "b", 5:] += 1
    X = X.astype(np.float32)
    return Experiment(X[:6], labels[:6], X[6:], labels[6:], members=1, seeds=(3, 4))


def test_together_or_alone(experiment):
    bars = (0.3, 0.5)
    alone = experiment.evaluate(CANDIDATES, bars)
    assert len({len(rungs) for rungs in alone}) > 1
    assert experiment.evaluate(CANDIDATES, bars, device="cuda") == alone


def test_parts_fit_into_memory(experiment, monkeypatch):
    needed = engine.bytes_needed(CANDIDATES[1:], 10, 2, 1, 2048)
    stream = max(experiment._stream.inputs.nbytes, experiment._tests.inputs.nbytes)
    for room, parts in ((2, [[0], [1, 2]]), (1, [[0], [1], [2]])):
        free = (room * max(needed) + max(needed) + stream) / 0.9 + 1000
        monkeypatch.setattr(engine, "free_bytes", lambda free=free: free)
        assert experiment._parts(CANDIDATES) == parts
    monkeypatch.setattr(engine, "free_bytes", lambda: 1.5 * max(needed))
    with pytest.raises(MemoryError, match="a candidate needs"):
        experiment._parts(CANDIDATES)
