"""Claims: of several processes with one study, the one that evaluates a candidate says so.

Optuna has a heartbeat of its own, which is not enough here. It beats only in ``study.optimize``,
which asks for one trial after another, and not where trials are given (``add_trial``); it is kept
by databases, and not by journal files; it cannot tell at once that the process of a stale trial is
gone, as after kill -9 on the same host; and it does not keep two processes from the same candidate.
A claim is an attribute of a trial, so it needs nothing of a storage but to keep it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Any

import psutil

RENEWED = 15.0
"""Seconds after which a process renews its claims on the candidates that it evaluates."""

LAPSES = 120.0
"""Seconds after which a claim that was not renewed is void: its process, or its host, is gone."""


def claim() -> dict[str, Any]:
    """Return a claim of this process, ready for JSON."""
    return {"host": socket.gethostname(), "process": os.getpid(), "time": time.time()}


def is_old(claim: Mapping[str, Any]) -> bool:
    """Tell whether a claim of this process must be renewed."""
    return bool(time.time() - claim["time"] > RENEWED)


def has_lapsed(claim: Mapping[str, Any]) -> bool:
    """Tell whether the process of a claim, which is not the asking study's own, is gone."""
    if time.time() - claim["time"] > LAPSES:
        return True
    if claim["host"] != socket.gethostname():
        return False
    return claim["process"] == os.getpid() or not psutil.pid_exists(claim["process"])
