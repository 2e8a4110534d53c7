"""What people and machines do to an instance behind everybody's back."""

from collections.abc import Mapping
from typing import Any

from local.evolution.agenda import Agenda
from local.evolution.arrivals import Arrivals, NotOpen
from local.evolution.instances import Instances
from local.evolution.model import Instance, State, Webhook
from local.evolution.sockets import Sockets
from local.evolution.store import Store
from local.evolution.webhooks import Webhooks

MOST_PER_SECOND = 200
LONGEST_STORM_S = 120


class Harm:
    """Change things by hand, telling nobody."""

    def __init__(
        self,
        store: Store,
        agenda: Agenda,
        webhooks: Webhooks,
        *,
        instances: Instances,
        sockets: Sockets,
        arrivals: Arrivals,
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._webhooks = webhooks
        self._instances = instances
        self._sockets = sockets
        self._arrivals = arrivals

    def change_webhook(self, instance: Instance, changes: Mapping[str, Any]) -> None:
        """Change parts of the webhook, as somebody in the manager of Evolution does."""
        with self._store.lock:
            webhook = instance.webhook or Webhook(url="", events=[])
            self._instances.set_webhook(instance, {**parts_of(webhook), **changes})

    def remove_webhook(self, instance: Instance) -> None:
        """Take the webhook away."""
        with self._store.lock:
            instance.webhook = None
            instance.touch()
            self._store.changed()

    def change_settings(self, instance: Instance, changes: Mapping[str, Any]) -> None:
        """Change some of the settings."""
        self._instances.set_settings(instance, changes)

    def force_state(self, instance: Instance, state: State) -> None:
        """Change the state in memory without a word; raises NotOpen where no phone is linked that could be open."""
        if state is State.OPEN and not instance.is_paired:
            raise NotOpen(instance.name)
        self._sockets.force(instance, state)
        if state is State.OPEN:
            self._arrivals.deliver_waiting(instance)

    def storm(self, instance: Instance, *, per_second: float, seconds: float) -> int:
        """Reconnect without pause: many webhooks say `connecting`, polls say `close`; gives how many there will be.

        It outlives the instance and ends with a restart of Evolution.
        """
        number = int(per_second * seconds)
        self._sockets.force(instance, State.CLOSE)
        for index in range(number):
            self._agenda.after(index / per_second, self._webhooks.in_this_life(lambda: self._say_connecting(instance)))
        return number

    def remove(self, instance: Instance, *, is_silent: bool) -> None:
        """Remove an instance: by its row, or through the manager, which reports it."""
        if is_silent:
            self._instances.vanish(instance)
        else:
            self._instances.delete(instance)

    def _say_connecting(self, instance: Instance) -> None:
        self._sockets.report_connecting(instance)


def parts_of(webhook: Webhook) -> dict[str, Any]:
    """Give the parts of a webhook by the names under which they are set."""
    return {"url": webhook.url, "enabled": webhook.enabled, "events": webhook.events}
