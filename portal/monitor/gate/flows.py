"""Whether what the portal does with secrets, webhooks, jobs and pages works, tried once each."""

import json
import logging
import re
import time
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from sqlalchemy import select
from structlog.stdlib import ProcessorFormatter

from portal.db import db
from portal.extensions import parts
from portal.models import Connection
from portal.monitor.gate import live
from portal.monitor.gate.checks import Application, Check, Fetch, Outcome, none_wrong
from portal.queue import Signal, channel, try_job
from portal.secrets import Unreadable, new_secret
from portal.services import key_rotation
from portal.tenancy import across_tenants

WHY = "any unit's instance will do, and all secrets are tried"
DOOR = "/webhooks/whatsapp"
QUEUE_S = 3.0
ASSET = re.compile(r"\basset\(['\"]([^'\"]+)['\"]\)")
IMPORTED = re.compile(r"@import url\(\"?(/[^\")]+)")
STYLES = "/assets/portal.css"
HTMX = "/assets/htmx.min.js"


def _look_at_encryption(application: Application) -> Outcome:
    kinds = [f"{table.name}.{column.name}" for table, column in key_rotation.encrypted_columns()]
    wrong = [kind for kind in kinds if not _is_kept_secret(f"{kind} {new_secret()}")]
    return none_wrong(wrong, f"{len(kinds)} kinds of secrets, {len(parts.vault.marks)} keys")


def _is_kept_secret(plain: str) -> bool:
    """Whether it can be read again, and by nobody who changed it or has only the row."""
    encrypted = parts.vault.encrypt(plain)
    changed = encrypted[:-8] + encrypted[-8:].swapcase()
    try:
        parts.vault.decrypt(changed)
    except Unreadable:
        return plain not in encrypted and parts.vault.decrypt(encrypted) == plain
    return False


def _look_at_stored_secrets(application: Application) -> Outcome:
    found = list(key_rotation.rotate(is_dry_run=True))
    lost = [f"{values.unreadable} of {values.name} need a key that is gone" for values in found if values.unreadable]
    return none_wrong(lost, f"{sum(values.checked for values in found)} can be read")


def _look_at_masking(application: Application) -> Outcome:
    """Let the process's own handlers write lines that nobody may see, and read them."""
    secret = new_secret()
    number = "5511987654321"
    lines = {
        "secrets": f'{{"api_key": "{secret}"}}',
        "authorization headers": f"Authorization: Bearer {secret}",
        "cookies": f"Cookie: session={secret}",
        "webhook addresses": f"POST {DOOR}/evolution/{secret}",
        "passwords of addresses": f"postgresql://portal:{secret}@db.test/portal",
        "numbers": f"sent to +{number} and ({number[2:4]}) {number[4:9]}-{number[9:]}",
    }
    handlers = [one for one in logging.getLogger().handlers if isinstance(one.formatter, ProcessorFormatter)]
    if not handlers:
        return False, "the log has no handler that masks"
    seen = [kind for kind, line in lines.items() for one in handlers if _shows(one, line, secret, number)]
    return none_wrong([f"{kind} are seen" for kind in seen], ", ".join(lines))


def _shows(handler: logging.Handler, line: str, secret: str, number: str) -> bool:
    record = logging.LogRecord("portal.gate", logging.INFO, __file__, 0, line, None, None)
    written = handler.format(record)
    return secret in written or number in re.sub(r"[^\d]", "", written) or number[4:9] in written


def _look_at_webhook_door(application: Application) -> Outcome:
    return _door_refuses(application.fetch)


def _look_at_live_door(application: Application) -> Outcome:
    """The same from outside, and a wrong secret for a unit that there is."""
    is_ok, detail = _door_refuses(live.fetch)
    with across_tenants(WHY):
        instance = db.session.scalar(
            select(Connection.instance_name).where(Connection.instance_name.is_not(None)).limit(1)
        )
    if not is_ok or instance is None:
        return is_ok, detail
    event = {"event": "connection.update", "instance": instance, "data": {}}
    answer = live.fetch("POST", f"{DOOR}/evolution/{new_secret()}", body=json.dumps(event))
    return answer.status == 401, f"{detail}; a wrong secret is answered {answer.status}"


def _door_refuses(fetch: Fetch) -> Outcome:
    """Ask for what is refused before anything is stored: it shows that the door is there and reads what comes."""
    expected = {"evolution": "malformed", "nobody": "unknown_provider"}
    wrong = []
    for provider, code in expected.items():
        answer = fetch("POST", f"{DOOR}/{provider}/{new_secret()}", body="[]")
        error = live.told(answer).get("error")
        if answer.status != 400 or not isinstance(error, dict) or error.get("code") != code:
            wrong.append(f"{code} is answered {answer.status}")
    return none_wrong(wrong, "is there and reads what comes")


def _look_at_queue(application: Application) -> Outcome:
    """A job that comes back out of Redis as it went in and runs, and a signal that arrives."""
    name = f"gate-{new_secret()}"
    if not try_job(name, timeout_s=QUEUE_S):
        return False, "a job went in and did not come out"
    return (True, "a job and a signal came through") if _signal_arrives(name) else (False, "a signal did not arrive")


def _signal_arrives(name: str) -> bool:
    with parts.redis.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.subscribe(channel(name))
        subscription.get_message(timeout=QUEUE_S)
        Signal(name)()
        until = time.monotonic() + QUEUE_S
        while time.monotonic() < until:
            if subscription.get_message(timeout=0.2) is not None:
                return True
    return False


def _look_at_templates(application: Application) -> Outcome:
    count, broken = application.compile_templates()
    return none_wrong([f"{name} does not compile" for name in broken], f"{count} compile")


def _look_at_translations(application: Application) -> Outcome:
    """Every sentence has one in each language, and what is read at run time is what was written."""
    folder = Path(str(application.settings["BABEL_TRANSLATION_DIRECTORIES"]))
    sources = sorted(folder.glob("*/LC_MESSAGES/*.po"))
    wrong = [fault for source in sources for fault in _faults_of(source)]
    return none_wrong(wrong, f"complete in {len(sources)} besides English") if sources else (False, "there are none")


def _faults_of(source: Path) -> list[str]:
    with source.open("rb") as file:
        written = _sentences(read_po(file))
    compiled: dict[str, tuple[str, ...]] = {}
    if (path := source.with_suffix(".mo")).exists():
        with path.open("rb") as file:
            compiled = _sentences(read_mo(file))
    missing = sum(not all(forms) for forms in written.values())
    faults = {f"{missing} without a translation": missing, "messages.mo is not messages.po": compiled != written}
    return [f"{source.parts[-3]}: {fault}" for fault, is_there in faults.items() if is_there]


def _sentences(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """By the sentence, in its singular, all forms of its translation; of what is not finished, none."""
    return {_forms(one.id)[0]: ("",) if one.fuzzy else _forms(one.string) for one in catalog if one.id}


def _forms(text: object) -> tuple[str, ...]:
    return tuple(map(str, text)) if isinstance(text, list | tuple) else (str(text),)


def _look_at_static_files(application: Application) -> Outcome:
    """Whatever pages name is served: what the templates ask for, and what the style sheet asks for."""
    templates = (application.root / "templates").rglob("*.html")
    named = {f"/static/{name}" for path in templates for name in ASSET.findall(path.read_text())}
    styles = application.fetch("GET", STYLES)
    named |= {HTMX, *IMPORTED.findall(styles.text)}
    wrong = [f"{path} is answered {status}" for path in sorted(named) if (status := _status(application, path)) != 200]
    wrong += [] if styles.status == 200 else [f"{STYLES} is answered {styles.status}"]
    return none_wrong(wrong, f"{len(named) + 1} served")


def _status(application: Application, path: str) -> int:
    return application.fetch("GET", path).status


CHECKS = (
    Check("encryption", _look_at_encryption),
    Check("stored secrets", _look_at_stored_secrets, limit_s=60.0),
    Check("masking", _look_at_masking),
    Check("webhook door", _look_at_webhook_door),
    Check("webhook door from outside", _look_at_live_door, is_live=True, limit_s=30.0),
    Check("queue", _look_at_queue),
    Check("templates", _look_at_templates, limit_s=60.0),
    Check("translations", _look_at_translations),
    Check("static files", _look_at_static_files),
)
