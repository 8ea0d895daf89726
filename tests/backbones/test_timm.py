"""Photos framed as timm frames them, for every way in which its pretrained models take them.

``timm_frames.json`` holds timm's own answers, so that neither timm nor torchvision is needed here.
Where both are installed, ``python tests/backbones/test_timm.py`` writes it anew.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL import __version__ as pillow

from spikehead.backbones.build import timm_preprocessing
from spikehead.encoders import PRETRAINED
from spikehead.images import Preprocessing

FRAMES = Path(__file__).with_name("timm_frames.json")
SIZES = [(201, 300), (331, 120), (64, 64)]


def photo(height, width):
    """Return a photo of noise that only its size decides."""
    noise = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(noise)


def digest(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]


def imported(name):
    """Return a module, or skip: torchvision fails in its own way beside another build of torch."""
    try:
        return __import__(name, fromlist=["data", "models"])
    except Exception as error:
        pytest.skip(f"{name} cannot be imported: {error}")


def test_photos_are_framed_as_by_timm():
    known = json.loads(FRAMES.read_text())
    photos = [photo(*size) for size in known["sizes"]]
    frames = {}
    for way in known["ways"]:
        preprocessing = timm_preprocessing(way["config"])
        assert preprocessing.shape == tuple(way["config"]["input_size"])
        assert preprocessing.mean == tuple(way["config"]["mean"])
        assert preprocessing.std == tuple(way["config"]["std"])
        # Only what is left over beside the photo depends on mean and deviation.
        key = Preprocessing(
            **{
                **vars(preprocessing),
                "std": (1.0,) * 3,
                "mean": preprocessing.mean if preprocessing.fit == "contain" else (0.0,) * 3,
            }
        )
        if key not in frames:
            frames[key] = [digest(preprocessing.frame(image)) for image in photos]
        assert frames[key] == way["frames"], way["config"]
    assert sum(way["models"] for way in known["ways"]) == 1826
    assert {preprocessing.fit for preprocessing in frames} == {"cover", "contain", "stretch"}


@pytest.mark.parametrize("mode", ["center", "border", "squash"])
@pytest.mark.parametrize("share", [0.8, 0.95, 1.0, 1.3])
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (57, 90)])
def test_what_the_encoder_gets_is_what_timm_itself_makes(mode, share, size):
    timm = imported("timm")
    config = {
        "input_size": (3, *size),
        "interpolation": "bicubic",
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.3, 0.4),
        "crop_pct": share,
        "crop_mode": mode,
    }
    transform, preprocessing = timm.data.create_transform(**config), timm_preprocessing(config)
    for height, width in [*SIZES, (97, 61), size]:
        image = photo(height, width)
        np.testing.assert_allclose(preprocessing(image), transform(image).numpy(), atol=1e-6)


def test_pretrained_encoders_are_as_torchvision_says():
    torchvision = imported("torchvision")
    for name, known in PRETRAINED.items():
        (weights,) = (w for w in torchvision.models.get_model_weights(name) if w.url == known.url)
        transform, image = weights.transforms(), photo(*SIZES[0])
        framed = known.preprocessing(image)
        np.testing.assert_allclose(framed, transform(image).numpy(), atol=1e-6)
        assert known.provenance.top_1 == weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        size = known.provenance.n_bytes / 2**20
        assert round(size, 3) == round(weights.meta["_file_size"], 3)


def write():
    """Write timm's configurations, how many models have each, and what becomes of some photos."""
    import timm
    import torchvision
    from timm.data import create_transform, resolve_data_config
    from timm.models import get_pretrained_cfg, list_pretrained

    ways = Counter(
        json.dumps(resolve_data_config(pretrained_cfg=get_pretrained_cfg(name).to_dict()))
        for name in list_pretrained()
    )
    rows = []
    for text, models in sorted(ways.items()):
        transform = create_transform(**json.loads(text), normalize=False)
        frames = [digest(transform(photo(*size)).permute(1, 2, 0).numpy()) for size in SIZES]
        rows.append(json.dumps({"config": json.loads(text), "models": models, "frames": frames}))
    versions = {
        "timm": timm.__version__,
        "torchvision": torchvision.__version__,
        "pillow": pillow,
    }
    head = f'"versions": {json.dumps(versions)},\n"sizes": {json.dumps(SIZES)},\n'
    text = ",\n".join(rows)
    FRAMES.write_text(f'{{{head}"ways": [\n{text}\n]}}\n')


if __name__ == "__main__":
    write()
