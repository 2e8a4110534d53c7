"""The bell that wakes a relay: rung by a signal's handler amid anything, also amid another ring."""

import subprocess
import sys
import threading
import time

import pytest

from portal.queue import Bell

# Two handlers ring thousands of times, wherever the main thread is at that moment.
HAMMER = """
import signal, time
from portal.queue import Bell

bell, rings = Bell(), 0

def ring(*_):
    global rings
    rings += 1
    bell.ring()

for number, timer in ((signal.SIGALRM, signal.ITIMER_REAL), (signal.SIGPROF, signal.ITIMER_PROF)):
    signal.signal(number, ring)
    signal.setitimer(timer, 0.0003, 0.0003)
until = time.monotonic() + 2
while time.monotonic() < until:
    bell.ring()
    bell.wait(0)
for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF):
    signal.setitimer(timer, 0)
print(rings)
"""


def test_handler_of_a_signal_never_waits_for_what_it_interrupted() -> None:
    hammered = subprocess.run([sys.executable, "-c", HAMMER], capture_output=True, text=True, timeout=30, check=True)

    assert int(hammered.stdout) > 1_000


def test_ring_of_before_is_heard_at_once_and_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()

    began_at = time.monotonic()
    bell.wait(5)
    bell.wait(0.1)

    assert 0.1 <= time.monotonic() - began_at < 2


def test_ring_of_another_thread_wakes_whoever_waits() -> None:
    bell = Bell()
    threading.Timer(0.05, bell.ring).start()

    began_at = time.monotonic()
    bell.wait(10)

    assert time.monotonic() - began_at < 5


@pytest.mark.parametrize("timeout_s", [0, 0.05])
def test_without_a_ring_the_time_is_over(timeout_s: float) -> None:
    began_at = time.monotonic()
    Bell().wait(timeout_s)

    assert timeout_s <= time.monotonic() - began_at < 2
