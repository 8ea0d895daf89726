"""The trainer: it learns, its interruptions leave no trace, and its schedules are the paper's."""

import csv
import io
import signal
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from spikehead.backbones import training
from spikehead.backbones.data import Augmentation, ImageArrays, read_archives, read_folder
from spikehead.backbones.efficientnet import VARIANTS, EfficientNet
from spikehead.backbones.training import FINE_TUNING, PAPER, Recipe, evaluate, train
from spikehead.images import Preprocessing

TINY = replace(
    VARIANTS["efficientnet_cifar"], width=0.25, depth=0.3, dropout=0.2, stochastic_depth=0.2
)
RECIPE = Recipe(
    epochs=3,
    batch_size=16,
    optimizer="sgd",
    learning_rate=0.8,
    schedule="cosine",
    warmup_epochs=0.5,
    average_decay=0.9,
    precision="bfloat16",
    augmentation=Augmentation(grey=0.2, invert=0.2, erase=0.5, jitter=0.3),
)


def network(classes=2):
    torch.manual_seed(1)
    return EfficientNet(TINY, classes)


@pytest.fixture(scope="module")
def stripes():
    """Noisy stripes, upright or level: flips and colours do not tell them apart."""
    random = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = np.empty((96, 16, 16, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        wave = np.sin(np.arange(16) * 1.5 + random.random() * 6) * 60 + 128
        noisy = wave[:, None, None] + random.normal(0, 20, (16, 16, 3))
        image[:] = np.clip(noisy if label else noisy.transpose(1, 0, 2), 0, 255)
    return ImageArrays(images[:64], labels[:64]), ImageArrays(images[64:], labels[64:])


class PowerCutError(Exception):
    """Stands for whatever ends a process."""


class Failing(ImageArrays):
    """Image arrays that end the training when a certain batch is asked for."""

    def __init__(self, source, batches):
        self.__dict__.update(source.__dict__)
        self.left = batches

    def batch(self, indices, random):
        self.left -= 1
        if self.left < 0:
            raise PowerCutError
        return super().batch(indices, random)


def test_learns(stripes, tmp_path):
    rows = []
    recipe = replace(RECIPE, epochs=12)
    model = train(network(), *stripes, recipe, tmp_path, report=rows.append)
    loss, accuracy = evaluate(model, stripes[1])
    assert accuracy == rows[-1].validation_accuracy >= 0.9
    assert loss == pytest.approx(rows[-1].validation_loss)
    log = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in log] == list(range(1, 13))
    assert float(log[-1]["learning_rate"]) == pytest.approx(0, abs=1e-12)
    saved = torch.load(tmp_path / "weights.pt", weights_only=True)
    torch.testing.assert_close(saved, dict(model.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adamw"])
@pytest.mark.parametrize("batches", [2, 7])
def test_an_interrupted_training_equals_an_uninterrupted_one(stripes, tmp_path, optimizer, batches):
    images, validation = stripes
    recipe = replace(RECIPE, optimizer=optimizer, learning_rate=0.02)
    whole = train(network(), images, validation, recipe, tmp_path / "whole")
    torch.manual_seed(99)
    cut = Failing(images, batches)
    with pytest.raises(PowerCutError):
        train(network(), cut, validation, recipe, tmp_path / "cut", checkpoint_seconds=0)
    resumed = train(network(), images, validation, recipe, tmp_path / "cut")
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    logs = [
        [row[:-1] for row in csv.reader((tmp_path / run / "log.csv").read_text().splitlines())]
        for run in ("whole", "cut")
    ]
    assert logs[0] == logs[1]


def test_ctrl_c_keeps_every_step_so_far(stripes, tmp_path, monkeypatch):
    images, validation = stripes
    whole = train(network(), images, validation, RECIPE, tmp_path / "whole")
    advance, steps = training._advance, iter(range(100))

    def stopped(*arguments):
        advance(*arguments)
        if next(steps) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training, "_advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(network(), images, validation, RECIPE, tmp_path / "cut")
    kept = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)
    assert kept["progress"][0] == 3
    resumed = train(network(), images, validation, RECIPE, tmp_path / "cut")
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_a_finished_training_is_only_read(stripes, tmp_path):
    first = train(network(), *stripes, RECIPE, tmp_path)
    again = train(network(), Failing(stripes[0], 1), stripes[1], RECIPE, tmp_path)
    torch.testing.assert_close(again.state_dict(), first.state_dict(), rtol=0, atol=0)


def test_the_global_random_state_is_left_alone(stripes, tmp_path):
    model = network()
    before = torch.random.get_rng_state()
    train(model, *stripes, replace(RECIPE, epochs=1), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_papers_learning_rate():
    # Section 5.2: .256, times .97 every 2.4 epochs; for batches of 4096.
    recipe = replace(PAPER, batch_size=4096, warmup_epochs=0)
    for epoch, rate in [(0, 0.256), (2.3, 0.256), (2.5, 0.256 * 0.97), (24, 0.256 * 0.97**10)]:
        assert recipe.learning_rate_at(epoch) == pytest.approx(rate)
    assert (PAPER.optimizer, PAPER.weight_decay, PAPER.schedule) == ("rmsprop", 1e-5, "exponential")


def test_cosine_rises_and_falls():
    recipe = replace(FINE_TUNING, epochs=11, warmup_epochs=1, batch_size=256, learning_rate=0.4)
    rates = [recipe.learning_rate_at(epoch) for epoch in (0, 0.5, 1, 6, 11)]
    assert rates == pytest.approx([0, 0.2, 0.4, 0.2, 0])


def test_the_average_is_the_exponential_one(stripes, tmp_path):
    # One step: the average moves from the initial weights by 1 - 2/11 of the way.
    recipe = replace(RECIPE, epochs=1, batch_size=64, average_decay=0.999)
    start = network()
    initial = {name: p.detach().clone() for name, p in start.named_parameters()}
    average = train(start, *stripes, recipe, tmp_path)
    for name, parameter in average.named_parameters():
        expected = initial[name].lerp(dict(start.named_parameters())[name].detach(), 9 / 11)
        torch.testing.assert_close(parameter, expected)


def test_norms_and_biases_do_not_decay(stripes, tmp_path):
    images, validation = stripes
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    model.classifier[1].weight.data.zero_()  # so that no gradient reaches anything before it
    recipe = replace(
        RECIPE, epochs=1, batch_size=64, weight_decay=0.1, warmup_epochs=0, average_decay=0.0
    )
    train(model, images, validation, recipe, tmp_path)
    for name, parameter in model.features.named_parameters():
        if parameter.ndim == 1:
            assert (parameter == 0.5).all(), name
        else:
            assert (parameter < 0.5).all(), name


@pytest.mark.parametrize(
    "change", [{"grey": 1.0}, {"invert": 1.0}, {"erase": 1.0}, {"jitter": 1.0}, {"flip": 1.0}]
)
def test_augmentation_keeps_range_and_shape(change):
    torch.manual_seed(0)
    images = torch.rand(8, 3, 12, 12)
    changed = Augmentation(**{"flip": 0.0} | change)(images)
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.equal(changed, images)


def test_augmentations_are_what_they_are_called():
    torch.manual_seed(0)
    images = torch.rand(64, 3, 12, 12)
    torch.testing.assert_close(Augmentation(flip=1)(images), images.flip(3))
    torch.testing.assert_close(Augmentation(flip=0, invert=1)(images), 1 - images)
    grey = Augmentation(flip=0, grey=1)(images)
    torch.testing.assert_close(grey, images.mean(1, keepdim=True).expand_as(grey))
    erased = (Augmentation(flip=0, erase=1)(images) != images).all(1)
    sides = erased.any(2).sum(1)
    assert torch.equal(erased.flatten(1).sum(1), sides * erased.any(1).sum(1))
    assert sides.min() >= 3
    assert sides.max() <= 7
    assert Augmentation(flip=0)(images) is images or torch.equal(
        Augmentation(flip=0)(images), images
    )


def test_shifted_images_are_windows_of_the_reflected_image(stripes):
    images, _ = stripes
    plain = images.batch(np.arange(4), None)
    shifted = images.batch(np.arange(4), np.random.default_rng(3))
    padded = np.pad(plain, ((0, 0), (0, 0), (2, 2), (2, 2)), "reflect")
    for original, moved in zip(padded, shifted, strict=True):
        windows = [original[:, y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
        assert any(np.array_equal(window, moved) for window in windows)


def test_fine_tunes_on_a_folder_of_photos(tmp_path):
    random = np.random.default_rng(0)
    for name, colour in {"red": 0, "green": 1}.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(0, 100, (30, 40, 3), np.uint8)
            pixels[..., colour] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    training, validation, classes = read_folder(
        tmp_path / "photos", Preprocessing(resize=20, crop=16)
    )
    assert classes == ["green", "red"]
    assert (len(training.labels), len(validation.labels)) == (16, 4)
    assert training.batch(np.arange(3), None).shape == (3, 3, 16, 16)
    model = network(classes=10)
    model.replace_head(len(classes))
    recipe = replace(FINE_TUNING, epochs=30, batch_size=8, learning_rate=2.0, average_decay=0.8)
    tuned = train(model, training, validation, recipe, tmp_path / "run")
    assert evaluate(tuned, validation)[1] == 1.0


def test_bad_input_is_refused_in_a_sentence(stripes, tmp_path):
    train(network(), *stripes, replace(RECIPE, epochs=1), tmp_path / "run")
    with pytest.raises(
        ValueError, match=r"checkpoint\.pt belongs to a training with another recip"
    ):
        train(network(), *stripes, replace(RECIPE, epochs=2), tmp_path / "run")
    none = ImageArrays(np.empty((0, 16, 16, 3), np.uint8), [])
    with pytest.raises(ValueError, match="there is nothing to train on or to judge by: give more"):
        train(network(), none, stripes[1], RECIPE, tmp_path / "none")
    wild = replace(RECIPE, learning_rate=1e30, warmup_epochs=0, precision="float32")
    with pytest.raises(
        ValueError, match=r"^the loss became nan in step \d: lower the learning rate"
    ):
        train(network(), *stripes, wild, tmp_path / "wild")


def test_a_damaged_photo_is_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "photos" / name / f"{number}.jpg").write_bytes(b"no photo")
    training, _, _ = read_folder(tmp_path / "photos", Preprocessing(resize=20, crop=16))
    with pytest.raises(ValueError, match=r"\.jpg cannot be used: .*; repair or remove it$"):
        training.batch(np.arange(2), None)


def zipped(file, images):
    with zipfile.ZipFile(file, "w") as archive:
        for name, image in images.items():
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", lossless=True)
            archive.writestr(name, buffer.getvalue())


def test_archives_are_read_in_order(tmp_path):
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    zipped(tmp_path / "1.zip", {"sea/b.webp": blue, "rose/a.webp": red})
    zipped(tmp_path / "2.zip", {"rose/z.webp": red})
    images, labels, classes = read_archives([tmp_path / "2.zip", tmp_path / "1.zip"])
    assert images[:, 0, 0].tolist() == [[255, 0, 0], [255, 0, 0], [0, 0, 255]]
    assert [classes[label] for label in labels] == ["rose", "rose", "sea"]


def test_archives_of_several_sizes_are_refused(tmp_path):
    sizes = {"a/1.webp": Image.new("RGB", (4, 4)), "a/2.webp": Image.new("RGB", (5, 4))}
    zipped(tmp_path / "1.zip", sizes)
    with pytest.raises(ValueError, match=r"images of one size; they hold 4 x 4, 5 x 4$"):
        read_archives([tmp_path / "1.zip"])
    with pytest.raises(ValueError, match=r"images of one size; they hold none$"):
        read_archives([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "lion"}, "optimizer must be rmsprop, sgd or adamw, not 'lion'"),
        ({"schedule": "step"}, "schedule must be exponential or cosine, not 'step'"),
        ({"batch_size": 0}, "batch_size must be above 0, not 0"),
        (
            {"epochs": 3, "warmup_epochs": 3},
            r"warmup_epochs must be at least 0 and less than epochs \(3\), not 3",
        ),
    ],
)
def test_impossible_recipes_are_refused(change, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(PAPER, **change)
