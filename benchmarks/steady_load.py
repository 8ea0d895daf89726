"""An hour of steady load on the service, and the memory that it holds, minute by minute.

Of ten requests seven are predictions (of one to eight photos), two lessons and one undoes; once a
minute a class is added, the model is downloaded, and a photo cannot be read.

    python benchmarks/steady_load.py
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
from service import Service, photo
from tables import show

CLASSES = 10


def main() -> None:
    """Ask and teach at a steady rate, and print the memory by the minute."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=float, default=5.0, help="Requests a second.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    rows = []
    with Service("--encoder", options.encoder, "--rate", "100000") as service:
        started = time.monotonic()
        for minute in range(options.minutes):
            statuses: Counter[int] = Counter()
            slowest = 0.0
            for number in range(round(60 * options.rate)):
                due = started + 60 * minute + number / options.rate
                time.sleep(max(due - time.monotonic(), 0))
                reply = ask(service, rng)
                statuses[reply.status] += 1
                slowest = max(slowest, reply.seconds)
            service.ask("GET", "/api/model.zip")
            service.predict(b"no photo")
            lines, tracebacks = service.log_lines()
            rows.append(
                {
                    "minute": minute + 1,
                    "memory, MB": round(service.megabytes(), 1),
                    "requests": statuses.total(),
                    "not answered": statuses.total() - statuses[200],
                    "slowest, s": round(slowest, 3),
                    "log lines": lines,
                    "tracebacks": tracebacks,
                }
            )
            print(rows[-1], flush=True)
    memory = np.array([row["memory, MB"] for row in rows])
    half = memory[len(memory) // 2 :]
    slope = 60 * np.polyfit(range(len(half)), half, 1)[0] if len(half) > 1 else 0
    note = f"In the second half memory changes by {slope:+.1f} MB an hour (a line through it)."
    show("An hour of steady load", rows, options.json, note)


def ask(service: Service, rng: np.random.Generator):
    """Make one request at random."""
    chosen = rng.integers(10)
    seeds = rng.integers(1 << 31, size=rng.integers(1, 9))
    if chosen < 7:
        return service.predict(*(photo(seed) for seed in seeds))
    if chosen < 9:
        return service.teach(f"class {rng.integers(CLASSES)}", *(photo(seed) for seed in seeds))
    return service.ask("DELETE", "/api/lessons/last")


if __name__ == "__main__":
    main()
