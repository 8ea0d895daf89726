"""Why a photo was given its class: against what the head says, and a hand count of the pulls."""

import re

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from spikehead import HybridClassifier, pictures
from spikehead.coding import even_trains
from spikehead.heads.classifiers import SpikingClassifier
from spikehead.heads.colanet import reference


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    images, labels = load_digits(n_class=3, return_X_y=True)
    for number in range(90):
        target = folder / ("train" if number < 60 else "test") / f"${labels[number]}$"
        target.mkdir(parents=True, exist_ok=True)
        grey = np.uint8(images[number].reshape(8, 8) * 255 / 16)
        Image.fromarray(grey).save(target / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def model(photos):
    model = HybridClassifier("intensities:8", head="paper", members=3, n_threads=1)
    model.learn(photos / "train")
    return model


def panel(figure, title):
    (ax,) = [ax for ax in figure.axes if ax.get_title("left") == title]
    return ax


def n_boxes(ax):
    return len(ax.collections[0].get_paths())


def test_what_is_drawn_is_what_happened(model, photos):
    photo = sorted((photos / "test").rglob("*.png"))[0]
    (answer,) = model.classify([photo])
    figure = pictures.explain(model, photo, true=photo.parent.name)
    assert figure.get_suptitle() == f"Why {answer.label}? {photo.parent.name}/{photo.name}"
    pixels = np.float32(np.asarray(Image.open(photo)).reshape(1, -1)) / 255
    network = model.head.network_
    trains = even_trains(pixels, network.parameters.saturation)
    (members,) = reference.run(network, trains)
    size = network.parameters.microcolumns
    votes = panel(figure, "Votes")
    assert n_boxes(votes) == sum((seen.out(size).sum(axis=0) > 0).sum() for seen in members)
    best = int(re.match(r"member (\d+) is shown below", votes.get_title("right"))[1]) - 1
    seen = members[best]
    assert n_boxes(panel(figure, "Input spikes")) == seen.input.sum()
    assert n_boxes(panel(figure, "Output spikes of the class columns")) == seen.out(size).sum()
    curves = panel(figure, "Potentials").lines
    highest = (seen.potentials / seen.thresholds).reshape(15, -1, size).max(axis=2)
    predicted = model.classes.index(answer.label)
    (course,) = [line for line in curves if line.get_label().startswith("predicted")]
    np.testing.assert_allclose(course.get_ydata(), highest[:, predicted])

    maps = [ax for ax in figure.axes if "in all" in ax.get_title()]
    counts, neuron = seen.input.sum(axis=0), seen.potentials[:10].max(axis=0) / seen.thresholds
    first, rival, more = (np.array(ax.images[0].get_array()) for ax in maps)
    column = network.weight_map(predicted, best)
    nearest = neuron[predicted * size : (predicted + 1) * size].argmax()
    np.testing.assert_allclose(first.ravel(), column[nearest] * counts, rtol=1e-6)
    np.testing.assert_allclose(first - rival, more)


def test_the_rival_is_the_truth_where_it_was_missed(model, photos):
    (photo,) = sorted((photos / "test" / "$1$").iterdir())[:1]
    (answer,) = model.classify([photo])
    other = [name for name in model.classes if name != answer.label][-1]
    figure = pictures.explain(model, photo, true=other)
    titles = [ax.get_title() for ax in figure.axes if "in all" in ax.get_title()]
    assert [title.split(": ")[0] for title in titles] == [
        answer.label,
        other,
        f"{answer.label} − {other}",
    ]
    labels = [label.get_text() for label in panel(figure, "Votes").get_yticklabels()]
    assert {f"predicted: {answer.label}", f"true: {other}"} < set(labels)
    unknown = pictures.explain(model, photo, true="$9$")
    assert unknown.get_suptitle().endswith("(truly $9$, which it does not know)")


def test_a_model_of_one_class_has_no_rival(photos):
    model = HybridClassifier("intensities:8", n_threads=1)
    files = sorted((photos / "train" / "$1$").iterdir())[:3]
    model.learn(files, ["one"] * 3)
    figure = pictures.explain(model, files[0])
    assert len([ax for ax in figure.axes if "in all" in ax.get_title()]) == 1
    assert pictures.rendered(figure)


def test_a_photo_that_cannot_be_explained(model, tmp_path):
    broken = tmp_path / "a.jpg"
    broken.write_text("no photo")
    with pytest.raises(ValueError, match=r"a\.jpg: it is not a"):
        pictures.explain(model, broken)
    with pytest.raises(ValueError, match="the model has learned nothing yet; teach it with learn"):
        pictures.explain(HybridClassifier("intensities:8"), broken)


def test_decorrelated_columns_show_their_lateral_layer(photos):
    # The classes come in an order that is not theirs by name.
    files = sorted((photos / "train").rglob("*.png"))[::-1]
    model = HybridClassifier("intensities:8", n_threads=1)
    model.learn(files, [file.parent.name for file in files], order="as-given")
    photo = sorted((photos / "test").rglob("*.png"))[0]
    (answer,) = model.classify([photo])
    figure = pictures.explain(model, photo, true=photo.parent.name)
    assert figure.get_suptitle().startswith(f"Why {answer.label}? ")
    predicted = model.classes.index(answer.label)

    # Against batch algebra in float64, from the photos alone.
    def counts(paths):
        pixels = np.array([np.asarray(Image.open(path)).ravel() for path in paths]) / 255
        scaled = np.abs(pixels) / (4 * np.sqrt((pixels**2).mean(axis=1, keepdims=True)))
        return np.floor(np.minimum(10 * scaled, 10) + 0.5)

    k, (now,) = counts(files), counts([photo])
    A = np.linalg.inv(np.eye(64) + k.T @ k / (64 * 2.5**2))
    of_answer = [file.parent.name == answer.label for file in files]
    maps = [ax for ax in figure.axes if ax.images and ax.get_title()]
    shown = [np.array(ax.images[0].get_array()).ravel() for ax in maps]
    heard, explained, left, sought = shown[:4]
    np.testing.assert_array_equal(heard, now)
    np.testing.assert_allclose(left, A @ now, atol=1e-4)
    np.testing.assert_allclose(explained + left, heard)
    np.testing.assert_allclose(sought, A @ k[of_answer].mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(shown[6], sought * now)
    out = model.out_spikes(now[None].astype(np.float32))[0]
    assert n_boxes(panel(figure, "Output spikes of the class columns")) == out.sum()
    assert n_boxes(panel(figure, "Input spikes")) == now.sum()
    bars = panel(figure, "Shares").patches
    assert max(bar.get_width() for bar in bars) == pytest.approx(answer.shares[predicted])


def test_a_head_that_tells_nothing_more_is_drawn_by_its_spikes(photos, model, monkeypatch):
    monkeypatch.setattr(type(model.head), "_told", SpikingClassifier._told)
    figure = pictures.explain(model, next(photos.rglob("*.png")))
    titles = {ax.get_title("left") for ax in figure.axes}
    assert titles == {"", "Votes", "Output spikes of the class columns"}
