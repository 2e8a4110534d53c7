"""Whether anything that a running portal wrote tells what nobody may read in a log."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from tests.running.stack import Stack

JWT = re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}")
SHORTEST = 6


def leaks_of(stack: Stack) -> list[str]:
    """Which kinds of secret stand in the output of which program: "web: webhook secret"."""
    secrets = secrets_of(stack)
    return [f"{name}: {kind}" for name, text in outputs_of(stack) for kind in kinds_in(text, secrets)]


def kinds_in(text: str, secrets: dict[str, set[str]]) -> list[str]:
    found = [kind for kind, values in secrets.items() if any(value in text for value in values)]
    return [*found, "JWT"] if JWT.search(text) else found


def secrets_of(stack: Stack) -> dict[str, set[str]]:
    """Kind -> all values that are in use, as the environment, the simulator and the rows know them."""
    phones = [row["phone"] for row in stack.rows.fetch("SELECT phone FROM contacts WHERE phone IS NOT NULL")]
    phones += [str(one["number"]) for one in stack.simulator.instances() if one["number"]]
    found = {
        "secret key": {stack.env["SECRET_KEY"]},
        "Evolution key": {stack.env["EVOLUTION_API_KEY"]},
        "password": set(stack.passwords.values()),
        "Redis password": {urlsplit(stack.env["REDIS_URL"]).password or ""},
        "bearer token": {stack.api.token},
        "phone number": set(phones),
        "message text": {row["body"] for row in stack.rows.fetch("SELECT body FROM messages")},
        **_of_instances(stack.folder / "evolution.json"),
        **stack.secrets,
    }
    return {kind: {value for value in values if len(value) >= SHORTEST} for kind, values in found.items()}


def outputs_of(stack: Stack) -> list[tuple[str, str]]:
    said = [(program.name, program.said()) for program in (stack.evolution, stack.web, *stack.workers)]
    servers = [(path.parent.name, path.read_text(errors="replace")) for path in stack.folder.glob("*/log.txt")]
    return said + servers


def _of_instances(state_file: Path) -> dict[str, set[str]]:
    # Written when there is something to keep.
    instances = json.loads(state_file.read_text())["instances"] if state_file.exists() else []
    webhooks = [one["webhook"] for one in instances if one["webhook"]]
    return {
        "instance token": {one["token"] for one in instances},
        "webhook secret": {webhook["url"].rpartition("/")[2] for webhook in webhooks},
        "webhook JWT key": {(webhook["headers"] or {}).get("jwt_key", "") for webhook in webhooks},
    }
