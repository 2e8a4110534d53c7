"""Signing in for programs: an address and a password for two tokens, and a refresh token for two new ones."""

import json
from typing import Any

from flask import Response, request
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from portal.extensions import limiter
from portal.secrets import fingerprint
from portal.services import accounts
from portal.web.access import public, remote_address
from portal.web.api.answers import refuse
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.schemas import LoginBody, RefreshBody, TokensAnswer

bp = ApiBlueprint("sessions", url_prefix="/admin", is_open=True, description="Tokens")


def is_failure(response: Response) -> bool:
    return response.status_code == 401


def attempt_key() -> str:
    """One address trying one account: neither locks out the other people of an office nor the account's owner."""
    return f"{remote_address()} {fingerprint(_claimed_email())}"


@bp.call("POST", "/login", access=public, body=LoginBody, answer=TokensAnswer)
@limiter.limit("10/minute", key_func=attempt_key, deduct_when=is_failure)
def login(body: dict[str, str]) -> dict[str, Any]:
    account = accounts.sign_in(body["email"], body["password"])
    if account is None:
        refuse(401, "wrong_credentials", _("The e-mail address or the password is wrong."))
    return {"tokens": accounts.issue_tokens(account), "user": account}


@bp.call("POST", "/refresh", access=public, body=RefreshBody, answer=TokensAnswer)
def refresh(body: dict[str, str]) -> dict[str, Any]:
    renewed = accounts.refresh(body["refresh_token"])
    if renewed is None:
        refuse(401, "refresh_token_refused", _("This refresh token is over or was used before. Sign in again."))
    account, tokens = renewed
    return {"tokens": tokens, "user": account}


def _claimed_email() -> str:
    # A limiter whose key fails takes its storage for broken, so nothing may be raised here.
    try:
        email = json.loads(request.get_data(cache=True)).get("email", "")
    except (ValueError, RecursionError, AttributeError, HTTPException):
        return ""
    return ascii(email).strip().lower()
