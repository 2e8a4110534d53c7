"""The running web as browsers and Evolution reach it: by its name, through whatever stands in front."""

import json
from typing import Any

import requests

from portal.extensions import parts
from portal.monitor.gate.checks import Answer

TIMEOUT_S = 8.0


def fetch(method: str, path: str, *, body: str | None = None) -> Answer:
    """Ask the portal at BASE_URL; nothing that it is sent on to counts as its answer."""
    answer = requests.request(
        method,
        parts.config.base_url + path,
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=TIMEOUT_S,
        allow_redirects=False,
    )
    return Answer(answer.status_code, answer.text)


def told(answer: Answer) -> dict[str, Any]:
    """The object that was answered as JSON; nothing where it was anything else."""
    try:
        body = json.loads(answer.text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
