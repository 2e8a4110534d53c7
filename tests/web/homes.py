"""A company's home as it is read, and rows as its needs are about them."""

import re
from html import unescape
from typing import Any

from flask.testing import FlaskClient

from portal.db import atomic, db
from portal.models import Connection, Conversation, Unit
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, acting_for

PAGE = "/t/acme/home"


def needs_in(page: str) -> dict[str, str]:
    """Key of each thing that needs somebody, in its order -> its words without tags."""
    found = re.findall(r'<li class="need [^"]*" id="need-([^"]+)">(.*?)</li>', page, re.S)
    return {key: unescape(" ".join(re.sub(r"<[^>]+>", " ", words).split())) for key, words in found}


def needs_of(client: FlaskClient, page: str = PAGE) -> dict[str, str]:
    answer = client.get(page)
    assert answer.status_code == 200
    return needs_in(answer.text)


def link_of(page: str, key: str) -> str:
    """Where the link of that need leads."""
    return unescape(re.findall(rf'id="to-{re.escape(key)}" href="([^"]*)"', page)[0])


def numbers_in(page: str) -> dict[str, str]:
    """Key -> the number shown."""
    return dict(re.findall(r'id="number-(\w+)" href="[^"]*"><span class="number__value">([^<]*)</span>', page))


def move(scope: TenantScope, unit: Unit, status: Any, reason: Any = None) -> None:
    """Let the unit's connection become that."""
    with acting_for(scope), atomic():
        set_status(lock_connection(scope, unit.id), status, reason)


def note(scope: TenantScope, model: Any, which: Any, **columns: Any) -> None:
    """Change these columns of one row of the company."""
    with acting_for(scope), atomic():
        db.session.execute(scope.update(model).where(which).values(columns))


def note_connection(scope: TenantScope, unit: Unit, **columns: Any) -> None:
    note(scope, Connection, Connection.unit_id == unit.id, **columns)


def note_conversation(scope: TenantScope, conversation: Conversation, **columns: Any) -> None:
    note(scope, Conversation, Conversation.id == conversation.id, **columns)
