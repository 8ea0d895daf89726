"""A refused call changes nothing: accepted and refused calls in any order, beside a twin."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sklearn.exceptions import NotFittedError

from spikehead import CoLaNETClassifier
from spikehead.heads.colanet.network import Network
from spikehead.heads.colanet.parameters import CoLaNETParameters

N_INPUTS = 6
ARRAYS = ("resources", "stability", "synapses", "phases")
ASKING = ("predict", "predict_proba", "decision_function", "out_spikes")
OPTIONS: dict[str, Any] = {
    "saturation": "auto",
    "members": 2,
    "n_threads": 1,
    "max_weight": 3.0,
    "potentiation": 1.0,
    "max_synapses": 4,
}


def examples(seed: int, n: int, width: int = N_INPUTS) -> Any:
    return np.random.default_rng(seed).gamma(1.0, 1.5, (n, width))


def bits(network: Network) -> list[Any]:
    """Return the whole state of a network, to be compared bit for bit."""
    arrays = [getattr(network, name) for name in ARRAYS]
    numbers = network.presentations, network.resource_updates, network.n_inputs, network.seed
    return [*numbers, *((a.dtype, a.shape, a.tobytes()) for a in arrays)]


def known(head: CoLaNETClassifier) -> list[Any]:
    """Return all that a classifier has learned."""
    attributes = {name: value for name, value in vars(head).items() if name.endswith("_")}
    network = attributes.pop("network_", None)
    attributes.pop("coding_", None)  # it adapts to nothing
    found = [
        (name, value.tolist() if isinstance(value, np.ndarray) else value)
        for name, value in sorted(attributes.items())
    ]
    return [found, network and bits(network)]


def outcome(one: Any, method: str, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Return what a call answers, or the error, of one sentence, that refuses it."""
    try:
        return getattr(one, method)(*arguments, **options), None
    except (ValueError, TypeError, OSError) as error:
        refused = error
    assert "\n" not in str(refused)
    return None, refused


class Twins(RuleBasedStateMachine):
    """One meets every call, its twin those only that are accepted."""

    @initialize(
        grow=st.booleans(),
        coding=st.sampled_from(["even", "bernoulli"]),
    )
    def make(self, **options: Any) -> None:
        self.one = CoLaNETClassifier(**OPTIONS, **options)
        self.twin = CoLaNETClassifier(**OPTIONS, **options)

    def call(self, method: str, *arguments: Any, **options: Any) -> None:
        """Call both; or the one alone, where it refuses."""
        before = vars(self.one).copy()
        answer, refused = outcome(self.one, method, *arguments, **options)
        if refused:
            assert vars(self.one).keys() == before.keys()
            if method in (*ASKING, "add_classes") and not hasattr(self.twin, "network_"):
                assert isinstance(refused, NotFittedError)
            return
        expected = getattr(self.twin, method)(*arguments, **options)
        if answer is self.one:
            assert expected is self.twin
        else:
            assert answer.dtype == expected.dtype
            assert answer.tolist() == expected.tolist()

    @rule(
        method=st.sampled_from(["fit", "partial_fit"]),
        seed=st.integers(0, 99),
        n=st.integers(1, 5),
        labels=st.sampled_from([[0, 1], [2, 0, 1], [3], ["a", "b"], [0, None], [0.0, 1.0], None]),
        width=st.sampled_from([N_INPUTS] * 4 + [2, 9, 2000]),
        spoiled=st.sampled_from([None] * 4 + [np.nan, np.inf, -1.0]),
        missing=st.sampled_from([0] * 5 + [1]),
        classes=st.sampled_from([None, None, [0, 1, 2], [1, 0], [5, 2, 1, 0], ["a"], [0, 1, "a"]]),
    )
    def learn(
        self,
        method: str,
        seed: int,
        n: int,
        labels: Any,
        width: int,
        spoiled: float | None,
        missing: int,
        classes: Any,
    ) -> None:
        X = examples(seed, n, width)
        if spoiled is not None:
            X[-1, -1] = spoiled
        y = labels and (labels * n)[: n - missing]
        options = {} if method == "fit" else {"classes": classes}
        self.call(method, X, y, **options)

    @rule(labels=st.sampled_from([[4], [6, 4], [0], [4, 0], ["a"], [None], [], 7, None]))
    def add_classes(self, labels: Any) -> None:
        self.call("add_classes", labels)

    @rule(n_features=st.sampled_from([N_INPUTS, 3, 0, -1, 2.5, None, np.nan]))
    def begin(self, n_features: Any) -> None:
        self.call("begin", n_features)

    @rule(
        change=st.sampled_from([0, 1, 2**31, 2**63 - 1, -1, 1.5, np.nan, 10**30]),
        name=st.sampled_from(["presentations", "resource_updates", "n_features"]),
        spoiled=st.sampled_from(["", "", "", "resources", "stability"]),
        value=st.sampled_from([np.nan, np.inf, -1, 1e38, 2**31 - 1]),
        classes=st.sampled_from(["same", "same", "twice", "one more"]),
    )
    def resume(self, change: Any, name: str, spoiled: str, value: float, classes: str) -> None:
        if not hasattr(self.twin, "network_"):
            return
        names = self.twin.classes_[np.argsort(self.twin.columns_)].tolist()
        state, n_features = copy.deepcopy(self.twin.state()), N_INPUTS
        if name == "n_features":
            n_features = change
        else:
            state[name] = change
        if spoiled in state and state[spoiled].size:
            with np.errstate(all="ignore"):
                state[spoiled].flat[-1] = np.asarray(value).astype(state[spoiled].dtype)
        names += {"same": [], "twice": names[:1], "one more": ["more"]}[classes]
        saturation = self.twin.parameters_.saturation
        for head in (self.one, self.twin):
            head.set_params(saturation=saturation)
        self.call("resume", names, state, n_features=n_features)

    @rule(
        method=st.sampled_from(ASKING),
        width=st.sampled_from([N_INPUTS] * 3 + [2, 9, 2000]),
        spoiled=st.sampled_from([None, None, np.nan, -1.0]),
    )
    def ask(self, method: str, width: int, spoiled: float | None) -> None:
        X = examples(1, 3, width)
        if spoiled is not None:
            X[0, 0] = spoiled
        self.call(method, X)

    @rule(
        option=st.sampled_from(
            [
                {"members": 0},
                {"members": 2},
                {"microcolumns": 2},
                {"microcolumns": 0},
                {"saturation": "high"},
                {"saturation": 2.0},
                {"coding": "rate"},
                {"coding": "events"},
                {"coding": "even"},
                {"device": "tpu"},
                {"device": "cpu"},
                {"n_threads": -1},
                {"n_threads": 2},
                {"random_state": -1},
                {"random_state": 3},
            ]
        )
    )
    def set_option(self, option: dict[str, Any]) -> None:
        self.one.set_params(**option)
        self.twin.set_params(**option)

    @invariant()
    def they_know_the_same(self) -> None:
        if hasattr(self, "one"):
            assert known(self.one) == known(self.twin)


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


class Networks(RuleBasedStateMachine):
    """The same of a network, without a classifier that checks before it does."""

    @initialize(microcolumns=st.integers(1, 2))
    def make(self, **options: Any) -> None:
        p = CoLaNETParameters(max_synapses=4, **options)
        self.one, self.twin = (Network(p, N_INPUTS, n_members=2) for _ in range(2))

    def call(self, method: str, *arguments: Any) -> None:
        answer, refused = outcome(self.one, method, *arguments)
        if refused:
            return
        expected = getattr(self.twin, method)(*arguments)
        if isinstance(answer, np.ndarray):
            assert answer.tobytes() == expected.tobytes()

    @rule(n_columns=st.sampled_from([0, 1, 2, -1, 1.5, True, None, np.nan]))
    def add_columns(self, n_columns: Any) -> None:
        self.call("add_columns", n_columns)

    @rule(
        name=st.sampled_from(["", *ARRAYS[:2]]),
        value=st.sampled_from([np.nan, np.inf, -1, 1e38, 1e308, 0.5, "text", None]),
        presentations=st.sampled_from([0, 2**32, 2**63 - 1, 10**40, -1, 0.5, np.nan, None]),
    )
    def restore(self, name: str, value: Any, presentations: Any) -> None:
        state = self.twin.state() | {"presentations": presentations, "resource_updates": 7}
        if name:
            spoiled = np.full(state[name].shape, value)
            state[name] = spoiled.astype(state[name].dtype) if value == 0.5 else spoiled
        self.call("restore", state)

    @rule(column=st.integers(-1, 3), member=st.integers(-1, 3))
    def look(self, column: int, member: int) -> None:
        self.call("weight_map", column, member)
        self.call("noise", self.twin.presentations + 1)

    @rule(n_columns=st.integers(0, 2))
    def grow(self, n_columns: int) -> None:
        before = bits(self.one)
        grown = self.one.grown(n_columns)
        assert bits(self.one) == before
        grown.stability += 1
        assert bits(self.one) == before
        self.one = grown
        self.twin.add_columns(n_columns)
        self.twin.stability += 1

    @invariant()
    def they_are_the_same(self) -> None:
        if hasattr(self, "one"):
            assert bits(self.one) == bits(self.twin)


TestNetworks = Networks.TestCase
TestNetworks.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


@pytest.mark.parametrize("width", [1, 100, 20_000, 2_000_000])
def test_the_old_network_answers_after_a_refused_fit(width: int) -> None:
    head = CoLaNETClassifier(members=2, n_threads=1).fit(examples(0, 40), np.arange(40) % 3)
    expected = head.predict_proba(examples(1, 5))
    with pytest.raises(ValueError, match=r"^there is only one class"):
        head.fit(examples(2, 5, width), np.zeros(5, int))
    assert head.n_features_in_ == head.network_.n_inputs == N_INPUTS
    with pytest.raises(ValueError, match=rf"^X has {width} features"):
        head.predict(examples(2, 5, width))
    assert (head.predict_proba(examples(1, 5)) == expected).all()


@pytest.mark.parametrize("option", [{"coding": "rate"}, {"saturation": "high"}, {"members": 0}])
def test_begin_refuses_an_option_in_a_sentence(option: dict[str, Any]) -> None:
    head = CoLaNETClassifier().begin(N_INPUTS)
    network = head.network_
    with pytest.raises(ValueError, match=f"^{next(iter(option))} must be"):
        head.set_params(**option).begin(3)
    assert head.network_ is network
    assert head.n_features_in_ == N_INPUTS
