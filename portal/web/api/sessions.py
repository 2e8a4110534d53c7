"""Signing in for programs: an address and a password for two tokens, and a refresh token for two new ones."""

import json
from typing import Any

from flask import request
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from portal.secrets import fingerprint
from portal.services import accounts, own_account, second_factors
from portal.services.accounts import Account
from portal.web.access import address_group, public, remote_address
from portal.web.api.answers import refuse
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.limits import (
    REFUSED_PER_ACCOUNT,
    count_open_call,
    count_refused_token,
    limiter,
    wrong_passwords,
)
from portal.web.api.schemas import LoginBody, RefreshBody, TokensAnswer
from portal.web.throttling import account_counter, code_counter, is_wrong

bp = ApiBlueprint(
    "sessions",
    title="Signing in",
    description="Tokens for a person. Programs better use a token that an administrator makes in the portal.",
    url_prefix="/admin",
    is_open=True,
)
bp.before_request(count_open_call)
count_account = account_counter(limiter)
count_code = code_counter(limiter)


def attempt_key() -> str:
    """One address trying one account: neither locks out the other people of an office nor the account's owner."""
    return f"{address_group()} {fingerprint(_claimed_email())}"


@bp.call("POST", "/login", access=public, operation="signIn", body=LoginBody, answer=TokensAnswer, refuses=(401, 409))
@wrong_passwords
@limiter.limit(REFUSED_PER_ACCOUNT, key_func=attempt_key, deduct_when=is_wrong)
def login(body: dict[str, str]) -> dict[str, Any]:
    """Sign in with an e-mail address and a password.

    The access token goes into `Authorization: Bearer` of every other call, and lasts `expiresIn` seconds.
    Somebody with a second factor also sends a `code`; without one the answer is 401 `second_factor_required`.
    409 `sign_in_over`: the password or the access changed meanwhile. Sign in again.
    """
    count_account(body["email"])
    account = accounts.sign_in(body["email"], body["password"])
    if account is None:
        refuse(401, "wrong_credentials", _("The e-mail address or the password is wrong."))
    if second_factors.is_on(account.id):
        _take_code(account, body.get("code", ""))
    return {"tokens": own_account.sign_in_program(account, address=remote_address()), "user": account}


@bp.call(
    "POST", "/refresh", access=public, operation="refreshTokens", body=RefreshBody, answer=TokensAnswer, refuses=(401,)
)
def refresh(body: dict[str, str]) -> dict[str, Any]:
    """Exchange a refresh token for two new tokens.

    It may be used once. One that is used again ends every token of that sign-in.
    """
    renewed = accounts.refresh(body["refresh_token"])
    if renewed is None:
        count_refused_token()
        refuse(401, "refresh_token_refused", _("This refresh token is over or was used before. Sign in again."))
    account, tokens = renewed
    return {"tokens": tokens, "user": account}


def _take_code(account: Account, code: str) -> None:
    count_code(account.email, code)
    if not code:
        refuse(401, "second_factor_required", _("Send the code of your second factor as well."))
    if not second_factors.take(account, code, address=remote_address()):
        refuse(401, "wrong_code", _("This code is not right, or it was used already."))


def _claimed_email() -> str:
    # A limiter whose key fails takes its storage for broken, so nothing may be raised here.
    try:
        email = json.loads(request.get_data(cache=True)).get("email", "")
    except (ValueError, RecursionError, AttributeError, HTTPException):
        return ""
    return ascii(accounts.as_typed(email)) if isinstance(email, str) else ""
