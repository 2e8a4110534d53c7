"""What people do to a portal all the time: customers write, programs answer them, and somebody notes what is shown."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import psycopg
import requests

from tests.chaos.rules import Heights
from tests.chaos.site import Site
from tests.inbox.payloads import message
from tests.running.door import ANSWER_S, Door

EVERY_S = 1.0
# As Evolution does, each is asked again later than before.
AGAIN_S, GROWTH, LATEST_AGAIN_S = 0.3, 2.0, 4.0
TAKEN_WITHIN_S = 180
LOOK_S = 0.25
# So many may wait for their acknowledgement. With far more than the web has threads, none is served in time.
ASKERS = 24
PEOPLE = 20
OUTBOUND = "SELECT id, body, status FROM messages WHERE direction = 'outbound'"
Ask = Callable[[], requests.Response]


@dataclass
class Load:
    """Every text has the word in it. `refused` counts the answers for which something was asked again."""

    site: Site
    word: str
    questions: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    heights: Heights = field(default_factory=Heights)
    _asked: list[Future[None]] = field(default_factory=list)
    _watching: Future[None] = field(default_factory=Future)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(ASKERS))
    _is_over: threading.Event = field(default_factory=threading.Event)

    def begin(self, seconds: float) -> None:
        """Let a customer write to each unit, and a program answer one, again and again for so long."""
        doors = {unit: Door(self.site.stack, instance) for unit, instance in self.site.instances.items()}
        self._watching = self._pool.submit(self._watch)
        self._asked.append(self._pool.submit(self._go_on, doors, int(seconds / EVERY_S)))

    def end(self) -> None:
        """Wait until all that was begun is acknowledged."""
        # What was asked for is known when the first one is done.
        late = wait(self._asked[:1], TAKEN_WITHIN_S).not_done or wait(self._asked, TAKEN_WITHIN_S).not_done
        self._is_over.set()
        assert not late, f"after {TAKEN_WITHIN_S} s {len(late)} are still not taken: {dict(self.refused)}"
        for done in (self._watching, *self._asked):
            done.result()

    def _go_on(self, doors: dict[str, Door], times: int) -> None:
        for number in range(times):
            for place, (unit, door) in enumerate(doors.items()):
                phone = f"551197{place}44{1000 + number % PEOPLE}"
                self._asked.append(self._pool.submit(self._write, door, phone, f"{number} to {unit}"))
                self._asked.append(self._pool.submit(self._answer, unit, phone, f"{number} of {unit}"))
            time.sleep(EVERY_S)

    def _write(self, door: Door, phone: str, which: str) -> None:
        text = f"{self.word} question {which}, asked once"
        told = {"chat": f"{phone}@s.whatsapp.net", "messageTimestamp": int(time.time())}
        data = message(f"3A{time.time_ns():018X}", text, **told)
        if self._is_taken(lambda: door.knock("messages.upsert", data)):
            self.questions.append(text)

    def _answer(self, unit: str, phone: str, which: str) -> None:
        """Under an id of its own, so that it may be asked for again."""
        text = f"{self.word} reply {which}, to be sent once"
        api = self.site.stack.api
        body = {"phone": f"+{phone}", "message": text, "unitId": unit, "clientMessageId": text.replace(" ", "-")}
        headers = {"Authorization": f"Bearer {api.token}"}
        if self._is_taken(lambda: requests.post(f"{api.url}/messages", json=body, headers=headers, timeout=ANSWER_S)):
            self.replies.append(text)

    def _is_taken(self, ask: Ask) -> bool:
        """Ask until it is acknowledged, or nobody waits for that any more."""
        pause_s = AGAIN_S
        while refusal := refusal_of(ask):
            self.refused[refusal] += 1
            if self._is_over.wait(pause_s):
                return False
            pause_s = min(LATEST_AGAIN_S, GROWTH * pause_s)
        return True

    def _watch(self) -> None:
        """Note each message that fell; while the database is away nothing is seen."""
        while not self._is_over.wait(LOOK_S):
            try:
                self.heights.note(self.site.stack.rows.fetch(OUTBOUND))
            except psycopg.OperationalError:
                continue


def refusal_of(ask: Ask) -> str:
    """In a word why it was not taken, or nothing."""
    try:
        answer = ask()
    except requests.RequestException as e:
        return type(e).__name__
    return "" if answer.ok else f"{answer.status_code}"
