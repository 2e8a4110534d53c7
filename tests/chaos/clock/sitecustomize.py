"""What Python programs whose clock jumps load first: libfaketime takes the deadline of a sleep, which is told by a
clock that does not jump, for a time of day, and refuses it or sleeps for decades."""

import select
import time

time.sleep = lambda seconds: select.select([], [], [], seconds) and None
