"""Errors that are logged are reported to Sentry, if there is one: where they happened, and of whom and what nothing.

The report is put together here from the log line, not by Sentry's own integrations, which look at requests, cookies,
headers, bodies and local variables. It holds the kind of error, the lines of code and, masked, the fields of the log
line. What an exception says of itself is left out, for it may quote a message or a name: the log has it.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.utils import event_from_exception

from portal.logs import MASK, mask, mask_fields

FLUSH_S = 2.0
# Reporting must not report itself.
IGNORED = ("sentry_sdk", "urllib3")
# What structlog adds of its own, and what stands in the report already.
NO_FIELDS = frozenset({"event", "exc_info", "level", "logger", "timestamp", "stack_info"})


def start(dsn: str, *, environment: str, release: str, transport: Any = None) -> None:
    """Report what this process and its children log as errors from now on."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=release,
        transport=transport,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[DedupeIntegration()],
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        # Names of machines and counts of lost reports are nobody's business.
        server_name="",
        send_client_reports=False,
        before_send=_clean,
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Reporter)]
    root.addHandler(_Reporter(logging.ERROR))


def flush() -> None:
    """Wait until reports have left, for a process that ends without its exit handlers."""
    sentry_sdk.flush(FLUSH_S)


class _Reporter(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in IGNORED:
            return
        try:
            _report(record)
        except Exception:
            self.handleError(record)


def _report(record: logging.LogRecord) -> None:
    fields: dict[str, Any] = dict(record.msg) if isinstance(record.msg, Mapping) else {}
    # What a library says is told as it stands in its code, without the arguments: addresses, bodies, names.
    message = str(fields.get("event", "")) if fields else str(record.msg)
    event, hint = _of_exception(fields.get("exc_info") or record.exc_info)
    event |= {"level": record.levelname.lower(), "logger": record.name, "message": message}
    event["extra"] = mask_fields(None, "", {name: str(fields[name]) for name in fields.keys() - NO_FIELDS})
    sentry_sdk.capture_event(event, hint)


def _of_exception(exc_info: object) -> tuple[Any, dict[str, Any]]:
    found = _exc_info(exc_info)
    if found is None:
        return {}, {}
    return event_from_exception(found, client_options=sentry_sdk.get_client().options)


def _exc_info(told: object) -> Any:
    """As `logging` and structlog take it: an exception, what `sys.exc_info` gives, or that there is one."""
    if isinstance(told, BaseException):
        return type(told), told, told.__traceback__
    found = told if isinstance(told, tuple) else sys.exc_info() if told else None
    return found if found and found[1] is not None else None


def _clean(event: Any, hint: dict[str, Any]) -> Any:
    """The last look before it leaves, whoever made it."""
    for part in ("request", "user", "breadcrumbs", "server_name", "modules"):
        event.pop(part, None)
    for error in (event.get("exception") or {}).get("values") or []:
        error["value"] = MASK
        error.pop("mechanism", None)
        for frame in (error.get("stacktrace") or {}).get("frames") or []:
            frame.pop("vars", None)
    return _masked(event)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: _masked(one) for name, one in value.items()}
    return [_masked(one) for one in value] if isinstance(value, list | tuple) else value
