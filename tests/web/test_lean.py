"""The door goes without the hooks of extensions, and with everything that its answers must carry."""

from collections.abc import Iterator

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from portal.extensions import limiter
from portal.web import compression, counting, headers
from portal.web.api import limits

DOOR = "/webhooks/whatsapp/evolution/a-secret"
# A new hook of ours has to be put here: does the door need it (`portal/web/lean.py`), or can it go without?
OF_THE_DOOR = {headers.begin, counting.see_to_flusher, headers.log_request, headers.secure, counting.count}
SPARED = {
    headers._refuse_foreign_host,
    compression._make_smaller,
    limits._say_when_to_retry_only_if_refused,
    limiter._check_request_limit,
    limits.limiter._check_request_limit,
}


@pytest.fixture
def seen(app: Flask) -> Iterator[list[str]]:
    """The endpoints for which a hook before, or after, each request ran."""
    seen: list[str] = []

    def before() -> None:
        seen.append(f"before {request.endpoint}")

    def after(response: object) -> object:
        seen.append(f"after {request.endpoint}")
        return response

    app.before_request_funcs[None].append(before)
    app.after_request_funcs[None].append(after)  # type: ignore[arg-type]
    yield seen
    app.before_request_funcs[None].remove(before)
    app.after_request_funcs[None].remove(after)  # type: ignore[arg-type]


def test_hooks_run_around_pages_and_not_around_the_door(client: FlaskClient, seen: list[str]) -> None:
    client.get("/login")
    assert client.post(DOOR).status_code == 400

    assert seen == ["before auth.login_page", "after auth.login_page"]


def test_of_every_hook_of_ours_it_was_decided_whether_the_door_needs_it(app: Flask) -> None:
    hooks = [*app.before_request_funcs[None], *app.after_request_funcs[None]]

    assert {hook for hook in hooks if getattr(hook, "__module__", "").startswith("portal.")} == OF_THE_DOOR | SPARED


def test_the_doors_answer_carries_what_every_answer_carries(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    page, answer = client.get("/health"), client.post(DOOR)

    own = {"Content-Length", "Referrer-Policy", "X-Request-Id", "Vary"}
    assert {header for header in page.headers if header[0] not in own} <= set(answer.headers)
    assert len(answer.headers["X-Request-Id"]) == 32
    assert "webhooks.take" in caplog.text
