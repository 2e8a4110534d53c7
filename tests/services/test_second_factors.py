"""Codes of an app and recovery codes: which are right, and that each is good once."""

import re
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest
from flask import Flask
from pyotp import TOTP
from sqlalchemy import select

from portal.db import db
from portal.errors import Conflict, Invalid
from portal.extensions import parts
from portal.models import RecoveryCode, User
from portal.permissions import Role
from portal.services import second_factors
from portal.services.accounts import Account
from portal.tenancy import TenantScope, across_tenants
from tests.architecture.walk import everything
from tests.factories import make_tenant, make_user
from tests.ways_in import account_of, actions_of, begin_second_factor, change, code_at, log_of, turn_on_second_factor

NOON = datetime(2026, 3, 2, 12, 0, 15, tzinfo=UTC)
# RFC 6238, appendix B, with SHA-1 and the last six of its eight digits.
OF_THE_RFC = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CODES_OF_THE_RFC = {59: "287082", 1111111109: "081804", 1234567890: "005924", 2000000000: "279037"}


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def ana(scope: TenantScope) -> User:
    return make_user()


@pytest.fixture
def account(ana: User) -> Account:
    return account_of(ana)


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    hold_time(monkeypatch, NOON)
    return NOON


def hold_time(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    monkeypatch.setattr(second_factors, "now", lambda: at)


def take(account: Account, code: str) -> bool:
    return second_factors.take(account, code, address="192.0.2.1")


def rows(user: User) -> list[RecoveryCode]:
    with across_tenants("a test looks"):
        return list(db.session.scalars(select(RecoveryCode).where(RecoveryCode.user_id == user.id)))


def test_secret_counts_for_nothing_until_a_code_of_it_was_given(account: Account) -> None:
    secret = begin_second_factor(account)

    assert second_factors.is_on(account.id) is False
    assert take(account, code_at(secret)) is False


def test_code_of_the_app_turns_it_on(account: Account) -> None:
    secret = begin_second_factor(account)

    codes = second_factors.turn_on(account, code_at(secret), address=None)

    assert second_factors.is_on(account.id) is True
    assert second_factors.find_begun(account) is None
    assert len(set(codes)) == second_factors.count_recovery_codes(account) == 10


@pytest.mark.parametrize("code", ["", "12345", "abcdef", "١٢٣٤٥٦", "1234567"])
def test_wrong_code_does_not_turn_it_on(account: Account, code: str) -> None:
    begin_second_factor(account)

    with pytest.raises(Invalid) as refused:
        second_factors.turn_on(account, code, address=None)
    assert list(refused.value.fields) == ["code"]
    assert second_factors.is_on(account.id) is False


def test_code_with_which_it_was_turned_on_signs_nobody_in(account: Account, at_noon: datetime) -> None:
    secret = begin_second_factor(account)
    second_factors.turn_on(account, code_at(secret, at_noon), address=None)

    assert take(account, code_at(secret, at_noon)) is False


def test_it_is_not_begun_anew_while_it_is_on(account: Account) -> None:
    secret, _ = turn_on_second_factor(account)

    with pytest.raises(Conflict):
        second_factors.begin(account)
    assert take(account, code_at(secret))


@pytest.mark.parametrize(
    ("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)], ids=lambda value: str(value)
)
def test_code_is_right_for_a_clock_that_is_one_step_off(
    account: Account, at_noon: datetime, steps: int, is_right: bool
) -> None:
    secret, _ = turn_on_second_factor(account)

    assert take(account, code_at(secret, at_noon, steps=steps)) is is_right


@pytest.mark.parametrize(("at_s", "code"), CODES_OF_THE_RFC.items())
def test_codes_are_those_of_rfc_6238(account: Account, monkeypatch: pytest.MonkeyPatch, at_s: int, code: str) -> None:
    turn_on_second_factor(account)
    change(User, account.id, totp_secret_encrypted=parts.vault.encrypt(OF_THE_RFC))
    hold_time(monkeypatch, datetime.fromtimestamp(at_s, UTC))

    assert take(account, code)


def test_code_is_good_once(account: Account, at_noon: datetime) -> None:
    secret, _ = turn_on_second_factor(account)
    code = code_at(secret, at_noon)

    assert [take(account, code), take(account, code)] == [True, False]


def test_code_of_before_the_last_one_is_not_good_any_more(account: Account, at_noon: datetime) -> None:
    secret, _ = turn_on_second_factor(account)
    take(account, code_at(secret, at_noon))

    assert take(account, code_at(secret, at_noon, steps=-1)) is False
    assert take(account, code_at(secret, at_noon, steps=1)) is True


def test_code_may_be_typed_as_the_app_shows_it(account: Account) -> None:
    secret, _ = turn_on_second_factor(account)
    code = code_at(secret)

    assert take(account, f" {code[:3]} {code[3:]} ")


@pytest.mark.commits
def test_code_that_two_give_at_the_same_moment_lets_one_in(app: Flask, account: Account) -> None:
    secret, _ = turn_on_second_factor(account)
    code, start, answers = code_at(secret), Barrier(2), []

    def give() -> None:
        with app.app_context():
            start.wait()
            answers.append(take(account, code))

    threads = [Thread(target=give) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [False, True]


def test_recovery_code_is_good_once_however_it_is_typed(account: Account) -> None:
    _, codes = turn_on_second_factor(account)

    typed = f" {codes[0].upper().replace('-', ' ')} "

    assert [take(account, typed), take(account, codes[0]), take(account, codes[1])] == [True, False, True]
    assert second_factors.count_recovery_codes(account) == 8


def test_recovery_codes_are_too_long_to_be_found_from_their_fingerprints(account: Account) -> None:
    _, codes = turn_on_second_factor(account)

    for code in codes:
        assert re.fullmatch(r"([a-z2-7]{4}-){5}[a-z2-7]{4}", code)


def test_recovery_code_of_somebody_else_is_none(account: Account) -> None:
    _, codes = turn_on_second_factor(account)
    bea = account_of(make_user("bea@acme.test"))
    turn_on_second_factor(bea)

    assert take(bea, codes[0]) is False


def test_new_recovery_codes_take_the_place_of_all_others(account: Account) -> None:
    _, old = turn_on_second_factor(account)

    new = second_factors.renew_recovery_codes(account, address=None)

    assert take(account, old[0]) is False
    assert take(account, new[0]) is True


def test_without_a_second_factor_there_are_no_recovery_codes(account: Account) -> None:
    with pytest.raises(Conflict):
        second_factors.renew_recovery_codes(account, address=None)


def test_turned_off_it_is_gone_with_its_secret_and_codes(ana: User, account: Account) -> None:
    secret, codes = turn_on_second_factor(account)

    second_factors.turn_off(account, address=None)

    assert second_factors.is_on(account.id) is False
    assert [take(account, code_at(secret)), take(account, codes[0])] == [False, False]
    assert rows(ana) == []


def test_neither_secret_nor_recovery_codes_can_be_read(account: Account) -> None:
    secret, codes = turn_on_second_factor(account)
    take(account, codes[0])

    kept = "\n".join(row for found in everything().values() for row in found)

    typed = [code.replace("-", "") for code in codes]
    assert [one for one in (secret, *codes, *typed) if one in kept] == []


def test_app_reads_whose_account_it_is(account: Account) -> None:
    address = second_factors.address_for_apps(account, OF_THE_RFC)

    assert address == f"otpauth://totp/Portal:ana%40acme.test?secret={OF_THE_RFC}&issuer=Portal"


def test_what_was_done_is_in_the_log_of_the_company(scope: TenantScope, ana: User, account: Account) -> None:
    secret, codes = turn_on_second_factor(account)
    take(account, "000000x")
    take(account, codes[0])
    take(account, code_at(secret))
    second_factors.renew_recovery_codes(account, address=None)
    second_factors.turn_off(account, address=None)
    second_factors.turn_off(account, address=None)

    assert actions_of(ana) == [
        "user.second_factor_on",
        "user.code_refused",
        "user.recovery_code_used",
        "user.recovery_codes_made",
        "user.second_factor_off",
    ]
    assert {tenant_id for _, tenant_id, _ in log_of(ana)} == {scope.tenant_id}
    assert ("user.recovery_code_used", scope.tenant_id, {"left": 9}) in log_of(ana)


def test_operator_has_one_too(database: None) -> None:
    operator = make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    secret, codes = turn_on_second_factor(account_of(operator))

    assert take(account_of(operator), codes[0])
    assert take(account_of(operator), TOTP(secret).now())
    assert {tenant_id for _, tenant_id, _ in log_of(operator)} == {None}
