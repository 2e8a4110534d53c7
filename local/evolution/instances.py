"""Create, list, configure and delete instances."""

import uuid
from collections.abc import Mapping
from typing import Any

from local.evolution.agenda import Agenda
from local.evolution.errors import ApiError, crashed
from local.evolution.ids import new_token
from local.evolution.model import Instance, State, Webhook
from local.evolution.settings import SimulatorSettings, Switches
from local.evolution.sockets import Sockets
from local.evolution.store import Store
from local.evolution.validation import SETTING_SWITCHES
from local.evolution.versions import Style
from local.evolution.webhooks import Webhooks

INTEGRATION = "WHATSAPP-BAILEYS"
LONGEST_NAME = 255
NO_EVENTS = "Cannot read properties of undefined (reading 'length')"
NO_SETTING_ROW = "Foreign key constraint violated on the constraint: `Setting_instanceId_fkey`"
SETTING_ORDER = (
    "rejectCall",
    "msgCall",
    "groupsIgnore",
    "alwaysOnline",
    "readMessages",
    "readStatus",
    "syncFullHistory",
    "wavoipToken",
)


class Instances:
    """Keep the list of instances."""

    def __init__(
        self,
        settings: SimulatorSettings,
        switches: Switches,
        store: Store,
        *,
        agenda: Agenda,
        webhooks: Webhooks,
        sockets: Sockets,
    ) -> None:
        self._switches = switches
        self._settings = settings
        self._store = store
        self._agenda = agenda
        self._webhooks = webhooks
        self._sockets = sockets

    def find(self, name: object) -> Instance | None:
        """Give the instance of that name, if there is one."""
        return self._store.instances.get(name) if isinstance(name, str) else None

    def list_all(self) -> list[Instance]:
        """List the instances, oldest first."""
        with self._store.lock:
            return list(self._store.instances.values())

    def refuse_taken(self, name: object) -> None:
        """Refuse a name in use; without a name any instance counts as having it."""
        if name is None and self._store.instances:
            raise ApiError(403, ['This name "undefined" is already in use.'])
        if name is not None and not isinstance(name, str):
            raise ApiError(500, ["PrismaClientValidationError: Argument `name`: Invalid value provided."])
        if self.find(name):
            raise ApiError(403, [f'This name "{name}" is already in use.'])

    def create(self, body: Mapping[str, Any]) -> Instance:
        """Create an instance and, with `qrcode: true`, begin to connect it.

        Raises ApiError; the instance is gone again then.
        """
        refuse_wrong(body)
        instance = new_instance(body, self._switches.style)
        with self._store.lock:
            self._store.instances[instance.name] = instance
            self._store.changed()
        self._webhooks.emit(instance, "instance.create", identity_json(instance))
        if body.get("qrcode") is True:
            self._sockets.start(instance, body.get("number"))
        return instance

    def set_webhook(self, instance: Instance, given: Mapping[str, Any]) -> Webhook:
        """Store where events go; what is left out keeps its stored value."""
        if given["enabled"] and given.get("events") is None:
            raise crashed(NO_EVENTS)
        with self._store.lock:
            webhook = instance.webhook or Webhook(url="", events=[])
            webhook.url, webhook.enabled = given["url"], given["enabled"]
            webhook.events = subscribed(given["events"], self._switches.style) if given["enabled"] else []
            webhook.headers = given.get("headers", webhook.headers)
            webhook.by_events = given.get("byEvents", webhook.by_events)
            webhook.base64 = given.get("base64", webhook.base64)
            self._keep_webhook(instance, webhook)
            return webhook

    def set_settings(self, instance: Instance, given: Mapping[str, Any]) -> dict[str, Any]:
        """Store the settings and give back those that were sent."""
        sent = {name: given[name] for name in SETTING_ORDER if name in given}
        with self._store.lock:
            instance.settings.update(sent)
            instance.touch()
            self._store.changed()
        return sent

    def delete(self, instance: Instance) -> None:
        """Begin to remove an instance; its name stays in use until REMOVE_INSTANCE was delivered or given up."""
        if instance.socket.state is not State.CLOSE:
            self._sockets.log_out(instance, f"Log out instance: {instance.name}")
        instance.is_being_removed = True
        self._sockets.stop_quietly(instance)
        self._webhooks.emit(instance, "instance.delete", identity_json(instance))
        self._webhooks.emit(instance, "remove.instance", None, done=lambda: self._forget_soon(instance))

    def vanish(self, instance: Instance) -> None:
        """Remove an instance at once and report nothing."""
        self._sockets.stop_quietly(instance)
        self._forget(instance)

    def _forget_soon(self, instance: Instance) -> None:
        self._agenda.after(self._settings.removal_s, lambda: self._forget(instance))

    def _forget(self, instance: Instance) -> None:
        with self._store.lock:
            # A second delete of a dying instance must not take its successor of the same name along.
            if self._store.instances.get(instance.name) is instance:
                del self._store.instances[instance.name]
                self._store.changed()

    def _keep_webhook(self, instance: Instance, webhook: Webhook) -> None:
        instance.webhook = webhook
        instance.touch()
        webhook.updated_at = instance.updated_at
        self._store.changed()


def refuse_wrong(body: Mapping[str, Any]) -> None:
    """Refuse what the handler of create refuses after the validation, each with its own text."""
    if body.get("integration") != INTEGRATION:
        raise ApiError(400, ["Invalid integration"])
    if len(body.get("instanceName") or "") > LONGEST_NAME or body.get("instanceName") is None:
        raise ApiError(400, [NO_SETTING_ROW])
    webhook = body.get("webhook")
    if webhook and not (isinstance(webhook, dict) and isinstance(webhook.get("events"), list)):
        raise ApiError(400, [NO_EVENTS])
    if all(body.get(name) for name in ("proxyHost", "proxyPort", "proxyProtocol")):
        raise ApiError(400, ["Invalid proxy"])


def new_instance(body: Mapping[str, Any], style: Style) -> Instance:
    """Make an instance from the body of create."""
    return Instance(
        name=body["instanceName"],
        id=str(uuid.uuid4()),
        token=body.get("token") or new_token(),
        number=body.get("number"),
        settings=initial_settings(body),
        webhook=inline_webhook(body.get("webhook"), style),
    )


def initial_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Take the settings from the body of create: only a literal true switches on."""
    return {
        name: body.get(name) is True if name in SETTING_SWITCHES else body.get(name) or "" for name in SETTING_ORDER
    }


def inline_webhook(given: Mapping[str, Any] | None, style: Style) -> Webhook | None:
    """Take the webhook from the body of create: unchecked, and enabled whatever it says."""
    if not given:
        return None
    return Webhook(
        url=given.get("url") or "",
        events=subscribed(given["events"], style),
        headers=given.get("headers"),
        by_events=given.get("byEvents") is True,
        base64=given.get("base64") is True,
    )


def subscribed(events: list[str], style: Style) -> list[str]:
    """Read a list of events: an empty one means all."""
    return list(events) or list(style.event_names)


def identity_json(instance: Instance) -> dict[str, object]:
    """Write the data of instance.create and instance.delete."""
    return {"instanceName": instance.name, "instanceId": instance.id}
