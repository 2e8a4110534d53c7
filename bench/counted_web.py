"""The portal's web process for `bench.counters`: as it is, or without anything that counts."""

import os

from portal import counters, logs
from portal.monitor import flusher
from wsgi import app

if os.environ.get("BENCH_COUNTS") == "no":
    counters.count = lambda *_: None  # type: ignore[assignment]
    counters.observe = lambda *_: None  # type: ignore[assignment]
    # Neither the thread nor the listeners that time statements.
    flusher.start = lambda *_: None  # type: ignore[assignment]
    logs.LastNet.__call__ = lambda self, logger, method, line: line  # type: ignore[method-assign, assignment]

__all__ = ["app"]
