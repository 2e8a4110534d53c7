"""Sessions in browsers: how they end, and what is known of where somebody signs in from."""

from datetime import timedelta

import pytest

from portal.clock import now
from portal.errors import Conflict, NotFound
from portal.models import User, UserSession
from portal.permissions import Role
from portal.secrets import fingerprint
from portal.services import own_account, sessions
from portal.services.sessions import OpenSession
from portal.tenancy import TenantScope
from tests.factories import make_tenant, make_user
from tests.ways_in import account_of, change, log_of, sessions_of

HOME = "192.0.2.1"


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def ana(scope: TenantScope) -> User:
    return make_user()


@pytest.fixture
def bea(scope: TenantScope) -> User:
    return make_user("bea@acme.test")


def sign_in(user: User, *, address: str | None = HOME, user_agent: str = "a browser") -> tuple[str, OpenSession]:
    token = sessions.start(account_of(user), address=address, user_agent=user_agent)
    session = sessions.find(token)
    assert session is not None
    return token, session


def test_only_the_fingerprint_of_the_cookie_is_kept(ana: User) -> None:
    token, _ = sign_in(ana)

    (kept,) = sessions_of(ana)
    assert kept.token_hash == fingerprint(token)
    assert (kept.address, kept.user_agent) == (HOME, "a browser")


def test_endless_name_of_a_browser_is_cut(ana: User) -> None:
    sign_in(ana, user_agent="x\x00" * 10_000)

    (kept,) = sessions_of(ana)
    assert kept.user_agent == "x" * 200


@pytest.mark.parametrize(
    ("columns", "goes_on"),
    [
        ({"used_at": timedelta(days=-6, hours=-23)}, True),
        ({"used_at": timedelta(days=-7, minutes=-1)}, False),
        ({"expires_at": timedelta(seconds=-1)}, False),
        ({"revoked_at": timedelta()}, False),
    ],
    ids=["unused for almost a week", "unused for a week", "too old", "ended"],
)
def test_session_goes_on_while_it_is_used_and_not_too_old(
    ana: User, columns: dict[str, timedelta], goes_on: bool
) -> None:
    token, session = sign_in(ana)
    change(UserSession, session.id, **{name: now() + span for name, span in columns.items()})

    assert (sessions.find(token) is not None) is goes_on
    assert (len(sessions.list_open(session.account)) == 1) is goes_on


def test_each_use_keeps_it_for_another_week(ana: User) -> None:
    token, session = sign_in(ana)
    change(UserSession, session.id, used_at=now() - timedelta(days=6))

    sessions.find(token)

    (kept,) = sessions_of(ana)
    assert now() - kept.used_at < timedelta(minutes=1)


def test_session_of_somebody_who_was_disabled_is_over_at_once(ana: User) -> None:
    token, _ = sign_in(ana)
    change(User, ana.id, disabled_at=now())

    assert sessions.find(token) is None


def test_another_browser_is_ended_and_this_one_goes_on(ana: User) -> None:
    here, this = sign_in(ana)
    there, other = sign_in(ana)

    sessions.end(this, other.id, address=HOME)

    assert (sessions.find(here) is None, sessions.find(there) is None) == (False, True)


def test_browser_in_use_is_not_ended_as_another_one(ana: User) -> None:
    token, this = sign_in(ana)

    with pytest.raises(Conflict):
        sessions.end(this, this.id, address=HOME)
    assert sessions.find(token) is not None


def test_session_of_somebody_else_is_nowhere(ana: User, bea: User) -> None:
    _, own = sign_in(ana)
    theirs_token, theirs = sign_in(bea)

    with pytest.raises(NotFound):
        sessions.end(own, theirs.id, address=HOME)
    assert sessions.end_others(own, address=HOME) == 0
    assert sessions.find(theirs_token) is not None


def test_session_is_ended_once(ana: User) -> None:
    _, this = sign_in(ana)
    _, other = sign_in(ana)
    sessions.end(this, other.id, address=HOME)

    with pytest.raises(NotFound):
        sessions.end(this, other.id, address=HOME)


def test_what_was_done_is_in_the_log_of_the_company(scope: TenantScope, ana: User) -> None:
    _, this = sign_in(ana)
    sign_in(ana)
    sign_in(ana)

    sessions.end_others(this, address=HOME)
    sessions.sign_out(this, address=HOME)

    signed_in = ("user.signed_in", scope.tenant_id, {"to": "portal"})
    ended = ("user.sessions_ended", scope.tenant_id, {"count": 2})
    assert log_of(ana) == [signed_in] * 3 + [ended, ("user.signed_out", scope.tenant_id, None)]


def test_what_an_operator_did_is_in_the_log_of_no_company(database: None) -> None:
    operator = make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)

    sign_in(operator)

    assert log_of(operator) == [("user.signed_in", None, {"to": "portal"})]


def test_addresses_are_those_of_that_account_in_browsers_and_as_programs(ana: User, bea: User) -> None:
    sign_in(ana)
    sign_in(ana)
    own_account.sign_in_program(account_of(ana), address="198.51.100.1")
    sign_in(bea, address="203.0.113.7")

    assert sorted(map(str, sessions.list_recent_addresses("ana@acme.test"))) == [HOME, "198.51.100.1"]
    assert sessions.list_recent_addresses("nobody@acme.test") == []


@pytest.mark.parametrize(("days", "addresses"), [(29, [HOME]), (31, [])])
def test_addresses_are_those_of_the_last_thirty_days(
    ana: User, days: int, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(ana)
    later = now() + timedelta(days=days)
    monkeypatch.setattr(sessions, "now", lambda: later)

    assert sessions.list_recent_addresses("ana@acme.test") == addresses
