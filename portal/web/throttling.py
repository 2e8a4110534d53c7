"""How often somebody may try to sign in, so that guessing gets nowhere and no stranger locks an owner out.

Wrong passwords for an account are counted over all addresses, but for the browsers and the addresses that its owner
signs in from: each of these is counted by itself, so a stolen cookie gains nothing, and a storm of guesses from
elsewhere keeps nobody out (OWASP, "Slow down online guessing attacks with device cookies"). A browser is forgotten
with the password and the second factor that it was let in with.
"""

from collections.abc import Callable
from datetime import timedelta

from flask import Response, g, request
from flask_babel import gettext as _
from flask_limiter import Limiter
from flask_login import current_user
from itsdangerous import BadSignature, URLSafeTimedSerializer

from portal.db import STORAGE_DOWN
from portal.extensions import limiter, parts
from portal.secrets import fingerprint, new_secret
from portal.services import accounts, sessions, standing
from portal.web.access import address_group, group_of

ATTEMPTS = "10 per minute"
# Of all the people behind one address.
ATTEMPTS_OF_ALL = "100 per minute"
WRONG_ONES_FOR_AN_ACCOUNT = "30 per 15 minutes"
CODES = "10 per 15 minutes; 50 per day"
# Whoever reaches it knows the password. A code has six digits, and those of three steps are taken: a hundred guesses a
# day find one in 3,333 days on average, and within a year in one of ten.
WRONG_CODES_FOR_AN_ACCOUNT = "100 per day"
KNOWN_FOR = timedelta(days=365)


def email_key(email: str) -> str:
    """An account as limits name it, whether there is one or not: their keys lie in Redis and in logs."""
    return fingerprint(ascii(accounts.as_typed(email)))


def place_key(email: str) -> str:
    """One person guessing from one place; a whole shop behind one address is not locked out by it."""
    return known_browser(email) or f"{address_group()} {email_key(email)}"


def known_browser(email: str) -> str | None:
    """Which of the browsers this is that the account was signed in with before, if it is any."""
    try:
        kept = request.cookies.get(cookie_name(), "")
        whose, browser, mark = _signer().loads(kept, max_age=int(KNOWN_FOR.total_seconds()))
    except (BadSignature, TypeError, ValueError):
        return None
    return str(browser) if whose == email_key(email) and mark and mark == _mark_now(email) else None


def remember_browser(response: Response, email: str, mark: str | None = None) -> None:
    """Know this browser again, as one of whoever just showed that the account with this mark is theirs."""
    response.set_cookie(
        cookie_name(),
        str(_signer().dumps([email_key(email), new_secret(), mark or _mark_now(email)])),
        max_age=KNOWN_FOR,
        secure=parts.config.is_production,
        httponly=True,
        samesite="Lax",
    )


def cookie_name() -> str:
    return "__Host-known" if parts.config.is_production else "known"


def is_wrong(response: Response) -> bool:
    """Whether the password was; what comes after a right one is counted by itself."""
    return response.status_code == 401 and "code_of" not in g


def account_counter(of: Limiter) -> Callable[[str], None]:
    """What lets an attempt at an account through, and counts it if the password turns out to be wrong.

    Pages and API each have a limiter, whose counts are the same. The key is found first: a limiter takes whatever
    its key raises for a fault of its storage.
    """

    @of.shared_limit(
        lambda: WRONG_ONES_FOR_AN_ACCOUNT,
        scope="account",
        key_func=lambda: str(g.attempt_key),
        deduct_when=is_wrong,
        error_message=lambda: _too_many(),
    )
    def counted() -> None:
        pass

    def count(email: str) -> None:
        g.attempt_key = known_browser(email) or _address_or_account(email)
        counted()

    return count


def code_counter(of: Limiter) -> Callable[[str, str], None]:
    """What counts a code, if there is one, that came with the right password: for an account or a known browser.

    Those that turn out to be wrong are counted over all browsers besides: many known ones give no more guesses.
    """

    @of.shared_limit(lambda: CODES, scope="code", key_func=lambda: str(g.code_of), error_message=lambda: _too_many())
    def counted() -> None:
        pass

    @of.shared_limit(
        lambda: WRONG_CODES_FOR_AN_ACCOUNT,
        scope="codes-of-account",
        key_func=lambda: str(g.codes_of_account),
        deduct_when=lambda response: response.status_code == 401,
        error_message=lambda: _too_many_codes(),
    )
    def counted_over_all() -> None:
        pass

    def count(email: str, code: str) -> None:
        g.codes_of_account = email_key(email)
        g.code_of = known_browser(email) or g.codes_of_account
        if code:
            counted_over_all()
            counted()

    return count


count_account = account_counter(limiter)
count_code = code_counter(limiter)


@limiter.shared_limit(
    lambda: CODES,
    scope="confirmation",
    key_func=lambda: str(current_user.session.id),
    deduct_when=lambda response: response.status_code == 422,
)
def count_confirmation() -> None:
    """Count what is no right password, by the session: whoever found a browser open keeps out nobody else."""


def _address_or_account(email: str) -> str:
    here = address_group()
    known = {group_of(address) for address in sessions.list_recent_addresses(accounts.as_typed(email))}
    return f"{here} {email_key(email)}" if here in known else email_key(email)


def _mark_now(email: str) -> str | None:
    try:
        return standing.find_mark(accounts.as_typed(email))
    except STORAGE_DOWN:
        # A limiter takes what its key raises for a fault of its own storage; the sign-in itself will say it.
        return None


def _too_many() -> str:
    sentence: str = _(
        "Too many wrong attempts for this account. Wait 15 minutes, or sign in with a browser that you signed in with"
        " before, or ask for a link to a new password."
    )
    return sentence


def _too_many_codes() -> str:
    sentence: str = _(
        "There were too many wrong codes for this account today. Try again tomorrow. If they were not yours, somebody"
        " knows your password: ask for a link to a new one."
    )
    return sentence


def _signer() -> URLSafeTimedSerializer:
    # The last one signs; what an older one signed is still read.
    keys = [*reversed(parts.config.secret_key_fallbacks), parts.config.secret_key]
    return URLSafeTimedSerializer(keys, salt="known-browser")
