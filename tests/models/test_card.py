"""The model card says what is true, to people and to the Hugging Face Hub."""

import re
from itertools import pairwise

import numpy as np
import pytest
from markdown_it import MarkdownIt

from spikehead import CoLaNETParameters
from spikehead.models.card import ModelCard
from spikehead.models.schema import Measurement

CARD = {
    "name": "my-model",
    "photos": {"cat": 1200, "dog": 3},
    "encoder": "bundled",
    "fingerprint": "0f" * 32,
    "n_activations": 2048,
    "head": "CoLaNET",
    "kind": "colanet",
    "hyperparameters": CoLaNETParameters().to_dict(),
    "members": 15,
    "seed": 7,
    "prequential": np.array([False, False, True, True, False, True, True, True]),
    "measurement": None,
}


def text(**changes) -> str:
    return ModelCard(**{**CARD, **changes}).text()


def cells(card: str) -> list[str]:
    """Return the texts in the tables of a card, as a reader sees them."""
    tokens = MarkdownIt().enable("table").parse(card)
    shown = []
    for before, token in pairwise(tokens):
        if before.type == "td_open":
            shown.append("".join(child.content for child in token.children))
    return shown


def test_what_the_hub_reads():
    yaml = pytest.importorskip("yaml")
    metadata = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text(), re.DOTALL)[1])
    assert metadata["library_name"] == "spikehead"
    assert metadata["pipeline_tag"] == "image-classification"
    assert "spiking-neural-network" in metadata["tags"]
    assert "license" not in metadata  # nobody has stated one


def test_what_people_read():
    card = text()
    shown = cells(card)
    for name, value in (
        ("cat", "1200"),
        ("dog", "3"),
        ("activations", "2048"),
        ("fingerprint", "0f" * 32),
        *((name, str(value)) for name, value in CARD["hyperparameters"].items()),
    ):
        assert shown[shown.index(name) + 1] == value
    assert "learned 1,203 photos\nof 2 classes" in card
    assert "62.5% of 8 answers were right,\nand 75.0% of the later half" in card
    assert "Its accuracy on other photos was not noted" in card
    assert "Fewest photos were learned of dog: 3." in card
    assert "15 networks, seed 7." in card
    measured = text(measurement=Measurement("test", 400, 399, 1100))
    assert "Of the photos in test, which it had not learned, 99.8% were answered right" in measured
    assert "(399 of 400; `spikehead evaluate`, when it had learned 1,100 photos)" in measured


@pytest.mark.parametrize(
    ("encoder", "known"),
    [
        ("efficientnet_lite0", ("published by Google", "Apache-2.0")),
        ("bundled", ("trained on CIFAR-10", "MIT")),
        ("efficientnet_b3", ("published by torchvision", "BSD-3-Clause")),
        ("timm:resnet50", ("weights published by timm", "https://huggingface.co/timm")),
        ("intensities:8", ("computed, not trained", "none needed")),
        ("onnx:/home/ann/secret/own.onnx", ("a file of the model's maker", "not known")),
    ],
)
def test_where_the_encoder_comes_from(encoder, known):
    card = text(encoder=encoder)
    shown = cells(card)
    for row, part in zip(("origin", "licence"), known, strict=True):
        assert part in shown[shown.index(row) + 1]
    licence = card.rpartition("## Licence")[2].replace("\\", "")
    assert known[1] in licence
    assert ("> Copyright (c) 2020, ML Illustrated" in licence) == (encoder == "efficientnet_lite0")
    assert shown[shown.index("name") + 1] == encoder.replace("/home/ann/secret/", "")
    assert "secret" not in card


def test_names_are_shown_as_they_are():
    names = ["a|b", "<b>bold</b>", "*x*", "`code`", "[a](b)", "a_b_c", "back\\slash", "dög", "# no"]
    names += [":dog:", "$x$", "@ann", "a&amp;b", "<script>", "http://a.b", "a  b", "![x](y)"]
    assert [c for c in cells(text(photos=dict.fromkeys(names, 1))) if c in names] == names
    hostile = {"two\nlines": 1, "turned \u202e round": 2, "\x1b[31mred": 3}
    card = text(photos=hostile, name="turned \u202e round")
    assert {r"two\nlines", r"turned \u202e round", r"\x1b[31mred"} <= set(cells(card))
    assert not {"\u202e", "\x1b"} & set(card)


def test_a_model_that_knows_nothing():
    card = text(photos={}, prequential=np.empty(0, bool))
    assert "No answers were recorded while it learned." in card
    assert "learned 0 photos\nof 0 classes" in card
