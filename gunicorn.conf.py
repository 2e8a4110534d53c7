"""What `gunicorn wsgi:app` adds to its command line, in production and on a laptop."""

import ctypes
import gc
import os
from pathlib import Path
from typing import Any

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = 8
# The app is made once, which connects to nothing, and shared by the processes that serve.
preload_app = True

# Heroku's router keeps idle connections for 90 s; whoever closes first must not be us, or requests are lost.
keepalive = 95
# Heroku kills 30 s after SIGTERM.
graceful_timeout = 20
timeout = 60

# No access log: webhook addresses carry a secret.
accesslog = None
# The default one is made in the home folder, which may be read-only and shared by several portals.
control_socket_disable = True
# Heartbeats are file times: on a container's disk they can stall for longer than the timeout.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# A large block goes back to the system when it is freed, but the C library raises its limit for "large" to what it has
# seen freed, up to 32 MB: from then on each thread keeps what it once held. A limit that is set (malloc.h: -3) stays.
M_MMAP_THRESHOLD = -3
LARGE_BLOCK = 1024 * 1024


def on_starting(server: Any) -> None:
    """What the processes that serve inherit."""
    # Only glibc has this, and does it.
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def when_ready(server: Any) -> None:
    """Leave what is shared untouched: looking through it for garbage would copy it into each process."""
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Any) -> None:
    """What gunicorn says of a request that it could not handle names the address: let the portal's logging mask it."""
    worker.log.error_log.handlers.clear()
    worker.log.error_log.propagate = True
