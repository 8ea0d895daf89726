"""The study: stopped anywhere, shared by several processes, it loses and repeats nothing."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna")

from spikehead import CoLaNETParameters
from spikehead.tuning import claims
from spikehead.tuning import study as study_module
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.executors import Local, OnGPU
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.search import Search
from spikehead.tuning.space import Range, SearchSpace
from spikehead.tuning.study import Budget, Study

SPACE = SearchSpace(
    CoLaNETParameters,
    {
        "potentiation": Range(0.01, 1, log=True),
        "microcolumns": Range(1, 30, whole=True),
        "saturation": Range(0.5, 5, log=True),
    },
    {},
)
SEARCH = Search(SPACE, GeneticSearch(8, 3), StochasticDescent(2, 4), seed=5)
N_EXPERIMENTS = 8 + 7 + 7 + 4 + 4


class Pretence:
    """An experiment that costs nothing, and writes down what it evaluates."""

    n_rungs = 2

    def __init__(self, log=None, pause=0.0):
        self.log, self.pause, self.evaluated = log, pause, []

    def check(self, parameters):
        pass

    def cost(self, parameters):
        return parameters.microcolumns

    def evaluate(self, candidates, bars=(), stop=None, device="cpu"):
        return [self.evaluate_one(parameters, bars) for parameters in candidates]

    def evaluate_one(self, parameters, bars):
        time.sleep(self.pause)
        self.evaluated.append(parameters)
        value = float(parameters.potentiation + parameters.microcolumns / 100)
        rungs = (value / 2,) if bars and value / 2 < bars[0] else (value / 2, value)
        if self.log:
            with self.log.open("a") as log:
                log.write(f"{parameters!r}\n")
        return rungs


class Refusal(Pretence):
    """An experiment that takes no large candidates."""

    def check(self, parameters):
        if parameters.microcolumns > 15:
            raise ValueError("too large")


def opened(path, search=SEARCH, settings=None, name="test"):
    return Study(f"sqlite:///{path}", name, search, settings or {"data": "a"})


def test_a_study_runs_its_search(tmp_path):
    study, pretence = opened(tmp_path / "study.sqlite"), Pretence()
    seen = []
    study.run(Local(pretence, 2), on_outcome=lambda n, best: seen.append((n, best)))
    rounds = study.rounds
    assert [(one.kind, len(one.outcomes)) for one in rounds] == [
        ("genetic", 8),
        ("genetic", 7),
        ("genetic", 7),
        ("descent", 4),
        ("descent", 4),
    ]
    assert len(pretence.evaluated) == N_EXPERIMENTS == SEARCH.n_experiments
    best = max(outcome.accuracy for one in rounds for outcome in one.outcomes)
    assert seen[-1] == (N_EXPERIMENTS, best)
    assert study.seconds > 0
    assert sum(study.importance().values()) == pytest.approx(1)


def test_the_number_of_workers_changes_nothing(tmp_path):
    one, three = opened(tmp_path / "1.sqlite"), opened(tmp_path / "3.sqlite")
    one.run(Local(Pretence(), 1))
    three.run(Local(Pretence(pause=0.003), 3))
    assert one.rounds == three.rounds


@pytest.mark.parametrize("url", ["sqlite:///{}", "journal:{}"])
def test_a_finished_study_evaluates_nothing_more(tmp_path, url):
    url = url.format(tmp_path / "study")
    Study(url, "test", SEARCH, {}).run(Local(Pretence()))
    again, pretence = Study(url, "test", SEARCH, {}), Pretence()
    again.run(Local(pretence))
    assert pretence.evaluated == []
    assert len(again.rounds) == 5


def test_the_budget_in_experiments_counts_earlier_runs(tmp_path):
    path, pretence = tmp_path / "study.sqlite", Pretence()
    opened(path).run(Local(pretence, 2), Budget(experiments=3))
    assert len(pretence.evaluated) == 3
    opened(path).run(Local(pretence, 2), Budget(experiments=10))
    assert len(pretence.evaluated) == 10
    whole = opened(tmp_path / "whole.sqlite")
    whole.run(Local(Pretence()))
    opened(path).run(Local(pretence))
    assert opened(path).rounds == whole.rounds


def test_the_budget_in_seconds_ends_the_search(tmp_path):
    study, pretence = opened(tmp_path / "study.sqlite"), Pretence(pause=0.02)
    study.run(Local(pretence, 1), Budget(seconds=0.05))
    assert 0 < len(pretence.evaluated) < N_EXPERIMENTS
    done = len(pretence.evaluated)
    opened(tmp_path / "study.sqlite").run(Local(pretence), Budget(seconds=0.01))
    assert len(pretence.evaluated) == done


def test_hopeless_candidates_are_stopped(tmp_path):
    study = opened(tmp_path / "study.sqlite")
    study.run(Local(Pretence()))
    first, second = study.rounds[0].outcomes, study.rounds[1].outcomes
    assert all(outcome.complete for outcome in first)
    parents = SEARCH.genetic.pool([first])
    bar = min(outcome.rungs[0] for outcome in parents)
    assert all(outcome.complete == (outcome.rungs[0] >= bar) for outcome in second)


def test_a_refused_candidate_is_an_outcome(tmp_path):
    study = opened(tmp_path / "study.sqlite")
    study.run(Local(Refusal()))
    refused = [o for one in study.rounds for o in one.outcomes if o.values["microcolumns"] > 15]
    assert refused
    assert not any(outcome.complete or outcome.rungs for outcome in refused)


def test_a_gpu_evaluates_a_round_together(tmp_path):
    class Together(Refusal):
        rounds = ()

        def evaluate(self, candidates, bars=(), stop=None, device="cpu"):
            self.rounds = (*self.rounds, (device, len(candidates)))
            return super().evaluate(candidates, bars, stop, device)

    experiment = Together()
    study = opened(tmp_path / "gpu.sqlite")
    study.run(OnGPU(experiment))
    taken = [sum(o.values["microcolumns"] <= 15 for o in one.outcomes) for one in study.rounds]
    assert experiment.rounds == tuple(("cuda", n) for n in taken)
    on_cpu = opened(tmp_path / "cpu.sqlite")
    on_cpu.run(Local(Refusal()))
    assert study.rounds == on_cpu.rounds
    assert any(not outcome.rungs for outcome in study.rounds[0].outcomes)


@pytest.mark.parametrize("executor", [Local, OnGPU])
def test_another_error_ends_the_search_and_releases_its_claims(tmp_path, executor):
    class Failure(Pretence):
        def evaluate(self, candidates, bars=(), stop=None, device="cpu"):
            raise MemoryError("no memory is left")

    with pytest.raises(MemoryError, match="no memory"):
        opened(tmp_path / "study.sqlite").run(executor(Failure()))
    pretence = Pretence()
    opened(tmp_path / "study.sqlite").run(Local(pretence))
    assert len(pretence.evaluated) == N_EXPERIMENTS


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from spikehead.tuning.executors import Local
from test_study import Pretence, opened
opened(sys.argv[1]).run(Local(Pretence(Path(sys.argv[2]), pause=0.05), 2))
"""


def start(path, log):
    here = str(Path(__file__).parent)
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(path), str(log), here])


def wait_for_lines(log, n):
    for _ in range(600):
        if log.exists() and len(log.read_text().splitlines()) >= n:
            return
        time.sleep(0.05)
    raise AssertionError("the other process does nothing")


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_after_kill_9_the_study_goes_on_as_if_nothing_had_happened(tmp_path):
    path, log = tmp_path / "study.sqlite", tmp_path / "log"
    for n in (3, 12):
        process = start(path, log)
        wait_for_lines(log, n)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = opened(path).rounds
    pretence = Pretence()
    study = opened(path)
    study.run(Local(pretence))
    whole = opened(tmp_path / "whole.sqlite")
    whole.run(Local(Pretence()))
    assert study.rounds == whole.rounds
    n_kept = sum(len(one.outcomes) for one in kept)
    assert n_kept >= 4  # at each kill no more than those in flight are lost
    assert len(pretence.evaluated) == N_EXPERIMENTS - n_kept


def test_processes_share_a_study(tmp_path):
    path, log = tmp_path / "study.sqlite", tmp_path / "log"
    opened(path)
    processes = [start(path, log) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    evaluated = log.read_text().splitlines()
    assert len(evaluated) == len(set(evaluated)) == N_EXPERIMENTS
    whole = opened(tmp_path / "whole.sqlite")
    whole.run(Local(Pretence()))
    assert opened(path).rounds == whole.rounds


def test_a_claim_of_another_host_holds_until_it_lapses(tmp_path, monkeypatch):
    path = tmp_path / "study.sqlite"
    monkeypatch.setattr(claims.socket, "gethostname", lambda: "elsewhere")
    gone = opened(path)
    gone._claimed(study_module._Proposal(0, *SEARCH.propose([])), 3)
    monkeypatch.undo()
    monkeypatch.setattr(study_module, "_POLL", 0.01)
    with ThreadPoolExecutor() as pool:
        pretence, study = Pretence(), opened(path)
        running = pool.submit(study.run, Local(pretence))
        for _ in range(1000):
            if len(pretence.evaluated) == 7:
                break
            time.sleep(0.01)
        time.sleep(0.1)
        assert len(pretence.evaluated) == 7
        monkeypatch.setattr(claims, "LAPSES", 0.0)
        running.result()
    assert len(pretence.evaluated) == N_EXPERIMENTS


def test_an_outcome_that_comes_after_its_claim_has_lapsed_is_left_to_the_others(
    tmp_path, monkeypatch
):
    path = tmp_path / "study.sqlite"
    slow, other = opened(path), opened(path)

    class Suspended(Pretence):
        def evaluate_one(self, parameters, bars):
            if not self.evaluated:  # the others take all that this process had claimed
                for trial in other._study.get_trials():
                    other._study.tell(trial.number, state=study_module.TrialState.FAIL)
            return super().evaluate_one(parameters, bars)

    monkeypatch.setattr(claims, "RENEWED", 0.0)
    slow.run(Local(Suspended(pause=0.02), 1))
    whole = opened(tmp_path / "whole.sqlite")
    whole.run(Local(Pretence()))
    assert slow.rounds == whole.rounds


def test_other_settings_are_refused(tmp_path):
    path = tmp_path / "study.sqlite"
    opened(path)
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        opened(path, settings={"data": "b"})
    assert str(refusal.value) == (
        'the study was begun with other settings: data was "a", not "b"; repeat the command that '
        "began it, or name another study"
    )
    with pytest.raises(ValueError, match=r"^the study was begun .*: seed was 5, not 6;"):
        opened(path, Search(SPACE, SEARCH.genetic, SEARCH.descent, seed=6))
    opened(path, settings={"data": "b"}, name="another")


def test_a_study_of_version_0_2_goes_on(tmp_path):
    path = tmp_path / "study.sqlite"
    older = {"data": "a", **SEARCH.to_dict()}
    rules = {"per_spike": False, "max_depressions": -1, "homeostasis": False}
    older["space"] = {**older["space"], "fixed": rules}
    opened(path).note("settings", older)
    opened(path, settings={"head": "colanet", "data": "a"})
    with pytest.raises(ValueError, match=r'head was "colanet", not "decorrelated";'):
        opened(path, settings={"head": "decorrelated", "data": "a"})
    older["space"]["fixed"] = {**rules, "per_spike": True}
    opened(path, name="other").note("settings", older)
    with pytest.raises(ValueError, match="space was"):
        opened(path, settings={"head": "colanet", "data": "a"}, name="other")


def test_a_storage_that_cannot_be_used_is_named_in_one_sentence(tmp_path):
    with pytest.raises(OSError, match=r"^cannot use the study's storage: unable to open database"):
        opened(tmp_path / "missing" / "study.sqlite")
    (tmp_path / "text").write_text("not a database, whatever its name says" * 100)
    with pytest.raises(OSError, match=r"^cannot use the study's storage: file is not a database"):
        opened(tmp_path / "text")


@pytest.mark.skipif(os.name != "posix", reason="links and pipes, as POSIX has them")
@pytest.mark.parametrize("url", ["sqlite:///{}", "journal:{}"])
def test_only_regular_files_are_opened(tmp_path, url):
    (tmp_path / "folder").mkdir()
    (tmp_path / "outside").touch()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "link", "pipe"):
        with pytest.raises(OSError, match=rf"^cannot use .*: /.*/{name} is not a regular file; "):
            Study(url.format(tmp_path / name), "test", SEARCH, {})
    assert (tmp_path / "outside").read_bytes() == b""


def test_processes_may_begin_a_study_at_once(tmp_path):
    script = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_study import opened
print(flush=True)
sys.stdin.readline()
for number in range(5):
    opened(f"{{sys.argv[1]}}/{{number}}.sqlite")
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the contents of a study in both kinds of files."""
    folder = tmp_path_factory.mktemp("finished")
    for url in ("sqlite:///{}", "journal:{}"):
        study = Study(url.format(folder / url[:4]), "test", SEARCH, {"data": "a"})
        study.run(Local(Pretence(), 1), Budget(experiments=10))
    with closing(sqlite3.connect(folder / "sqli")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {kind: (folder / kind).read_bytes() for kind in ("sqli", "jour")}


def refusal(storage):
    """Return why a study cannot go on, nothing if it can."""
    try:
        study = Study(storage, "test", SEARCH, {"data": "a"})
        study.run(Local(Pretence(), 1), Budget(experiments=10))
    except (OSError, ValueError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("url", ["sqlite:///{}", "journal:{}"])
def test_a_damaged_study_is_refused_in_one_sentence(tmp_path, finished, url):
    content = finished[url[:4]]
    random = np.random.default_rng(0)
    places = random.choice(np.flatnonzero(np.frombuffer(content, np.uint8)), 20)
    sentences = []
    for number, place in enumerate(places.tolist()):
        flipped = bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        path = tmp_path / str(number)
        path.write_bytes(content[:place] + (flipped if number % 4 else b""))
        sentences.append(refusal(url.format(path)))
    refused = list(filter(None, sentences))
    assert refused
    assert not any("\n" in sentence for sentence in refused)
    assert all(sentence.startswith(("cannot use", "the study was")) for sentence in refused)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "UPDATE trials SET state = 'LOST' WHERE trial_id = 3",
            r"'LOST' is not among the defined enum values\. .*",
        ),
        (
            "UPDATE trial_user_attributes SET value_json = replace(value_json, 'genetic', 'magic')",
            "its trial 0 is no candidate of this search",
        ),
        (
            """UPDATE trial_user_attributes SET value_json = '{"round": 0, "kind": "genetic", '
            || '"place": 99}' WHERE key = 'candidate' AND trial_id = 2""",
            "its trial 1 was never proposed",
        ),
        (
            "UPDATE trial_params SET param_value = 7 WHERE trial_id = 2 AND param_name LIKE 'm%'",
            "its trial 1 was never proposed",
        ),
        ("DELETE FROM trial_params WHERE trial_id = 2", "its trial 1 is no candidate of .*"),
        ("DELETE FROM trial_user_attributes", "its trial 0 is no candidate of this search"),
        ("DROP TABLE trial_params", "its trial 0 is no candidate of this search"),
        (
            "UPDATE alembic_version SET version_num = 'v99'",
            r"The runtime optuna version .* is no longer compatible .*",
        ),
        (
            "DROP TABLE studies; CREATE TABLE studies (topic TEXT)",
            "no such column: .*|table studies has no .*",
        ),
    ],
)
def test_a_study_of_another_make_is_refused_in_one_sentence(tmp_path, finished, change, reason):
    path = tmp_path / "study.sqlite"
    path.write_bytes(finished["sqli"])
    with closing(sqlite3.connect(path)) as database:
        database.executescript(change)
    with pytest.raises(OSError, match=rf"^cannot use the study's storage: ({reason}); check that"):
        opened(path).run(Local(Pretence(), 1), Budget(experiments=10))


def test_a_database_without_its_driver_says_what_to_install():
    with pytest.raises(ImportError, match=r"\(No module named 'pg8000'\); for postgresql\+psycopg"):
        Study("postgresql+pg8000://host/database", "a", SEARCH, {})


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"experiments": 0}, "the budget in experiments must be above 0, not 0"),
        ({"seconds": -1.0}, "the budget in seconds must be above 0, not -1.0"),
    ],
)
def test_bad_budgets_are_refused(limits, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        Budget(**limits)
    assert str(refusal.value) == sentence


def test_a_space_that_is_used_up_ends_the_search(tmp_path):
    search = Search(
        SearchSpace(CoLaNETParameters, {"microcolumns": Range(21, 23, whole=True)}, {}),
        GeneticSearch(4, 3),
        StochasticDescent(2, 4),
    )
    study = opened(tmp_path / "study.sqlite", search)
    study.run(Local(Pretence()))
    values = [o.values["microcolumns"] for one in study.rounds for o in one.outcomes]
    assert np.unique(values).tolist() == [21, 22, 23]
    assert len(values) == 3
