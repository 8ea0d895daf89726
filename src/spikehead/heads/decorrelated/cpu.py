"""The fast engine for CPUs: the same spikes and synapses as the reference, bit for bit.

All sums are of whole numbers and exact (`rules`), so their order is free: an example is a count for
each input and not ten steps, only inputs that spike are visited, compilers may reorder sums, and
threads share places, columns and examples as they like. The lessons of a block are learned
together: the lateral layer hears all of them in one pass over its weights, settles them one after
the other by their traces, and is changed in another pass when the block is full. The columns then
learn each on its own, since none hears another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from spikehead.compilation import compiled, thread_count
from spikehead.heads.decorrelated import rules
from spikehead.heads.decorrelated.network import Network
from spikehead.heads.decorrelated.parameters import BLOCK, DISCHARGE_STEPS, LATERAL_UNIT, UNIT
from spikehead.interrupts import uninterrupted

ROWS = 64
"""Rows of lateral weights that all examples of a block hear while they are in the cache."""

TILE = 64
"""Rows and columns of lateral weights that are changed at once."""

CHUNK = 256
"""Examples that are answered at once."""

_Written = tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]
_Each = Callable[[Callable[[int, int], Any], int], None]

# For sums of whole numbers alone, which are exact in any order.
summing = partial(compiled, fastmath=("reassoc", "contract", "nsz"))


class Response(NamedTuple):
    """What columns answer to a stream.

    Attributes
    ----------
    spikes : ndarray of uint8, shape (n_presentations, n_columns)
        OUT spikes of each column.
    residuals : ndarray of float64, shape (n_presentations, n_columns)
        What is left of each potential, above where it started, over the threshold: spikes and it
        together decide. Minus infinity where the column has learned nothing.
    cosines : ndarray of float64, shape (n_presentations, n_columns), or None
        How alike the example and each class are, from -1 to 1, as the lateral layer sees them: the
        winner's tells how familiar the example is. None where it was not asked for.
    """

    spikes: NDArray[np.uint8]
    residuals: NDArray[np.float64]
    cosines: NDArray[np.float64] | None

    def part(self, part: slice) -> _Written:
        """Return the answers to some presentations, with an empty array for no cosines."""
        cosines = np.empty((0, 0)) if self.cosines is None else self.cosines[part]
        return self.spikes[part], self.residuals[part], cosines


class _Heard(NamedTuple):
    """What answers to some presentations follow from: [presentation, column]."""

    potentials: NDArray[np.float64]
    energies: NDArray[np.float64]  # of the columns, before the presentation is learned
    counts: NDArray[np.int64]  # likewise
    examples: NDArray[np.float64]  # energies of the examples: [presentation]


class _Lessons(NamedTuple):
    """A block of examples that are learned: [lesson, branch, place]."""

    counts: NDArray[np.float64]
    columns: NDArray[np.int64]  # [lesson]
    excitations: NDArray[np.float64]  # first the drive
    energies: NDArray[np.float64]  # [lesson, branch]
    rates: NDArray[np.float64]  # likewise


class _State(NamedTuple):
    """What a block of lessons reads and changes."""

    power: float
    horizon: int
    threshold: float
    inhibition: NDArray[np.float64]
    traces: NDArray[np.float64]
    n_traces: NDArray[np.int64]
    weights: NDArray[np.float64]
    energies: NDArray[np.float64]
    counts: NDArray[np.int64]
    own_answers: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, net: Network) -> _State:
        """Look into a network."""
        return cls(
            net.power,
            net.parameters.horizon,
            net.parameters.threshold,
            net.inhibition,
            net.traces,
            net.n_traces,
            net.weights,
            net.energies,
            net.counts,
            net.own_answers,
        )


class CPUEngine:
    """Runs a network on a CPU.

    Parameters
    ----------
    network : Network
        Its state; learning changes it in place. Columns may be added between calls.
    n_threads : int, optional
        Default: as many as this process may use. The result is the same for any number.
    """

    def __init__(self, network: Network, n_threads: int | None = None) -> None:
        self.network = network
        self.n_threads = thread_count(n_threads)

    def learn(self, counts: NDArray[np.int8], labels: NDArray[Any]) -> Response:
        """Present a stream and learn it, each presentation once and in order.

        Ctrl-C comes between two blocks of lessons: what was learned until then is whole.

        Parameters
        ----------
        counts : ndarray of int8, shape (n_presentations, n_inputs)
            Signed spike counts.
        labels : ndarray of int, shape (n_presentations,)
            The column of each presentation's class.

        Returns
        -------
        Response
            What it answered to each presentation before it learned it, with cosines.

        Raises
        ------
        ValueError
            If the counts or labels are not such as this network takes, or an example has no
            spikes; nothing is changed.
        """
        net = self.network
        net.check_counts(counts)
        net.check_lessons(counts, labels)
        columns = labels.astype(np.int64)
        answer = self._unanswered(len(counts), cosines=True)
        with self._threads(len(counts)) as each:
            start = 0
            while start < len(counts):
                part = slice(start, start + BLOCK - int(net.n_traces))
                lessons = net.arranged(counts[part]).astype(np.float64), columns[part]
                written = answer.part(part)
                if each is None:  # nothing interrupts compiled code
                    _learn_block(_State.of(net), *lessons, written)
                else:
                    with uninterrupted():
                        _share_block(_State.of(net), *lessons, written, each)
                start = part.stop
        return answer

    def respond(self, counts: NDArray[np.int8], *, cosines: bool = False) -> Response:
        """Present a stream without learning.

        Parameters
        ----------
        counts : ndarray of int8, shape (n_presentations, n_inputs)
            Signed spike counts.
        cosines : bool, default=False
            Whether to find the cosines as well, for which the lateral layer has to be asked.

        Raises
        ------
        ValueError
            If the counts are not such as this network takes.
        """
        net = self.network
        net.check_counts(counts)
        answer = self._unanswered(len(counts), cosines=cosines)
        traces = net.traces[: net.n_traces]
        with self._threads(len(counts)) as shared:
            each = shared or _at_once
            for start in range(0, len(counts), CHUNK):
                part = slice(start, start + CHUNK)
                spikes = net.arranged(counts[part]).astype(np.float64)
                heard = _unheard(len(spikes), net.n_columns)
                heard.energies[:], heard.counts[:] = net.energies, net.counts
                each(partial(_hear, spikes, net.weights, heard.potentials), len(spikes))
                if cosines:
                    drive = spikes * LATERAL_UNIT
                    each(partial(_inhibit, net.inhibition, spikes, drive), net.n_places)
                    each(partial(_excite, spikes, traces, drive, heard.examples), len(spikes))
                factor = net.parameters.threshold
                each(partial(_find_answers, factor, heard, answer.part(part)), len(spikes))
        return answer

    def _unanswered(self, n: int, *, cosines: bool) -> Response:
        shape = n, self.network.n_columns
        alike = np.empty(shape) if cosines else None
        return Response(np.empty(shape, np.uint8), np.empty(shape), alike)

    @contextmanager
    def _threads(self, n: int) -> Iterator[_Each | None]:
        """Give a way to let threads share some work, each from a ``first`` to a ``last``.

        None where one does it alone.
        """
        if self.n_threads == 1 or n < 8:
            yield None
            return
        with ThreadPoolExecutor(self.n_threads) as pool:

            def each(work: Callable[[int, int], Any], length: int) -> None:
                cuts = np.linspace(0, length, self.n_threads + 1).astype(int).tolist()
                list(pool.map(work, cuts[:-1], cuts[1:]))

            yield each


def _at_once(work: Callable[[int, int], Any], length: int) -> None:
    work(0, length)


@compiled
def _learn_block(state: Any, spikes: Any, columns: Any, written: Any) -> None:
    """Learn what still fits into a block of lessons, and answer each before it is learned."""
    n_columns, n_places = len(state.counts), spikes.shape[2]
    first = np.int64(0)  # for a plain 0 all would be compiled anew
    lessons, heard = _unlearned(spikes, columns), _unheard(len(spikes), n_columns)
    _inhibit(state.inhibition, spikes, lessons.excitations, first, n_places)
    _settle(lessons, state, heard.examples)
    _learn_columns(lessons, state, heard, first, n_columns)
    _find_answers(state.threshold, heard, written, first, len(spikes))
    _note(written[2], columns, state.own_answers)
    if state.n_traces[()] == BLOCK:
        _consolidate(state, first, _tiles(n_places))
        _clear(state.traces, state.n_traces)


def _share_block(
    state: _State,
    spikes: NDArray[np.float64],
    columns: NDArray[np.int64],
    written: _Written,
    each: _Each,
) -> None:
    """Do what `_learn_block` does by several threads."""
    n_columns, n_places = len(state.counts), spikes.shape[2]
    lessons, heard = _unlearned(spikes, columns), _unheard(len(spikes), n_columns)
    each(partial(_inhibit, state.inhibition, spikes, lessons.excitations), n_places)
    _settle(lessons, state, heard.examples)
    each(partial(_learn_columns, lessons, state, heard), n_columns)
    each(partial(_find_answers, state.threshold, heard, written), len(spikes))
    _note(written[2], columns, state.own_answers)
    if state.n_traces == BLOCK:
        each(partial(_consolidate, state), _tiles(n_places))
        _clear(state.traces, state.n_traces)


@register_jitable
def _unlearned(spikes: Any, columns: Any) -> _Lessons:
    """Prepare a block of lessons: what drives each input is its own spikes so far."""
    shape = spikes.shape[:2]
    return _Lessons(spikes, columns, spikes * LATERAL_UNIT, np.empty(shape), np.empty(shape))


@register_jitable
def _unheard(n: int, n_columns: int) -> _Heard:
    """Make room for what is heard of some presentations."""
    shape = n, n_columns
    return _Heard(np.empty(shape), np.empty(shape), np.empty(shape, np.int64), np.empty(n))


@summing
def _inhibit(inhibition: Any, spikes: Any, drive: Any, first: int, last: int) -> None:
    """Take from the drive of some places how much they are inhibited by those that spike."""
    n_examples, n_branches, size = spikes.shape
    # One example alone goes through all rows at once.
    n_rows = ROWS if n_examples > 1 else size
    for branch in range(n_branches):
        weights = inhibition[branch]
        for begin in range(0, size, n_rows):
            for example in range(n_examples):
                counts = spikes[example, branch]
                out = drive[example, branch][first:last]
                active = begin + np.flatnonzero(counts[begin : begin + n_rows])
                alone = len(active) % 4
                for i in active[:alone]:
                    a, p = weights[i][first:last], counts[i]
                    for place in range(len(out)):
                        out[place] -= p * a[place]
                # Four rows at a time, or the loop waits for its own sums.
                for four in range(alone, len(active), 4):
                    i, j, k, m = active[four], active[four + 1], active[four + 2], active[four + 3]
                    a, b = weights[i][first:last], weights[j][first:last]
                    c, d = weights[k][first:last], weights[m][first:last]
                    p, q, r, s = counts[i], counts[j], counts[k], counts[m]
                    for place in range(len(out)):
                        out[place] -= p * a[place] + q * b[place] + (r * c[place] + s * d[place])


@summing
def _product(one: Any, other: Any) -> float:
    total = 0.0
    for place in range(len(one)):
        total += one[place] * other[place]
    return total


@compiled
def _settled(counts: Any, traces: Any, n_traces: int, branch: int, drive: Any) -> float:
    """Turn a branch's drive into its excitation; return its energy."""
    for earlier in range(n_traces):
        trace = traces[earlier, branch]
        overlap = _product(trace, counts)
        for place in range(len(drive)):
            drive[place] -= rules.recalled(trace[place], overlap)
    for place in range(len(drive)):
        drive[place] = rules.excitation(drive[place])
    energy: float = _product(drive, counts)
    return energy


@compiled
def _excite(counts: Any, traces: Any, drive: Any, energies: Any, first: int, last: int) -> None:
    """Find the energies of some examples."""
    for example in range(first, last):
        energies[example] = 0.0
        for branch in range(counts.shape[1]):
            energies[example] += _settled(
                counts[example, branch], traces, len(traces), branch, drive[example, branch]
            )


@compiled
def _settle(lessons: Any, state: Any, examples: Any) -> None:
    """Let the lateral layer learn, each lesson after the one before, and note what is new in it."""
    for lesson in range(len(lessons.columns)):
        n_traces = state.n_traces[()]
        examples[lesson] = 0.0
        for branch in range(lessons.counts.shape[1]):
            excited = lessons.excitations[lesson, branch]
            counts = lessons.counts[lesson, branch]
            energy = _settled(counts, state.traces, n_traces, branch, excited)
            rate = rules.rate(state.power, energy)
            lessons.energies[lesson, branch] = energy
            lessons.rates[lesson, branch] = rate
            examples[lesson] += energy
            trace, root = state.traces[n_traces, branch], np.sqrt(rate)
            for place in range(len(trace)):
                trace[place] = rules.trace(excited[place], root)
        state.n_traces[()] = n_traces + 1


@summing
def _consolidate(state: Any, first: int, last: int) -> None:
    """Change some rows of tiles of lateral weights, from the diagonal on, and their mirror images.

    Traces are copied tile by tile: from afar they would be in each other's way in the cache.
    """
    fading, size = rules.fading(state.counts, state.horizon), state.inhibition.shape[1]
    n_tiles = _tiles(size)
    tiles, products = np.zeros((n_tiles, BLOCK, TILE)), np.empty((TILE, TILE))
    for branch in range(len(state.inhibition)):
        weights = state.inhibition[branch]
        for tile in range(n_tiles):
            left = TILE * tile
            width = min(TILE, size - left)
            tiles[tile, :, :width] = state.traces[:, branch, left : left + width]
        for number in range(first, last):
            # Long rows of the triangle and short ones in turns, so that threads have as much to do.
            down = number // 2 if number % 2 == 0 else n_tiles - 1 - number // 2
            top = TILE * down
            height = min(TILE, size - top)
            for across in range(down, n_tiles):
                left = TILE * across
                width = min(TILE, size - left)
                np.dot(tiles[down].T, tiles[across], products)
                for row in range(height):
                    old, new = weights[top + row][left : left + width], products[row]
                    for column in range(width):
                        new[column] = rules.consolidated(old[column], new[column])
                        if fading < 1:
                            new[column] = rules.faded(new[column], fading)
                        old[column] = new[column]
                if left > top:
                    for column in range(width):
                        old = weights[left + column][top : top + height]
                        for row in range(height):
                            old[row] = products[row, column]


@register_jitable
def _tiles(size: int) -> int:
    """Return how many tiles the places of a branch are."""
    return -(-size // TILE)


@compiled
def _clear(traces: Any, n_traces: Any) -> None:
    """Forget the lessons of a block that is consolidated."""
    traces[:] = 0
    n_traces[()] = 0


@compiled
def _hear(counts: Any, weights: Any, potentials: Any, first: int, last: int) -> None:
    """Find the potential of each column at the end of some examples."""
    for example in range(first, last):
        for column in range(len(weights)):
            total = 0.0
            for branch in range(counts.shape[1]):
                total += _product(weights[column, branch], counts[example, branch])
            potentials[example, column] = total


@compiled
def _learn_columns(lessons: Any, state: Any, heard: Any, first: int, last: int) -> None:
    """Let some columns learn, and note what they heard before each lesson."""
    weights, energies, counts = state.weights, state.energies, state.counts
    n_branches = lessons.counts.shape[1]
    for column in range(first, last):
        for lesson in range(len(lessons.columns)):
            own = lessons.columns[lesson] == column
            heard.energies[lesson, column] = energies[column]
            heard.counts[lesson, column] = counts[column]
            count = rules.remembered(counts[column] + 1.0, state.horizon)
            total = shared = new = 0.0
            for branch in range(n_branches):
                weight = weights[column, branch]
                excited = lessons.excitations[lesson, branch]
                rate = lessons.rates[lesson, branch]
                gain = state.power * rate
                potential = _product(weight, lessons.counts[lesson, branch])
                step = rate * potential / UNIT
                for place in range(len(weight)):
                    weight[place] = rules.depressed(weight[place], excited[place], step)
                energies[column] = rules.depressed(energies[column], potential, step)
                if own:
                    for place in range(len(weight)):
                        target = rules.left(excited[place], gain)
                        weight[place] = rules.moved(weight[place], target, count)
                    shared += rules.left(potential, gain)
                    new += rules.left(lessons.energies[lesson, branch], gain)
                total += potential
            heard.potentials[lesson, column] = total
            if own:
                energies[column] = rules.moved_energy(energies[column], shared, new, count)
                counts[column] += 1


@compiled
def _find_answers(factor: float, heard: Any, written: Any, first: int, last: int) -> None:
    """Find the OUT spikes of each column for some examples, and what is left of its potential."""
    spikes, residuals, cosines = written
    for example in range(first, last):
        energies, counts = heard.energies[example], heard.counts[example]
        tone = rules.tone(energies, counts)
        for column in range(len(energies)):
            energy, potential = energies[column], heard.potentials[example, column]
            known = counts[column] > 0
            if len(cosines):
                alike = rules.cosine(potential, energy, heard.examples[example])
                cosines[example, column] = alike if known else -np.inf
            half = rules.half_threshold(factor, energy, tone)
            potential += half
            n = 0
            while n < DISCHARGE_STEPS and potential >= 2.0 * half:
                potential -= 2.0 * half
                n += 1
            spikes[example, column] = n
            residuals[example, column] = (potential - half) / (2.0 * half) if known else -np.inf


@compiled
def _note(cosines: Any, columns: Any, own_answers: Any) -> None:
    """Learn what can be learned from some answers, each after the one before."""
    for lesson in range(len(columns)):
        rules.note(cosines[lesson], columns[lesson], *own_answers)
