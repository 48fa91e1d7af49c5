"""Many threads bring, one carries out: in order, each its own outcome, nobody held up by a hang."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from ringnote import batches as module
from ringnote.batches import MOST_AT_ONCE, Batches

STANDSTILL_SECONDS = 20


class Work:
    """What carries out: it doubles numbers, refuses those below 0, and stands still on request."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.fault: Exception | None = None

    def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append([*numbers])
        self.may_go_on.wait(STANDSTILL_SECONDS)
        if self.fault:
            raise self.fault
        return [number * 2 if number >= 0 else ValueError(number) for number in numbers]

    @property
    def done(self) -> list[int]:
        return [number for batch in self.batches for number in batch]

    @contextmanager
    def at_a_standstill(self, batches: Batches, pool: ThreadPoolExecutor) -> Iterator[None]:
        """With one batch under way, of the number 0, until the block ends."""
        self.may_go_on.clear()
        pool.submit(batches.bring, 0, 10)
        wait_until(lambda: self.batches)
        try:
            yield
        finally:
            self.may_go_on.set()


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def batches(work):
    made = Batches(work, "test")
    yield made
    made.close()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as pool:
        yield pool


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def brought(batches, pool, numbers):
    """The futures of what is brought one after the other, all of it waiting."""
    begun = []
    for place, number in enumerate(numbers, 1):
        begun.append(pool.submit(batches.bring, number, 10))
        wait_until(lambda so_far=place: batches._waiting.qsize() == so_far)
    return begun


def test_all_that_waits_is_carried_out_at_once_in_the_order_it_came(batches, work, pool):
    with work.at_a_standstill(batches, pool):
        begun = brought(batches, pool, [5, 3, 4])

    assert [each.result() for each in begun] == [10, 6, 8]
    assert work.batches == [[0], [5, 3, 4]]


def test_one_that_fails_fails_alone(batches, work, pool):
    with work.at_a_standstill(batches, pool):
        begun = brought(batches, pool, [1, -2, 3])

    assert [begun[0].result(), begun[2].result()] == [2, 6]
    with pytest.raises(ValueError, match="-2"):
        begun[1].result()


def test_what_fails_as_a_whole_fails_for_all_of_it_and_not_for_the_next(batches, work):
    work.fault = ConnectionError("away")
    with pytest.raises(ConnectionError, match="away"):
        batches.bring(1, 10)
    work.fault = None

    assert batches.bring(2, 10) == 4


def test_nobody_waits_longer_than_it_wants_to_and_what_was_given_up_is_not_begun(
    batches, work, pool
):
    with work.at_a_standstill(batches, pool):
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            batches.bring(7, 0.1)
        waited = time.monotonic() - began
        busy = batches.busy_seconds

    assert waited < STANDSTILL_SECONDS / 2
    assert busy >= 0.1
    assert batches.bring(8, 10) == 16
    assert work.done == [0, 8]
    assert batches.busy_seconds == 0


def test_a_batch_has_its_limit_and_the_rest_follows(batches, work, pool):
    with work.at_a_standstill(batches, pool), ThreadPoolExecutor(MOST_AT_ONCE + 20) as crowd:
        begun = brought(batches, crowd, range(MOST_AT_ONCE + 20))
        work.may_go_on.set()
        assert [each.result() for each in begun] == [n * 2 for n in range(MOST_AT_ONCE + 20)]

    assert [len(batch) for batch in work.batches] == [1, MOST_AT_ONCE, 20]


def test_what_was_given_up_while_it_hangs_does_not_gather_for_ever(
    batches, work, pool, monkeypatch
):
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    with work.at_a_standstill(batches, pool):
        for number in range(1, 6):
            with pytest.raises(TimeoutError):
                batches.bring(number, 0.01)
        assert batches._waiting.qsize() == 3

    wait_until(batches._waiting.empty)
    assert batches.bring(8, 10) == 16


def test_closing_carries_out_what_was_brought_first(work, pool):
    batches = Batches(work, "test")
    with work.at_a_standstill(batches, pool):
        begun = brought(batches, pool, [1])
        closing = pool.submit(batches.close)
    closing.result()

    assert begun[0].result() == 2
    assert "test" not in {thread.name for thread in threading.enumerate()}


def test_closing_does_not_wait_for_what_hangs(work, pool):
    batches = Batches(work, "test")
    with work.at_a_standstill(batches, pool):
        began = time.monotonic()
        batches.close()
        waited = time.monotonic() - began

    assert waited < STANDSTILL_SECONDS / 2


def test_after_a_fork_the_child_has_a_thread_of_its_own(batches):
    assert batches.bring(1, 10) == 2
    child = os.fork()
    if child == 0:
        os._exit(batches.bring(2, 10))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    assert batches.bring(3, 10) == 6
