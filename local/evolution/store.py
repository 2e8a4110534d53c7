"""Keep the instances, chats and customers, in memory and in a file that outlives the run."""

import base64
import json
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.evolution.model import Customer, Instance, Message, instance_from_state, instance_to_state
from local.evolution.numbers import chat_of, digits_of

FLUSH_S = 0.5
# The rest after each flush, in times that it took.
RESTS = 9
KEPT_MESSAGES = 10_000
KEPT_SENDS = 50_000
KEPT_FILE_BYTES = 64 * 1024 * 1024
FIRST_CUSTOMERS = (
    ("5511999990002", "Maria Exemplo"),
    ("5531999990003", "João Exemplo"),
    ("5521999990004", "Ana Exemplo"),
)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Send:
    """Record that one message left through the API, and what became of it; the text of a file is its caption."""

    instance: str
    number: str
    text: str
    key_id: str
    at: str
    kind: str
    file_name: str | None
    mime_type: str | None
    sha256: str | None
    size: int | None
    fault: str | None
    has_arrived: bool
    # Of an answer or a reaction: the id of the message it is about.
    refers_to: str | None = None

    def to_json(self) -> dict[str, object]:
        """Write it for GET /simulator/sends."""
        return {
            "instance": self.instance,
            "number": self.number,
            "text": self.text,
            "keyId": self.key_id,
            "time": self.at,
            "kind": self.kind,
            "fileName": self.file_name,
            "mimeType": self.mime_type,
            "sha256": self.sha256,
            "size": self.size,
            "fault": self.fault,
            "arrived": self.has_arrived,
            "refersTo": self.refers_to,
        }


class Store:
    """Hold everything under one lock and save it in the background when it changed."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self.instances: dict[str, Instance] = {}
        self.customers = {chat_of(number): Customer(number, name) for number, name in FIRST_CUSTOMERS}
        self.sends: deque[Send] = deque(maxlen=KEPT_SENDS)
        self.files: dict[str, bytes] = {}
        self._path = path
        self._journal = path.with_name(path.name + ".sends") if path else None
        self._is_dirty = False
        self._stopping = threading.Event()
        self._flusher = threading.Thread(target=self._flush_for_ever, name="flusher", daemon=True)
        if path and path.exists():
            self._load(path)
        if self._journal and self._journal.exists():
            lines = self._journal.read_text(encoding="utf-8").splitlines()
            self.sends.extend(Send(**json.loads(line)) for line in lines)

    def start(self) -> None:
        """Begin to save in the background."""
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._flusher.start()

    def stop(self) -> None:
        """Save a last time."""
        self._stopping.set()
        if self._flusher.is_alive():
            self._flusher.join(timeout=5)
        self.flush()

    def changed(self) -> None:
        """Note that the file is behind."""
        self._is_dirty = True

    def add_message(self, instance: Instance, message: Message) -> None:
        """Keep a message; the oldest go when there are too many."""
        instance.messages[message.key["id"]] = message
        while len(instance.messages) > KEPT_MESSAGES:
            del instance.messages[next(iter(instance.messages))]
        self.changed()

    def add_send(self, send: Send) -> None:
        """Record a send, in the file at once: what left stays known even when the process is killed."""
        self.sends.append(send)
        if self._journal:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps(vars(send), ensure_ascii=False) + "\n")

    def keep_file(self, key_id: str, content: bytes) -> None:
        """Keep the file of a message in memory, to be looked at; the oldest go when there are too many."""
        self.files[key_id] = content
        while sum(map(len, self.files.values())) > KEPT_FILE_BYTES:
            del self.files[next(iter(self.files))]

    def put_base64(self, message: Message, content: dict[str, Any]) -> None:
        """Put the file of a message into its report, if there is one and it is still kept."""
        kept = self.files.get(message.key["id"])
        if kept is not None:
            content["message"] = {**content["message"], "base64": base64.b64encode(kept).decode()}

    def customer(self, chat: str) -> Customer:
        """Give the customer of a chat, known or not."""
        return self.customers.get(chat) or Customer(digits_of(chat), digits_of(chat))

    def keep_customer(self, customer: Customer) -> None:
        """Add a customer or replace the one with the same number."""
        with self.lock:
            self.customers[chat_of(customer.number)] = customer
            self.changed()

    def flush(self) -> None:
        """Save now if anything changed, replacing the file in one step."""
        if not self._is_dirty or self._path is None:
            return
        with self.lock:
            self._is_dirty = False
            text = json.dumps(self._snapshot(), default=vars, ensure_ascii=False)
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, self._path)

    def _snapshot(self) -> dict[str, object]:
        return {
            "instances": [instance_to_state(instance) for instance in self.instances.values()],
            "customers": list(self.customers.values()),
        }

    def _load(self, path: Path) -> None:
        kept = json.loads(path.read_text(encoding="utf-8"))
        instances = [instance_from_state(item) for item in kept["instances"]]
        self.instances = {instance.name: instance for instance in instances}
        self.customers = {chat_of(item["number"]): Customer(**item) for item in kept["customers"]}

    def _flush_for_ever(self) -> None:
        wait_s = FLUSH_S
        while not self._stopping.wait(wait_s):
            began = time.monotonic()
            # A full disk must not end the saving for good: the next round tries again.
            try:
                self.flush()
            except OSError:
                self.changed()
                log.exception("the state could not be saved")
            # Ten thousand messages take a while to write: most of the time is left to those who send.
            wait_s = max(FLUSH_S, RESTS * (time.monotonic() - began))
