"""How often a token and an address may call, and what an answer says about it."""

from flask import Flask, Response, request

from portal.extensions import CalledLimits
from portal.secrets import fingerprint
from portal.web.access import address_group

# Twice what integrators are promised, so that two clocks' minutes never cut into the promise.
PER_TOKEN = "1200/minute"
# An integrator may act for many companies from one place: this only keeps one place from taking all there is.
PER_ADDRESS = "30000/minute"
# Tokens that are none, and wrong passwords: of all accounts, and of one.
REFUSED_PER_ADDRESS = "100/minute"
REFUSED_PER_ACCOUNT = "10/minute"


def token_key() -> str:
    """The token, unreadable; callers without one share their address."""
    token = bearer_token()
    return fingerprint(token) if token else address_group()


def bearer_token() -> str:
    given = request.authorization
    return given.token or "" if given is not None and given.type == "bearer" else ""


def is_failure(response: Response) -> bool:
    return response.status_code == 401


# Apart from the one of the pages, whose answers say nothing about limits.
limiter = CalledLimits(address_group, headers_enabled=True)
per_address = limiter.shared_limit(lambda: PER_ADDRESS, scope="api-address")
per_token = limiter.shared_limit(lambda: PER_TOKEN, scope="api-token", key_func=token_key)
wrong_tokens = limiter.shared_limit(lambda: REFUSED_PER_ADDRESS, scope="api-wrong-token")
# Checking a password costs so much that an address that gave too many wrong ones has to wait before the next.
wrong_passwords = limiter.shared_limit(lambda: REFUSED_PER_ADDRESS, scope="api-wrong-password", deduct_when=is_failure)


def register(app: Flask) -> None:
    # What follows a request runs from the last to the first: this one sees what the limiter wrote.
    app.after_request(_say_when_to_retry_only_if_refused)
    limiter.init_app(app)


@per_address
@per_token
def count_call() -> None:
    """Count a call by its token and by its address; as below, what is too much is answered with 429."""


@per_address
def count_open_call() -> None:
    """Count a call that needs no token."""


@wrong_tokens
def count_refused_token() -> None:
    """Count a token that is none, by the address that it came from.

    Those that are good go on working there, since each is looked up first: no number of tries would find one.
    """


def _say_when_to_retry_only_if_refused(response: Response) -> Response:
    if limiter.current_limit is not None and response.status_code != 429:
        response.headers.pop("Retry-After", None)
    return response
