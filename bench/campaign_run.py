"""The campaigns of a running portal while they are measured: what was to be done, and what was noted meanwhile."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import mean
from uuid import UUID

from bench.stage import usage
from portal.clock import now
from tests.running.campaigns import Organiser, Verdict, judge
from tests.running.program import Program
from tests.running.stack import Stack

MEASURED_EVERY_S = 2.0
OVER = "campaigns WHERE id = ANY(%s) AND state IN ('completed', 'cancelled')"


@dataclass(frozen=True)
class Plan:
    """How much is sent, and what is done to it."""

    units: int
    recipients: int
    gap_s: tuple[float, float]
    workers: int
    kill_every_s: float
    restarts: int
    pause_s: float
    is_calm: bool
    is_cancelled: bool

    @property
    def is_disturbed(self) -> bool:
        """Whether workers are killed, Evolution is restarted and everything is paused."""
        return not self.is_calm and not self.is_cancelled

    @property
    def expected_s(self) -> float:
        return self.recipients * mean(self.gap_s)


@dataclass
class Times:
    """Of one campaign: when it began, when it was to end, how long it stood still, when it was cancelled."""

    began_at: datetime
    forecast: datetime
    paused_at: datetime | None = None
    paused: timedelta = timedelta()
    cancelled_at: datetime | None = None

    def share_of_forecast(self, ended_at: datetime) -> float:
        return (ended_at - self.began_at - self.paused) / (self.forecast - self.began_at)


@dataclass
class Run:
    """The campaigns of a running portal, one at each unit."""

    plan: Plan
    stack: Stack
    organiser: Organiser
    workers: list[Program]
    times: dict[UUID, Times] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)
    kills: int = 0
    measured_at: float = 0.0

    @property
    def ids(self) -> list[UUID]:
        return list(self.times)

    def start(self, ids: list[UUID]) -> None:
        for campaign_id in ids:
            forecast = self.organiser.finish_time(campaign_id, messages=self.plan.recipients)
            self.times[campaign_id] = Times(now(), forecast)
            self.organiser.start(campaign_id)

    def pause(self) -> None:
        for campaign_id in self._running():
            self.organiser.pause(campaign_id)
            self.times[campaign_id].paused_at = now()

    def resume(self) -> None:
        for campaign_id, times in self.times.items():
            if times.paused_at is not None:
                times.paused += now() - times.paused_at
                self.organiser.resume(campaign_id)

    def cancel(self) -> None:
        for campaign_id in self._running():
            self.organiser.cancel(campaign_id)
            self.times[campaign_id].cancelled_at = now()

    def are_over(self) -> bool:
        return self.stack.rows.count(OVER, self.ids) == len(self.ids)

    def judge(self) -> Verdict:
        return judge(self.stack.rows, self.stack.simulator, self.ids)

    def measure(self) -> None:
        """Note the largest memory of each program."""
        if time.monotonic() - self.measured_at < MEASURED_EVERY_S:
            return
        self.measured_at = time.monotonic()
        for program in (self.stack.evolution, self.stack.web, *self.workers):
            memory_mb = sum(one.memory_mb for one in usage(program.pid).values())
            self.peak_mb[program.name] = max(self.peak_mb.get(program.name, 0.0), memory_mb)

    def _running(self) -> list[UUID]:
        query = "SELECT id FROM campaigns WHERE id = ANY(%s) AND state = 'processing'"
        return [row["id"] for row in self.stack.rows.fetch(query, self.ids)]
