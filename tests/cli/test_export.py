"""spikehead export, as a user meets it."""

import sys

import nir
import onnxruntime
import pytest

from spikehead.heads.decorrelated.parameters import DISCHARGE_STEPS


@pytest.fixture
def photos(digit_photos):
    return digit_photos(60)


@pytest.fixture
def model(run, photos, tmp_path):
    run("learn", photos, "--model", tmp_path / "model", "--encoder", "bundled")
    return tmp_path / "model"


def test_writes_onnx_and_nir(run, model, tmp_path):
    files = tmp_path / "model.onnx", tmp_path / "head.nir"
    code, out, _ = run("export", model, "--onnx", files[0], "--nir", files[1])
    assert code == 0
    assert [line.split(" (")[0] for line in out.splitlines()] == [f"Wrote {f}" for f in files]
    assert onnxruntime.InferenceSession(files[0]).get_inputs()[0].name == "image"
    assert nir.read(files[1]).nodes["output"].output_type["output"] == [10 * DISCHARGE_STEPS]


def test_an_int8_encoder_is_calibrated_on_photos(run, photos, model, tmp_path, monkeypatch):
    for beyond_the_extra in ("torch", "sympy"):
        monkeypatch.setitem(sys.modules, beyond_the_extra, None)
    (photos / "digit 1" / "a.jpg").write_text("no photo")
    file = tmp_path / "model.onnx"
    options = ("--onnx", file, "--precision", "int8", "--calibration", photos)
    code, out, err = run("export", model, *options)
    assert code == 0
    assert "of the 60 photos for calibration it gives the model's class" in out
    assert "a.jpg: it is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC photo" in err
    assert file.exists()


def test_failures_are_one_sentence_and_exit_with_1(run, photos, model, tmp_path, monkeypatch):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "model.json").write_text("{")
    pixels = tmp_path / "pixels"
    run("learn", photos, "--model", pixels, "--encoder", "intensities:8")
    onnx = ("--onnx", tmp_path / "a.onnx")
    int8 = (*onnx, "--precision", "int8", "--calibration")
    failures = [
        (("export", tmp_path / "none", *onnx), f"{tmp_path / 'none'} does not exist: "),
        (("export", damaged, *onnx), "model.json is damaged"),
        (("export", model, "--onnx", tmp_path), f"cannot write {tmp_path}: Is a directory"),
        (("export", model, "--nir", tmp_path / "no" / "a.nir"), "a.nir: No such file or directory"),
        (("export", model, *int8, tmp_path / "none"), f"{tmp_path / 'none'} does not exist: "),
        (
            ("export", pixels, *int8, photos),
            "intensities:8 has no weights to quantise: use float32",
        ),
    ]
    for arguments, message in failures:
        code, out, err = run(*arguments)
        assert (code, out) == (1, "")
        assert message in err
        assert len(err.strip().splitlines()) == 1
    monkeypatch.delitem(sys.modules, "spikehead.deployment.nir", raising=False)
    monkeypatch.setitem(sys.modules, "nir", None)
    code, _, err = run("export", model, *onnx)
    assert (code, 'pip install "spikehead[export]"' in err) == (1, True)


def test_wrong_usage_exits_with_2(run, photos, model, tmp_path):
    onnx = ("--onnx", tmp_path / "a.onnx")
    wrong = [
        ("export", model),
        ("export", model, *onnx, "--precision", "int8"),
        ("export", model, *onnx, "--calibration", photos),
        ("export", model, *onnx, "--precision", "int4"),
    ]
    for arguments in wrong:
        assert run(*arguments)[0] == 2
