"""Operators' commands for keys and secrets: `flask --app wsgi keys …`, `flask --app wsgi secrets …`."""

import click
from flask.cli import AppGroup

from portal.errors import DomainError
from portal.extensions import parts
from portal.services import key_rotation, webhook_secrets
from portal.services.key_rotation import Needs

keys_group = AppGroup("keys", help="The keys that encrypt secrets at rest.")
secrets_group = AppGroup("secrets", help="Secrets that the portal and Evolution share.")


@keys_group.command("rotate")
@click.option("--dry-run", is_flag=True, help="Say what would be written anew, and change nothing.")
def rotate(dry_run: bool) -> None:
    """Write what older keys encrypted anew with the first of ENCRYPTION_KEYS. May be stopped and run again."""
    unreadable = 0
    for values in key_rotation.rotate(is_dry_run=dry_run):
        done = "to rewrite" if dry_run else "rewritten"
        told = f"{values.checked} checked, {values.rewritten} {done}, {values.unreadable} unreadable"
        click.echo(f"{values.name}: {told}")
        unreadable += values.unreadable
    if unreadable:
        raise click.ClickException(f"{unreadable} were written with a key that ENCRYPTION_KEYS does not hold.")


@keys_group.command("check")
def check() -> None:
    """Say what still needs which key, and which keys may go. Ends with status 1 when something is unreadable."""
    needs = key_rotation.check()
    for values in needs.values:
        click.echo(f"{values.name}: {_by_key(values.by_key)}")
    click.echo(f"suppressions.fingerprint: {_by_key(needs.fingerprints, nobody='of no key that is known')}")
    for key, mark in enumerate(parts.vault.marks):
        click.echo(f"Key {key + 1} ({mark}): {_verdict(needs, key)}")
    if needs.unreadable:
        raise click.ClickException(f"{needs.unreadable} were written with a key that ENCRYPTION_KEYS does not hold.")


@secrets_group.command("rotate-webhooks")
@click.option("--tenant", help="Only of this tenant, by its slug.")
@click.option("--unit", help="Only of this unit, by its slug; needs --tenant.")
def rotate_webhooks(tenant: str | None, unit: str | None) -> None:
    """Give units new secrets for the webhooks of Evolution. Those before are accepted for 30 minutes more."""
    if unit and not tenant:
        raise click.UsageError("--unit needs --tenant")
    try:
        for path, refusal in webhook_secrets.rotate_many(tenant_slug=tenant, unit_slug=unit):
            click.echo(f"{path}: {refusal or 'a new secret'}")
    except DomainError as e:
        raise click.ClickException(e.message) from e


def _by_key(counted: dict[int | None, int], nobody: str = "unreadable") -> str:
    keys = [f"{counted.get(key, 0)} with key {key + 1}" for key in range(len(parts.vault.marks))]
    return ", ".join([*keys, f"{counted.get(None, 0)} {nobody}"])


def _verdict(needs: Needs, key: int) -> str:
    if key == key_rotation.CURRENT:
        return "is the current one."
    if needs.of_values(key):
        return f"has to stay: {needs.of_values(key)} values need it. Run: flask keys rotate"
    if needs.unsigned:
        return f"has to stay: {needs.unsigned} units may still sign their webhooks with it. Look again in half an hour."
    lost = needs.fingerprints[key] + needs.fingerprints[None]
    if lost:
        return (
            f"may go only if up to {lost} erased people may be forgotten: without it an import brings them back, and"
            " whoever of them had opted out gets campaigns again."
        )
    return "may go."
