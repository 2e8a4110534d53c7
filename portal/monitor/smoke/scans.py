"""The pause in the middle: a phone scans the code, or a simulated one does."""

import time
from dataclasses import dataclass
from typing import Protocol

from portal.monitor.smoke.answers import Answer
from portal.monitor.smoke.client import Client
from portal.monitor.smoke.failures import Failed
from portal.monitor.smoke.units import Unit

LOOK_EVERY_S = 1.0
TOLD_EVERY_S = 15.0
AGAIN = "run the smoke test again."


@dataclass(frozen=True)
class Code:
    """A code that can be scanned now: its picture as a `data:` address, and a pairing code where one was asked for."""

    picture: str
    pairing_code: str


class Scanner(Protocol):
    """Whoever scans."""

    def show(self, unit: Unit, code: Code) -> None:
        """Take a new code; the one before is over."""

    def wait(self, waited_s: float, at_most_s: float) -> None:
        """Hear now and then that the phone is not linked yet."""


class SimulatedPhone:
    """The phone beside a simulated Evolution API, which stands where the portal's Evolution server would."""

    def __init__(self, evolution_url: str) -> None:
        self._simulator = Client(evolution_url, if_silent="Start the simulator, or correct EVOLUTION_API_URL.")

    def check(self) -> None:
        """Raises Failed unless it is a simulator."""
        answer = self._simulator.ask("GET", "/simulator/instances", takes=(200, 401, 404))
        if answer.status != 200:
            raise Failed("EVOLUTION_API_URL is no simulator.", "Leave --scan-with out, and scan with a phone.")

    def show(self, unit: Unit, code: Code) -> None:
        answer = self._simulator.ask("POST", "/simulator/scan", {"picture": code.picture}, takes=(200, 404, 409))
        if answer.status != 200:
            raise Failed(
                "The simulator shows no such code.",
                "See that EVOLUTION_API_URL is the same here and for the portal at --url.",
            )

    def wait(self, waited_s: float, at_most_s: float) -> None:
        """It needs no reminder."""


def wait_until_connected(client: Client, unit: Unit, scanner: Scanner, *, at_most_s: float) -> None:
    """Show each code until the phone is linked. Raises Failed when it is not in time."""
    began_at = told_at = time.monotonic()
    shown = ""
    while True:
        answer = client.ask("GET", f"{unit.path}/qrcode", takes=(200, 202, 404, 409))
        if answer.status in (404, 409) and _is_connected(client, unit):
            return
        if answer.text("qrCode") and answer.text("qrUpdatedAt") != shown:
            shown = answer.text("qrUpdatedAt")
            scanner.show(unit, Code(answer.text("qrCode"), answer.text("pairingCode")))
        waited_s = time.monotonic() - began_at
        if waited_s >= at_most_s:
            raise Failed(f"No phone was linked within {at_most_s:.0f} s.", f"Take the unit's phone, and {AGAIN}")
        if time.monotonic() - told_at >= TOLD_EVERY_S:
            told_at = time.monotonic()
            scanner.wait(waited_s, at_most_s)
        time.sleep(LOOK_EVERY_S)


def state_of(status: Answer) -> str:
    """The state and its reason: `disconnected (logged_out)`."""
    reason = status.text("reason")
    return status.text("status") + (f" ({reason})" if reason else "")


def _is_connected(client: Client, unit: Unit) -> bool:
    """Why there is no code: the unit is connected, or about to be. Raises Failed when somebody ended the attempt."""
    status = client.ask("GET", f"{unit.path}/status")
    if status.text("status") in ("disconnected", "not_configured"):
        step = f"See the unit's page for the reason, and {AGAIN}"
        raise Failed(f"There is no code to scan any more: the unit is {state_of(status)}.", step)
    return status.text("status") == "connected"
