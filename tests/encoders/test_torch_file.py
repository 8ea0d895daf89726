"""PyTorch's older files, read without PyTorch: what it wrote itself, and what is wrong."""

import pickle

import numpy as np
import pytest

from spikehead.encoders.torch_file import read_tensors

WRONG = "^this is no file of tensors by name in PyTorch's older form, or it is damaged$"


@pytest.fixture
def saved(tmp_path):
    """Return a function that writes an object as PyTorch did before 1.6."""
    torch = pytest.importorskip("torch")

    def save(content):
        torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=False)
        return (tmp_path / "file.pth").read_bytes()

    return save


def test_tensors_are_those_that_were_written(saved):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = module.state_dict()  # an OrderedDict with an attribute
    values = torch.randn(2, 3, 4, 5)
    state["strided"] = values.permute(3, 1, 0, 2)
    state["part"] = values[1, ..., 2:]  # of the same storage
    read = read_tensors(saved(state))
    assert list(read) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name], tensor.numpy())
        assert read[name].dtype == tensor.numpy().dtype


def test_what_is_wrong_is_said_in_one_sentence(saved, tmp_path):
    torch = pytest.importorskip("torch")
    state = {"weight": torch.arange(12.0).reshape(3, 4)}
    good = saved(state)
    larger = good.replace(b"K\x03K\x04\x86", b"K\x03K\x05\x86")
    torch.save(state, tmp_path / "newer.pth")
    wrong = [
        *(good[:length] for length in range(0, len(good), 7)),
        good + b"\0",
        larger,
        good.replace(b"K\x04K\x01\x86", b"K\x05K\x01\x86"),  # strides
        good.replace(b"K\x0cNtq", b"M\xff\xffNtq"),  # a storage larger than the file
        (tmp_path / "newer.pth").read_bytes(),
        saved([1, 2]),
        saved({"weight": 1.0}),
        saved({"weight": torch.zeros(3, dtype=torch.float16)}),
        saved({"weight": np.zeros(3)}),
        saved(torch.nn.Linear(2, 2)),
        b"".join(map(pickle.dumps, (1, 2, {"little_endian": True}, {}, []))),
        np.random.default_rng(0).bytes(1000),
    ]
    assert good not in wrong
    for content in wrong:
        with pytest.raises(ValueError, match=WRONG):
            read_tensors(content)


@pytest.mark.parametrize("called", [b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch\nload\n"])
def test_nothing_in_it_is_run(called):
    with pytest.raises(ValueError, match=WRONG):
        read_tensors(called + b"(X\x04\x00\x00\x00exittR.")
