"""Secrets at rest: readable with any of the keys, written with the newest."""

import pytest

from portal.secrets import Unreadable, Vault, fingerprint, matches, new_secret

OLD, NEW = "the-old-key", "the-new-key"


def test_what_was_encrypted_is_read_again_and_shows_nothing_at_rest() -> None:
    vault = Vault((NEW,))

    encrypted = vault.encrypt("número secreto")

    assert "secreto" not in encrypted
    assert vault.decrypt(encrypted) == "número secreto"


def test_same_secret_looks_different_each_time() -> None:
    vault = Vault((NEW,))

    assert vault.encrypt("a") != vault.encrypt("a")


def test_rotated_vault_reads_old_values_and_writes_with_the_new_key() -> None:
    written_before = Vault((OLD,)).encrypt("a")
    rotated = Vault((NEW, OLD))

    assert rotated.decrypt(written_before) == "a"
    assert Vault((NEW,)).decrypt(rotated.encrypt("b")) == "b"


@pytest.mark.parametrize("stored", [Vault((OLD,)).encrypt("a"), "no token", "", "é"], ids=["key", "text", "empty", "é"])
def test_value_that_no_key_fits_is_unreadable(stored: str) -> None:
    with pytest.raises(Unreadable, match="ENCRYPTION_KEYS"):
        Vault((NEW,)).decrypt(stored)


def test_derived_secrets_differ_by_purpose_and_follow_the_order_of_the_keys() -> None:
    vault = Vault((NEW, OLD))

    assert vault.derived("a") == [*Vault((NEW,)).derived("a"), *Vault((OLD,)).derived("a")]
    assert len({*vault.derived("a"), *vault.derived("b")}) == 4
    assert NEW not in "".join(vault.derived("a"))


def test_new_secrets_are_long_and_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    assert min(map(len, made)) >= 43


@pytest.mark.parametrize(
    ("given", "stored", "expected"),
    [
        ("a", fingerprint("a"), True),
        ("b", fingerprint("a"), False),
        ("", fingerprint("a"), False),
        ("a", "", False),
        ("a", None, False),
        (fingerprint("a"), fingerprint("a"), False),
    ],
    ids=["right", "wrong", "empty", "nothing-stored", "none-stored", "stolen-fingerprint"],
)
def test_only_the_secret_itself_matches_its_fingerprint(given: str, stored: str | None, expected: bool) -> None:
    assert matches(given, stored) is expected
