"""The ways into a running portal from outside: its JSON API, the simulator's own API, and the rows themselves."""

import time
from typing import Any
from uuid import UUID

import psycopg
import requests
from psycopg.rows import dict_row

from tests.running.waiting import until

TIMEOUT_S = 15


class PortalApi:
    """An integrator who has signed in."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def sign_in(self, email: str, password: str) -> None:
        answer = self._ask("POST", "/admin/login", {"email": email, "password": password})
        self.token = answer["accessToken"]

    def unit_ids(self) -> dict[str, UUID]:
        """Slug -> id of the units that the caller may see."""
        return {unit["slug"]: UUID(unit["id"]) for unit in self._ask("GET", "/admin/units")}

    def connect(self, unit: str, *, pairing_number: str = "") -> None:
        self._ask("POST", f"/units/{unit}/whatsapp/connect", {"pairingNumber": pairing_number})

    def status(self, unit: str) -> str:
        return str(self._ask("GET", f"/units/{unit}/whatsapp/status")["status"])

    def send(self, unit: str, *, phone: str, text: str) -> str:
        """Queue a text and give the message's id."""
        answer = self._ask("POST", f"/units/{unit}/whatsapp/send", {"phone": phone, "message": text})
        return str(answer["messageId"])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=TIMEOUT_S)
        assert answer.ok, f"{method} {path} answered {answer.status_code}: {answer.text[:500]}"
        return answer.json()


class SimulatorApi:
    """The person who holds the shops' phones and writes as their customers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("GET", "/instances")
        return found

    def scan(self, instance: str, *, number: str, name: str) -> None:
        self._ask("POST", f"/instances/{instance}/scan", {"number": number, "profileName": name})

    def scan_picture(self, picture: str) -> None:
        """Hold a phone's camera before the QR code of a `data:` address."""
        self._ask("POST", "/scan", {"picture": picture})

    def unlink(self, instance: str) -> None:
        self._ask("POST", f"/instances/{instance}/unlink", {})

    def customer_writes(self, instance: str, *, number: str, name: str, text: str) -> None:
        self._ask("POST", f"/instances/{instance}/messages", {"from": number, "name": name, "text": text})

    def customer_sends(self, instance: str, *, number: str, kind: str = "text", **fields: object) -> dict[str, Any]:
        """Let a customer write anything: `fields` as in local/evolution/control.py. Gives `id` and `reported`."""
        return self._post(instance, "messages", {"from": number, "kind": kind, **fields})

    def own_phone(self, instance: str, *, to: str, kind: str = "text", **fields: object) -> dict[str, Any]:
        """Let the owner write on the phone itself."""
        return self._post(instance, "own-messages", {"to": to, "kind": kind, **fields})

    def own_reads(self, instance: str, *, number: str) -> int:
        """Let the owner read a chat on the phone, and give how many messages that were."""
        return int(self._post(instance, "own-reads", {"number": number})["read"])

    def edit(self, instance: str, *, message_id: str, text: str) -> None:
        self._post(instance, "edits", {"id": message_id, "text": text})

    def delete(self, instance: str, *, message_id: str) -> None:
        self._post(instance, "deletions", {"id": message_id})

    def react(self, instance: str, *, number: str, message_id: str, emoji: str) -> dict[str, Any]:
        """Let a customer react to a message; an empty emoji takes the reaction back."""
        return self.customer_sends(instance, number=number, kind="reaction", target=message_id, emoji=emoji)

    def call(self, instance: str, *, number: str, answered: bool = False, video: bool = False) -> str:
        """Let a customer call, and give the id of the call."""
        body = {"from": number, "answered": answered, "video": video}
        return str(self._post(instance, "calls", body)["id"])

    def history(self, instance: str, *, messages: int, chats: int, **fields: object) -> list[str]:
        """Let the phone hand its history over, and give the ids of the messages."""
        body = {"messages": messages, "chats": chats, **fields}
        ids: list[str] = self._post(instance, "history", body)["ids"]
        return ids

    def change_webhook(self, instance: str, **parts: object) -> None:
        """Change `url`, `events` or `enabled` by hand."""
        self._ask("PUT", f"/instances/{instance}/webhook", parts)

    def remove_webhook(self, instance: str) -> None:
        self._ask("DELETE", f"/instances/{instance}/webhook")

    def change_settings(self, instance: str, **settings: object) -> None:
        """Change some of the instance's settings by hand."""
        self._ask("PUT", f"/instances/{instance}/settings", settings)

    def force_state(self, instance: str, state: str) -> None:
        """Change the state in memory to `close`, `connecting` or `open`; no webhook tells of it."""
        self._post(instance, "state", {"state": state})

    def storm(self, instance: str, *, per_second: float = 30, seconds: float = 3) -> int:
        """Reconnect without pause, and give how many webhooks will say `connecting`."""
        return int(self._post(instance, "storm", {"perSecond": per_second, "seconds": seconds})["webhooks"])

    def remove_instance(self, instance: str, *, reported: bool = False) -> None:
        """Remove it by hand: gone at once, or as through Evolution's manager, which reports it."""
        self._ask("DELETE", f"/instances/{instance}", {"reported": reported})

    def set_addressing(self, instance: str, addressing: str | None) -> None:
        """Let WhatsApp speak of persons by `pn`, `lid` or `lidOnly` in this instance."""
        self._ask("PUT", f"/instances/{instance}/addressing", {"addressing": addressing})

    def sends(self) -> list[dict[str, Any]]:
        """Everything that left through the API: its text, to which number, and when."""
        sends: list[dict[str, Any]] = self._ask("GET", "/sends")
        return sends

    def sent_texts(self) -> list[str]:
        """Every text that left through the API, as often as it left."""
        return [str(send["text"]) for send in self._ask("GET", "/sends")]

    def sent_files(self) -> list[tuple[str, str]]:
        """Kind and SHA-256 of every file that left through the API, as often as it left."""
        return [(send["kind"], send["sha256"]) for send in self._ask("GET", "/sends") if send["sha256"]]

    def failed_deliveries(self) -> int:
        """How many attempts to post a webhook were not answered with success."""
        return sum(attempt["status"] != 200 for attempt in self._ask("GET", "/deliveries"))

    def change(self, **switches: object) -> None:
        self._ask("PUT", "/settings", switches)

    def change_crowd(self, **parts: object) -> None:
        """Change the people whom nobody plays: `parts` as in local/evolution/crowd_settings.py."""
        self._ask("PUT", "/crowd", parts)

    def struck(self) -> dict[str, int]:
        """How often each fault struck."""
        struck: dict[str, int] = self._ask("GET", "/faults")["struck"]
        return struck

    def restart(self, *, down_s: float) -> None:
        """Let Evolution be away for so long, and wait until it is back."""
        self._ask("POST", "/restart", {"downS": down_s})
        time.sleep(down_s)
        until(self._answers, "restarted Evolution")

    def _post(self, instance: str, path: str, body: object) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("POST", f"/instances/{instance}/{path}", body)
        return answer

    def _answers(self) -> bool:
        try:
            self._ask("GET", "/instances")
        except requests.RequestException:
            return False
        return True

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = requests.request(method, f"{self.url}/simulator{path}", json=body, timeout=TIMEOUT_S)
        assert answer.ok, f"{method} {path} answered {answer.status_code}: {answer.text[:500]}"
        return answer.json()


class Rows:
    """What the database holds, read past the portal."""

    def __init__(self, url: str) -> None:
        self._url = url

    def statuses(self, texts: list[str]) -> dict[str, str]:
        """Text -> status of the outbound messages with one of these texts, each of which must be there once."""
        found = self.outbound(texts)
        statuses = dict(found)
        assert len(found) == len(statuses), "a text has more than one row"
        return statuses

    def outbound(self, texts: list[str]) -> list[tuple[str, str]]:
        """Text and status of each outbound message with one of these texts."""
        query = "SELECT body, status FROM messages WHERE direction = 'outbound' AND body = ANY(%s)"
        return [(row["body"], row["status"]) for row in self.fetch(query, texts)]

    def reasons(self, texts: list[str]) -> dict[str, int]:
        """Error code -> how many of the messages that are not gone have it."""
        query = (
            "SELECT error_code, count(*) AS number FROM messages WHERE direction = 'outbound' AND body = ANY(%s)"
            " AND status IN ('failed', 'unconfirmed') GROUP BY 1 ORDER BY 1"
        )
        return {row["error_code"]: row["number"] for row in self.fetch(query, texts)}

    def received(self, texts: list[str]) -> list[str]:
        """The inbound messages with one of these texts, as often as they are there."""
        query = "SELECT body FROM messages WHERE direction = 'inbound' AND body = ANY(%s)"
        return [row["body"] for row in self.fetch(query, texts)]

    def count(self, query: str, *values: object) -> int:
        return int(self.fetch(f"SELECT count(*) AS number FROM {query}", *values)[0]["number"])

    def busy_lanes(self) -> int:
        return self.count("lanes WHERE message_id IS NOT NULL")

    def instance_of(self, unit: str) -> str:
        """The instance that the unit's connection names now."""
        query = "SELECT instance_name FROM unit_whatsapp_connections JOIN units ON units.id = unit_id WHERE slug = %s"
        return str(self.fetch(query, unit)[0]["instance_name"])

    def workers_since(self, instant: float) -> int:
        """How many worker processes have begun since then."""
        return self.count("relays WHERE started_at > to_timestamp(%s)", instant)

    def sending_since(self, instant: float) -> int:
        """How many sends workers that began since then have in flight."""
        owned = "messages JOIN relays ON relays.id = relay_id"
        return self.count(f"{owned} WHERE status = 'sending' AND started_at > to_timestamp(%s)", instant)

    def change(self, statement: str, *values: object) -> None:
        """Change rows past the portal, as a hand that should not."""
        with psycopg.connect(self._url) as connection:
            connection.execute(statement, values)  # type: ignore[arg-type]

    def fetch(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]
