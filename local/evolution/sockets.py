"""The life of a connection to WhatsApp: QR codes, scan, open, logout."""

import json
from collections.abc import Callable

from local.evolution.agenda import Agenda
from local.evolution.ids import new_pairing_code, new_qr_text, utc_text
from local.evolution.model import Disconnection, Instance, Socket, State
from local.evolution.numbers import jid_for
from local.evolution.qr import draw_qr
from local.evolution.settings import SimulatorSettings
from local.evolution.store import Store
from local.evolution.webhooks import Webhooks

LOGGED_OUT = 401
LIMIT_REACHED = 428


class NotScannable(Exception):
    """Say that no code is shown that a phone could scan."""


class Sockets:
    """Open and close the connections of instances and report each step."""

    def __init__(self, settings: SimulatorSettings, store: Store, agenda: Agenda, webhooks: Webhooks) -> None:
        self._settings = settings
        self._store = store
        self._agenda = agenda
        self._webhooks = webhooks
        self.on_open: Callable[[Instance], None] = lambda _: None

    def start(self, instance: Instance, number: str | None = None) -> None:
        """Begin to connect: a paired number opens by itself, any other gets QR codes."""
        with self._store.lock:
            socket = instance.socket
            life = socket.end_life()
            socket.state, socket.is_started = State.CONNECTING, True
            socket.pairing_number = number
            socket.sends_base64 = bool(instance.webhook and instance.webhook.base64)
            self.report_connecting(instance)
            if instance.is_paired:
                self._agenda.after(self._settings.pairing_s, lambda: self._open(instance, life))
            else:
                self._agenda.after(self._settings.first_qr_s, lambda: self._show_qr(instance, life))

    def reconnect(self, instance: Instance) -> None:
        """Connect again in the mode of before; the loss itself is not announced."""
        self.start(instance, instance.socket.pairing_number)

    def scan(self, instance: Instance, *, number: str, profile_name: str) -> None:
        """Pair a phone with the code that is shown.

        Raises NotScannable when there is none. The socket closes with 515 unannounced and connects again.
        """
        with self._store.lock:
            if instance.socket.state is not State.CONNECTING or instance.is_paired or not instance.socket.code:
                raise NotScannable(instance.name)
            instance.is_paired = True
            instance.owner_jid, instance.profile_name = jid_for(number), profile_name
            instance.disconnection = None
            self._store.changed()
            self.reconnect(instance)

    def log_out(self, instance: Instance, reason: str) -> None:
        """Close for good, by the phone or through the API; the instance and its webhook stay."""
        with self._store.lock:
            instance.socket.end_life()
            self._close(instance)
            instance.is_paired, instance.database_status = False, State.CLOSE
            instance.disconnection = Disconnection(LOGGED_OUT, disconnection_text(reason), utc_text())
            self._changed(instance)
            self._report_logout(instance, instance.disconnection)

    def unload(self, instance: Instance) -> None:
        """Lose an instance from memory as a process that ends does: nothing is announced, the row stays."""
        with self._store.lock:
            instance.socket = Socket(life=instance.socket.end_life())
            instance.is_loaded = instance.is_being_removed = False

    def stop_quietly(self, instance: Instance) -> None:
        """Make the timers of an instance void that is about to vanish."""
        instance.socket.end_life()

    def force(self, instance: Instance, state: State) -> None:
        """Change the state in memory and report nothing; the database keeps what it had."""
        with self._store.lock:
            instance.socket.end_life()
            instance.socket.state = state
            instance.socket.is_started = True
            instance.socket.has_opened = instance.socket.has_opened or state is State.OPEN

    def report_connecting(self, instance: Instance) -> None:
        """Report that a connection begins."""
        self._report_state(instance, State.CONNECTING, 200)

    def _report_state(self, instance: Instance, state: str, reason: int) -> None:
        update = {"instance": instance.name, "state": state, "statusReason": reason}
        self._webhooks.emit(instance, "connection.update", update)

    def _open(self, instance: Instance, life: int) -> None:
        with self._store.lock:
            if instance.socket.life != life:
                return
            instance.socket.state, instance.socket.has_opened = State.OPEN, True
            instance.database_status = State.OPEN
            self._changed(instance)
            self._webhooks.emit(instance, "connection.update", open_json(instance))
        self.on_open(instance)

    def _show_qr(self, instance: Instance, life: int) -> None:
        code = new_qr_text()
        image = draw_qr(code)
        with self._store.lock:
            socket = instance.socket
            if socket.life != life:
                return
            if socket.count >= self._settings.qr_limit:
                self._give_up(instance)
                return
            socket.count += 1
            socket.code, socket.image = code, image
            socket.pairing_code = new_pairing_code() if socket.pairing_number else None
            instance.database_status = State.CONNECTING
            self._changed(instance)
            self._webhooks.emit(instance, "qrcode.updated", {"qrcode": shown_qr_json(instance)})
            self._agenda.after(self._settings.qr_interval_s, lambda: self._show_qr(instance, life))

    def _give_up(self, instance: Instance) -> None:
        limit = {"message": "QR code limit reached, please login again", "statusCode": 500}
        self._webhooks.emit(instance, "qrcode.updated", limit)
        self._report_state(instance, "refused", LIMIT_REACHED)
        instance.socket.end_life()
        # The database goes on saying "connecting", as Evolution's does.
        self._close(instance)

    def _close(self, instance: Instance) -> None:
        socket = instance.socket
        socket.state, socket.count = State.CLOSE, 0
        socket.code = socket.image = socket.pairing_code = socket.pairing_number = None

    def _report_logout(self, instance: Instance, disconnection: Disconnection) -> None:
        closed = {
            "instance": instance.name,
            "status": "closed",
            "disconnectionAt": disconnection.at,
            "disconnectionReasonCode": disconnection.code,
            "disconnectionObject": disconnection.reason,
        }
        self._webhooks.emit(instance, "status.instance", closed)
        self._webhooks.emit(instance, "logout.instance", None)
        self._report_state(instance, State.CLOSE, LOGGED_OUT)

    def _changed(self, instance: Instance) -> None:
        instance.touch()
        self._store.changed()


def open_json(instance: Instance) -> dict[str, object]:
    """Write the data of an opened connection."""
    return {
        "instance": instance.name,
        "wuid": instance.owner_jid,
        "profileName": instance.profile_name,
        "profilePictureUrl": None,
        "state": State.OPEN,
        "statusReason": 200,
    }


def shown_qr_json(instance: Instance) -> dict[str, object]:
    """Write a new QR code as its webhook carries it, without the count."""
    socket = instance.socket
    return {
        "instance": instance.name,
        "pairingCode": socket.pairing_code,
        "code": socket.code,
        "base64": socket.image,
    }


def disconnection_text(reason: str) -> str:
    """Write the cause of a logout as the JSON text that Evolution stores."""
    payload = {"statusCode": LOGGED_OUT, "error": "Unauthorized", "message": reason}
    output = {"statusCode": LOGGED_OUT, "payload": payload, "headers": {}}
    error = {"data": None, "isBoom": True, "isServer": False, "output": output}
    return json.dumps({"error": error, "date": utc_text()}, separators=(",", ":"))
