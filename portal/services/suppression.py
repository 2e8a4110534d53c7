"""What is remembered of erased people: a keyed fingerprint of each address, which leads back to nobody."""

import hmac
from collections.abc import Collection, Iterable
from datetime import datetime
from hashlib import sha256

from sqlalchemy import case

from portal.clock import now
from portal.db import among, db
from portal.extensions import parts
from portal.models import ConsentEvent, ConsentKind, ConsentSource, Contact, Suppression, SuppressionReason
from portal.phone import LID_SUFFIX
from portal.secrets import MARK_LENGTH
from portal.tenancy import TenantScope

PURPOSE = "suppressed-number"


def fingerprints(address: str) -> list[str]:
    """What an address may be stored as, for each encryption key, what is stored now first.

    An address is a canonical number, or a LID that ends in `@lid`. A fingerprint begins with the mark of its key, by
    which `services/key_rotation.py` knows who would be forgotten with that key; those of before do not.
    """
    keys = parts.vault.derived(PURPOSE)
    plain = [hmac.new(key.encode(), address.encode(), sha256).hexdigest() for key in keys]
    marked = [mark + found[MARK_LENGTH:] for mark, found in zip(parts.vault.marks, plain, strict=True)]
    return marked + plain


def addresses_of(contact: Contact) -> list[str]:
    """By what a person is known again."""
    lid = contact.lid + LID_SUFFIX if contact.lid else None
    return [address for address in (contact.phone, lid) if address]


def add(scope: TenantScope, addresses: Iterable[str], reason: SuppressionReason) -> None:
    """Remember these addresses under the current key. Who opted out stays so, though erased once more."""
    rows = [{"fingerprint": fingerprints(address)[0], "reason": reason, "created_at": now()} for address in addresses]
    if not rows:
        return
    statement = scope.insert(Suppression, rows)
    told = statement.excluded
    was_out = (Suppression.reason == SuppressionReason.OPTED_OUT, SuppressionReason.OPTED_OUT)
    again = {"reason": case(was_out, else_=told.reason), "created_at": told.created_at}
    key = [Suppression.tenant_id, Suppression.fingerprint]
    db.session.execute(statement.on_conflict_do_update(index_elements=key, set_=again))


def remember(scope: TenantScope, contacts: Iterable[Contact]) -> None:
    """New contacts who had opted out before they were erased are opted out from the start."""
    by_address = {address: contact for contact in contacts for address in addresses_of(contact)}
    for address, (reason, at) in _find(scope, by_address).items():
        contact = by_address[address]
        if reason == SuppressionReason.OPTED_OUT and contact.opted_out_at is None:
            contact.opted_out_at = at
            evidence = {"kind": ConsentKind.OPTED_OUT, "source": ConsentSource.REMEMBERED, "happened_at": at}
            scope.add(ConsentEvent(contact_id=contact.id, **evidence))


def find_erased(scope: TenantScope, addresses: Collection[str]) -> dict[str, datetime]:
    """Those of the addresses whose owner was erased, and when that was last."""
    return {address: at for address, (_, at) in _find(scope, addresses).items()}


def _find(scope: TenantScope, addresses: Collection[str]) -> dict[str, tuple[SuppressionReason, datetime]]:
    """One short look where the company never erased anybody, which is nearly always.

    An address may have a row for each key and form of its fingerprint: who opted out in any of them stays so.
    """
    if not addresses or db.session.scalar(scope.select(Suppression, Suppression.reason).limit(1)) is None:
        return {}
    by_fingerprint = {mark: address for address in addresses for mark in fingerprints(address)}
    columns = (Suppression.fingerprint, Suppression.reason, Suppression.created_at)
    statement = scope.select(Suppression, *columns).where(among(Suppression.fingerprint, by_fingerprint))
    rows = db.session.execute(statement.order_by(Suppression.created_at))
    found: dict[str, tuple[SuppressionReason, datetime]] = {}
    for mark, reason, at in rows:
        address = by_fingerprint[mark]
        was_out = address in found and found[address][0] == SuppressionReason.OPTED_OUT
        found[address] = (SuppressionReason.OPTED_OUT if was_out else reason, at)
    return found
