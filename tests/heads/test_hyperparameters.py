"""A hyperparameter stands in one list; what must name it again says the same."""

import inspect
import re

import pytest

from spikehead import CoLaNETClassifier, CoLaNETParameters
from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

HEADS = [CoLaNETParameters, DecorrelatedParameters]
DOCUMENTED = re.compile(r"^    (\w+) : [^\n]*, default=(\S+)\n((?:     .*\n)+)", re.MULTILINE)


def documented(kind):
    """Return the default, and the paper's name, of each parameter by its docstring."""
    found = {}
    for name, default, text in DOCUMENTED.findall(kind.__doc__ + "\n"):
        paper = re.search(r"\(([A-Z]{5,}|[a-z])\)[.,:]", text)
        found[name] = default, paper[1] if paper else ""
    return found


@pytest.mark.parametrize("kind", HEADS)
def test_the_docstring_agrees(kind):
    assert documented(kind) == {
        name: (repr(getattr(kind, name)), about.paper) for name, about in kind.about().items()
    }


@pytest.mark.parametrize("kind", HEADS)
def test_what_is_searched_lies_in_the_range_and_around_the_default(kind):
    for name, about in kind.about().items():
        if about.searched:
            low, high = about.searched
            assert about.low <= low <= getattr(kind, name) <= high <= about.high
            assert low > 0 or not about.log


def test_the_classifier_has_the_same():
    options = inspect.signature(CoLaNETClassifier).parameters
    names = list(CoLaNETParameters.about())
    assert list(options)[: len(names)] == names
    assert CoLaNETParameters(**{name: options[name].default for name in names}) == (
        CoLaNETParameters()
    )
    told, known = documented(CoLaNETClassifier), documented(CoLaNETParameters)
    assert {name: told[name] for name in names} == known
