"""Who belongs to a company, in which role and units: the rules that hold whoever asks, also when two ask at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import AccountLink, AuditEvent, LinkKind, Unit, User
from portal.permissions import Role
from portal.queries.members import MemberState, get_member, list_members
from portal.secrets import fingerprint
from portal.services import account_links, accounts, members, sessions
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_tenant, make_unit, make_user

Act = Callable[[TenantScope, UUID], object]

# Everything that is done to a person.
ACTS: dict[str, Act] = {
    "change": lambda scope, id_: members.change(scope, id_, role="tenant_admin", unit_ids=()),
    "disable": members.disable,
    "enable": members.enable,
    "sign_out": members.sign_out,
    "make_link": lambda scope, id_: members.make_link(scope, id_, by_mail=False),
}
EACH_ACT = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def boss(acme: TenantScope) -> User:
    return make_user("boss@acme.test")


@pytest.fixture
def scope(acme: TenantScope, boss: User) -> TenantScope:
    """What the boss sees, from where they sit."""
    return replace(acme, user_id=boss.id, address="192.0.2.7")


@pytest.fixture
def unit(acme: TenantScope) -> Unit:
    return make_unit(acme, "centro")


@pytest.fixture
def agent(acme: TenantScope, unit: Unit) -> User:
    return make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("centro",))


def do(scope: TenantScope, act: Callable[..., Any], *args: Any, **words: Any) -> Any:
    with acting_for(scope):
        return act(scope, *args, **words)


def state_of(scope: TenantScope, user_id: UUID) -> MemberState:
    state: MemberState = do(scope, get_member, user_id).state
    return state


def slugs_of(scope: TenantScope, user_id: UUID) -> list[str]:
    return [unit.slug for unit in do(scope, get_member, user_id).units]


def noted(scope: TenantScope, action: str) -> list[AuditEvent]:
    with acting_for(scope):
        these = scope.select(AuditEvent).where(AuditEvent.action == action)
        return list(db.session.scalars(these.order_by(AuditEvent.id)))


def let_in(user: User) -> tuple[str, str]:
    """A browser and a program in which the person is signed in: their tokens."""
    account = accounts.find_account(user.id)
    assert account is not None
    browser = sessions.start(account, address=None, user_agent="a browser")
    return browser, accounts.issue_tokens(account).access


def is_in(tokens: tuple[str, str]) -> tuple[bool, bool]:
    return sessions.find(tokens[0]) is not None, accounts.account_of_token(tokens[1]) is not None


def test_invited_agent_is_nobody_until_they_choose_a_password(scope: TenantScope, unit: Unit) -> None:
    user, address = do(scope, members.invite, email=" Ana@Acme.test", role="agent", unit_ids=[unit.id, unit.id])

    assert address is not None
    assert state_of(scope, user.id) == MemberState.INVITED
    assert (user.email, slugs_of(scope, user.id)) == ("ana@acme.test", ["centro"])
    assert accounts.sign_in("ana@acme.test", "") is None
    (event,) = noted(scope, "member.invited")
    assert (event.user_id, event.address, event.subject_id) == (scope.user_id, "192.0.2.7", user.id)
    assert event.after == {"email": "ana@acme.test", "role": "agent", "units": [str(unit.id)]}


def test_link_is_kept_as_a_fingerprint(scope: TenantScope) -> None:
    _user, address = do(scope, members.invite, email="ana@acme.test", role="tenant_admin")

    with acting_for(scope):
        kept = db.session.scalars(scope.select(AccountLink, AccountLink.token_hash)).all()
    assert kept == [fingerprint(address.rpartition("/")[2])]


@pytest.mark.parametrize(
    ("email", "role", "has_unit", "fields"),
    [
        ("ana", "agent", True, {"email"}),
        ("ana@acme", "agent", True, {"email"}),
        ("ana@acme.test\r\nBcc: x@y.zz", "agent", True, {"email"}),
        ("Ana <ana@acme.test>", "agent", True, {"email"}),
        ("a@acme.test,b@acme.test", "agent", True, {"email"}),
        ("ana\x00@acme.test", "agent", True, {"email"}),
        ("é@acme.test", "agent", True, {"email"}),
        (f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 20}", "agent", True, {"email"}),
        ("ana@acme.test", "super_admin", False, {"role"}),
        ("ana@acme.test", "", False, {"role"}),
        ("ana@acme.test", "agent", False, {"units"}),
        ("ana@acme.test", "tenant_admin", True, {"units"}),
        ("", "", False, {"email", "role"}),
    ],
)
def test_invitation_says_what_is_wrong(
    scope: TenantScope, unit: Unit, email: str, role: str, has_unit: bool, fields: set[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        do(scope, members.invite, email=email, role=role, unit_ids=[unit.id] if has_unit else [])

    assert set(refused.value.fields) == fields
    assert len(do(scope, list_members)) == 1


@pytest.mark.parametrize("tenant", ["acme", "rival", None])
def test_address_with_an_account_anywhere_is_refused_in_the_same_words(scope: TenantScope, tenant: str | None) -> None:
    make_tenant("rival")
    make_user("taken@mail.test", tenant=tenant, role=Role.TENANT_ADMIN if tenant else Role.SUPER_ADMIN)

    with pytest.raises(Invalid) as refused:
        do(scope, members.invite, email="taken@mail.test", role="tenant_admin")

    assert refused.value.fields == {"email": "This e-mail address already has an account. Use another one."}


def test_unit_of_another_company_is_nowhere(scope: TenantScope, agent: User) -> None:
    foreign = make_unit(make_tenant("rival"), "norte")

    with pytest.raises(NotFound):
        do(scope, members.invite, email="ana@acme.test", role="agent", unit_ids=[foreign.id])
    with pytest.raises(NotFound):
        do(scope, members.change, agent.id, role="agent", unit_ids=[foreign.id])


@EACH_ACT
def test_person_of_another_company_is_nowhere(scope: TenantScope, act: Act) -> None:
    make_tenant("rival")
    stranger = make_user("eva@rival.test", tenant="rival")
    operator = make_user("operator@portal.test", tenant=None, role=Role.SUPER_ADMIN)

    for user_id in (stranger.id, operator.id, uuid4()):
        with pytest.raises(NotFound):
            do(scope, act, user_id)


@EACH_ACT
def test_nobody_does_it_to_themselves(scope: TenantScope, boss: User, act: Act) -> None:
    make_user("other@acme.test")

    with pytest.raises(Conflict, match="yourself"):
        do(scope, act, boss.id)


def test_agent_becomes_administrator_and_back(scope: TenantScope, agent: User, unit: Unit) -> None:
    second = make_unit(scope, "praia")
    do(scope, members.change, agent.id, role="tenant_admin", unit_ids=[])
    as_admin = accounts.find_account(agent.id)
    do(scope, members.change, agent.id, role="agent", unit_ids=[second.id])
    as_agent = accounts.find_account(agent.id)

    assert as_admin is not None
    assert as_agent is not None
    assert (as_admin.role, as_admin.unit_ids) == (Role.TENANT_ADMIN, None)
    assert (as_agent.role, as_agent.unit_ids) == (Role.AGENT, {second.id})
    first, then = noted(scope, "member.changed")
    assert first.before == {"role": "agent", "units": [str(unit.id)]}
    assert first.after == then.before == {"role": "tenant_admin", "units": []}
    assert then.after == {"role": "agent", "units": [str(second.id)]}


def test_saving_what_was_there_is_no_change(scope: TenantScope, agent: User, unit: Unit) -> None:
    do(scope, members.change, agent.id, role="agent", unit_ids=[unit.id])

    assert noted(scope, "member.changed") == []


def test_archived_units_of_an_agent_stay(scope: TenantScope, agent: User, unit: Unit) -> None:
    second = make_unit(scope, "praia")
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Unit).where(Unit.id == unit.id).values(archived_at=now()))

    do(scope, members.change, agent.id, role="agent", unit_ids=[second.id])

    account = accounts.find_account(agent.id)
    assert account is not None
    assert account.unit_ids == {unit.id, second.id}


@pytest.mark.parametrize("act", [members.disable, members.change])
@pytest.mark.parametrize("others", ["none", "disabled", "invited"])
def test_last_administrator_stays(
    acme: TenantScope, boss: User, unit: Unit, act: Callable[..., None], others: str
) -> None:
    # By an operator: administrators cannot do it to themselves anyway.
    if others == "disabled":
        do(acme, members.disable, make_user("other@acme.test").id)
    if others == "invited":
        do(acme, members.invite, email="other@acme.test", role="tenant_admin")

    with pytest.raises(Conflict, match="last administrator"):
        do(acme, act, boss.id, **({"role": "agent", "unit_ids": [unit.id]} if act is members.change else {}))

    assert state_of(acme, boss.id) == MemberState.ACTIVE


def test_one_who_is_shut_out_is_signed_in_nowhere(scope: TenantScope, agent: User) -> None:
    tokens = let_in(agent)
    with acting_for(scope), atomic():
        address = account_links.make(agent, by_mail=False)
    assert address is not None
    do(scope, members.disable, agent.id)
    shut_out = is_in(tokens)
    do(scope, members.enable, agent.id)

    assert shut_out == is_in(tokens) == (False, False)
    assert state_of(scope, agent.id) == MemberState.ACTIVE
    with pytest.raises(Conflict):
        account_links.find(address.rpartition("/")[2], LinkKind.PASSWORD_RESET)
    assert [len(noted(scope, action)) for action in ("member.disabled", "member.enabled")] == [1, 1]


def test_signing_out_ends_all_of_the_persons_and_nobody_elses(scope: TenantScope, agent: User) -> None:
    other = make_user("other@acme.test")
    tokens, kept = let_in(agent), let_in(other)

    # A browser, and the access and the refresh token of a program.
    assert do(scope, members.sign_out, agent.id) == 3

    assert (is_in(tokens), is_in(kept)) == ((False, False), (True, True))
    assert [event.after for event in noted(scope, "member.signed_out")] == [{"ended": 3}]


@pytest.mark.parametrize("how", ["disabled", "demoted"])
def test_links_that_somebody_was_shown_end_with_what_they_may_do(
    scope: TenantScope, agent: User, unit: Unit, how: str
) -> None:
    ana, other = make_user("ana@acme.test"), make_user("other@acme.test")
    hers = do(replace(scope, user_id=ana.id), members.make_link, agent.id, by_mail=False)
    mine = do(scope, members.make_link, other.id, by_mail=False)
    if how == "disabled":
        do(scope, members.disable, ana.id)
    else:
        do(scope, members.change, ana.id, role="agent", unit_ids=[unit.id])

    with pytest.raises(Conflict):
        account_links.find(hers.rpartition("/")[2], LinkKind.PASSWORD_RESET)
    assert account_links.find(mine.rpartition("/")[2], LinkKind.PASSWORD_RESET).user_id == other.id


def test_mail_on_its_way_outlives_whoever_sent_it(scope: TenantScope, agent: User) -> None:
    ana = make_user("ana@acme.test")
    do(replace(scope, user_id=ana.id), members.make_link, agent.id, by_mail=False)
    with acting_for(scope), atomic():
        # As the mail relay leaves it while the mail server is asked.
        db.session.execute(scope.update(AccountLink).values(mail_attempts=1))

    do(scope, members.disable, ana.id)

    with acting_for(scope):
        assert db.session.scalars(scope.select(AccountLink, AccountLink.revoked_at)).all() == [None]


def test_company_makes_so_many_invitations_an_hour(scope: TenantScope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_links, "MOST_INVITATIONS_AN_HOUR", 2)
    first, _address = do(scope, members.invite, email="one@acme.test", role="tenant_admin")
    do(scope, members.make_link, first.id, by_mail=False)
    make_user("taken@acme.test")

    for email in ("new@acme.test", "taken@acme.test"):
        with pytest.raises(Conflict, match="at most 2 invitations"):
            do(scope, members.invite, email=email, role="tenant_admin")
    with pytest.raises(Conflict, match="at most 2 invitations"):
        do(scope, members.make_link, first.id, by_mail=False)
    with acting_for(scope), atomic():
        hour = timedelta(minutes=61)
        db.session.execute(scope.update(AccountLink).values(created_at=AccountLink.created_at - hour))

    assert do(scope, members.invite, email="new@acme.test", role="tenant_admin")[1]


def test_no_link_for_whoever_is_shut_out(scope: TenantScope, agent: User) -> None:
    do(scope, members.disable, agent.id)

    with pytest.raises(Conflict, match="shut out"):
        do(scope, members.make_link, agent.id, by_mail=False)


def test_list_says_how_everybody_stands(scope: TenantScope, boss: User, agent: User) -> None:
    let_in(boss)
    invited, _address = do(scope, members.invite, email="new@acme.test", role="tenant_admin")
    do(scope, members.disable, agent.id)

    rows = do(scope, list_members)

    assert [(row.user.email, row.state) for row in rows] == [
        ("boss@acme.test", MemberState.ACTIVE),
        ("new@acme.test", MemberState.INVITED),
        ("agent@acme.test", MemberState.DISABLED),
    ]
    assert [row.last_sign_in is None for row in rows] == [False, True, True]
    assert [row.link and row.link.kind for row in rows] == [None, LinkKind.INVITATION, None]
    assert invited.id == rows[1].user.id


@pytest.mark.commits
def test_of_two_administrators_who_shut_each_other_out_one_stays(app: Flask, acme: TenantScope) -> None:
    pair = [make_user(f"{name}@acme.test").id for name in ("ana", "bea")]
    together = Barrier(2)

    def shut_out(by: UUID, whom: UUID) -> bool:
        with app.app_context():
            together.wait(10)
            try:
                do(replace(acme, user_id=by), members.disable, whom)
            except Conflict:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(shut_out, *order) for order in (pair, pair[::-1])]
        outcomes = [one.result(30) for one in done]

    assert sorted(outcomes) == [False, True]
    with across_tenants("a test looks"):
        assert len(db.session.scalars(select(User).where(User.disabled_at.is_(None))).all()) == 1
