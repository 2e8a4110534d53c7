"""Calls: several reports for each, by one id."""

import functools
import secrets
from dataclasses import dataclass

from local.evolution.agenda import Agenda
from local.evolution.arrivals import Arrivals, NotOpen
from local.evolution.ids import utc_text
from local.evolution.keys import addresses
from local.evolution.model import Customer, Instance
from local.evolution.numbers import chat_of
from local.evolution.settings import Addressing
from local.evolution.webhooks import Webhooks

BETWEEN_S = 0.05


@dataclass(frozen=True)
class Call:
    """Say how a customer calls, and whether somebody answers."""

    is_answered: bool = False
    is_video: bool = False
    group: str | None = None


class Calls:
    """Let customers call."""

    def __init__(self, agenda: Agenda, webhooks: Webhooks, arrivals: Arrivals) -> None:
        self._agenda = agenda
        self._webhooks = webhooks
        self._arrivals = arrivals

    def ring(self, instance: Instance, customer: Customer, call: Call) -> str:
        """Let a customer call, and give the id of the call; raises NotOpen while the phone is not connected."""
        if not instance.is_open:
            raise NotOpen(instance.name)
        call_id = secrets.token_hex(8).upper()
        for step, status in enumerate(steps_of(instance, call)):
            data = call_json(customer, call, call_id, status)
            tell = functools.partial(self._webhooks.emit, instance, "call", data)
            self._agenda.after(step * BETWEEN_S, tell)
        if instance.settings["rejectCall"] and instance.settings["msgCall"]:
            self._arrivals.owner_sends(instance, customer.number, {"text": instance.settings["msgCall"]})
        return call_id


def steps_of(instance: Instance, call: Call) -> tuple[str, ...]:
    """List what is reported of a call, in its order."""
    if instance.settings["rejectCall"]:
        return ("offer", "reject")
    return ("offer", "ringing", *(("accept", "terminate") if call.is_answered else ("timeout",)))


def call_json(customer: Customer, call: Call, call_id: str, status: str) -> dict[str, object]:
    """Write one report of a call; callers are known by their anonymous id."""
    caller, _ = addresses(chat_of(customer.number), Addressing.LID)
    group = {"groupJid": call.group} if call.group else {}
    return {
        "chatId": call.group or caller,
        "from": caller,
        "id": call_id,
        "date": utc_text(),
        "offline": False,
        "status": status,
        "isVideo": call.is_video,
        "isGroup": call.group is not None,
        **group,
    }
