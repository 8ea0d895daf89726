"""CoLaNET of version 0.2, which was taught by three rules that are gone: it answers as it did."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikehead.coding import Coding, dense
from spikehead.heads.classifiers import LearnsNoMore
from spikehead.heads.colanet.classifier import CoLaNETClassifier
from spikehead.heads.colanet.network import Network
from spikehead.state import Variable


class RetiredCoLaNET(CoLaNETClassifier):
    """A head that version 0.2 taught by rules beyond the paper: it answers, and learns no more.

    Of those rules - changes by each spike, a limit of depressions, homeostatic inputs - an answer
    needs the inputs' gains alone. Parameters and attributes are those of `CoLaNETClassifier`.
    """

    title = "CoLaNET of version 0.2"

    def _new_coding(self, network: Network) -> Coding:
        coding = super()._new_coding(network)
        return coding if coding.events else Amplified(coding)

    def _learn(self, X: Any, labels: NDArray[Any]) -> None:  # noqa: ARG002
        raise LearnsNoMore(self.title)

    def _add(self, new: NDArray[Any]) -> None:
        if len(new):
            raise LearnsNoMore(self.title)


class Amplified(Coding):
    """Another coding, of activations times gains that stay as they are.

    Parameters
    ----------
    coding : Coding
        The other one.

    Attributes
    ----------
    power : ndarray of float64, shape (n_inputs,)
        Sum of the squares of each input's activations while it was taught; zero for all inputs
        where they had no gains.
    """

    variables = (Variable("power", np.float64, ("n_inputs",), (0, 1e300), optional=True),)
    power: NDArray[np.float64]

    def __init__(self, coding: Coding) -> None:
        self._coding = coding
        precise = "precise = Cast <to = 11> (single)"
        amplified = "as_given = Cast <to = 11> (single)\n    precise = Mul (as_given, gains)"
        self.graph = coding.graph.replace(precise, amplified)
        super().__init__(coding.n_inputs)

    @property
    def gains(self) -> NDArray[np.float64]:
        """What activations are multiplied by: half of the way to making inputs equally strong."""
        if not self.power.any():
            return np.ones(self.n_inputs)
        mean = np.cumsum(self.power)[-1] / self.n_inputs  # in order: another one rounds otherwise
        active = self.power > 0
        with np.errstate(over="ignore"):
            ratios = np.divide(mean, self.power, out=np.zeros(self.n_inputs), where=active)
        return np.asarray(np.sqrt(np.sqrt(np.minimum(ratios, 1e300))))

    def constants(self) -> dict[str, NDArray[Any]]:
        """Return what the operators of `graph` need, by name."""
        return {**self._coding.constants(), "gains": self.gains}

    def spike_counts(self, X: Any) -> NDArray[Any]:
        """Return how often each input spikes."""
        return self._coding.spike_counts(dense(X) * self.gains)

    def to_answer(self, X: Any) -> Any:
        """Return the spike trains of activations."""
        return self._coding.to_answer(dense(X) * self.gains)
