"""Counting: in memory, by threads at once, and each process for itself."""

import os
import threading
from collections.abc import Callable

import pytest

from portal import counters
from portal.counters import INBOUND_S, Counted, Histogram

TIMES = Histogram("made_up_s", (1, 2.5, 10))
Take = Callable[[], dict[str, int]]


def test_what_was_taken_is_not_taken_again(counted: Take) -> None:
    counters.count(Counted.HTTP_5XX)
    counters.count(Counted.HTTP_5XX, 2)
    counters.count(Counted.HTTP_429, 0)

    assert (counted(), counted()) == ({"http_5xx": 3}, {})


def test_what_was_given_back_is_added_to_what_came_meanwhile(counted: Take) -> None:
    counters.count(Counted.HTTP_5XX, 3)
    taken = counted()
    counters.count(Counted.HTTP_5XX)

    counters.give_back(taken)

    assert counted() == {"http_5xx": 4}


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        (0, "made_up_s_le_1"),
        (1, "made_up_s_le_1"),
        (1.001, "made_up_s_le_2.5"),
        (10, "made_up_s_le_10"),
        (11, "made_up_s_le_inf"),
    ],
)
def test_value_is_counted_in_the_first_bucket_that_holds_it(counted: Take, value: float, bucket: str) -> None:
    counters.observe(TIMES, value)

    assert counted() == {bucket: 1, "made_up_s_sum": round(value * 1000)}


def test_no_count_of_many_threads_is_lost(counted: Take) -> None:
    def work() -> None:
        for _ in range(2_000):
            counters.count(Counted.SENDS_OK)
            counters.observe(INBOUND_S, 0.1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    taken = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(counted())
    taken.append(counted())

    assert sum(one.get("sends_ok", 0) for one in taken) == 16_000
    assert sum(one.get("inbound_s_le_0.25", 0) for one in taken) == 16_000


def test_process_that_is_forked_does_not_count_what_its_parent_counted(counted: Take) -> None:
    counters.count(Counted.SENDS_OK, 7)
    read, write = os.pipe()
    # A lock that another thread holds at that moment must not stop the child for good.
    with counters._lock:
        child = os.fork()
        if child == 0:
            counters.count(Counted.SENDS_OK)
            os.write(write, repr(counters.take()).encode())
            os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 1_000) == b"{'sends_ok': 1}"
    assert counted() == {"sends_ok": 7}


def test_every_name_has_room_in_its_column() -> None:
    names = [*Counted, *(histogram.bucket(bound) for histogram in (INBOUND_S, TIMES) for bound in histogram.bounds)]

    assert [name for name in names if len(name) > 60] == []
