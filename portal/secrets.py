"""Secrets at rest: encrypted where they are needed again, hashed where they are only compared."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

MARK_LENGTH = 8


class Vault:
    """Encrypts, decrypts and fingerprints with the keys of the settings; the first key is the current one."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys
        self._fernets = [Fernet(_fernet_key(key)) for key in keys]
        self._fernet = MultiFernet(self._fernets)

    def encrypt(self, plain: str) -> str:
        return self._fernet.encrypt(plain.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Raises Unreadable when none of the keys fits."""
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken as e:
            raise Unreadable("ENCRYPTION_KEYS holds none of the keys this value was written with") from e

    def key_of(self, encrypted: str) -> int | None:
        """Which of the keys it was written with: 0 is the current one; None when it was none of them."""
        return next((i for i, fernet in enumerate(self._fernets) if _fits(fernet, encrypted)), None)

    def written_at(self, encrypted: str) -> datetime:
        """When it was encrypted, to the second. Raises Unreadable when none of the keys fits."""
        try:
            return datetime.fromtimestamp(self._fernet.extract_timestamp(encrypted.encode()), UTC)
        except InvalidToken as e:
            raise Unreadable("ENCRYPTION_KEYS holds none of the keys this value was written with") from e

    @property
    def marks(self) -> list[str]:
        """By what one key is told from another, where that may be seen: nothing of the key itself."""
        return [secret[:MARK_LENGTH] for secret in self.derived("key-mark")]

    def derived(self, purpose: str) -> list[str]:
        """One secret per key for that purpose, the current key's first; nothing of it is stored."""
        return [hmac.new(key.encode(), purpose.encode(), hashlib.sha256).hexdigest() for key in self._keys]


class Unreadable(Exception):
    """A stored secret was written with a key that is gone."""


def webhook_jwt_purpose(instance_name: str) -> str:
    """The key that signs an instance's webhooks is derived from this: who registers it and who checks it agree."""
    return f"webhook-jwt:{instance_name}"


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """What is stored of a random secret that is only compared: long random input needs no salt or stretching."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored: str | None) -> bool:
    """Compare in constant time."""
    return stored is not None and hmac.compare_digest(fingerprint(secret), stored)


def _fits(fernet: Fernet, encrypted: str) -> bool:
    try:
        fernet.decrypt(encrypted.encode())
    except InvalidToken:
        return False
    return True


def _fernet_key(key: str) -> bytes:
    return urlsafe_b64encode(hashlib.sha256(b"portal-encryption:" + key.encode()).digest())
