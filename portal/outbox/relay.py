"""The outbox relay: drains the lanes and the chores, as fast as the servers' gates let it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from uuid import UUID

import structlog

from portal.db import STORAGE_DOWN
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionFailed, EvolutionRejected
from portal.evolution.types import OutgoingMedia, Reference, SentMessage
from portal.models import ABOUT_ANOTHER, CHANGES, MessageKind
from portal.outbox import (
    changes,
    feeding,
    instances,
    lanes,
    leftovers,
    look_ups,
    media_files,
    number_checks,
    owners,
    references,
    servers,
)
from portal.outbox.campaign_watch import CampaignWatch
from portal.outbox.gates import SERVER_AWAY, SLOW, Gate
from portal.outbox.lanes import ClaimedMessage
from portal.outbox.outcomes import Outcome, outcome_of_test
from portal.outbox.recorder import Recorder
from portal.outbox.upkeep import Upkeep

log = structlog.get_logger(__name__)

CARETAKERS = 16
# Calls to one server at a time, so that one that hangs does not keep the others' from being done.
CARETAKERS_PER_SERVER = 4
SETTLE_S = 2.0
# What a dead worker had in flight holds up its lanes until then.
BURY_S = 0.5
# The shortest time between two looks: under load each claims what fell due since the last one.
ROUND_S = 0.015
WISHES_S = 0.1
FEED_S = 0.05
LEFTOVERS_S = 30.0
LOOK_S = 0.02


class OutboxRelay:
    """Owns the threads and the sends in flight of one worker process; a job only lets it claim."""

    def __init__(
        self,
        app_context: Callable[[], AbstractContextManager[object]],
        owner_id: UUID,
        *,
        on_free: Callable[[], None] = lambda: None,
    ) -> None:
        self._app_context = app_context
        self._owner_id = owner_id
        self._on_free = on_free
        self._gates: dict[UUID, Gate] = {}
        # Messages, and units with a wish that is being carried out, which a later wish may overtake.
        self._held: Counter[UUID] = Counter()
        self._holding = threading.Lock()
        self._settled_at = self._wishes_at = self._looked_at = self._left_at = self._fed_at = float("-inf")
        self._buried_at = float("-inf")
        self._recorder = Recorder(app_context, self._let_go)
        self._caretakers = ThreadPoolExecutor(CARETAKERS, thread_name_prefix="care")
        self._caring = threading.Lock()
        self._cared_for: Counter[UUID] = Counter()
        self._upkeep = Upkeep(self._do)
        self._watch = CampaignWatch()

    def drain(self) -> float | None:
        """Claim what is due and hand it to the threads; the seconds until more is due, None if nothing waits."""
        time.sleep(max(0.0, self._looked_at + ROUND_S - time.monotonic()))
        self._looked_at = time.monotonic()
        self._bury()
        self._settle()
        self._take_wishes()
        free = {server_id: number for server_id, gate in self._gates.items() if (number := gate.free())}
        if not free:
            # Whoever gets free wakes the relay: without this it would look again at once, for as long as they hang.
            return None
        self._feed(free)
        keeping_ids = [server_id for server_id in free if self._gates[server_id].server.keeps_ids]
        claimed = lanes.claim(self._owner_id, free=free, keeping_ids=keeping_ids)
        for message in claimed:
            self._hold(message.id)
            gate = self._gates[message.server_id]
            gate.submit(message.id, partial(self._rehearse if message.is_test else self._send, gate, message))
        return 0.0 if claimed else lanes.seconds_to_next(list(free))

    def finish(self, timeout_s: float) -> bool:
        """Let what is in flight end and be recorded; True when nothing is left."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            is_sending = any(gate.in_flight() for gate in self._gates.values())
            if not is_sending and self._recorder.is_idle() and not self._busy_caretakers():
                return True
            time.sleep(LOOK_S)
        return False

    def _feed(self, servers: Iterable[UUID]) -> None:
        if time.monotonic() - self._fed_at >= FEED_S:
            feeding.feed(servers)
            self._fed_at = time.monotonic()

    def _bury(self) -> None:
        if time.monotonic() - self._buried_at >= BURY_S:
            owners.bury_dead()
            self._buried_at = time.monotonic()

    def _settle(self) -> None:
        """Now and then: what this worker lost hold of, what grew too old, which servers there are, and chores."""
        if time.monotonic() - self._settled_at < SETTLE_S:
            return
        with self._holding:
            held = set(self._held)
        owners.settle_forgotten(self._owner_id, held)
        lanes.expire()
        self._watch.look()
        for gate in self._gates.values():
            if gate.is_hanging():
                self._pause(gate, SLOW)
        self._meet_servers()
        self._take_chores()
        self._settled_at = time.monotonic()

    def _meet_servers(self) -> None:
        known = {server.id: server for server in servers.list_servers()}
        for server_id in [server_id for server_id, gate in self._gates.items() if server_id not in known]:
            # Removed, or its key cannot be read: what is in flight ends, and nothing more is sent.
            self._gates[server_id].close()
        for server in known.values():
            if server.id not in self._gates:
                # The recorder may have woken the relay too early, while the gate was still full.
                self._gates[server.id] = Gate(server, on_room=self._on_free)
            self._gates[server.id].update(server)

    def _send(self, gate: Gate, message: ClaimedMessage) -> None:
        """Send one claimed message at most once, and let it be recorded what became of it."""
        try:
            outcome = self._outcome(gate.server.client, message)
        except Exception:
            # The row says who owns it: `settle_forgotten` finds that nobody is at it any more.
            log.exception("send broke off")
            gate.end(message.id, None)
            self._let_go_of(message.id)
            return
        if outcome.is_server_away:
            # Before the message is back in its queue, or it would be claimed once more for the same server.
            gate.close()
        self._recorder.put(outcome)
        reason = gate.end(message.id, outcome.error)
        if reason is not None:
            self._pause_from_thread(gate, reason)

    def _rehearse(self, gate: Gate, message: ClaimedMessage) -> None:
        """A test message comes as far as this: its send goes well at its time, without a call to Evolution."""
        time.sleep(max(0.0, message.start_at - time.monotonic()))
        self._recorder.put(outcome_of_test(message))
        gate.leave(message.id)

    def _outcome(self, client: EvolutionClient, message: ClaimedMessage) -> Outcome:
        try:
            media, reference = self._load(message)
        except STORAGE_DOWN:
            log.exception("what a message carries not read")
            return Outcome(message, time.monotonic(), error=EvolutionFailed(errors.PREPARING_FAILED))
        time.sleep(max(0.0, message.start_at - time.monotonic()))
        began_at = time.monotonic()
        try:
            sent = _call(client, message, media, reference)
        except EvolutionError as e:
            is_server_away = e.code in SERVER_AWAY
            return Outcome(message, began_at, error=e, is_server_away=is_server_away)
        return Outcome(message, began_at, sent=sent)

    def _load(self, message: ClaimedMessage) -> tuple[OutgoingMedia | None, Reference | None]:
        """The file that a message carries, and the message that it answers, reacts to or changes."""
        if message.media_id is None and message.refers_to is None:
            return None, None
        with self._app_context():
            return lanes.load_media(message) if message.media_id else None, references.load(message)

    def _pause(self, gate: Gate, reason: str) -> None:
        gate.close()
        servers.pause(gate.server.id, reason)

    def _pause_from_thread(self, gate: Gate, reason: str) -> None:
        try:
            with self._app_context():
                self._pause(gate, reason)
        except Exception:
            log.exception("pause of a server not noted")

    def _let_go(self, outcomes: Iterable[Outcome]) -> None:
        self._let_go_of(*(outcome.message.id for outcome in outcomes))
        self._on_free()

    def _hold(self, id_: UUID) -> None:
        with self._holding:
            self._held[id_] += 1

    def _let_go_of(self, *ids: UUID) -> None:
        with self._holding:
            self._held.subtract(ids)
            # A count of nothing is dropped.
            self._held = +self._held

    def _take_wishes(self) -> None:
        """What people asked of connections; looked for less often than the lanes, since nobody notices 100 ms."""
        if time.monotonic() - self._wishes_at < WISHES_S:
            return
        self._wishes_at = time.monotonic()
        free, busy = self._free_caretakers()
        for wish in instances.claim_actions(self._owner_id, limit=free, busy_servers=busy) if free else ():
            self._hold(wish.unit_id)
            self._do(wish.server_id, partial(instances.carry_out, wish), held=wish.unit_id)

    def _take_chores(self) -> None:
        for server_id in servers.claim_probes():
            self._do(server_id, partial(servers.probe, server_id))
        for server_id in servers.claim_checks():
            self._do(server_id, partial(servers.check, server_id))
        _, busy = self._free_caretakers()
        away = [server_id for server_id, gate in self._gates.items() if gate.server.is_paused]
        for look_up in look_ups.claim(busy_servers=busy + away):
            self._do(look_up.server_id, partial(look_ups.carry_out, look_up))
        for check in number_checks.claim(busy_servers=busy + away):
            self._do(check.server_id, partial(number_checks.carry_out, check))
        self._upkeep.take(busy + away)
        _, busy = self._free_caretakers(enough=media_files.FILES_PER_SERVER)
        for wanted in media_files.claim(busy_servers=busy + away):
            self._do(wanted.server_id, partial(media_files.fetch, wanted))
        self._take_leftovers()

    def _take_leftovers(self) -> None:
        if time.monotonic() - self._left_at < LEFTOVERS_S:
            return
        self._left_at = time.monotonic()
        free, busy = self._free_caretakers()
        for leftover in leftovers.due(limit=free, busy_servers=busy):
            self._do(leftover.server_id, partial(leftovers.remove, leftover))

    def _free_caretakers(self, *, enough: int = CARETAKERS_PER_SERVER) -> tuple[int, list[UUID]]:
        """How many may be given work, and the servers that have enough of them."""
        with self._caring:
            busy = [server_id for server_id, number in self._cared_for.items() if number >= enough]
            return max(0, CARETAKERS - self._cared_for.total()), busy

    def _busy_caretakers(self) -> int:
        with self._caring:
            return self._cared_for.total()

    def _do(self, server_id: UUID, work: Callable[[], None], *, held: UUID | None = None) -> None:
        with self._caring:
            self._cared_for[server_id] += 1
        self._caretakers.submit(self._in_app, server_id, work, held)

    def _in_app(self, server_id: UUID, work: Callable[[], None], held: UUID | None) -> None:
        try:
            with self._app_context():
                work()
        except Exception:
            log.exception("outbox chore failed")
        finally:
            if held is not None:
                self._let_go_of(held)
            with self._caring:
                self._cared_for[server_id] -= 1
            self._on_free()


def _call(
    client: EvolutionClient, message: ClaimedMessage, media: OutgoingMedia | None, reference: Reference | None
) -> SentMessage:
    if message.kind in ABOUT_ANOTHER and reference is None:
        raise EvolutionRejected(errors.TARGET_GONE)
    if message.kind == MessageKind.REACTION and reference is not None:
        return client.send_reaction(message.instance_name, key=reference.key, sign=message.text)
    if message.kind in CHANGES and reference is not None:
        return changes.carry_out(client, message, reference)
    # Without the message that it answers, the answer still says what it says.
    if media is None:
        return client.send_text(
            message.instance_name,
            number=message.number,
            text=message.text,
            message_id=message.message_id,
            quoted=reference,
        )
    return client.send_media(
        message.instance_name,
        number=message.number,
        media=media,
        caption=message.text,
        message_id=message.message_id,
        quoted=reference,
    )
