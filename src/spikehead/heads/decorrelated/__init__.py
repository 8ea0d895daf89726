"""Decorrelated columns: the head that asks nothing of its features, their number or their order."""

from spikehead.heads.decorrelated.parameters import DecorrelatedParameters

__all__ = ["DecorrelatedParameters"]
