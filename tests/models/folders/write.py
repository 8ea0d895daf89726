"""Write a model folder of the format that is current, and what it answers, beside it.

    python write.py VERSION

Run it once, before `spikehead.models.schema.VERSION` is raised; what it wrote then stays for ever.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from spikehead import HybridClassifier
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.models import storage
from spikehead.models.lessons import StoredLesson

SIDE = 3

folder = Path(__file__).parent / sys.argv[1]
rng = np.random.default_rng(1)
parameters = CoLaNETParameters(saturation=1.0, microcolumns=2)
model = HybridClassifier(f"intensities:{SIDE}", parameters=parameters, members=2, seed=5)
with tempfile.TemporaryDirectory() as photos:
    for label, light in (("dark", 60), ("light", 190)):
        Path(photos, label).mkdir()
        for n in range(4):
            grey = rng.normal(light, 30, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
            Image.fromarray(grey).save(Path(photos, label, f"{n}.png"))
    model.learn(photos)
model.save(folder / "model")
digests = rng.integers(0, 256, (2, 32), np.uint8)
lesson = StoredLesson(1, "half", 1e9, digests, rng.random((2, SIDE * SIDE), np.float32))
storage.add_lesson(folder / "model", lesson)
(folder / "model" / ".lock").unlink()
model = HybridClassifier.load(folder / "model")
activations = rng.random((5, SIDE * SIDE), np.float32)
answers = {
    "classes": model.classes,
    "photos_learned": model.photos_learned,
    "activations": activations.tolist(),
    "votes": model.vote(activations).tolist(),
    "prequential": model.prequential.tolist(),
}
(folder / "answers.json").write_text(json.dumps(answers) + "\n")
