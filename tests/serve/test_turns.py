"""Work that is done in turn between those who ask for it."""

import asyncio
import threading

import pytest
from starlette.exceptions import HTTPException

from spikehead.serve.turns import Turns


async def held(turns: Turns, asker: str) -> tuple[asyncio.Task, threading.Event]:
    """Take the only turn, until the event is set."""
    begun, over = threading.Event(), threading.Event()

    def hold():
        begun.set()
        over.wait()

    task = asyncio.create_task(turns(asker, hold))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    return task, over


async def lined_up(turns: Turns, *asked: tuple) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(turns(*one)) for one in asked]
    await asyncio.sleep(0)
    return tasks


def test_whoever_asks_for_much_waits_behind_their_own():
    async def ask():
        turns, done = Turns(), []
        first, over = await held(turns, "much")
        much = [("much", done.append, f"much {number}") for number in range(4)]
        tasks = await lined_up(turns, *much, ("a", done.append, "a"), ("b", done.append, "b"))
        over.set()
        await asyncio.gather(first, *tasks)
        return done

    assert asyncio.run(ask()) == ["much 0", "a", "b", "much 1", "much 2", "much 3"]


def test_only_so_much_is_done_at_once():
    at_work, most, lock = 0, 0, threading.Lock()

    def work():
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        threading.Event().wait(0.005)
        with lock:
            at_work -= 1

    async def ask():
        turns = Turns(at_once=3)
        await asyncio.gather(*(turns(number % 5, work) for number in range(40)))

    asyncio.run(ask())
    assert most == 3


def test_where_too_much_waits_the_last_of_who_asks_for_most_is_refused():
    async def ask():
        turns, done = Turns(waiting=3), []
        first, over = await held(turns, "much")
        much = [("much", done.append, f"much {number}") for number in range(3)]
        tasks = await lined_up(turns, *much, ("a", done.append, "a"))
        over.set()
        outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
        return done, outcomes

    done, outcomes = asyncio.run(ask())
    assert done == ["much 0", "a", "much 1"]
    (refusal,) = [outcome for outcome in outcomes if outcome is not None]
    assert refusal is outcomes[3]
    assert isinstance(refusal, HTTPException)
    assert (refusal.status_code, refusal.headers) == (503, {"Retry-After": "1"})


@pytest.mark.parametrize("waits", [True, False])
def test_a_turn_that_is_given_up_goes_on_to_the_next(waits):
    async def ask():
        turns = Turns()
        first, over = await held(turns, "a")
        given_up, later = await lined_up(turns, ("b", max, 1, 2), ("c", max, 3, 4))
        if not waits:  # it has the turn, and has not begun
            turns._free += 1
            turns._pass_on()
        given_up.cancel()
        over.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await given_up
        return await later

    assert asyncio.run(ask()) == 4


def test_a_failure_passes_the_turn_on():
    async def ask():
        turns = Turns()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await turns("a", lambda: 1 / 0)
        return await turns("a", max, 1, 2)

    assert asyncio.run(ask()) == 2
