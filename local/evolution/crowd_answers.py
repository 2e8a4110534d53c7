"""What people of the crowd write back."""

from local.evolution.agenda import Agenda
from local.evolution.arrivals import Arrivals, NotOpen
from local.evolution.crowd import Crowd, Nature
from local.evolution.model import Customer, Instance, Message
from local.evolution.numbers import digits_of
from local.evolution.store import Store


class CrowdAnswers:
    """Let people answer the first message that a shop sends them, each at their time."""

    def __init__(self, crowd: Crowd, store: Store, agenda: Agenda, arrivals: Arrivals) -> None:
        self._crowd = crowd
        self._store = store
        self._agenda = agenda
        self._arrivals = arrivals

    def expect(self, instance: Instance, message: Message) -> None:
        """Note the answer to a message that has arrived, if one comes."""
        nature = self._crowd.nature_of(message.chat)
        if nature and nature.answers_after_s is not None:
            self._agenda.after(nature.answers_after_s, lambda: self._write(instance, message.chat, nature))

    def _write(self, instance: Instance, chat: str, nature: Nature) -> None:
        with self._store.lock:
            # Whoever answered once is silent, or two machines might talk for ever.
            if instance.has_written(chat):
                return
        customer = Customer(digits_of(chat), nature.name)
        try:
            self._arrivals.customer_sends(instance, customer, {"text": nature.answer})
        except NotOpen:
            # The shop's phone was unlinked meanwhile: to the customer the answer just stays undelivered.
            return
