"""Who may call a view: every endpoint says `@requires(…)`, `@signed_in` or `@public`, and a test holds that."""

from collections.abc import Callable
from functools import wraps
from ipaddress import IPv6Address, ip_address, ip_network
from typing import ParamSpec, TypeVar

from flask import g, request
from flask import session as cookie
from flask_babel import gettext as _
from flask_login import UserMixin, current_user, login_required, login_user, logout_user

from portal.errors import Forbidden
from portal.extensions import login
from portal.permissions import Permission
from portal.services import sessions
from portal.services.accounts import Account
from portal.services.sessions import OpenSession

P = ParamSpec("P")
R = TypeVar("R")


class SignedIn(UserMixin):  # type: ignore[misc]
    """What Flask-Login keeps of the person; the cookie holds the token of their session only."""

    def __init__(self, token: str, session: OpenSession) -> None:
        self.token = token
        self.session = session
        self.account = session.account

    def get_id(self) -> str:
        return self.token


@login.user_loader  # type: ignore[untyped-decorator]
def load_user(token: str) -> SignedIn | None:
    session = sessions.find(token)
    return SignedIn(token, session) if session else None


def sign_in_here(account: Account) -> None:
    """Sign the person in, in this browser, and keep nothing of whoever was signed in before."""
    sign_out_here()
    cookie.permanent = True
    token = sessions.start(account, address=remote_address(), user_agent=request.user_agent.string)
    session = sessions.find(token)
    if session is not None:
        login_user(SignedIn(token, session))


def sign_out_here() -> None:
    if current_user.is_authenticated:
        sessions.sign_out(current_user.session, address=remote_address())
    logout_user()
    _forget()


def _forget() -> None:
    """Leave nothing in the cookie but the language, which is the browser's."""
    kept = {name: cookie[name] for name in ("locale",) if name in cookie}
    cookie.clear()
    cookie.update(kept)


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Anybody may call this, or it checks a secret of its own."""
    view.access = "public"  # type: ignore[attr-defined]
    return view


def signed_in(view: Callable[P, R]) -> Callable[P, R]:
    """Any person with an account may call this."""
    guarded: Callable[P, R] = login_required(view)
    guarded.access = "signed_in"  # type: ignore[attr-defined]
    return guarded


def requires(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only people whose role has this permission in the tenant that the address names, and tokens with its scope."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            account = current_account()
            # Within a tenant's pages it is the scope that counts: a company may let operators read for a while.
            if g.get("scope", account).allows(permission):
                return view(*args, **kwargs)
            if account.token:
                raise Forbidden(_("This token does not allow that call. Make one with the scope it needs."))
            raise Forbidden(_("Your role does not allow this. Ask an administrator of your company."))

        guarded.access = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def current_session() -> OpenSession:
    """The browser in which whoever asks for a page is signed in."""
    session: OpenSession = current_user.session
    return session


def current_account() -> Account:
    """The person behind the request: by bearer token on the API, by session cookie on pages."""
    account: Account = g.get("account") or current_user.account
    return account


def remote_address() -> str | None:
    return request.remote_addr


def address_group() -> str:
    """What limits count by: the address, or the network of IPv6 addresses that one connection may choose among."""
    return group_of(remote_address())


def group_of(given: str | None) -> str:
    try:
        address = ip_address(given or "")
    except ValueError:
        return "unknown"
    # A proxy that listens on IPv6 may name an IPv4 address that way.
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))
