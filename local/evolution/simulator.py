"""The parts of the simulated Evolution, put together."""

from local.evolution.agenda import Agenda
from local.evolution.arrivals import Arrivals
from local.evolution.calls import Calls
from local.evolution.changes import Changes
from local.evolution.crowd import Crowd
from local.evolution.crowd_answers import CrowdAnswers
from local.evolution.demo_chat import DemoChat
from local.evolution.faults import Faults
from local.evolution.harm import Harm
from local.evolution.history import History
from local.evolution.instances import Instances
from local.evolution.messages import Messages
from local.evolution.model import Instance, State
from local.evolution.queues import Queues
from local.evolution.settings import SimulatorSettings, Switches
from local.evolution.sockets import Sockets
from local.evolution.store import Store
from local.evolution.webhooks import Webhooks

ONLY_CONNECTED_SINCE = (2, 3, 7)


class Simulator:
    """Run the instances, their phones and their webhooks."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.switches = Switches.of(settings)
        self.store = Store(settings.state_file)
        self.agenda = Agenda()
        self.faults = Faults()
        self.crowd = Crowd(settings.crowd, self.store)
        self.webhooks = Webhooks(settings, self.agenda, self.faults)
        self.sockets = Sockets(settings, self.store, self.agenda, self.webhooks)
        self.instances = Instances(
            settings, self.switches, self.store, agenda=self.agenda, webhooks=self.webhooks, sockets=self.sockets
        )
        self.messages = Messages(
            self.switches,
            self.store,
            agenda=self.agenda,
            webhooks=self.webhooks,
            faults=self.faults,
            crowd=self.crowd,
        )
        self.queues = Queues(self.webhooks)
        self.arrivals = Arrivals(self.switches, self.store, self.queues)
        self.changes = Changes(self.switches, self.store, self.queues, self.webhooks)
        self.calls = Calls(self.agenda, self.webhooks, self.arrivals)
        self.history = History(self.switches, self.store, self.webhooks)
        self.harm = Harm(
            self.store,
            self.agenda,
            self.webhooks,
            instances=self.instances,
            sockets=self.sockets,
            arrivals=self.arrivals,
        )
        self.demo_chat = DemoChat(self.store, self.agenda, self.arrivals, self.changes)
        self.crowd_answers = CrowdAnswers(self.crowd, self.store, self.agenda, self.arrivals)
        self.messages.on_arrival = self.crowd_answers.expect
        self.sockets.on_open = self._go_on
        self._life = 0

    def start(self) -> None:
        """Begin, reconnecting the stored instances as Evolution does at its start."""
        self.agenda.start()
        self.store.start()
        self._load_instances(self._life)

    def restart(self, down_s: float) -> None:
        """Lose what only the memory of Evolution held; the stored instances come back after the time away.

        WhatsApp forgets nothing, so receipts on their way come once an instance is open again.
        """
        self._life += 1
        life = self._life
        self.messages.interrupt()
        self.webhooks.forget()
        self.queues.forget()
        for instance in self.instances.list_all():
            self.sockets.unload(instance)
        self.agenda.after(down_s + self.settings.loading_s, lambda: self._load_instances(life))

    def stop(self) -> None:
        """End: waiting requests are let go, pending retries are lost, the state is saved."""
        self.messages.stop()
        self.webhooks.stop()
        self.agenda.stop()
        self.store.stop()

    def _go_on(self, instance: Instance) -> None:
        self.arrivals.deliver_waiting(instance)
        if self.settings.has_demo_chat:
            self.demo_chat.begin(instance)

    def _load_instances(self, life: int) -> None:
        if life != self._life:
            return
        for instance in self.instances.list_all():
            instance.is_loaded = True
            if self._is_reconnected(instance):
                self.sockets.start(instance)

    def _is_reconnected(self, instance: Instance) -> bool:
        # Until 2.3.6 instances that were never paired are connected as well and get QR codes.
        if self.switches.style.number < ONLY_CONNECTED_SINCE:
            return True
        return instance.database_status in (State.OPEN, State.CONNECTING)
