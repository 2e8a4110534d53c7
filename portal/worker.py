"""`python -m portal.worker`: one process per queue, restarted when it dies, stopped gently when asked to.

One queue per process, since RQ loses jobs of a worker on several when it is killed; in-process jobs, since a forking
worker imports the app anew for each (docs/architecture.md).
"""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import structlog
from flask import Flask
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from portal import error_reports, jobs, queue
from portal.app import create_app
from portal.config import Config, ConfigError
from portal.db import db
from portal.extensions import init_parts, parts
from portal.jobs import Workplace
from portal.monitor import flusher, notices, watch
from portal.outbox import backfill, owners, servers
from portal.services import key_rotation

log = structlog.get_logger(__name__)

# A platform kills what has not stopped 30 s after SIGTERM.
FINISH_S = 20.0
KILL_AFTER_S = 25.0
LONGEST_BACKOFF_S = 30.0
KEEPER_S = 1.0


class RelayWorker(SimpleWorker):
    """RQ's in-process worker, which ends its job early and calmly, however often it is asked to."""

    workplace: Workplace
    max_connection_wait_time = 2

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.workplace.stop()
        if self._stop_requested:
            return
        self._stop_requested = True
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested


@dataclass
class _Child:
    name: str
    pid: int = 0
    started_at: float = 0.0
    deaths: int = 0
    start_at: float = field(default_factory=time.monotonic)


def main() -> int:
    try:
        config = Config.load(os.environ)
    except ConfigError as e:
        sys.stderr.write(f"{e}\n")
        return 1
    app = create_app(config)
    return Supervisor(app, config).run()


class Supervisor:
    """Starts a process for every queue and starts it again when it dies, later each time."""

    def __init__(self, app: Flask, config: Config) -> None:
        self._app = app
        self._config = config
        self._children = [_Child(name) for name in queue.QUEUES]
        self._is_stopping = False

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        # What was loaded stays for good: looking through it for garbage stops every sender for a tenth of a second,
        # and would copy the pages that the children share.
        gc.collect()
        gc.freeze()
        while not self._is_stopping:
            self._reap()
            for child in self._children:
                if child.pid == 0 and time.monotonic() >= child.start_at and not self._is_stopping:
                    self._start(child)
            time.sleep(0.1)
        self._end()
        return 0

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._is_stopping = True

    def _start(self, child: _Child) -> None:
        child.pid = os.fork()
        if child.pid == 0:
            status = 1
            try:
                status = work(self._app, self._config, child.name)
            finally:
                # Not sys.exit: the parent's stack and exit handlers are not this process's.
                os._exit(status)
        child.started_at = time.monotonic()
        log.info("worker started", queue=child.name, pid=child.pid)

    def _reap(self) -> None:
        for child in self._children:
            if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                lived_s = time.monotonic() - child.started_at
                child.deaths = 1 if lived_s > LONGEST_BACKOFF_S else child.deaths + 1
                child.start_at = time.monotonic() + min(LONGEST_BACKOFF_S, 0.5 * 2 ** (child.deaths - 1))
                child.pid = 0
                log.warning("worker died", queue=child.name, deaths=child.deaths)

    def _end(self) -> None:
        self._signal(signal.SIGTERM)
        until = time.monotonic() + KILL_AFTER_S
        while any(child.pid for child in self._children) and time.monotonic() < until:
            self._reap()
            time.sleep(0.05)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.pid:
                os.kill(child.pid, number)


def work(app: Flask, config: Config, name: str) -> int:
    """The life of one worker process. Its connections are its own: none is taken over from the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    init_parts(app, config)
    workplace = Workplace(name, app.app_context)
    jobs.open_workplace(workplace)
    with app.app_context():
        db.engine.dispose(close=False)
    flusher.start(app.app_context)
    if name == queue.OUTBOX:
        threading.Thread(target=_meet_server, args=(app,), name="meet-server", daemon=True).start()
    threading.Thread(target=_keep, args=(app, workplace, os.getppid()), name="keeper", daemon=True).start()
    if name == queue.BACKGROUND:
        # Beside the relay: neither a long import nor a mail server that hangs may delay a checkpoint.
        threading.Thread(target=_watch, args=(app, watch.work), name="watch", daemon=True).start()
        threading.Thread(target=_watch, args=(app, notices.work), name="notices", daemon=True).start()
    worker = RelayWorker([name], connection=parts.redis, serializer=JSONSerializer, log_job_description=False)
    worker.workplace = workplace
    worker.work(logging_level="WARNING")
    is_done = workplace.outbox.finish(FINISH_S) and workplace.webhooks.finish(FINISH_S)
    if is_done:
        with app.app_context():
            owners.leave(workplace.owner_id)
    log.info("worker stopped", queue=name, in_flight=not is_done)
    flusher.finish()
    error_reports.flush()
    return 0 if is_done or workplace.is_stopping else 1


def _keep(app: Flask, workplace: Workplace, parent_pid: int) -> None:
    """Show every second that this process lives, and see to it that a relay is at work in it."""
    while True:
        try:
            with app.app_context():
                owners.beat(workplace.owner_id, workplace.name)
            _see_to_relay(workplace)
        except Exception:
            log.exception("keeper round failed", queue=workplace.name)
        if os.getppid() != parent_pid:
            # The parent was killed: without it nobody would stop or restart this process.
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(KEEPER_S)


def _meet_server(app: Flask) -> None:
    """Note the default Evolution server and whether it is well, as soon as the database lets us.

    And let what came while no worker was there be looked for.
    """
    while True:
        try:
            with app.app_context():
                servers.sync_default()
                backfill.hurry_after_downtime()
                servers.check(servers.default_server_id())
                key_rotation.warn_of_unreadable()
                return
        except Exception:
            log.exception("default Evolution server not noted")
            time.sleep(KEEPER_S)


def _watch(app: Flask, work: Callable[[], object]) -> None:
    """Make one round after the other, as long as this process lives."""
    while True:
        try:
            with app.app_context():
                work()
        except Exception:
            log.exception("watch round failed", work=work.__module__)
        time.sleep(watch.ROUND_S)


def _see_to_relay(workplace: Workplace) -> None:
    if workplace.is_draining or workplace.is_stopping or not queue.is_reachable():
        return
    if queue.relay_queue(workplace.name).count == 0:
        queue.enqueue_relay(workplace.name)


if __name__ == "__main__":
    sys.exit(main())
