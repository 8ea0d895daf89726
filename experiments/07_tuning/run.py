"""The full tuning campaign, beside a random search of equal budget and Table 1 untouched.

    python experiments/07_tuning/run.py imagenette PHOTOS ENCODER.onnx --study FOLDER
    python experiments/07_tuning/run.py mnist MNIST-FOLDER --study FOLDER

README.md tells the method. Stop it anywhere: the same command goes on.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikehead import CoLaNETClassifier
from spikehead.encoders import ActivationCache, encode_photos, open_encoder
from spikehead.heads.colanet.parameters import CoLaNETParameters
from spikehead.images import find_photos, split
from spikehead.tuning.candidates import Round, draw_new
from spikehead.tuning.descent import StochasticDescent
from spikehead.tuning.experiment import shuffled
from spikehead.tuning.genetic import GeneticSearch
from spikehead.tuning.space import SearchSpace, Values
from spikehead.tuning.study import Budget
from spikehead.tuning.tune import Dataset, tune

SEEDS = range(5)
SEARCHES = ("genetic", "random")


class Campaign(NamedTuple):
    """Data, and how they are searched on."""

    X: NDArray[np.float32]
    y: NDArray[Any]
    X_test: NDArray[np.float32]
    y_test: NDArray[Any]
    n_searched: int  # examples that the searches see; a part of them ranks
    validation_fraction: float
    members: int  # in the ensembles of the searches
    saturation: float  # that Table 1 is given
    ranges: dict[str, tuple[float, float]]


class RandomSearch(GeneticSearch):
    """Draws every generation at random; the best so far stop hopeless candidates, as they do."""

    def propose(self, space: SearchSpace, rounds: Sequence[Round], seed: int) -> list[Values]:
        """Return the candidates of the next generation."""
        random = np.random.default_rng([seed, len(rounds)])
        n = self.population - (round(self.elite * self.population) if rounds else 0)
        return draw_new(lambda: space.values(random.random(len(space.ranges))), n, rounds)


def imagenette(photos: Path, encoder_file: Path) -> Campaign:
    """Encode the photos in the folders train and test."""
    encoder = open_encoder(f"onnx:{encoder_file}")
    sets: list[NDArray[Any]] = []
    with ActivationCache(encoder) as cache:
        for part in ("train", "test"):
            found = find_photos(photos / part)
            batches = list(encode_photos([photo.path for photo in found], encoder, cache))
            labels = [found[index].label for batch in batches for index in batch.indices]
            sets += [
                np.concatenate([batch.given.clip(min=0) for batch in batches]),
                np.array(labels),
            ]
    return Campaign(
        *sets,
        n_searched=len(sets[0]),
        validation_fraction=0.2,
        members=15,
        saturation=CoLaNETParameters.saturation,
        ranges={},
    )


def mnist(folder: Path) -> Campaign:
    """Read pixels from 0 to 255 and digits; the searches see the first 8,000 training digits."""
    sets: list[NDArray[Any]] = []
    for part in ("train", "t10k"):
        images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)
        sets += [pixels.astype(np.float32), np.frombuffer(labels, np.uint8, offset=8)]
    return Campaign(
        *sets,
        n_searched=8000,
        validation_fraction=0.25,
        members=5,
        saturation=255.0,
        # Most inked pixels are white, so percentiles of them would leave no range.
        ranges={"saturation": (60.0, 255.0)},
    )


def accuracies(
    parameters: CoLaNETParameters,
    X: NDArray[np.float32],
    y: NDArray[Any],
    X_test: NDArray[np.float32],
    y_test: NDArray[Any],
) -> str:
    """Learn a stream in five orders, each with its own networks, and measure."""
    found = []
    for seed in SEEDS:
        order = shuffled(len(X), seed)
        head = CoLaNETClassifier(**parameters.to_dict(), random_state=seed).fit(X[order], y[order])
        found.append(float(head.score(X_test, y_test)))
    return f"{np.mean(found):.2%} ({min(found):.2%} to {max(found):.2%})"


def main() -> None:
    """Search, then measure what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=Path("campaign"))
    parser.add_argument("--generations", type=int, default=GeneticSearch.generations)
    parser.add_argument("--descent", type=int, default=StochasticDescent.rounds)
    parser.add_argument("--search", choices=SEARCHES, help="only this one; default: both")
    sets = parser.add_subparsers(dest="set", required=True)
    for name, paths in (("imagenette", ("photos", "encoder_file")), ("mnist", ("folder",))):
        one = sets.add_parser(name)
        for path in paths:
            one.add_argument(path, type=Path)
    arguments = parser.parse_args()
    if arguments.set == "mnist":
        campaign = mnist(arguments.folder)
    else:
        campaign = imagenette(arguments.photos, arguments.encoder_file)

    X, y = campaign.X[: campaign.n_searched], campaign.y[: campaign.n_searched]
    genetic = GeneticSearch(generations=arguments.generations)
    descent = StochasticDescent(rounds=arguments.descent)
    n_experiments = genetic.n_candidates + descent.rounds * descent.neighbours
    plans = {
        "genetic": (genetic, descent),
        "random": (RandomSearch(generations=n_experiments), StochasticDescent(rounds=0)),
    }
    configurations = {"Table 1": CoLaNETParameters(saturation=campaign.saturation)}
    for name in [arguments.search] if arguments.search else SEARCHES:
        search, after = plans[name]
        report = tune(
            Dataset(X, y),
            arguments.study / name,
            ranges=campaign.ranges,
            genetic=search,
            descent=after,
            members=campaign.members,
            validation_fraction=campaign.validation_fraction,
            budget=Budget(experiments=n_experiments),
        )
        print(f"{name}: {report.n_experiments} experiments in {report.seconds:.0f} s")
        for stage in report.course:
            print(f"  best after {stage.experiments:4}: {stage.best:.2%} (validation)", flush=True)
        configurations[name] = report.parameters

    learned, held_out = split(map(str, y), campaign.validation_fraction)
    print(f"searched with {len(learned)} + {len(held_out)} examples, {campaign.members} members")
    print(f"tested with {len(campaign.X)} + {len(campaign.X_test)} examples, 15 members, 5 seeds")
    for name, parameters in configurations.items():
        validated = accuracies(parameters, X[learned], y[learned], X[held_out], y[held_out])
        tested = accuracies(parameters, campaign.X, campaign.y, campaign.X_test, campaign.y_test)
        print(f"{name:8} validation {validated}  test {tested}", flush=True)


if __name__ == "__main__":
    main()
