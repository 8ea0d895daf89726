"""Files of activations, whoever may have written them: read, or refused in one sentence."""

import io
import os
import re
import struct
import sys
import zipfile

import numpy as np
import pytest

from spikehead.activations import Activations, holds_activations, labelled, read_arrays


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.npz"


def refusal(path):
    """Return why a file is refused."""
    with pytest.raises(
        ValueError, match=r"^[^\n]* np\.savez\(file, X=activations, y=labels\)$"
    ) as no:
        read_arrays(path)
    return str(no.value).removeprefix(f"{path} ").partition(":")[0]


def member(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def archive(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in {
            "X": member(np.ones((2, 3))),
            "y": member(np.arange(2)),
            **members,
        }.items():
            file.writestr(f"{name}.npy", content)


def header(shape):
    """Return a member that declares a shape and holds nothing."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_arrays_come_back_however_they_are_compressed(path, how):
    archive(path, how, X_test=member(np.zeros((1, 3))), other=b"of no concern")
    found = read_arrays(path)
    assert {name: array.shape for name, array in found.items()} == {
        "X": (2, 3),
        "y": (2,),
        "X_test": (1, 3),
    }


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4cut", member(np.ones(3))])
def test_other_files(path, content):
    path.write_bytes(content)
    assert refusal(path) == "is no .npz file of arrays"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        member(np.array([{}, None], object)),  # it would have to be unpickled
        header((10**6, 10**3)),
        header((-1, 3)),
        header("'wide'"),
        header("(" * 60),
    ],
)
def test_other_members(path, content):
    archive(path, X=content)
    assert refusal(path) == "is no .npz file of arrays"


def test_a_shape_that_no_memory_holds(path):
    archive(path, X=header((10**9, 10**6)))
    with pytest.raises(
        MemoryError, match=rf"^the arrays in {re.escape(str(path))} do not fit into"
    ):
        read_arrays(path)


def test_members_that_are_missing(path):
    np.savez(path)
    assert refusal(path) == "holds no X, but nothing"


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (8, 1),  # the member is encrypted
        (10, 97),  # it is compressed in a way that Python has not
    ],
)
def test_members_that_cannot_be_unpacked(path, offset, value):
    archive(path)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\1\2")
    for place in (directory + offset, offset - 2):
        content[place] = value
    path.write_bytes(content)
    assert refusal(path) == "is no .npz file of arrays"


def test_no_damage_is_more_than_a_refusal(path):
    archive(path, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    refused = 0
    for place in range(len(content)):
        flipped = bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        path.write_bytes(content[:place] + flipped)
        try:
            read_arrays(path)
        except (ValueError, MemoryError):
            refused += 1
    assert refused > len(content) / 2


@pytest.mark.skipif(os.name != "posix", reason="pipes, as POSIX has them")
def test_only_files_are_opened(path):
    os.mkfifo(path)
    assert refusal(path) == "is not a file"
    assert refusal(path.parent) == "is not a file"


def test_a_folder_with_a_file_for_each_class(tmp_path):
    """Rows are named by file and place; labels are the names of the files."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    np.save(folder / "owl.npy", np.full((2, 3), -1.0))
    np.savez(folder / "bat.npz", X=np.full((1, 3), 2, np.int16))
    (folder / "notes.md").touch()
    (folder / ".hidden.npy").touch()
    assert holds_activations(folder)
    found = labelled(folder, known=["owl "])
    assert [photo.label for photo in found.photos] == ["bat", "owl ", "owl "]
    assert [photo.path.name for photo in found.photos] == ["bat.npz[0]", "owl.npy[0]", "owl.npy[1]"]
    assert [photo.content.tolist() for photo in found.photos] == [[2.0] * 3, [-1.0] * 3, [-1.0] * 3]
    assert found.left_out.files == {".md": 1}
    np.save(folder / "owl.npy", np.ones((2, 4)))
    with pytest.raises(
        ValueError, match=r"owl\.npy has 4 activations an example and .*bat\.npz 3:"
    ):
        labelled(folder)
    np.savez(folder / "bat.npz", X=np.ones((1, 4)), y=["bat"])
    with pytest.raises(ValueError, match=r"bat\.npz holds labels of its own, but in a folder each"):
        labelled(folder)
    (folder / "photo.JPG").touch()
    assert not holds_activations(folder)
    with pytest.raises(ValueError, match=r"owl\.npy holds no y: write it with"):
        labelled(folder / "owl.npy")


def test_parquet(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    path.touch()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ImportError, match=r'pip install "spikehead\[parquet\]"$'):
            read_arrays(path)
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    X, y = [[1.5, -2.0], [0.0, 3.0]], ["a", "b"]
    listed = {"id": ["p", "q"], "embedding": X, "label": y}
    plain = {"first": [1.5, 0.0], "y": y, "second": [-2.0, 3.0]}
    for columns in (listed, plain):
        parquet.write_table(pa.table(columns), path)
        found = Activations.read(path)
        assert (found.X.tolist(), found.y.tolist()) == (X, y)
    parquet.write_table(pa.table({"y": y, "text": ["one", "two"]}), path)
    with pytest.raises(ValueError, match="X must be numbers in the shape"):
        Activations.read(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"is no \.parquet file of arrays: "):
        Activations.read(path)
