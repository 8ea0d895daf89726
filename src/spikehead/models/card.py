"""The model card: what a model learned, how well, what it is made of, and how to use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.encoders import provenance
from spikehead.models.schema import Measurement
from spikehead.names import shown

# The licence is left out: only the model's maker can give one.
_METADATA = """---
library_name: spikehead
pipeline_tag: image-classification
tags:
- spiking-neural-network
- {kind}
- online-learning
- continual-learning
---
"""


@dataclass(frozen=True)
class ModelCard:
    """What a model card says.

    Attributes
    ----------
    name : str
        Of the model.
    photos : dict of str to int
        How many photos of each class were learned.
    encoder : str
        The name of the encoder.
    fingerprint : str
        SHA-256 of all that decides the encoder's activations.
    n_activations : int
        What the encoder gives.
    head : str
        What the head is called.
    kind : str
        The name of its kind.
    hyperparameters : dict
        Of the head.
    members : int
        Networks in the head.
    seed : int
        Of the head.
    prequential : ndarray of bool
        Whether each photo was answered right just before it was learned, in that order.
    measurement : Measurement or None
        The last one that was to be noted.
    """

    name: str
    photos: Mapping[str, int]
    encoder: str
    fingerprint: str
    n_activations: int
    head: str
    kind: str
    hyperparameters: Mapping[str, Any]
    members: int
    seed: int
    prequential: NDArray[np.bool_]
    measurement: Measurement | None

    def text(self) -> str:
        """Return the card in Markdown, with the metadata that the Hugging Face Hub reads."""
        name = _plain(self.name)
        head, n_photos = _plain(self.head), sum(self.photos.values())
        return f"""{_METADATA.format(kind=self.kind)}
# {name}

An image classifier: a frozen encoder, and a spiking head ({head}) that learned {n_photos:,} photos
of {len(self.photos)} classes, each photo once, by local plasticity. It goes on learning where it is
used.

## Use

```python
from spikehead import HybridClassifier

model = HybridClassifier.load({self.name!r})
print(model.predict(["photo.jpg"]))
```

With `spikehead predict MODEL photo.jpg` it answers, with `spikehead learn photos/ --model MODEL` it
learns more, and `spikehead pull USER/NAME MODEL` fetches it from the Hugging Face Hub.

## Data

{_table(("class", "photos learned"), self.photos)}

## Accuracy

{self._prequential()}

{self._measured()}

## Encoder

{_table(("", ""), self._encoder())}

## Head

{self.members} network{"s" * (self.members != 1)}, seed {self.seed}.

{_table(("hyperparameter", "value"), self.hyperparameters)}

## Limits

- It answers every photo with one of its classes, even one that shows none of them. The shares of
  the vote are not probabilities.
- What the encoder does not tell apart, the head cannot learn.
- The figures above hold for photos like those they were taken on. Nobody has looked at other
  cameras, places or people, nor for bias in the photos that it learned.{self._rarest()}

## Licence

The model's maker has not stated one. (Edit this card to do so; spikehead then leaves it alone.)
The licence of the encoder: {_plain(provenance(self.encoder).licence)}.
{self._notice()}"""

    def _prequential(self) -> str:
        n = len(self.prequential)
        if not n:
            return "No answers were recorded while it learned."
        half = self.prequential[n // 2 :]
        return (
            f"Each photo was answered before it was learned: {self.prequential.mean():.1%} of "
            f"{n:,} answers were right,\nand {half.mean():.1%} of the later half (prequential "
            "accuracy; it depends on the order of the photos)."
        )

    def _measured(self) -> str:
        measured = self.measurement
        if measured is None:
            return (
                "Its accuracy on other photos was not noted: "
                "`spikehead evaluate MODEL photos/ --card` does."
            )
        return (
            f"Of the photos in {_plain(measured.data)}, which it had not learned, "
            f"{measured.n_right / measured.n_photos:.1%} were answered right\n"
            f"({measured.n_right:,} of {measured.n_photos:,}; `spikehead evaluate`, when it had "
            f"learned {measured.photos_learned:,} photos)."
        )

    def _encoder(self) -> dict[str, Any]:
        kind, _, path = self.encoder.partition(":")
        known = provenance(self.encoder)
        return {
            "name": f"{kind}:{Path(path).name}" if kind == "onnx" else self.encoder,
            "origin": known.origin,
            "licence": known.licence,
            "activations": self.n_activations,
            "fingerprint": self.fingerprint,
        }

    def _notice(self) -> str:
        """Return what the licence of the encoder asks to go with it."""
        notice = provenance(self.encoder).notice
        return "\n" + "\n".join(map(_quoted, notice.splitlines())) + "\n" if notice else ""

    def _rarest(self) -> str:
        if not self.photos:
            return ""
        label = min(self.photos, key=self.photos.__getitem__)
        return f"\n- Fewest photos were learned of {_plain(label)}: {self.photos[label]:,}."


def _table(head: tuple[str, str], rows: Mapping[str, Any]) -> str:
    cells = [head, ("---", "---"), *((_plain(k), _plain(str(v))) for k, v in rows.items())]
    return "\n".join(f"| {name} | {value} |" for name, value in cells)


def _quoted(line: str) -> str:
    return f"> {_plain(line)}".rstrip()


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line.

    Any mark may stand behind a backslash. Those are left alone that do something only at the
    beginning of a line, where no name stands.
    """
    return re.sub(r"([\\`*_\[\]|#~$<>&@!:])", r"\\\1", shown(text))
