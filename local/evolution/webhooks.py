"""Report events to the webhooks of instances: at once, in parallel, without order, and as the fault plan wants it."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt

from local.evolution.agenda import Agenda, Task
from local.evolution.delivery import Delivery, Poster, is_over, wait_before
from local.evolution.events import list_name, url_suffix
from local.evolution.faults import WEBHOOK_FAULTS, FaultName, Faults
from local.evolution.ids import utc_text, webhook_time_text
from local.evolution.model import Instance, Webhook
from local.evolution.settings import SimulatorSettings

Done = Callable[[], None]
KEPT_ATTEMPTS = 50_000
# How long an event waits for the one that is to overtake it.
OVERTAKEN_WITHIN_S = 2.0
JWT_LIFE_S = 600


@dataclass(frozen=True)
class Attempt:
    """Record one attempt at a delivery."""

    at: str
    event: str
    instance: str
    attempt: int
    status: int | str
    duration_ms: int

    def to_json(self) -> dict[str, object]:
        """Write it for GET /simulator/deliveries."""
        return {
            "time": self.at,
            "event": self.event,
            "instance": self.instance,
            "attempt": self.attempt,
            "status": self.status,
            "durationMs": self.duration_ms,
        }


@dataclass
class Parcel:
    """Hold a delivery on its way: lost when the process of its life ends, followed by what it overtakes."""

    delivery: Delivery
    life: int
    done: Done | None = None
    overtaken: "Parcel | None" = None


class Webhooks:
    """Deliver events; retries are kept in memory only and hold what they began with."""

    def __init__(self, settings: SimulatorSettings, agenda: Agenda, faults: Faults) -> None:
        self._settings = settings
        self._agenda = agenda
        self._faults = faults
        self._poster = Poster(settings.webhook_timeout_s)
        self._lock = threading.Lock()
        self._life = 0
        self._held: dict[str, Parcel] = {}
        self._is_stopped = False
        self.attempts: deque[Attempt] = deque(maxlen=KEPT_ATTEMPTS)

    def stop(self) -> None:
        """Begin no further attempt."""
        self._is_stopped = True

    def forget(self) -> None:
        """Lose every event that was not delivered yet: retries, late ones and held ones."""
        with self._lock:
            self._life += 1
            self._held.clear()

    def emit(
        self,
        instance: Instance,
        event: str,
        data: object,
        *,
        done: Done | None = None,
        first: Mapping[str, object] | None = None,
    ) -> None:
        """Report an event if it is subscribed; `done` is called when all attempts are over, `first` leads the body."""
        delivery = self._prepare(instance, event, data, first or {})
        if delivery:
            self._hand_over(Parcel(delivery, self._life, done))
        elif done:
            done()

    def _hand_over(self, parcel: Parcel) -> None:
        fault = self._faults.one_of(WEBHOOK_FAULTS)
        if fault is FaultName.WEBHOOK_LOST:
            if parcel.done:
                parcel.done()
        elif fault is FaultName.WEBHOOK_LATE:
            self._agenda.after(self._faults.seconds(fault), lambda: self._begin(parcel))
        elif fault is FaultName.WEBHOOK_DISORDER:
            self._hold(parcel)
        else:
            self._overtake(parcel)
        if fault is FaultName.WEBHOOK_DUPLICATE:
            self._begin(Parcel(parcel.delivery, parcel.life))

    def _hold(self, parcel: Parcel) -> None:
        name = parcel.delivery.instance
        with self._lock:
            is_alone = self._held.setdefault(name, parcel) is parcel
        if is_alone:
            self._agenda.after(OVERTAKEN_WITHIN_S, lambda: self._let_go(parcel))
        else:
            self._overtake(parcel)

    def _let_go(self, parcel: Parcel) -> None:
        with self._lock:
            if self._held.get(parcel.delivery.instance) is not parcel:
                return
            del self._held[parcel.delivery.instance]
        self._begin(parcel)

    def _overtake(self, parcel: Parcel) -> None:
        with self._lock:
            parcel.overtaken = self._held.pop(parcel.delivery.instance, None)
        self._begin(parcel)

    def in_this_life(self, task: Task) -> Task:
        """Do a task only while the process has not ended in between."""
        life = self._life
        return lambda: task() if life == self._life else None

    def _prepare(self, instance: Instance, event: str, data: object, first: Mapping[str, object]) -> Delivery | None:
        webhook = instance.webhook
        if not webhook or not is_wanted(webhook, event):
            return None
        headers = request_headers(webhook)
        if headers is None:
            return None
        envelope = {**first, **self._envelope(instance, webhook, event, data)}
        body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
        url = f"{webhook.url}/{url_suffix(event)}" if webhook.by_events else webhook.url
        return Delivery(instance.name, event, url, headers, body.encode())

    def _envelope(self, instance: Instance, webhook: Webhook, event: str, data: object) -> dict[str, object]:
        envelope: dict[str, object] = {
            "event": event,
            "instance": instance.name,
            "data": data,
            "destination": webhook.url,
            "date_time": webhook_time_text(),
        }
        if instance.socket.has_opened:
            envelope["sender"] = instance.owner_jid
        if self._settings.server_url:
            envelope["server_url"] = self._settings.server_url
        return {**envelope, "apikey": instance.token if self._settings.is_token_exposed else None}

    def _begin(self, parcel: Parcel, attempt: int = 1) -> None:
        name = f"webhook-{parcel.delivery.event}"
        threading.Thread(target=self._try, args=(parcel, attempt), name=name, daemon=True).start()

    def _try(self, parcel: Parcel, attempt: int) -> None:
        if self._is_lost(parcel):
            return
        at, began = utc_text(), time.monotonic()
        status = self._poster.post(parcel.delivery)
        duration_ms = int((time.monotonic() - began) * 1000)
        delivery = parcel.delivery
        self.attempts.append(Attempt(at, delivery.event, delivery.instance, attempt, status, duration_ms))
        if parcel.overtaken and attempt == 1:
            self._begin(parcel.overtaken)
        if self._is_lost(parcel):
            return
        if not is_over(status, attempt, self._settings):
            following = attempt + 1
            self._agenda.after(wait_before(following, self._settings), lambda: self._begin(parcel, following))
        elif parcel.done:
            parcel.done()

    def _is_lost(self, parcel: Parcel) -> bool:
        return self._is_stopped or parcel.life != self._life


def is_wanted(webhook: Webhook, event: str) -> bool:
    """Tell whether a webhook takes an event."""
    return webhook.enabled and list_name(event) in webhook.events and webhook.url.startswith(("http://", "https://"))


def request_headers(webhook: Webhook) -> dict[str, str] | None:
    """Collect the headers of one event, with the JWT if asked for.

    None when the secret of the JWT cannot be used: nothing is delivered then.
    """
    headers = {
        "accept": "application/json, text/plain, */*",
        "content-type": "application/json",
        **(webhook.headers or {}),
        "user-agent": "axios/1.12.2",
        "accept-encoding": "gzip, compress, deflate, br",
        # A connection kept open could be closed by the receiver just as the next event is written.
        "connection": "close",
    }
    if "jwt_key" not in headers:
        return headers
    secret = headers.pop("jwt_key")
    if not isinstance(secret, str) or not secret:
        return None
    return {**headers, "Authorization": f"Bearer {sign(secret)}"}


def sign(secret: str) -> str:
    """Make the token of one event; its retries reuse it."""
    now = int(time.time())
    claims = {"iat": now, "exp": now + JWT_LIFE_S, "app": "evolution", "action": "webhook"}
    return jwt.encode(claims, secret, algorithm="HS256")
