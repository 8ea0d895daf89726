import re
import shutil

import pytest

from spikehead.encoders import built_file, open_encoder, restore_encoder
from spikehead.images import Preprocessing


@pytest.mark.parametrize("name", ["pixels", "pixels:8", "intensities", "intensities:8"])
def test_pixels_by_name(name):
    assert open_encoder(name).name == name


def test_onnx_by_name(save_network):
    path = save_network()
    encoder = open_encoder(f"onnx:{path}", n_threads=1)
    assert encoder.name == f"onnx:{path}"
    assert encoder.n_activations == 5


@pytest.mark.parametrize(
    "name", ["", "pixel", "pixels:", "pixels:x", "pixels:-1", "onnx", "onnx:", "timm:"]
)
def test_an_unknown_name_lists_what_there_is(name):
    message = (
        f"there is no encoder {name!r}: choose efficientnet_lite0, efficientnet_lite1, "
        "efficientnet_lite2, bundled, efficientnet_b0, efficientnet_b1, efficientnet_b2, "
        "efficientnet_b3, efficientnet_b4, efficientnet_b5, efficientnet_b6, efficientnet_b7, "
        "resnet18, timm:NAME, hf:ORG/NAME, hf:FOLDER, onnx:PATH, pixels, pixels:SIDE, intensities, "
        "intensities:SIDE, activations:N or spiking:NAME"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        open_encoder(name)


def test_an_encoder_is_restored_from_its_description_and_files(save_network, tmp_path):
    path = save_network()
    path.with_suffix(".json").write_text(
        '{"preprocessing": {"resize": 9, "crop": 8, "std": [1, 1, 1]}, "saturation": 3}'
    )
    for original in map(open_encoder, ("pixels:8", "intensities:8", f"onnx:{path}")):
        files = {
            role: shutil.move(file, tmp_path / f"{role}-0123.onnx")
            for role, file in original.files.items()
        }
        restored = restore_encoder(original.to_dict(), files)
        for attribute in ("name", "fingerprint", "n_activations", "preprocessing", "saturation"):
            assert getattr(restored, attribute) == getattr(original, attribute)


def test_an_encoder_of_the_future():
    message = (
        "^the model's encoder is of the unknown kind 'retina': upgrade spikehead, or "
        "install the package that brings it$"
    )
    with pytest.raises(ValueError, match=message):
        restore_encoder({"kind": "retina"}, {})


def test_a_pretrained_encoder_has_to_be_built(save_network, tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path))
    message = "^efficientnet_b3 is not built yet: spikehead encoder build efficientnet_b3$"
    with pytest.raises(FileNotFoundError, match=message):
        open_encoder("efficientnet_b3")
    built_file("efficientnet_b3").parent.mkdir()
    network = save_network(("batch", 3, "height", "width"))
    # What an older version wrote beside it does not count.
    network.with_suffix(".json").write_text('{"preprocessing": {"interpolation": "nearest"}}')
    for file in (network, network.with_suffix(".json")):
        shutil.copy(file, built_file("efficientnet_b3").with_suffix(file.suffix))
    encoder = open_encoder("efficientnet_b3")
    assert encoder.name == "efficientnet_b3"
    assert encoder.preprocessing == Preprocessing(320, 300)
