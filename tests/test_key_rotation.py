"""Keys that encrypt secrets at rest: written anew while the portal works, and what keeps an older key needed."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, update

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.inbox import receive
from portal.models import Connection, EvolutionServer, Suppression, SuppressionReason, Unit, User, WebhookEndpoint
from portal.secrets import Vault
from portal.services import key_rotation, suppression
from portal.services.key_rotation import Needs
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.architecture import walk
from tests.companies import Company, make_company
from tests.factories import SECRET

OLD, NEW, LOST = ("the-old-key-" * 3, "the-new-key-" * 3, "the-lost-key-" * 3)
NUMBER = "5511988887777"
FERNET = re.compile(r"gAAAAA[\w-]{80,}={0,2}")
COLUMNS = [
    "evolution_servers.api_key_encrypted",
    "unit_whatsapp_connections.webhook_secret_encrypted",
    "users.totp_secret_encrypted",
    "webhook_endpoints.previous_secret_encrypted",
    "webhook_endpoints.secret_encrypted",
]
Run = Callable[..., Result]
Use = Callable[..., None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Restarts the portal with these keys."""
    return lambda *keys: monkeypatch.setattr(parts, "vault", Vault(keys))


@pytest.fixture
def acme(database: None, use: Use) -> Company:
    """A company whose secrets the old key wrote, in a portal that has got a new one."""
    use(OLD)
    company = make_company("acme")
    with across_tenants("a test fills what the company has not"), atomic():
        db.session.execute(update(User).values(totp_secret_encrypted=parts.vault.encrypt("a second factor")))
        before = {"previous_secret_encrypted": parts.vault.encrypt("before"), "previous_until": now()}
        db.session.execute(update(WebhookEndpoint).values(before))
    use(NEW, OLD)
    return company


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *args: app.test_cli_runner().invoke(args=["keys", *args])


def rotate() -> dict[str, tuple[int, int, int]]:
    return {found.name: (found.checked, found.rewritten, found.unreadable) for found in key_rotation.rotate()}


def kept() -> list[str]:
    """All that is encrypted, wherever it stands."""
    return [token for rows in walk.everything().values() for row in rows for token in FERNET.findall(row)]


def keys_used(*keys: str) -> set[int | None]:
    vault = Vault(keys)
    return {vault.key_of(token) for token in kept()}


def server_key() -> str:
    with across_tenants("a test looks"):
        return db.session.scalars(select(EvolutionServer.api_key_encrypted)).one()


def connection_is(**columns: object) -> None:
    with across_tenants("a test sets the clock"), atomic():
        db.session.execute(update(Connection).values(columns))


def suppress(scope: TenantScope, number: str) -> None:
    with acting_for(scope), atomic():
        suppression.add(scope, [number], SuppressionReason.OPTED_OUT)


def is_known(scope: TenantScope, number: str) -> bool:
    with acting_for(scope):
        return number in suppression.find_erased(scope, [number])


def test_every_encrypted_column_is_known_by_its_name() -> None:
    assert sorted(f"{table.name}.{column.name}" for table, column in key_rotation.encrypted_columns()) == COLUMNS


def test_whatever_is_encrypted_is_written_with_the_new_key(acme: Company) -> None:
    assert keys_used(NEW, OLD) == {1}

    done = rotate()

    assert sorted(done) == COLUMNS
    assert all(checked == rewritten > 0 and not unreadable for checked, rewritten, unreadable in done.values())
    assert keys_used(NEW) == {0}
    assert Vault((NEW,)).decrypt(server_key()) == parts.config.evolution_api_key


def test_second_run_finds_nothing_to_do(acme: Company) -> None:
    rotate()
    before = sorted(kept())

    assert {rewritten for _, rewritten, _ in rotate().values()} == {0}
    assert sorted(kept()) == before


def test_run_that_was_killed_is_run_again(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed() -> Iterator[object]:
        runs = key_rotation.rotate()
        yield next(runs)
        monkeypatch.setattr(key_rotation, "_rewrite", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        yield from runs

    with pytest.raises(KeyboardInterrupt):
        list(killed())
    monkeypatch.undo()
    monkeypatch.setattr(parts, "vault", Vault((NEW, OLD)))

    assert keys_used(NEW, OLD) == {0, 1}
    assert sum(rewritten for _, rewritten, _ in rotate().values()) > 0
    assert keys_used(NEW) == {0}


def test_value_that_was_changed_meanwhile_stays(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, decrypt = Vault((NEW,)).encrypt("a key that an operator has just typed"), parts.vault.decrypt

    def change_first(encrypted: str) -> str:
        if encrypted == server_key():
            with across_tenants("an operator changes the key"), atomic():
                db.session.execute(update(EvolutionServer).values(api_key_encrypted=theirs))
        return decrypt(encrypted)

    monkeypatch.setattr(parts.vault, "decrypt", change_first)

    assert rotate()["evolution_servers.api_key_encrypted"] == (1, 0, 0)
    assert server_key() == theirs


def test_more_than_one_batch_is_read(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 1)

    checked, rewritten, _ = rotate()["users.totp_secret_encrypted"]

    assert checked == rewritten > 1
    assert keys_used(NEW) == {0}


def test_dry_run_says_what_a_run_would_do_and_changes_nothing(acme: Company, run: Run) -> None:
    before = sorted(kept())

    result = run("rotate", "--dry-run")

    assert result.exit_code == 0, result.output
    assert "evolution_servers.api_key_encrypted: 1 checked, 1 to rewrite, 0 unreadable" in result.output
    assert sorted(kept()) == before


def test_run_says_what_it_did(acme: Company, run: Run) -> None:
    result = run("rotate")

    assert result.exit_code == 0, result.output
    assert "evolution_servers.api_key_encrypted: 1 checked, 1 rewritten, 0 unreadable" in result.output
    assert keys_used(NEW) == {0}


@pytest.mark.parametrize("command", ["rotate", "check"])
def test_wrong_key_ends_the_command_with_1_and_leaves_all_as_it_was(
    acme: Company, run: Run, use: Use, command: str
) -> None:
    use(NEW, LOST)
    before = sorted(kept())

    result = run(command)

    assert result.exit_code == 1
    assert "ENCRYPTION_KEYS does not hold" in result.output
    assert sorted(kept()) == before


def test_one_unreadable_value_does_not_stop_the_others(acme: Company, run: Run) -> None:
    with across_tenants("a test breaks a row"), atomic():
        db.session.execute(update(EvolutionServer).values(api_key_encrypted=Vault((LOST,)).encrypt("gone")))

    result = run("rotate")

    assert result.exit_code == 1
    assert "evolution_servers.api_key_encrypted: 1 checked, 0 rewritten, 1 unreadable" in result.output
    assert keys_used(NEW, LOST) == {0, 1}


def test_neither_keys_nor_secrets_are_told(acme: Company, run: Run) -> None:
    told = run("check").output + run("rotate").output

    assert [secret for secret in (OLD, NEW, SECRET, parts.config.evolution_api_key) if secret in told] == []


def test_older_key_has_to_stay_while_a_value_needs_it(acme: Company, run: Run) -> None:
    result = run("check")

    assert result.exit_code == 0, result.output
    assert re.search(r"Key 1 \(\w{8}\): is the current one\.", result.output)
    assert re.search(r"Key 2 \(\w{8}\): has to stay: \d+ values need it", result.output)
    assert "evolution_servers.api_key_encrypted: 0 with key 1, 1 with key 2, 0 unreadable" in result.output


def test_older_key_has_to_stay_while_evolution_may_sign_with_it(
    acme: Company, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate()
    connection_is(webhook_checked_at=now() - timedelta(hours=1))
    not_registered = run("check").output
    forget_everybody(acme.scope)
    connection_is(webhook_checked_at=now() + timedelta(seconds=2))
    on_its_way = run("check").output
    later = now() + key_rotation.SIGNATURES_LAST + timedelta(minutes=1)
    monkeypatch.setattr(key_rotation, "now", lambda: later)

    assert "has to stay: 1 units may still sign" in not_registered
    assert "has to stay: 1 units may still sign" in on_its_way
    assert re.search(r"Key 2 \(\w{8}\): may go\.", run("check").output)


def test_unit_in_the_archive_which_is_never_checked_keeps_no_key(acme: Company) -> None:
    rotate()
    on_the_list = needs().unsigned
    with across_tenants("a test archives the units"), atomic():
        db.session.execute(update(Unit).values(archived_at=now()))

    assert (on_the_list, needs().unsigned) == (1, 0)


def test_instance_that_is_still_to_be_made_keeps_no_key_once_the_one_before_is_not_listened_to(acme: Company) -> None:
    rotate()
    connection_is(instance_made_at=None, previous_accepted_until=now() + timedelta(minutes=1))
    while_the_old_one_is_heard = needs().unsigned
    connection_is(previous_accepted_until=now() - timedelta(seconds=1))
    later = needs().unsigned
    connection_is(previous_accepted_until=None)

    assert (while_the_old_one_is_heard, later, needs().unsigned) == (1, 0, 0)


def test_webhook_that_the_older_key_signs_is_taken_until_that_key_goes(acme: Company, use: Use) -> None:
    purpose = f"webhook-jwt:{SECRET}"
    (signed_with,) = Vault((OLD,)).derived(purpose)

    assert signed_with in parts.vault.derived(purpose)
    use(NEW)
    assert signed_with not in parts.vault.derived(purpose)
    assert receive.JWT_LEEWAY <= key_rotation.SIGNATURES_LAST


def test_who_was_erased_under_the_older_key_is_known_as_long_as_it_stays(acme: Company, use: Use) -> None:
    use(OLD)
    suppress(acme.scope, NUMBER)
    use(NEW, OLD)
    rotate()

    with_both = is_known(acme.scope, NUMBER)
    use(NEW)

    assert with_both
    assert not is_known(acme.scope, NUMBER)


def test_erased_people_are_counted_by_the_key_that_knows_them(acme: Company, run: Run, use: Use) -> None:
    before = needs().fingerprints
    use(OLD)
    suppress(acme.scope, NUMBER)
    use(NEW, OLD)
    suppress(acme.scope, "5511988886666")

    found = needs().fingerprints
    # One that the company had before was made with the old key, too.
    assert (found[0], found[1] - before[1], found[None]) == (1, 1, before[None])
    settle(run)
    assert re.search(r"Key 2 \(\w{8}\): may go only if up to \d+ erased people may be forgotten", run("check").output)


def test_fingerprints_from_before_they_said_their_key_are_still_found(acme: Company, run: Run) -> None:
    plain = suppression.fingerprints(NUMBER)[-1]
    forget_everybody(acme.scope)
    with acting_for(acme.scope), atomic():
        row = {"fingerprint": plain, "reason": SuppressionReason.ERASED, "created_at": now()}
        db.session.execute(acme.scope.insert(Suppression, [row]))

    assert is_known(acme.scope, NUMBER)
    assert needs().fingerprints[None] == 1
    settle(run)
    assert "up to" in run("check").output


def test_log_tells_of_secrets_that_are_lost(acme: Company, use: Use, caplog: pytest.LogCaptureFixture) -> None:
    key_rotation.warn_of_unreadable()
    well = caplog.text
    use(NEW)

    key_rotation.warn_of_unreadable()

    assert "no key of ENCRYPTION_KEYS reads these" not in well
    assert {name for name in COLUMNS if name in caplog.text} == set(COLUMNS)


def needs() -> Needs:
    return key_rotation.check()


def forget_everybody(scope: TenantScope) -> None:
    """Also whom the company had when it was made."""
    with acting_for(scope), atomic():
        db.session.execute(scope.delete(Suppression))


def settle(run: Run) -> None:
    """All is written anew, and Evolution has signed with the new key for a while."""
    rotate()
    connection_is(webhook_secret_encrypted=None)
