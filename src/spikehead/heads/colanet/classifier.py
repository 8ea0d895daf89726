"""CoLaNETClassifier: the paper's head with scikit-learn's interface."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array

from spikehead.coding import CODINGS, STEPS, Coding, Even, Events, SpikeTrains
from spikehead.compilation import compiled
from spikehead.heads.account import Account
from spikehead.heads.classifiers import Judgement, SpikingClassifier, shares_of_vote
from spikehead.heads.colanet import reference, rules
from spikehead.heads.colanet.cpu import CPUEngine
from spikehead.heads.colanet.deployed import DeployedCoLaNET
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import ALL_STEPS, CoLaNETParameters
from spikehead.heads.parameters import Hyperparameters
from spikehead.state import whole_number

if TYPE_CHECKING:
    from spikehead.heads.colanet.cuda import CUDAEngine

AUTO = "auto"
"""The `saturation` that is settled by the first batch that is learned."""


class CoLaNETClassifier(SpikingClassifier):
    """A spiking classifier that learns each example once, by local plasticity.

    An ensemble of CoLaNET networks, each with a column of leaky integrate-and-fire neurons per
    class. Activations are rate-coded into spikes; anti-Hebbian and dopamine-modulated plasticity
    change synaptic resources as the examples stream by. There are no epochs and no gradients, and
    learning in pieces (`partial_fit`) gives bit for bit what learning at once (`fit`) gives. The
    order of the examples is the order of learning; nothing is shuffled.

    The defaults of the hyperparameters are Table 1 of the hybrid ANN-SNN paper.

    Parameters
    ----------
    potentiation : float, default=0.0986409
        Resource that dopamine adds to a recently active synapse (DWPOS).
    relative_depression : float, default=0.504279665
        Resource that an unforced firing takes, as a fraction of `potentiation` (RELDWNEG).
    stability_rate : float, default=0.0644199
        Change of stability per unit of resource change (STABILITYRESOURCECHANGERATIO).
    max_weight : float, default=1.18684
        Upper bound of a weight (MAXWEIGHT).
    min_weight : float, default=1.65234
        Magnitude of the lowest weight (MINWEIGHT).
    microcolumns : int, default=1
        L neurons per class (NLEARNINGGROUPS): more of them tell sub-classes apart.
    threshold_excess : float, default=0.0019573
        Threshold added per unit of positive weight (WTHREXCESS).
    silent_synapses : int, default=1222
        Unconnected synapses that share in renormalisation; -1 turns it off (NSILENTSYNAPSES).
    saturation : float or "auto", default=2.07474
        Activation from which an input spikes at every step (SATURATION). ``"auto"`` takes the
        99.5th percentile of the positive activations in the first batch, and keeps it.
    stochastic_stimulation : float, default=0.016
        Upper bound of the noise that each L neuron receives at each step.
    max_synapses : int, default=1000
        Plastic synapses of an L neuron at most; drawn at random where there are more inputs.
    members : int, default=15
        Networks in the ensemble.
    coding : {"even", "bernoulli", "events"}, default="even"
        How activations become spikes: spread evenly, by chance, or not at all - ``"events"``
        takes spikes as they are, of shape (n_samples, 10, n_features).
    grow : bool, default=False
        Whether `partial_fit` adds a class when it meets a new label, instead of refusing it.
    n_threads : int, optional
        Default: as many as this process may use. The result is the same for any number.
    device : {"cpu", "cuda"}, default="cpu"
        Where to compute: ``"cuda"`` is an NVIDIA GPU, with the same result.
    random_state : int, RandomState instance or None, default=0
        Decides noise and synapses.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted: the order of scores, shares and spikes.
    columns_ : ndarray of int, shape (n_classes,)
        Which column of `network_` is that of each class. New classes get the next columns, so that
        what was learned stays where it is.
    n_features_in_ : int
        Number of inputs.
    network_ : Network
        The state of the ensemble.
    parameters_ : CoLaNETParameters
        The hyperparameters in force.
    prequential_predictions_ : ndarray
        What it answered to each example of the last call of `fit` or `partial_fit` just before it
        learned it (test-then-train). It costs nothing: an example's spikes vote while it is
        presented, and plasticity takes effect when its presentation is over.
    prequential_unknown_ : ndarray of bool
        False throughout: it does not learn which examples are unknown.

    References
    ----------
    D. Larionov et al., "Hybrid ANN-SNN Pipeline with Local Plasticity", arXiv:2606.20151.
    M. Kiselev, "CoLaNET - a spiking neural network with columnar layered architecture for
    classification", arXiv:2409.01230.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from spikehead import CoLaNETClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> head = CoLaNETClassifier(saturation=16).fit(X[:1500], y[:1500])
    >>> head.predict(X[1500:1503])
    array([1, 7, 4])
    """

    title = "CoLaNET"
    hyperparameters = CoLaNETParameters
    signed = False
    presets: ClassVar = {"paper": CoLaNETParameters().to_dict()}
    network_: Network

    def __init__(
        self,
        *,
        potentiation: float = CoLaNETParameters.potentiation,
        relative_depression: float = CoLaNETParameters.relative_depression,
        stability_rate: float = CoLaNETParameters.stability_rate,
        max_weight: float = CoLaNETParameters.max_weight,
        min_weight: float = CoLaNETParameters.min_weight,
        microcolumns: int = CoLaNETParameters.microcolumns,
        threshold_excess: float = CoLaNETParameters.threshold_excess,
        silent_synapses: int = CoLaNETParameters.silent_synapses,
        saturation: float | str = CoLaNETParameters.saturation,
        stochastic_stimulation: float = CoLaNETParameters.stochastic_stimulation,
        max_synapses: int = CoLaNETParameters.max_synapses,
        members: int = 15,
        coding: str = "even",
        grow: bool = False,
        n_threads: int | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.potentiation = potentiation
        self.relative_depression = relative_depression
        self.stability_rate = stability_rate
        self.max_weight = max_weight
        self.min_weight = min_weight
        self.microcolumns = microcolumns
        self.threshold_excess = threshold_excess
        self.silent_synapses = silent_synapses
        self.saturation = saturation
        self.stochastic_stimulation = stochastic_stimulation
        self.max_synapses = max_synapses
        self.members = members
        self.coding = coding
        self.grow = grow
        self.n_threads = n_threads
        self.device = device
        self.random_state = random_state

    @classmethod
    def for_features(
        cls,
        parameters: Hyperparameters | str | None = None,
        *,
        encoder_saturation: float | str | None = None,
        seed: int = 0,
        n_threads: int | None = None,
        **options: Any,
    ) -> CoLaNETClassifier:
        """Return a head for what an encoder gives, which grows with the classes that it meets.

        Parameters
        ----------
        parameters : CoLaNETParameters or "paper", default="paper"
            Table 1 of the hybrid paper by name, with the saturation of the encoder; or others, with
            their own.
        encoder_saturation : float or "auto", optional
            The saturation that the encoder knows. Default: that of Table 1.
        seed : int, default=0
            The `random_state`.
        n_threads : int, optional
            Default: as many as this process may use.
        **options
            Options of the estimator, before `parameters`; `settings` gives them.

        Raises
        ------
        ValueError
            If the estimator has no such option.
        """
        parameters = parameters or "paper"
        values = cls._values(parameters)
        if isinstance(parameters, str):
            values["saturation"] = encoder_saturation or values["saturation"]
        return cls._made(values | options, random_state=seed, n_threads=n_threads, grow=True)

    def settings(self) -> dict[str, Any]:
        """Return the options that a saved head needs to be made again, as JSON values."""
        values = self.parameters_.to_dict()
        values |= {"members": self.network_.n_members, "coding": self.coding}
        if self.saturation == AUTO and not self.network_.presentations:
            values["saturation"] = AUTO
        return dict(values)

    def deployed(self) -> DeployedCoLaNET:
        """Return what the head is elsewhere: in ONNX, in NIR, as operations that cost energy."""
        return DeployedCoLaNET(self)

    # ------------------------------------------------------------ what a head is

    def _new_network(self, n_inputs: int, n_columns: int) -> Network:
        if isinstance(self.saturation, str) and self.saturation != AUTO:
            raise ValueError(f'saturation must be a number or "auto", not {self.saturation!r}')
        values = {name: getattr(self, name) for name in CoLaNETParameters.__dataclass_fields__}
        if self.saturation == AUTO:
            del values["saturation"]  # to a network that knows nothing, any is as good
        parameters = CoLaNETParameters(**values)
        members = whole_number("members", self.members, 1, 1000)
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        if not 0 <= seed < 2**32:
            raise ValueError(f"random_state must be from 0 to 4294967295, not {seed}")
        return Network(parameters, n_inputs, n_columns, members, int(seed))

    def _new_coding(self, network: Network) -> Coding:
        p = network.parameters
        return self._coding_type()(network.n_inputs, p.saturation, seed=network.seed)

    def _coding_type(self) -> type[Even | Events]:
        if self.coding not in CODINGS:
            raise ValueError(f"coding must be one of {', '.join(CODINGS)}, not {self.coding!r}")
        return CODINGS[self.coding]

    def _learn(self, X: Any, labels: NDArray[Any]) -> None:
        if self.saturation == AUTO and not self.network_.presentations:
            saturation = self.coding_.fitting_saturation(X)
            self.network_ = self.network_.grown(0)  # the old one stays as it is
            self.network_.parameters = replace(self.parameters_, saturation=saturation)
            self.coding_ = self._new_coding(self.network_)
        super()._learn(X, labels)

    def _teach(
        self, coded: SpikeTrains, columns: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        spikes, peaks = self._running_engine().learn(coded, columns)
        return np.asarray(votes(spikes, peaks)), self._familiarity(spikes)

    def _ask(self, coded: SpikeTrains) -> NDArray[np.float64]:
        return np.asarray(votes(*self._running_engine().respond(coded)))

    def _judge(self, coded: SpikeTrains) -> Judgement:
        """Return shares of the vote; familiar is what the winner spikes at, of all it could."""
        spikes, peaks = self._running_engine().respond(coded)
        scores = np.asarray(votes(spikes, peaks))
        return Judgement(scores, shares_of_vote(scores), self._familiarity(spikes))

    def _familiarity(self, spikes: NDArray[Any]) -> NDArray[np.float64]:
        most = spikes.sum(axis=1, dtype=np.int64).max(axis=1, initial=0)
        return np.asarray(most / (self.network_.n_members * ALL_STEPS))

    def _spikes(self, coded: SpikeTrains) -> NDArray[np.bool_]:
        return np.asarray(self._running_engine().out_spikes(coded).transpose(0, 1, 3, 2))

    def _told(self, coded: SpikeTrains) -> Account:
        network, size = self.network_, self.parameters_.microcolumns
        answer = int(self._ask(coded)[0].argmax())
        (members,) = reference.run(network, coded)
        spikes = np.array([member.out(size) for member in members])
        shares = Account(spikes).votes
        others = np.delete(shares, answer, axis=1).max(axis=1, initial=0)
        best = int((shares[:, answer] - others).argmax())
        seen = members[best]
        ratios = (seen.potentials / seen.thresholds).reshape(len(seen.potentials), -1, size)
        nearest = ratios[:STEPS].max(axis=0).argmax(axis=1)
        weights = [network.weight_map(column, best)[one] for column, one in enumerate(nearest)]
        return Account(
            spikes, best, seen.input.astype(np.int8), ratios.max(axis=2), np.array(weights)
        )

    def _running_engine(self) -> CPUEngine | CUDAEngine:
        engine: CPUEngine | CUDAEngine | None = getattr(self, "_engine", None)
        if engine is None or engine.network is not self.network_:
            engine = self._engine = self._new_engine()
        return engine

    def _new_engine(self) -> CPUEngine | CUDAEngine:
        if self.device == "cpu":
            return CPUEngine(self.network_, self.n_threads)
        if self.device == "cuda":
            from spikehead.heads.colanet.cuda import CUDAEngine

            return CUDAEngine(self.network_)
        raise ValueError(f"device must be cpu or cuda, not {self.device!r}")

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Return the data in a form to compute with, or say in one sentence what is wrong."""
        asked = self._coding_type()
        coding = asked if reset else type(self.coding_)
        if coding.events:
            return self._checked_events(X, reset=reset)
        return super()._checked(X, reset=reset)

    def _checked_events(self, X: Any, *, reset: bool) -> NDArray[np.bool_]:
        X = check_array(X, dtype=None, allow_nd=True, ensure_all_finite=False, estimator=self)
        if X.ndim != 3 or X.shape[1] != STEPS or not X.size or not np.isin(X, (0, 1)).all():
            raise ValueError(
                f'with coding="{self.coding}", X must hold 0 and 1 in the shape (n_samples, '
                f"{STEPS}, n_features), not {X.dtype} in the shape {X.shape}"
            )
        if reset:
            self.n_features_in_ = X.shape[2]
        elif X.shape[2] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[2]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return np.asarray(X, bool)


@compiled
def votes(spikes: NDArray[np.uint8], peaks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean share of each column in the members' OUT spikes, ties resolved."""
    n_presentations, n_members, n_columns = spikes.shape
    scores = np.zeros((n_presentations, n_columns))
    highest = np.empty(n_columns)
    for index in range(n_presentations):
        votes = scores[index]
        highest.fill(0)
        for member in range(n_members):
            total = 0
            for column in range(n_columns):
                total += spikes[index, member, column]
                highest[column] += peaks[index, member, column]
            for column in range(n_columns):
                votes[column] += spikes[index, member, column] / max(total, 1)
        for column in range(n_columns):
            votes[column] = rules.score(votes[column] / n_members, highest[column])
    return scores
