"""Instances that were linked before the portal came: an older database tells their names, and nothing else of use."""

from portal.extensions import parts
from portal.models import Connection
from portal.outbox import servers
from portal.secrets import fingerprint, new_secret


def complete(connection: Connection) -> None:
    """Give the locked connection a server and a secret where it has none: the check then sets its webhook."""
    if connection.evolution_server_id is None:
        connection.evolution_server_id = servers.default_server_id()
    if connection.webhook_secret_encrypted is None:
        secret = new_secret()
        connection.webhook_secret_hash = fingerprint(secret)
        connection.webhook_secret_encrypted = parts.vault.encrypt(secret)
