"""Endpoints of a company's programs: made, changed, given a new secret, switched off and on, deleted by a person."""

import secrets
import time
from base64 import b64encode
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func

from portal.clock import now
from portal.db import atomic, db, found_once
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import WebhookDelivery, WebhookEndpoint, WebhookTopic
from portal.secrets import fingerprint
from portal.services import audit
from portal.services.webhook_addresses import address_problem
from portal.tenancy import TenantScope

MOST_ENDPOINTS = 10
SECRET_BYTES = 32
# A receiver changes over to a new secret within this time.
BOTH_SIGN_FOR = timedelta(hours=24)
# Rows of a log that one transaction deletes, and for how long somebody waits for all of them.
BATCH = 5_000
LONGEST_S = 10.0


def create(scope: TenantScope, *, url: str, topics: Collection[str]) -> tuple[WebhookEndpoint, str]:
    """Make an endpoint and return it with its signing secret, which is shown only now. Raises Invalid by field."""
    url, secret = url.strip(), _new_secret()
    _check(url, topics)
    with atomic():
        _check_number(scope)
        endpoint = scope.add(
            WebhookEndpoint(
                url=url,
                topics=_in_order(topics),
                secret_encrypted=parts.vault.encrypt(secret),
                created_by_id=scope.user_id,
            )
        )
        db.session.flush()
        _record(scope, endpoint, "webhook_endpoint.created", after=_noted(endpoint))
    return endpoint, secret


def change(scope: TenantScope, endpoint_id: UUID, *, url: str, topics: Collection[str]) -> WebhookEndpoint:
    """Tell another address, or of other things, from now on. Raises NotFound, and Invalid by field."""
    url = url.strip()
    with atomic():
        endpoint = _lock(scope, endpoint_id)
        _check(url, topics)
        before, is_elsewhere = _noted(endpoint), endpoint.url != url
        endpoint.url, endpoint.topics = url, _in_order(topics)
        after = _noted(endpoint)
        if is_elsewhere:
            # Another address has not failed yet.
            endpoint.failures, endpoint.paused_until = 0, None
            after["address"] = "changed"
        if after != before:
            _record(scope, endpoint, "webhook_endpoint.changed", before=before, after=after)
    return endpoint


def secret_mark(endpoint: WebhookEndpoint) -> str:
    """Tells one secret of the endpoint from the next, and nothing else about it."""
    return fingerprint(endpoint.secret_encrypted)[:16]


def rotate_secret(scope: TenantScope, endpoint_id: UUID, *, instead_of: str) -> tuple[WebhookEndpoint, str]:
    """Give the endpoint a new secret, which is shown only now; the one before signs beside it for a day.

    `instead_of` is the mark of the one before: a second click must not end what nobody has changed over from.
    Raises NotFound and Conflict.
    """
    secret = _new_secret()
    with atomic():
        endpoint = _lock(scope, endpoint_id)
        if secret_mark(endpoint) != instead_of:
            raise Conflict(
                _("A new secret was made meanwhile. Go back to the address and look before you make another.")
            )
        endpoint.previous_secret_encrypted = endpoint.secret_encrypted
        endpoint.previous_until = now() + BOTH_SIGN_FOR
        endpoint.secret_encrypted = parts.vault.encrypt(secret)
        _record(scope, endpoint, "webhook_endpoint.secret_rotated")
    return endpoint, secret


def switch_off(scope: TenantScope, endpoint_id: UUID) -> None:
    """Post nothing there any more, and keep nothing of what happens. Raises NotFound."""
    with atomic():
        endpoint = _lock(scope, endpoint_id)
        if endpoint.disabled_at is None:
            endpoint.disabled_at, endpoint.is_gone = now(), False
            _record(scope, endpoint, "webhook_endpoint.switched_off")


def switch_on(scope: TenantScope, endpoint_id: UUID) -> None:
    """Post there again, and at once where nobody would try for a while. Raises NotFound."""
    with atomic():
        endpoint = _lock(scope, endpoint_id)
        if endpoint.disabled_at is not None or endpoint.paused_until is not None:
            endpoint.disabled_at = endpoint.paused_until = None
            endpoint.failures, endpoint.is_gone = 0, False
            _record(scope, endpoint, "webhook_endpoint.switched_on")


def delete(scope: TenantScope, endpoint_id: UUID) -> bool:
    """Forget the endpoint and its log; False when the log is so long that somebody has to ask once more.

    It is switched off first, so that an interruption leaves nothing worse than that. Raises NotFound.
    """
    switch_off(scope, endpoint_id)
    until = time.monotonic() + LONGEST_S
    while _delete_some_of_log(scope, endpoint_id):
        if time.monotonic() > until:
            return False
    with atomic():
        endpoint = _lock(scope, endpoint_id)
        _record(scope, endpoint, "webhook_endpoint.deleted", before=_noted(endpoint))
        # What was noted for it meanwhile goes with it.
        db.session.execute(scope.delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id))
    return True


def _check(url: str, topics: Collection[str]) -> None:
    problems = {}
    problem = address_problem(url)
    if problem:
        problems["url"] = problem
    if not topics or not set(topics) <= set(WebhookTopic):
        problems["topics"] = _("Choose at least one thing to be told of.")
    if problems:
        raise Invalid(problems)


def _check_number(scope: TenantScope) -> None:
    count: int = db.session.scalars(scope.select(WebhookEndpoint, func.count()).select_from(WebhookEndpoint)).one()
    if count >= MOST_ENDPOINTS:
        raise Invalid(
            {"url": _("You have %(most)s addresses. Delete one that nobody uses first.", most=MOST_ENDPOINTS)}
        )


def _new_secret() -> str:
    """In the form that libraries of the Standard Webhooks read."""
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _in_order(topics: Collection[str]) -> list[str]:
    return [topic.value for topic in WebhookTopic if topic in topics]


def _lock(scope: TenantScope, endpoint_id: UUID) -> WebhookEndpoint:
    held = scope.select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).with_for_update(key_share=True)
    endpoint: WebhookEndpoint | None = db.session.scalar(held.execution_options(populate_existing=True))
    if endpoint is None:
        raise NotFound("no such webhook endpoint")
    return endpoint


def _delete_some_of_log(scope: TenantScope, endpoint_id: UUID) -> bool:
    """Delete a batch; whether there may be more."""
    some = scope.select(WebhookDelivery, WebhookDelivery.id).where(WebhookDelivery.endpoint_id == endpoint_id)
    doomed = scope.delete(WebhookDelivery).where(
        WebhookDelivery.id.in_(found_once(some.limit(BATCH).with_for_update(skip_locked=True)))
    )
    with atomic():
        gone = db.session.execute(doomed.execution_options(synchronize_session=False))
    return int(gone.rowcount) >= BATCH  # type: ignore[attr-defined]


def _noted(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What the audit log says of an endpoint: no secret, and nothing that may be one."""
    return {"host": urlsplit(endpoint.url).hostname, "topics": endpoint.topics}


def _record(
    scope: TenantScope,
    endpoint: WebhookEndpoint,
    action: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.record(scope, action, ("webhook_endpoint", endpoint.id), before=before, after=after)
