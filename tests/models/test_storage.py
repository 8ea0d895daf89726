"""The model folder: what was saved comes back bit for bit, or one sentence says why not."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikehead import files
from spikehead.models import storage
from spikehead.models.arrays import packed
from spikehead.models.lessons import StoredLesson
from spikehead.models.schema import VERSION, checksum, holds_model, is_own_file

DESCRIPTION = {"classes": ["cat", "dög", "\udce9"], "parameters": {"DWPOS": 0.0986409}}
ARRAYS = {"weights": np.arange(12, dtype=np.int16).reshape(3, 4), "step": np.array(7)}
posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
in_tmp_path = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    path = tmp_path / "b0.onnx"
    path.write_bytes(bytes(range(256)) * 20)
    return path


@pytest.fixture
def model(tmp_path: Path, encoder: Path) -> Path:
    folder = tmp_path / "model"
    storage.save(folder, DESCRIPTION, ARRAYS, attachments={"encoder": encoder})
    storage.write_card(folder, "# Card\n")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(arrays: dict[str, Any], expected: dict[str, Any]) -> None:
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype
        assert array.shape == expected[name].shape
        assert array.tobytes() == expected[name].tobytes()


# What is saved comes back


def test_a_saved_model_comes_back(model: Path, encoder: Path) -> None:
    stored = storage.load(model)
    assert stored.description == DESCRIPTION
    assert_same(stored.arrays, ARRAYS)
    assert stored.attachments["encoder"].read_bytes() == encoder.read_bytes()
    assert stored.attachments["encoder"].parent == model
    stored.arrays["weights"] += 1


@in_tmp_path
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        hnp.arrays(
            st.sampled_from(["f4", "f8", "i2", "i4", "i8", "u1", "u2", "?"]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=4,
    )
)
def test_arrays_come_back_bit_for_bit(tmp_path: Path, arrays: dict[str, Any]) -> None:
    storage.save(tmp_path / "m", {}, arrays)
    assert_same(storage.load(tmp_path / "m").arrays, arrays)


def test_arrays_of_any_memory_order_come_back(tmp_path: Path) -> None:
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {"fortran": np.asfortranarray(weights), "strided": weights[::2, ::-1]}
    storage.save(tmp_path / "m", {}, arrays)
    assert_same(storage.load(tmp_path / "m").arrays, arrays)
    storage.save(tmp_path / "m", {}, {"big": weights.astype(">f4")})
    np.testing.assert_array_equal(storage.load(tmp_path / "m").arrays["big"], weights)


def test_the_format_is_open(model: Path) -> None:
    manifest = json.loads((model / "model.json").read_text())
    assert manifest["version"] == VERSION
    network = (model / manifest["files"]["network"]["name"]).read_bytes()
    header = json.loads(network[8 : 8 + int.from_bytes(network[:8], "little")])
    assert header["weights"]["dtype"] == "I16"
    assert header["weights"]["shape"] == [3, 4]
    assert not [path for path in model.iterdir() if b"\x80\x04\x95" in path.read_bytes()]


def test_saving_again_replaces_the_model_and_leaves_nothing_behind(model: Path) -> None:
    before = names(model)
    storage.save(model, {"classes": []}, {"weights": np.zeros(3)})
    assert storage.load(model).description == {"classes": []}
    assert storage.load(model).attachments == {}
    assert len(names(model)) == len(before) - 1
    assert not [name for name in names(model) if name.startswith("encoder")]


def test_an_unchanged_file_is_not_written_again(model: Path) -> None:
    stored = storage.load(model)
    path = stored.attachments["encoder"]
    os.utime(path, (1, 1))
    storage.save(model, {"classes": []}, stored.arrays, attachments=stored.attachments)
    assert path.stat().st_mtime == 1


def test_a_damaged_file_is_not_taken_for_an_unchanged_one(model: Path, encoder: Path) -> None:
    storage.load(model).attachments["encoder"].write_bytes(b"rotten")
    storage.save(model, DESCRIPTION, ARRAYS, attachments={"encoder": encoder})
    assert storage.load(model).attachments["encoder"].read_bytes() == encoder.read_bytes()


def test_the_model_card_is_renewed_until_somebody_edits_it(model: Path) -> None:
    card = model / "README.md"
    assert card.read_text().startswith("# Card\n")
    assert storage.write_card(model, "# New <!-- with a comment -->\n")
    storage.save(model, {}, ARRAYS)
    assert storage.write_card(model, "# Newer\n")
    assert card.read_text().startswith("# Newer\n")
    written = card.read_text()
    for mine in (written.replace("Newer", "Mine"), written + "Mine", "# Mine\n", ""):
        card.write_text(mine)
        assert not storage.write_card(model, "# Newest\n")
        assert card.read_text() == mine
    card.unlink()
    assert storage.write_card(model, "# Newest\n")
    assert card.read_text().startswith("# Newest\n")


# What belongs to somebody else is left alone


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    message = (
        f"{tmp_path} is not empty and is not a spikehead model (it holds 'photo.jpg'): "
        "choose a new or an empty folder"
    )
    for refuse in (
        lambda: storage.check_destination(tmp_path),
        lambda: storage.save(tmp_path, {}, ARRAYS),
    ):
        with pytest.raises(FileExistsError) as error:
            refuse()
        assert str(error.value) == message
    assert names(tmp_path) == ["photo.jpg"]


def test_a_file_in_the_place_of_the_folder_is_refused(encoder: Path) -> None:
    with pytest.raises(NotADirectoryError) as error:
        storage.save(encoder, {}, ARRAYS)
    assert str(error.value) == (
        f"{encoder} is a file, and a model is saved as a folder: choose another name"
    )


def test_the_model_json_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": "layers-model"}')
    message = f"{tmp_path / 'model.json'} does not describe a spikehead model: give the folder"
    for refuse in (lambda: storage.save(tmp_path, {}, ARRAYS), lambda: storage.load(tmp_path)):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            refuse()
        assert str(error.value).startswith(message)
    assert names(tmp_path) == ["model.json"]


def test_files_a_person_adds_to_a_model_stay(model: Path) -> None:
    added = ["notes.txt", "network.safetensors", "encoder-v2.onnx", ".gitattributes", "x.tmp"]
    for name in added:
        (model / name).write_text("mine")
    storage.save(model, {}, {"weights": np.zeros(3)})
    assert set(added) < set(names(model))


def test_empty_and_missing_folders_are_good(tmp_path: Path) -> None:
    assert not storage.is_model(tmp_path / "a" / "b")
    storage.check_destination(tmp_path)
    storage.save(tmp_path / "a" / "b", DESCRIPTION, ARRAYS)
    assert storage.is_model(tmp_path / "a" / "b")
    storage.check_destination(tmp_path / "a" / "b")


# Bad input gets one sentence


def refusal(error: type[Exception], folder: Path) -> str:
    with pytest.raises(error) as caught:
        storage.load(folder)
    return str(caught.value)


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the manifest and bring its checksum up to date, as an attacker would."""
    manifest = json.loads((folder / "model.json").read_text()) | changes
    manifest["sha256"] = checksum(manifest)
    (folder / "model.json").write_text(json.dumps(manifest))


def test_a_missing_folder(tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    assert refusal(FileNotFoundError, folder) == (
        f"{folder} does not exist: give the folder of a saved model"
    )


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    assert refusal(FileNotFoundError, tmp_path) == (
        f"{tmp_path} is not a spikehead model (it has no model.json): "
        "give the folder of a saved model"
    )


@pytest.mark.parametrize("text", [b"", b"{", b'{"format": "spikehead mo', b"\xff\xfe", b"[" * 9999])
def test_a_truncated_manifest(model: Path, text: bytes) -> None:
    (model / "model.json").write_bytes(text)
    assert refusal(ValueError, model) == (
        f"{model / 'model.json'} is damaged (it is not JSON): restore the model from a copy"
    )


@pytest.mark.parametrize("text", [b"[]", b"3", b"null", b'{"version": 1}'])
def test_json_that_is_no_manifest(model: Path, text: bytes) -> None:
    (model / "model.json").write_bytes(text)
    assert refusal(ValueError, model) == (
        f"{model / 'model.json'} does not describe a spikehead model: "
        "give the folder of a saved model"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1"},
        {"version": 0},
        {"description": []},
        {"files": []},
        {"files": {}},
        {"files": {"network": "x"}},
        {"files": {"network": {"name": "network-0123456789ab", "bytes": "1", "sha256": ""}}},
        {"files": {"network": {"name": "../network-0123456789ab", "bytes": 1, "sha256": ""}}},
        {"files": {"network": {"name": "/etc/passwd", "bytes": 1, "sha256": ""}}},
        {"files": {"network": {"name": "a\\network-0123456789ab", "bytes": 1, "sha256": ""}}},
        {"files": {"network": {"name": "network-0123456789ab\n", "bytes": 1, "sha256": ""}}},
    ],
)
def test_a_manifest_of_the_wrong_shape(model: Path, changes: dict[str, Any]) -> None:
    rewrite(model, **changes)
    assert refusal(ValueError, model) == (
        f"{model / 'model.json'} is damaged (its content is not that of a model): "
        "restore the model from a copy"
    )


def test_an_edited_manifest(model: Path) -> None:
    text = (model / "model.json").read_text()
    (model / "model.json").write_text(text.replace("0.0986409", "0.0986408"))
    assert refusal(ValueError, model) == (
        f"{model / 'model.json'} has been changed since it was saved "
        "(its checksum does not match): restore the model from a copy"
    )


def test_a_newer_format(model: Path) -> None:
    rewrite(model, version=VERSION + 1, files="in another way")
    message = (
        f"{model} was written by a newer spikehead (format 5; this one reads up to 4): "
        "upgrade with pip install -U spikehead"
    )
    assert refusal(ValueError, model) == message
    with pytest.raises(ValueError, match="newer spikehead"):
        storage.save(model, {}, ARRAYS)


@pytest.mark.parametrize("part", ["network", "encoder"])
def test_a_missing_file(model: Path, part: str) -> None:
    (path,) = model.glob(f"{part}-*")
    path.unlink()
    assert refusal(FileNotFoundError, model) == f"{path} is missing: restore the model from a copy"


@pytest.mark.parametrize("part", ["network", "encoder"])
@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b""])
def test_a_file_of_another_length(model: Path, part: str, change: Any) -> None:
    (path,) = model.glob(f"{part}-*")
    path.write_bytes(change(path.read_bytes()))
    assert refusal(ValueError, model) == (
        f"{path} is damaged (its checksum is not the one in model.json): "
        "restore the model from a copy"
    )


@in_tmp_path
@given(data=st.data())
@pytest.mark.parametrize("part", ["network", "encoder"])
def test_any_changed_byte_of_a_data_file_is_found(model: Path, part: str, data: Any) -> None:
    (path,) = model.glob(f"{part}-*")
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    assert refusal(ValueError, model).startswith(f"{path} is damaged")
    path.write_bytes(whole)
    storage.load(model)


@in_tmp_path
@given(data=st.data())
def test_a_changed_byte_of_the_manifest_never_changes_the_model(model: Path, data: Any) -> None:
    path = model / "model.json"
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    try:
        stored = storage.load(model)  # as where one white space took the place of another
    except ValueError as error:
        assert str(model) in str(error)  # noqa: PT017
    else:
        assert stored.description == DESCRIPTION
        assert_same(stored.arrays, ARRAYS)
    path.write_bytes(whole)


def test_a_network_that_is_no_safetensors_file(model: Path) -> None:
    entry = storage._store(model, "network", ".safetensors", lambda: [b"\xff" * 40])
    rewrite(model, files={"network": asdict(entry)})
    message = refusal(ValueError, model)
    assert message.startswith(f"{model / entry.name} is not a safetensors file of arrays: ")


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([{}]), np.array([1j])])
def test_arrays_that_cannot_be_stored(tmp_path: Path, array: Any) -> None:
    with pytest.raises(ValueError, match=r"array 'labels' has the type .*, which a model cannot"):
        storage.save(tmp_path / "m", {}, {"labels": array})
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["network", "../encoder", "Encoder", ""])
def test_attachments_of_unfit_names(tmp_path: Path, encoder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="an attachment cannot be named"):
        storage.save(tmp_path / "m", {}, ARRAYS, attachments={name: encoder})
    assert not (tmp_path / "m").exists()


def test_an_attachment_that_does_not_exist(model: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        storage.save(model, {}, {}, attachments={"encoder": tmp_path / "gone.onnx"})
    assert str(error.value) == (
        f"cannot save the model to {model}: No such file or directory "
        f"({tmp_path / 'gone.onnx'}); what was saved there is unchanged"
    )
    assert storage.load(model).description == DESCRIPTION


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_missing_permissions(model: Path) -> None:
    before = names(model)
    try:
        model.chmod(0o500)
        with pytest.raises(PermissionError) as error:
            storage.save(model, {}, {})
        assert str(error.value).startswith(f"cannot save the model to {model}: Permission denied")
        (model / "model.json").chmod(0)
        assert refusal(PermissionError, model) == (
            f"cannot read {model / 'model.json'}: Permission denied"
        )
        model.chmod(0)
        assert "cannot read" in refusal(PermissionError, model)
    finally:
        model.chmod(0o700)
        (model / "model.json").chmod(0o600)
    assert names(model) == before
    assert storage.load(model).description == DESCRIPTION


# A full disk, a failing step, a crash, a second process


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what lets a flush or rename, by its number, fail."""

    def fail_at(step: int) -> None:
        taken = 0

        def failing(call: Any) -> Any:
            def wrapper(*arguments: Any) -> Any:
                nonlocal taken
                taken += 1
                if taken == step + 1:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return call(*arguments)

            return wrapper

        monkeypatch.setattr(os, "fsync", failing(os.fsync))
        monkeypatch.setattr(Path, "replace", failing(Path.replace))

    return fail_at


@pytest.mark.parametrize("step", range(12))
def test_a_step_that_fails_leaves_the_old_model_or_the_new(
    model: Path, encoder: Path, step: int, full_disk: Callable[[int], None]
) -> None:
    """Each flush and each rename of a save fails in turn, as on a full disk."""
    before = names(model)
    full_disk(step)
    encoder.write_bytes(b"another encoder")
    try:
        storage.save(model, {}, {"w": np.ones(9)}, attachments={"encoder": encoder})
    except OSError as error:
        assert str(error) == (  # noqa: PT017
            f"cannot save the model to {model}: the disk is full, free some space and try again; "
            "what was saved there is unchanged"
        )
    stored = storage.load(model)
    if stored.description == DESCRIPTION:
        assert_same(stored.arrays, ARRAYS)
        assert names(model) == before
    else:
        assert_same(stored.arrays, {"w": np.ones(9)})
    assert not [name for name in names(model) if name.endswith(".tmp")]


def in_a_child(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )


@posix
def test_a_file_that_cannot_be_written_whole(model: Path) -> None:
    """The system itself stops the write half-way: a limit on the size of files."""
    before = names(model)
    child = in_a_child(
        """
        import resource, signal, sys
        import numpy as np
        from spikehead.models import storage
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            storage.save(sys.argv[1], {}, {"w": np.ones(1_000_000)})
        except OSError as error:
            print(error)
        """,
        model,
    )
    assert child.communicate()[0].startswith(f"cannot save the model to {model}: File too large")
    assert names(model) == before
    assert storage.load(model).description == DESCRIPTION


@posix
@pytest.mark.parametrize("first", [True, False], ids=["first save", "later save"])
def test_a_crash_at_every_step(tmp_path: Path, encoder: Path, first: bool) -> None:
    """The process ends before the n-th call that touches the disk, for every n."""
    child = in_a_child(
        """
        import os, shutil, sys
        from pathlib import Path
        import numpy as np
        from spikehead.models import storage

        folder, encoder, first = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "True"
        touching = {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir"}

        def save(generation):
            encoder.write_bytes(b"encoder %d" % generation)
            storage.save(folder, {"generation": generation}, {"w": np.full(9, generation)},
                         attachments={"encoder": encoder})

        def crash_before(step):
            count = 0
            def tick(*_):
                nonlocal count
                count += 1
                if count > step:
                    os._exit(9)
            fsync = os.fsync
            os.fsync = lambda descriptor: (tick(), fsync(descriptor), tick())
            sys.addaudithook(lambda event, arguments: event in touching and tick())

        for step in range(1000):
            shutil.rmtree(folder, ignore_errors=True)
            if not first:
                save(1)
            process = os.fork()
            if process == 0:
                crash_before(step)
                save(2)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            found = 0
            if storage.is_model(folder):
                stored = storage.load(folder)
                found = stored.description["generation"]
                assert (stored.arrays["w"] == found).all()
                assert stored.attachments["encoder"].read_bytes() == b"encoder %d" % found
            save(3)
            assert storage.load(folder).description == {"generation": 3}
            assert len(list(folder.iterdir())) == 4, sorted(folder.iterdir())
            print(code, found)
            if code == 0:
                break
        """,
        tmp_path / "m",
        encoder,
        first,
    )
    results = [line.split() for line in child.communicate()[0].splitlines()]
    assert child.returncode == 0
    codes, found = [code for code, _ in results], [int(number) for _, number in results]
    assert len(results) > 20
    assert codes == ["9"] * (len(results) - 1) + ["0"]
    assert found == sorted(found)
    assert set(found) == {0 if first else 1, 2}


CRASH = """
    import os, shutil, sys
    from pathlib import Path
    import numpy as np
    from spikehead.models import storage
    from spikehead.models.lessons import StoredLesson

    # A base has learned photos 0 to n - 1; each lesson is one photo more, but for the fourth, which
    # is a correction.
    folder, other = Path(sys.argv[1], "m"), Path(sys.argv[1], "other")
    touching = {"open", "os.rename", "os.remove", "os.mkdir", "os.truncate"}

    def lesson(number):
        n, correction = (0, ["rename", "b"]) if number == 4 else (1, [])
        digests = np.full((n, 32), number, np.uint8)
        return StoredLesson(number, "a", 1.0, digests, np.ones((n, 2), np.float32), *correction)

    def begin(folder, base, lessons):
        shutil.rmtree(folder, ignore_errors=True)
        storage.save(folder, {"base": base}, {"w": np.arange(base)})
        for number in lessons:
            storage.add_lesson(folder, lesson(number))

    def state(folder):
        stored = storage.load(folder)
        assert len(stored.arrays["w"]) == stored.description["base"]
        return stored.description["base"], [one.number for one in stored.lessons]

    def absorb():
        storage.save(folder, {"base": 3}, {"w": np.arange(3)}, learned=[1, 2])

    operations = {
        "absorb": (absorb, (1, [1, 2, 3]), (3, [3])),
        "add": (lambda: storage.add_lesson(folder, lesson(4)), (1, [1, 2, 3]), (1, [1, 2, 3, 4])),
        "undo": (lambda: storage.remove_lesson(folder, 3), (1, [1, 2, 3]), (1, [1, 2])),
        "replace": (
            lambda: storage.copy(other, folder, replace=True), (1, [1, 2, 3]), (7, [1, 9])
        ),
    }

    def crash_before(step):
        count = 0
        def tick(*_):
            nonlocal count
            count += 1
            if count > step:
                os._exit(9)
        fsync = os.fsync
        os.fsync = lambda descriptor: (tick(), fsync(descriptor), tick())
        sys.addaudithook(lambda event, _: event in touching and tick())

    begin(other, 7, [1, 9])
    work, before, after = operations[sys.argv[2]]
    for step in range(1000):
        begin(folder, *before)
        process = os.fork()
        if process == 0:
            crash_before(step)
            work()
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        found = state(folder)
        assert found in (before, after), found
        print(code, int(found == after))
        # Whatever was left is no lesson, and goes with the next change.
        storage.add_lesson(folder, lesson(100))
        assert state(folder) == (found[0], [*found[1], 100])
        assert len(list((folder / "lessons").iterdir())) == len(found[1]) + 1
        assert not list(folder.rglob("*.tmp"))
        if code == 0:
            break
    """


@posix
@pytest.mark.parametrize("operation", ["absorb", "add", "undo", "replace"])
def test_a_crash_at_every_step_of_whatever_changes_a_model(tmp_path: Path, operation: str) -> None:
    """What is there is what was before or what comes after, with no lesson twice and none lost."""
    child = in_a_child(CRASH, tmp_path, operation)
    results = [line.split() for line in child.communicate()[0].splitlines()]
    assert child.returncode == 0
    codes, done = zip(*results, strict=True)
    assert len(results) > 10
    assert codes == ("9",) * (len(results) - 1) + ("0",)
    assert list(done) == sorted(done)
    assert set(done) == {"0", "1"}


SAVE_FOR_EVER = """
    import itertools, sys, time
    import numpy as np
    from spikehead.models import storage
    from spikehead.models.lock import ModelInUseError
    folder, encoder, writer = sys.argv[1:]
    print("ready", flush=True)
    for n in itertools.count():
        try:
            storage.save(folder, {"writer": writer, "n": n},
                         {"w": np.full(200_000, n), "writer": np.array(int(writer))},
                         attachments={"encoder": encoder} if n % 2 else None)
        except ModelInUseError:  # the other one is slow: its turn comes
            pass
        time.sleep(0.05)
    """


@posix
def test_kill_at_random_moments(tmp_path: Path, encoder: Path) -> None:
    child = in_a_child(
        """
        import itertools, os, random, signal, sys, time
        import numpy as np
        from spikehead.models import storage

        folder, encoder = sys.argv[1:]
        chance = random.Random(0)
        n = 0
        started = time.monotonic()
        storage.save(folder + " to see how long it takes", {}, {"w": np.zeros(200_000)})
        longest = 3 * (time.monotonic() - started)
        for _ in range(50):
            process = os.fork()
            if process == 0:
                for n in itertools.count(n + 1):
                    storage.save(folder, {"n": n}, {"w": np.full(200_000, n)},
                                 attachments={"encoder": encoder} if n % 2 else None)
            time.sleep(chance.uniform(0, longest))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            if storage.is_model(folder):
                stored = storage.load(folder)
                assert stored.description["n"] >= n
                n = stored.description["n"]
                assert (stored.arrays["w"] == n).all()
        print(n)
        """,
        tmp_path / "m",
        encoder,
    )
    assert int(child.communicate()[0]) > 0
    assert child.returncode == 0


@posix
def test_two_processes_that_save_and_one_that_loads(tmp_path: Path, encoder: Path) -> None:
    folder = tmp_path / "m"
    children = [in_a_child(SAVE_FOR_EVER, folder, encoder, writer) for writer in (1, 2)]
    seen: set[str] = set()
    deadline = time.monotonic() + 60
    try:
        while seen != {"1", "2"}:
            assert time.monotonic() < deadline
            assert [child.poll() for child in children] == [None, None]
            if storage.is_model(folder):
                stored = storage.load(folder)
                seen.add(stored.description["writer"])
                assert (stored.arrays["w"] == stored.description["n"]).all()
                assert stored.arrays["writer"] == int(stored.description["writer"])
    finally:
        for child in children:
            child.kill()
            child.communicate()
    storage.save(folder, {"writer": "3"}, {})  # the lock of the dead holds nobody up
    assert storage.load(folder).description == {"writer": "3"}


@posix
def test_names_become_durable_in_order(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power may fail: data first, then their names, then the commit, then the removal."""
    log: list[str] = []
    fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def logged_fsync(descriptor: int) -> None:
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        log.append(f"flush {file.name.split('-')[0]}")
        fsync(descriptor)

    def logged_replace(path: Path, target: Path) -> Path:
        log.append(f"rename {target.name.split('-')[0]}")
        return replace(path, target)

    def logged_unlink(path: Path) -> None:
        log.append(f"remove {path.name.split('-')[0]}")
        unlink(path)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to name what is flushed")
    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(Path, "replace", logged_replace)
    monkeypatch.setattr(Path, "unlink", logged_unlink)
    storage.save(model, {}, {})
    log = [re.sub(r"\.[0-9a-f]{16}\.tmp$", "", step) for step in log]
    assert log[:6] == [
        "flush .network",
        "rename network",
        "flush model",
        "flush .model.json",
        "rename model.json",
        "flush model",
    ]
    assert sorted(log[6:]) == ["remove encoder", "remove network"]


def test_leftovers_of_a_crashed_first_save_do_not_bar_the_next(tmp_path: Path) -> None:
    for name in [".lock", "network-0123456789ab.safetensors", ".model.json.tmp", ".README.md.tmp"]:
        (tmp_path / name).write_text("half")
    storage.save(tmp_path, DESCRIPTION, ARRAYS)
    assert len(names(tmp_path)) == 3
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert storage.load(tmp_path / "copy").description == DESCRIPTION


# Lessons


def lesson(number: int, label: str = "dög \udce9", n_photos: int = 3) -> StoredLesson:
    rng = np.random.default_rng(number)
    digests = rng.integers(0, 256, (n_photos, 32), np.uint8)
    return StoredLesson(number, label, 1e9 + 0.1, digests, rng.random((n_photos, 5), np.float32))


def test_lessons_come_back_bit_for_bit_and_in_order(model: Path) -> None:
    assert storage.read_lessons(model) == []
    added = [lesson(2), lesson(10), lesson(1_000_000), lesson(1_000_001, "no photo", 0)]
    added.append(replace(lesson(1_000_002, n_photos=0), action="rename", into="dög \udcea"))
    for one in reversed(added):
        storage.add_lesson(model, one)
    for read, one in zip(storage.read_lessons(model), added, strict=True):
        assert (read.identity, read.label) == (one.identity, one.label)
        assert (read.action, read.into) == (one.action, one.into)
        assert_same(
            {"digests": read.digests, "activations": read.activations},
            {"digests": one.digests, "activations": one.activations},
        )
    storage.remove_lesson(model, 10)
    assert [read.number for read in storage.read_lessons(model)] == [2, *range(10**6, 10**6 + 3)]
    assert_same(storage.load(model).arrays, ARRAYS)


def test_saving_leaves_lessons_alone(model: Path) -> None:
    storage.add_lesson(model, lesson(1))
    storage.save(model, DESCRIPTION, ARRAYS)
    assert [read.number for read in storage.read_lessons(model)] == [1]


def test_a_lesson_of_another_program_is_not_overwritten(model: Path) -> None:
    storage.add_lesson(model, lesson(1, "first"))
    with pytest.raises(FileExistsError, match="another program is teaching the model in"):
        storage.add_lesson(model, lesson(1, "second"))
    assert [read.label for read in storage.read_lessons(model)] == ["first"]
    with pytest.raises(FileNotFoundError, match="has no lesson 2 any more"):
        storage.remove_lesson(model, 2)


def test_a_damaged_lesson_is_found(model: Path) -> None:
    storage.add_lesson(model, lesson(1))
    (path,) = (model / "lessons").iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged") as caught:
        storage.read_lessons(model)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("step", range(8))
def test_a_lesson_that_cannot_be_written_leaves_nothing(
    model: Path, step: int, full_disk: Callable[[int], None]
) -> None:
    """Each flush and each rename fails in turn, as on a full disk."""
    full_disk(step)
    if step == 7:  # one more than there are
        storage.add_lesson(model, lesson(1))
        return
    with pytest.raises(OSError, match="the disk is full, free some space and try again; the model"):
        storage.add_lesson(model, lesson(1))
    assert list((model / "lessons").iterdir()) == []
    storage.add_lesson(model, lesson(1))
    assert len(storage.read_lessons(model)) == 1


def test_leftovers_of_a_crash_are_cleared_away(model: Path) -> None:
    (model / "lessons").mkdir()
    (model / "lessons" / ".000001-0123456789ab.safetensors.tmp").write_bytes(b"half of it")
    assert storage.read_lessons(model) == []
    storage.add_lesson(model, lesson(1))
    assert len(list((model / "lessons").iterdir())) == 1


# What lies in the folder is not trusted


@posix
@pytest.mark.parametrize("name", ["model.json", "network-*", "encoder-*", "lessons/*"])
def test_a_pipe_is_not_waited_for(model: Path, name: str) -> None:
    storage.add_lesson(model, lesson(1))
    (path,) = model.glob(name)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises((OSError, ValueError)) as error:
        storage.load(model)
    assert str(model) in str(error.value)


@posix
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=f"^{path} is not a regular file: put the file itself"):
            files.read_file(path)


@posix
def test_nothing_is_written_through_links(model: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    for name in (".model.json.tmp", ".README.md.tmp", "README.md"):
        (model / name).unlink(missing_ok=True)
        (model / name).symlink_to(outside)
    tokens = iter(["0" * 16, "1" * 16, "2" * 16])
    (model / f".model.json.{'1' * 16}.tmp").symlink_to(outside)  # as if it could be foreseen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_hex", lambda _: next(tokens))
        with pytest.raises(FileExistsError):
            storage.save(model, {}, {"w": np.ones(3)})
    storage.save(model, {}, {"w": np.ones(3)})
    assert outside.read_text() == "mine"


WHOLE = {
    "label": np.frombuffer(b"a", np.uint8),
    "taught_at": np.array([1.0]),
    "digests": np.zeros((2, 32), np.uint8),
    "activations": np.zeros((2, 5), np.float32),
}
RENAME = {"action": np.frombuffer(b"rename", np.uint8), "into": np.frombuffer(b"b", np.uint8)}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"label": None}, "it has no label"),
        ({"activations": None}, "it has no activations"),
        ({"label": np.zeros(2, np.int32)}, "its label array has another type or shape"),
        ({"label": np.zeros(10_000_000, np.uint8)}, "its class has a name of 10000000 bytes"),
        ({"label": np.frombuffer(b"\xff", np.uint8)}, "the name of its class is not Unicode"),
        ({"taught_at": np.array([])}, "its time is none"),
        ({"taught_at": np.array([np.nan])}, "its time is none"),
        ({"taught_at": np.array([1e300])}, "its time is none"),
        ({"digests": np.zeros((3, 32), np.uint8)}, "its digests do not fit its activations"),
        ({"digests": np.zeros((2, 31), np.uint8)}, "its digests do not fit its activations"),
        ({"activations": np.zeros((2, 5))}, "its activations array has another type or shape"),
        ({"activations": np.full((2, 5), np.inf, np.float32)}, "its activations are not finite"),
        ({"action": np.frombuffer(b"remove", np.uint8)}, "it has no into"),
        (
            RENAME | {"into": np.frombuffer(b"\xff", np.uint8)},
            "the name of its class is not Unicode",
        ),
        (RENAME | {"action": np.frombuffer(b"learn", np.uint8)}, "its action is none"),
        (RENAME, "its action is none"),  # it has photos
    ],
)
def test_a_hostile_lesson_gets_one_sentence(model: Path, wrong: Any, reason: str) -> None:
    arrays = {name: array for name, array in (WHOLE | wrong).items() if array is not None}
    content = packed(arrays)
    digest = hashlib.sha256(content).hexdigest()
    entry = {"name": f"000001-{digest[:12]}.safetensors", "bytes": len(content), "sha256": digest}
    (model / "lessons").mkdir()
    (model / "lessons" / entry["name"]).write_bytes(content)
    rewrite(model, lessons=[entry])
    with pytest.raises(ValueError, match="is no lesson") as error:
        storage.load(model)
    path = model / "lessons" / entry["name"]
    assert str(error.value) == (
        f"{path} is no lesson ({reason}): restore it from a copy, or let the model go on without "
        f"it by spikehead.models.storage.remove_lesson({str(model)!r}, 1)"
    )
    storage.remove_lesson(model, 1)
    assert storage.load(model).lessons == []


def test_a_missing_lesson_is_found(model: Path) -> None:
    storage.add_lesson(model, lesson(1))
    (path,) = (model / "lessons").iterdir()
    path.unlink()
    assert refusal(FileNotFoundError, model).startswith(f"{path} is missing: restore it from")


@pytest.mark.parametrize(
    "name", ["../000001-0123456789ab.safetensors", "1-0123456789ab.safetensors", 3, "a"]
)
def test_a_lesson_lies_in_the_folder(model: Path, name: Any) -> None:
    rewrite(model, lessons=[{"name": name, "bytes": 1, "sha256": "0" * 64}])
    assert "its content is not that of a model" in refusal(ValueError, model)


def test_a_model_of_the_first_format_opens_with_its_lessons(model: Path) -> None:
    for number in (1, 2):
        storage.add_lesson(model, lesson(number))
    manifest = json.loads((model / "model.json").read_text())
    del manifest["lessons"]
    manifest["version"] = 1
    manifest["sha256"] = checksum(manifest)
    (model / "model.json").write_text(json.dumps(manifest))
    assert [one.number for one in storage.load(model).lessons] == [1, 2]
    storage.remove_lesson(model, 2)
    storage.add_lesson(model, lesson(3))
    assert [one.number for one in storage.read_lessons(model)] == [1, 3]
    assert json.loads((model / "model.json").read_text())["version"] == VERSION
    assert_same(storage.load(model).arrays, ARRAYS)


# Copies


def contents(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def taught(model: Path) -> Path:
    storage.add_lesson(model, lesson(1))
    return model


def test_a_copy_has_all_that_is_the_models_and_nothing_else(taught: Path, tmp_path: Path) -> None:
    expected = contents(taught)
    assert all(is_own_file(name) for name in expected.keys() - {".lock"})
    (taught / "notes.txt").write_text("mine")
    (taught / "network-0123456789ab.safetensors").write_bytes(b"left over")
    storage.copy(taught, tmp_path / "new" / "copy")
    assert contents(tmp_path / "new" / "copy") == expected
    assert expected[".lock"] == b""
    assert names(tmp_path / "new") == ["copy"]
    assert holds_model(expected)
    assert not holds_model(expected.keys() - {"model.json"})
    assert not holds_model(["model.json", "group1-shard1of1.bin"])
    for name in ("notes.txt", "docs/README.md", "../model.json", "lessons/a.safetensors", ""):
        assert not is_own_file(name)


@pytest.mark.parametrize("step", range(18))
def test_a_copy_takes_the_place_of_a_model_in_one_piece_or_not_at_all(
    taught: Path, tmp_path: Path, step: int, full_disk: Callable[[int], None]
) -> None:
    """Each flush and each rename fails in turn; the card, which comes last, may be the old one."""
    there = tmp_path / "there"
    storage.save(there, {}, {"w": np.ones(9)})
    storage.add_lesson(there, lesson(3))
    (there / "notes.txt").write_text("mine")
    before, notes = contents(there), {"notes.txt": b"mine"}
    with pytest.raises(FileExistsError, match=f"^{there} is a model already: "):
        storage.copy(taught, there)
    full_disk(step)
    new = contents(taught) | notes
    try:
        storage.copy(taught, there, replace=True)
    except OSError as error:
        assert str(error).startswith(f"cannot write {there}: the disk is full")  # noqa: PT017
        now = contents(there)
        assert now == before or now | {"README.md": b""} == new | {"README.md": b""}
        storage.copy(taught, there, replace=True)
    else:
        assert step > 14
    assert contents(there) == new


def test_what_is_no_whole_model_is_not_copied(taught: Path, tmp_path: Path) -> None:
    path = storage.load(taught).attachments["encoder"]
    path.write_bytes(b"rotten")
    with pytest.raises(ValueError, match=f"^{path} is damaged"):
        storage.copy(taught, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
