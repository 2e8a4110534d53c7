"""Who answers a conversation while somebody is shut out at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import Conversation, User
from portal.permissions import Role
from portal.services import conversation_work, conversations, members
from portal.tenancy import TenantScope, acting_for
from tests.conversation_work import current, events
from tests.factories import make_user

pytestmark = pytest.mark.commits


@pytest.fixture
def by_boss(scope: TenantScope) -> TenantScope:
    return replace(scope, user_id=make_user("boss@acme.test").id)


@pytest.fixture
def bia(unit: object) -> User:
    return make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("centro",))


def apart(app: Flask, scope: TenantScope, act: Callable[..., Any], *args: Any, **words: Any) -> Any:
    with app.app_context(), acting_for(scope):
        return act(scope, *args, **words)


def test_whoever_gives_a_conversation_waits_for_whoever_shuts_that_person_out(
    app: Flask, by_boss: TenantScope, bia: User, conversation: Conversation
) -> None:
    with ThreadPoolExecutor(1) as others, acting_for(by_boss), atomic():
        members.disable(by_boss, bia.id)
        giving = others.submit(apart, app, by_boss, conversation_work.assign, conversation.id, to_id=bia.id)
        with pytest.raises(TimeoutError):
            giving.result(timeout=0.5)
        db.session.commit()
        refused = giving.exception(timeout=10)

    assert isinstance(refused, Invalid)
    assert current(by_boss, conversation.id).assigned_to_id is None


def test_reply_of_somebody_who_is_being_shut_out_waits_for_nobody_and_takes_nothing(
    app: Flask, by_boss: TenantScope, bia: User, conversation: Conversation
) -> None:
    by_bia = replace(by_boss, user_id=bia.id, role=Role.AGENT)
    with ThreadPoolExecutor(1) as others, acting_for(by_boss), atomic():
        members.disable(by_boss, bia.id)
        others.submit(apart, app, by_bia, conversations.reply, conversation.id, text="Oi").result(timeout=10)
        db.session.commit()

    assert current(by_boss, conversation.id).assigned_to_id is None
    assert events(by_boss) == []
