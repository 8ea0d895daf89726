"""A Ray cluster: what it computes is what one process computes, also when a machine is lost."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.encoders import ActivationCache, Intensities, encode_photos, open_encoder
from spikehead.encoders.pretrained import BUNDLED

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster as Machines  # noqa: E402

from spikehead.cluster import Cluster  # noqa: E402

TOKEN = "0123456789abcdef" * 4
MACHINE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def machines():
    """Start a machine that asks for a token; the tests add others, processes of this one."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_AUTH_MODE", "token")
        environment.setenv("RAY_AUTH_TOKEN", TOKEN)
        forget_authentication()
        try:
            started = Machines(initialize_head=True, head_node_args=MACHINE)
        except Exception as error:
            pytest.skip(f"Ray does not start here: {error}")
        yield started
        started.shutdown()
    forget_authentication()


def forget_authentication():
    """Let Ray read anew what the environment says of it; older ones do not ask for a token."""
    with suppress(ImportError):
        from ray._raylet import AuthenticationTokenLoader, Config

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


@pytest.fixture(scope="module")
def cluster(machines):
    with Cluster(machines.address) as joined:
        yield joined


@pytest.fixture
def second(machines):
    """Add a machine for one test; it can be lost."""
    added = machines.add_node(**MACHINE)
    yield added
    if added in machines.list_all_nodes():
        machines.remove_node(added)


def lose(machines, machine):
    machines.remove_node(machine, allow_graceful=False)


@pytest.fixture
def photos(tmp_path):
    """Return the folder of 240 photos in three classes, one of which cannot be read."""
    random = np.random.default_rng(0)
    for number in range(240):
        folder = tmp_path / "photos" / "abc"[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(80 * (number % 3), 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    (tmp_path / "photos" / "a" / "000.png").write_bytes(b"no photo")
    return tmp_path / "photos"


def test_a_task_returns_what_its_function_does(cluster):
    shared = cluster.share(np.arange(5))
    sums = [cluster.submit(lambda a, b: int((a + b).sum()), shared, n) for n in range(3)]
    assert [task.result() for task in sums] == [10, 15, 20]
    with pytest.raises(ValueError, match=r"^math domain error$"):
        cluster.submit(math.sqrt, -1.0).result()


def test_a_task_that_cannot_be_run_is_an_error_in_one_sentence(cluster, monkeypatch):
    monkeypatch.setattr(cluster, "_task", cluster._task.options(max_retries=0))
    with pytest.raises(OSError, match=r"^the Ray cluster cannot run a task: .*[^.]$"):
        cluster.submit(os._exit, 1).result()


def test_a_cancelled_task_makes_room(cluster):
    endless = cluster.submit(time.sleep, 1000)
    assert endless.cancel()
    assert cluster.submit(math.sqrt, 4.0).result() == 2.0


def test_tasks_of_a_lost_machine_run_elsewhere(cluster, machines, second, tmp_path):
    def task(number):
        (tmp_path / f"{number}-{ray.get_runtime_context().get_node_id()}-{os.getpid()}").touch()
        while not (tmp_path / "go").exists():
            time.sleep(0.01)
        return number

    tasks = [cluster.submit(task, number) for number in range(2)]
    while len(runs := [path.name.split("-") for path in tmp_path.iterdir()]) < 2:
        assert not wait(tasks, 0.05).done
    ((_, _, process),) = [run for run in runs if run[1] == second.node_id]
    lose(machines, second)
    os.kill(int(process), signal.SIGKILL)
    (tmp_path / "go").touch()
    assert [task.result() for task in tasks] == [0, 1]
    assert len(list(tmp_path.glob("*-*"))) == 3


def batches_of(photos, encoder, **options):
    found = encode_photos(sorted(photos.rglob("*.png")), encoder, batch_size=20, **options)
    for batch in found:
        yield batch.indices, batch.digests, batch.given.tolist(), batch.problems


def test_photos_are_encoded_as_here(cluster, photos, tmp_path):
    encoder = open_encoder(f"onnx:{BUNDLED}")
    here = list(batches_of(photos, encoder))
    assert here[0][3] == {0: "it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo"}
    with ActivationCache(encoder, tmp_path) as cache:
        assert list(batches_of(photos, encoder, cache=cache, cluster=cluster)) == here
        assert all(cache.get(digest) is not None for _, digests, *_ in here for digest in digests)
        # Now every photo that can be read comes from the cache, here or in a cluster.
        assert list(batches_of(photos, encoder, cache=cache, cluster=cluster)) == here


def test_learning_loses_nothing_with_a_machine(cluster, machines, second, photos):
    class SlowPixels(Intensities):
        def encode(self, pixels):
            time.sleep(0.2)
            return super().encode(pixels)

    alone, together = HybridClassifier("intensities:8"), HybridClassifier(SlowPixels(8))
    alone.learn(photos)

    def on_batch(lesson):
        if second in machines.list_all_nodes():
            lose(machines, second)

    lesson = together.learn(photos, cluster=cluster, on_batch=on_batch)
    assert second not in machines.list_all_nodes()
    assert (lesson.learned, len(lesson.skipped)) == (239, 1)
    assert together.classes == alone.classes
    for name in ("weights", "energies", "inhibition"):
        ours, theirs = getattr(together.head.network_, name), getattr(alone.head.network_, name)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.usefixtures("second")
def test_shards_are_learned_apart_and_make_the_model_of_one_pass(cluster, photos, monkeypatch):
    monkeypatch.setattr("spikehead.models.shards.SHARD", 60)
    alone, together = (HybridClassifier("intensities:8", head="decorrelated") for _ in range(2))
    alone.learn(photos)
    lesson = together.learn(photos, cluster=cluster)
    assert (lesson.learned, len(lesson.skipped)) == (239, 1)
    assert together.photos_learned == alone.photos_learned
    np.testing.assert_array_equal(together.prequential, alone.prequential)
    (ours, theirs) = (model.head.network_.weights for model in (together, alone))
    np.testing.assert_allclose(ours, theirs, atol=1e-6 * np.abs(theirs).max())


def test_the_command_that_learns_loses_nothing_with_a_machine(
    run, cluster, machines, second, photos, tmp_path, monkeypatch
):
    learn, done_when_lost = HybridClassifier.learn, []

    def losing(self, found, *, on_batch, **options):
        def then_lose(lesson):
            on_batch(lesson)
            if options["cluster"] and second in machines.list_all_nodes():
                done_when_lost.append((lesson.done, lesson.total))
                lose(machines, second)

        return learn(self, found, on_batch=then_lose, **options)

    monkeypatch.setattr(HybridClassifier, "learn", losing)
    command = ("learn", photos, "--encoder", "bundled", "--no-cache", "--json")
    models = {"alone": (), "together": ("--ray", machines.address)}
    for name, options in models.items():
        code, out, err = run(*command, "--model", tmp_path / name, *options)
        assert code == 0, err
        document = json.loads(out)
        assert (document["learned"], len(document["skipped"])) == (239, 1)
    ((done, total),) = done_when_lost
    assert done < total / 2  # the others were still to be encoded
    alone, together = (HybridClassifier.load(tmp_path / name).head.network_ for name in models)
    for name in ("weights", "energies", "inhibition"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


def test_a_search_loses_nothing_with_a_machine(cluster, machines, second, tmp_path):
    pytest.importorskip("optuna")
    from sklearn.datasets import load_digits

    from spikehead.tuning.descent import StochasticDescent
    from spikehead.tuning.genetic import GeneticSearch
    from spikehead.tuning.tune import Dataset, tune

    X, y = load_digits(return_X_y=True)
    task = Dataset(X[:200] / 16, y[:200])
    plan = {
        "genetic": GeneticSearch(6, 2),
        "descent": StochasticDescent(1, 4),
        "members": 2,
        "fixed": {"microcolumns": 2},
    }

    def on_outcome(finished, best):
        if finished >= 4 and second in machines.list_all_nodes():
            lose(machines, second)

    alone = tune(task, tmp_path / "alone", **plan)
    together = tune(task, tmp_path / "together", cluster=cluster, on_outcome=on_outcome, **plan)
    assert second not in machines.list_all_nodes()
    assert together.course == alone.course
    assert together.parameters == alone.parameters


@pytest.mark.parametrize(
    ("address", "reason"),
    [("nonsense", "Invalid address format: nonsense"), ("127.0.0.1:1", "Connection refused")],
)
def test_a_cluster_that_is_not_there_is_named_in_one_sentence(monkeypatch, address, reason):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(OSError) as refusal:  # noqa: PT011
        Cluster(address)
    sentence = str(refusal.value)
    assert sentence.startswith(f"cannot join a Ray cluster at {address!r} (")
    assert (
        f"{reason}): give auto, HOST:PORT, or no address to start Ray on this machine" in sentence
    )


def test_a_cluster_that_asks_for_a_token_names_authentication(machines):
    """Without its token, a machine that is there cannot be joined."""
    program = (
        "import sys\n"
        "from spikehead.cluster import Cluster\n"
        "try:\n"
        "    Cluster(sys.argv[1])\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_TOKEN"}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": os.devnull}
    command = [sys.executable, "-c", program, machines.address]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert run.stdout.startswith(f"cannot join a Ray cluster at '{machines.address}' (")
    assert run.stdout.endswith(
        "for a cluster that asks for authentication, set RAY_AUTH_MODE=token, and "
        "RAY_AUTH_TOKEN_PATH to the file of its token\n"
    )
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""
