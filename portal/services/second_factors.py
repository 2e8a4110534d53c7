"""The second factor: a code from an app, new every 30 seconds (TOTP, RFC 6238), and codes for when the app is lost."""

import re
import secrets
from base64 import b32encode
from hmac import compare_digest
from uuid import UUID

from flask_babel import gettext as _
from pyotp import TOTP, random_base32
from sqlalchemy import delete, func, or_, select, update

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid
from portal.extensions import parts
from portal.models import RecoveryCode, User
from portal.secrets import fingerprint
from portal.services import audit
from portal.services.accounts import Account
from portal.services.audit import Actor
from portal.tenancy import across_tenants

STEP_S = 30
# A telephone's clock may be off by that many steps.
WINDOW = 1
RECOVERY_CODES = 10
# Enough for a fingerprint to be as good as a slow hash (ASVS 6.5.2 asks for 112 bits), in groups of four characters.
RECOVERY_BYTES = 15
ISSUER = "Portal"
OWN = "a second factor belongs to a person, whatever the tenant"
APP_CODE = re.compile(r"[0-9]{6}")


def is_on(user_id: UUID | None) -> bool:
    with across_tenants(OWN):
        return db.session.scalar(select(User.totp_since).where(User.id == user_id)) is not None


def begin(account: Account) -> None:
    """Make the secret that an app is to take over; it counts for nothing until a code of it was given."""
    with across_tenants(OWN), atomic():
        user = _lock(account)
        if user.totp_since is not None:
            raise Conflict(_("Your second factor is on already."))
        user.totp_secret_encrypted = parts.vault.encrypt(random_base32())


def find_begun(account: Account) -> str | None:
    """The secret that an app is to take over, while that goes on."""
    with across_tenants(OWN):
        begun = select(User.totp_secret_encrypted).where(User.id == account.id, User.totp_since.is_(None))
        encrypted = db.session.scalar(begun)
    return parts.vault.decrypt(encrypted) if encrypted else None


def address_for_apps(account: Account, secret: str) -> str:
    """What the QR code says, in the way that all such apps read."""
    return TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)


def turn_on(account: Account, code: str, *, address: str | None) -> list[str]:
    """Ask for codes from now on. The recovery codes, which are shown only now. Raises Invalid for a wrong code."""
    with across_tenants(OWN), atomic():
        user = _lock(account)
        if user.totp_since is not None or user.totp_secret_encrypted is None:
            raise Conflict(_("Your second factor is on already, or nobody began to set it up."))
        step = _step_of(user, code)
        if step is None:
            raise Invalid({"code": _("This code is not right. Wait for the next one in your app, and type that.")})
        user.totp_since, user.totp_last_step = now(), step
        audit.record_own(account.tenant_id, Actor(account.id, address), "user.second_factor_on")
        return _make_recovery_codes(account)


def turn_off(account: Account, *, address: str | None) -> None:
    with across_tenants(OWN), atomic():
        if forget(account.id):
            audit.record_own(account.tenant_id, Actor(account.id, address), "user.second_factor_off")


def forget(user_id: UUID | None) -> bool:
    """Let that person sign in with their password alone; whether a second factor was on."""
    with across_tenants(OWN), atomic():
        was_on = is_on(user_id)
        gone = {"totp_secret_encrypted": None, "totp_since": None, "totp_last_step": None}
        db.session.execute(update(User).where(User.id == user_id).values(gone))
        db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    return was_on


def renew_recovery_codes(account: Account, *, address: str | None) -> list[str]:
    """New ones in the place of all others, shown only now."""
    with across_tenants(OWN), atomic():
        if _lock(account).totp_since is None:
            raise Conflict(_("Turn your second factor on first."))
        audit.record_own(account.tenant_id, Actor(account.id, address), "user.recovery_codes_made")
        return _make_recovery_codes(account)


def count_recovery_codes(account: Account) -> int:
    """How many are left."""
    unused = select(func.count()).where(RecoveryCode.user_id == account.id, RecoveryCode.used_at.is_(None))
    with across_tenants(OWN):
        return db.session.scalar(unused) or 0


def take(account: Account, code: str, *, address: str | None) -> bool:
    """Whether that is a code of the person's app or one of their recovery codes. It is good once."""
    by = Actor(account.id, address)
    with across_tenants(OWN), atomic():
        if _take_app_code(account, code):
            return True
        if _take_recovery_code(account, code):
            left = {"left": count_recovery_codes(account)}
            audit.record_own(account.tenant_id, by, "user.recovery_code_used", after=left)
            return True
        audit.record_own(account.tenant_id, by, "user.code_refused")
        return False


def _take_app_code(account: Account, code: str) -> bool:
    user = db.session.scalar(select(User).where(User.id == account.id, User.totp_since.is_not(None)))
    step = _step_of(user, code) if user else None
    if step is None:
        return False
    # Whoever gives the same code at the same moment comes too late.
    is_new = or_(User.totp_last_step.is_(None), User.totp_last_step < step)
    taken = update(User).where(User.id == account.id, User.totp_since.is_not(None), is_new)
    return db.session.scalar(taken.values(totp_last_step=step).returning(User.id)) is not None


def _step_of(user: User, code: str) -> int | None:
    """In which of the time steps around now that is the code, later than the last one that was taken."""
    digits = "".join(code.split())
    if not APP_CODE.fullmatch(digits) or not user.totp_secret_encrypted:
        return None
    codes = TOTP(parts.vault.decrypt(user.totp_secret_encrypted))
    this = int(now().timestamp()) // STEP_S
    after = -1 if user.totp_last_step is None else user.totp_last_step
    steps = range(max(this - WINDOW, after + 1), this + WINDOW + 1)
    return next((step for step in steps if compare_digest(codes.generate_otp(step), digits)), None)


def _take_recovery_code(account: Account, code: str) -> bool:
    unused = update(RecoveryCode).where(RecoveryCode.user_id == account.id, RecoveryCode.used_at.is_(None))
    same = unused.where(RecoveryCode.code_hash == _kept(account, code))
    return db.session.scalar(same.values(used_at=now()).returning(RecoveryCode.id)) is not None


def _make_recovery_codes(account: Account) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == account.id))
    codes = [_new_recovery_code() for _number in range(RECOVERY_CODES)]
    for code in codes:
        row = RecoveryCode(tenant_id=account.tenant_id, user_id=account.id, code_hash=_kept(account, code))
        db.session.add(row)
    return codes


def _new_recovery_code() -> str:
    """120 random bits in letters and digits that nobody takes for each other: `abcd-efgh-ijkl-mnop-qrst-uvwx`."""
    written = b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(written[i : i + 4] for i in range(0, len(written), 4))


def _kept(account: Account, code: str) -> str:
    """However it is typed: with spaces, or in capitals."""
    typed = "".join(character for character in code.lower() if character.isalnum())
    return fingerprint(f"{account.id} {typed}")


def _lock(account: Account) -> User:
    # Read anew: what the session knows of the row may be older than the lock.
    own = select(User).where(User.id == account.id).with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(own).one()
