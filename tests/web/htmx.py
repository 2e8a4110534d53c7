"""Asking as htmx does, and reading what comes back."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PART = {"HX-Request": "true"}
EACH_WAY = pytest.mark.parametrize("headers", [PART, {}], ids=["htmx", "plain"])


def poll(client: FlaskClient, page: str, fragment_id: str) -> TestResponse:
    """Follow the poll of the fragment with that id in this page."""
    address = re.search(rf'id="{fragment_id}"[^>]*hx-get="([^"]+)"', page)
    assert address, f"{fragment_id} does not poll"
    return client.get(address[1].replace("&amp;", "&"), headers=PART)


def post_part(client: FlaskClient, address: str, data: dict[str, Any]) -> TestResponse:
    return client.post(address, data=data, headers=PART)
