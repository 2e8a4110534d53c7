"""The eight calls, one after the other, and what is seen of each."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from portal import phone
from portal.clock import now
from portal.monitor.smoke.answers import Answer, text_in
from portal.monitor.smoke.client import Client
from portal.monitor.smoke.failures import STEPS, Failed
from portal.monitor.smoke.scans import Scanner, state_of, wait_until_connected
from portal.monitor.smoke.units import Unit, chosen_unit

# The go-live board knows the message by this beginning of its `clientMessageId`.
MARK = "smoke-"
TEXT = "Smoke test {id} of the portal: this number can send. No answer is needed."
ADMINISTRATOR = "tenant_admin"
ARRIVED = ("delivered", "read")
NOT_SENT = ("failed", "cancelled")
# The longest that the portal waits for a message to leave.
WAIT_S = 10
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Order:
    """Who signs in, from which unit and to whom the message goes, and how long may be waited.

    `number` is in its canonical form; an empty `unit` is the only one, and an empty `code` no second factor.
    """

    email: str
    password: str
    number: str
    unit: str = ""
    code: str = ""
    scan_limit_s: float = 300.0
    delivery_limit_s: float = 120.0


@dataclass(frozen=True)
class Call:
    """What is seen of one call. `status` and `took_ms` are those of its last answer; None where there was none."""

    name: str
    is_ok: bool
    status: int | None
    took_ms: float
    detail: str


class SmokeTest:
    """One run."""

    def __init__(self, client: Client, order: Order, scanner: Scanner) -> None:
        self._client, self._order, self._scanner = client, order, scanner
        self._unit = Unit("", "", "")
        self._own_number = self._message_id = ""
        self.calls: tuple[tuple[str, Callable[[], str]], ...] = (
            ("health", self._see_health),
            ("login", self._sign_in),
            ("units", self._choose_unit),
            ("connect", self._connect),
            ("status before", self._see_status),
            ("status after", self._see_connected),
            ("message", self._send),
            ("message status", self._await_delivery),
        )

    def run(self) -> Iterator[Call]:
        """Make the calls, and tell of each as soon as it is made; ends after the first that goes wrong."""
        for name, call in self.calls:
            try:
                detail, is_ok = call(), True
            except Failed as e:
                detail, is_ok = str(e), False
            yield Call(name, is_ok, self._client.last_status, self._client.last_took_ms, detail)
            if not is_ok:
                return

    def _see_health(self) -> str:
        answer = self._client.ask("GET", "/health")
        if answer.text("status") != "ok":
            raise Failed("The portal does not say that it is well.", "See that --url is the portal's address.")
        return f"version {answer.text('version')}"

    def _sign_in(self) -> str:
        body = {"email": self._order.email, "password": self._order.password}
        if self._order.code:
            body["code"] = self._order.code
        answer = self._client.ask("POST", "/admin/login", body)
        user, token = answer.object("user"), answer.text("accessToken")
        if text_in(user, "role") != ADMINISTRATOR:
            # They may not connect, or not send: better said before a phone was taken out.
            step = "Sign in as an administrator of a company, with --email."
            raise Failed(f"This account is a {text_in(user, 'role')}, which may not make all calls.", step)
        self._client.sign_in_with(token)
        return f"{text_in(user, 'role')} of {text_in(user, 'tenant')}"

    def _choose_unit(self) -> str:
        answer = self._client.ask("GET", "/admin/units")
        self._unit = chosen_unit(answer, self._order.unit)
        return f"{self._unit.slug}, one of {len(answer.items)}"

    def _connect(self) -> str:
        body = {"provider": "evolution", "credentials": {}}
        answer = self._client.ask("POST", f"{self._unit.path}/connect", body, takes=(201, 202, 409))
        if answer.status == 409:
            return f"no code is needed: {answer.refusal}"
        return "a code to scan" if answer.status == 201 else "asked for a code, which is not there yet"

    def _see_status(self) -> str:
        status = self._client.ask("GET", f"{self._unit.path}/status")
        return state_of(status) + (": nothing has to be scanned" if _is_connected(status) else "")

    def _see_connected(self) -> str:
        """After the pause: whoever is connected already needs none."""
        status = self._client.ask("GET", f"{self._unit.path}/status")
        if not _is_connected(status):
            wait_until_connected(self._client, self._unit, self._scanner, at_most_s=self._order.scan_limit_s)
            status = self._client.ask("GET", f"{self._unit.path}/status")
        if not _is_connected(status):
            raise Failed(f"The unit is {state_of(status)} again.", "See the unit's page for the reason.")
        self._own_number = status.text("phone")
        return f"connected as {phone.masked(self._own_number)}"

    def _send(self) -> str:
        if self._order.number == self._own_number:
            # Versions of Evolution differ in whether they report that it was delivered.
            raise Failed("This number is the unit's own.", "Name another one with --phone, say your own.")
        id_ = f"{MARK}{now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        answer = self._client.ask(
            "POST",
            "/messages",
            {
                "unitId": self._unit.id,
                "phone": self._order.number,
                "message": TEXT.format(id=id_),
                "clientMessageId": id_,
            },
            takes=(200, 202),
            wait_s=WAIT_S,
        )
        self._message_id = answer.text("messageId")
        if answer.text("status") in NOT_SENT:
            self._await_delivery()
        return f"{answer.text('status')} to {phone.masked(self._order.number)} as {id_}"

    def _await_delivery(self) -> str:
        began_at = time.monotonic()
        while True:
            message = self._client.ask("GET", f"/messages/{self._message_id}")
            waited_s = time.monotonic() - began_at
            if message.text("status") in ARRIVED:
                return f"{message.text('status')}, seen after {waited_s:.1f} s"
            if message.text("status") in NOT_SENT:
                raise _not_sent(message)
            if waited_s >= self._order.delivery_limit_s:
                raise _no_receipt(message, waited_s)
            time.sleep(LOOK_EVERY_S)


def _is_connected(status: Answer) -> bool:
    return status.text("status") == "connected"


def _not_sent(message: Answer) -> Failed:
    code = message.text("errorCode")
    step = STEPS.get(code, "Correct what the sentence names, and run the smoke test again.")
    return Failed(f"The message is {message.text('status')} ({code}): {message.text('error')}", step)


def _no_receipt(message: Answer, waited_s: float) -> Failed:
    steps = {
        "queued": "See at /ready whether a worker runs, and whether the unit is still connected.",
        "sending": "See at /ready whether a worker runs, and whether the Evolution server answers.",
        "unconfirmed": "Nobody knows whether it left: look at the phone, and at the page “Not delivered”.",
        "sent": "See that the phone of the receiver is on, and that webhooks of Evolution reach BASE_URL.",
    }
    status = message.text("status")
    return Failed(f"The message is still {status} after {waited_s:.0f} s.", steps.get(status, "Look at its page."))
