"""The message loop of an instance: an edit holds up all that comes after it until its webhook is through."""

import threading
from collections import deque

from local.evolution.model import Instance
from local.evolution.webhooks import Webhooks


class Queues:
    """Report what comes in from phones in the order in which Evolution takes it up."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._lock = threading.Lock()
        self._held: dict[str, deque[tuple[str, object]]] = {}

    def emit(self, instance: Instance, event: str, data: object) -> None:
        """Report an event, or keep it while an earlier one is still being delivered."""
        with self._lock:
            if instance.name in self._held:
                self._held[instance.name].append((event, data))
                return
        self._report(instance, event, data)

    def forget(self) -> None:
        """Lose what is held up, as a process that ends does."""
        with self._lock:
            self._held.clear()

    def _report(self, instance: Instance, event: str, data: object) -> None:
        if event != "messages.edited":
            self._webhooks.emit(instance, event, data)
            return
        with self._lock:
            held = self._held.setdefault(instance.name, deque())
        self._webhooks.emit(instance, event, data, done=lambda: self._go_on(instance, held))

    def _go_on(self, instance: Instance, held: deque[tuple[str, object]]) -> None:
        while True:
            with self._lock:
                if self._held.get(instance.name) is not held:
                    return
                if not held:
                    del self._held[instance.name]
                    return
                event, data = held.popleft()
                if event == "messages.edited":
                    break
            self._webhooks.emit(instance, event, data)
        self._report(instance, event, data)
