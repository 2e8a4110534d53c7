"""What went wrong at Evolution, told as what the caller may do next.

The one question is whether a message may have left: the table of `docs/evolution.md`, read from 2.3.6, says when it
surely did not. Whatever is not in the table may have been sent.
"""

import re
import ssl
from collections.abc import Iterator

import requests
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProxyError, SSLError

LONGEST_DETAIL = 300


class EvolutionError(Exception):
    """`code` is ours and stable; `detail` is Evolution's text, for the operator and never for a log."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail[:LONGEST_DETAIL]

    @property
    def is_limit(self) -> bool:
        """Whether it is WhatsApp that limits the number, whatever that means for this one call."""
        return _LIMIT.search(self.detail) is not None


class EvolutionUnavailable(EvolutionError):
    """Surely not done, and it will pass by itself: Evolution or the instance is away. Wait; spend no attempt."""


class EvolutionFailed(EvolutionError):
    """Surely not done, and it may work the next time: spend an attempt."""


class EvolutionRejected(EvolutionError):
    """Surely not done, and it never will be: show the reason."""


class EvolutionUnknown(EvolutionError):
    """It may have been done: never repeat it blindly."""


UNREACHABLE = "evolution_unreachable"
KEY_REFUSED = "evolution_key_refused"
NOT_LICENSED = "evolution_not_licensed"
INSTANCE_UNKNOWN = "instance_unknown"
NAME_IN_USE = "name_in_use"
NOT_CONNECTED = "not_connected"
UNIT_AWAY = "unit_not_connected"
NOT_ON_WHATSAPP = "not_on_whatsapp"
INVALID_REQUEST = "invalid_request"
TIMED_OUT = "timed_out"
PREPARING_FAILED = "preparing_failed"
UNCLEAR = "unclear_answer"
MEDIA_GONE = "media_gone"
MEDIA_TOO_LARGE = "too_large"
TARGET_GONE = "target_gone"
TOO_LATE = "too_late"
NOT_EDITABLE = "not_editable"
OTHER_ADDRESS = "other_address"

# How WhatsApp's library words a limit: too much at once, or "reach-out timelock", error 463. A load balancer has a
# status 463 of its own.
_LIMIT = re.compile(r"rate-overlimit|reach-?out|timelock|(?<!HTTP )\b463\b", re.IGNORECASE)
# How it words that a file cannot be had any more: the message was not stored, or WhatsApp has removed the file.
_GONE = re.compile(r"message not found|not of the media type|expired|\b410\b", re.IGNORECASE)
# Texts that Evolution's handlers raise before they write anything (2.3.6).
_HANDLER_RULES = frozenset(
    {
        "Text is required",
        "Owned media must be a url or base64",
        "For base64 the file name must be informed.",
        "Reaction must be a single emoji or empty string",
        "[object Object]",
    }
)
# The same of edits: it has the message under another address, or has it not, or not as a text.
_EDIT_RULES = {
    "Message not compatible": NOT_EDITABLE,
    "RemoteJid does not match": OTHER_ADDRESS,
    "Message is older than 15 minutes": TOO_LATE,
}
# How every error of a deletion begins.
_OF_DELETIONS = frozenset({"Error while deleting message for everyone"})


def from_exception(error: requests.RequestException) -> EvolutionError:
    """What a failed exchange means: only a connection that never stood surely carried nothing."""
    if isinstance(error, requests.ConnectTimeout) or _never_connected(error):
        return EvolutionUnavailable(UNREACHABLE, type(error).__name__)
    if isinstance(error, InvalidURL | InvalidSchema | MissingSchema):
        return EvolutionUnavailable(UNREACHABLE, type(error).__name__)
    return EvolutionUnknown(TIMED_OUT if isinstance(error, requests.Timeout) else UNCLEAR, type(error).__name__)


def from_answer(status: int, body: object) -> EvolutionError:
    """What an answer that is no success means, for every call."""
    text = "; ".join(texts(body))
    if status in _BY_STATUS:
        return _BY_STATUS[status](body, text)
    return EvolutionUnknown(UNCLEAR, f"HTTP {status} {text}")


def of_media(error: EvolutionError) -> EvolutionError:
    """What a failed request for a file means: some answers say that it never can be had."""
    if isinstance(error, EvolutionUnknown) and _GONE.search(error.detail):
        return EvolutionRejected(MEDIA_GONE, error.detail)
    return error


def texts(body: object) -> Iterator[str]:
    """Flatten the shapes of an error's message: a string, strings, strings in a list in a list, objects."""
    message = _message(body)
    if isinstance(message, str):
        yield message
    elif isinstance(message, list):
        for item in message:
            yield from (str(inner) for inner in (item if isinstance(item, list) else [item]))


def _message(body: object) -> object:
    if not isinstance(body, dict):
        return None
    response = body.get("response")
    return response.get("message") if isinstance(response, dict) else body.get("message")


def _unauthorized(body: object, text: str) -> EvolutionError:
    return EvolutionUnavailable(KEY_REFUSED, text)


def _forbidden(body: object, text: str) -> EvolutionError:
    return EvolutionRejected(NAME_IN_USE, text) if "already in use" in text else EvolutionUnknown(UNCLEAR, text)


def _not_found(body: object, text: str) -> EvolutionError:
    if text == "Message not found":
        # Said of an edit after it was sent, when the message is not stored.
        return EvolutionUnknown(UNCLEAR, text)
    # A route that is not there: the address is no Evolution API v2.
    is_instance = text.endswith(("does not exist", "not found"))
    return EvolutionUnavailable(INSTANCE_UNKNOWN if is_instance else UNREACHABLE, text)


def _too_large(body: object, text: str) -> EvolutionError:
    return EvolutionRejected(INVALID_REQUEST, text)


def _unavailable(body: object, text: str) -> EvolutionError:
    if isinstance(body, dict) and body.get("code") == "LICENSE_REQUIRED":
        return EvolutionUnavailable(NOT_LICENSED, text)
    return EvolutionUnknown(UNCLEAR, f"HTTP 503 {text}")


def _bad_request(body: object, text: str) -> EvolutionError:
    message = _message(body)
    first = message[0] if isinstance(message, list) and message else message
    if isinstance(first, dict) and first.get("exists") is False:
        return EvolutionRejected(NOT_ON_WHATSAPP)
    if isinstance(first, list) or first in _HANDLER_RULES:
        return EvolutionRejected(INVALID_REQUEST, text)
    if isinstance(first, str) and first in _EDIT_RULES:
        return EvolutionRejected(_EDIT_RULES[first], text)
    if text.endswith("instance is not connected"):
        return EvolutionRejected(NOT_CONNECTED, text)
    if first == "Error: Connection Closed":
        return EvolutionUnavailable(UNIT_AWAY, text)
    # One error handler covers the sending and all that follows it, a failed save included.
    return EvolutionUnknown(TIMED_OUT if first == "Error: Timed Out" else UNCLEAR, text)


def _server_error(body: object, text: str) -> EvolutionError:
    message = _message(body)
    if isinstance(message, list) and message and str(message[0]) in _OF_DELETIONS:
        return _deleting_failed(str(message[-1]), text)
    if message == "Connection Closed" or message == ["Error: Connection Closed"]:
        return EvolutionUnavailable(UNIT_AWAY, text)
    if isinstance(message, str) and message.startswith("Cannot read properties of undefined"):
        return EvolutionUnavailable(UNIT_AWAY, text)
    if message == "Timed Out":
        return EvolutionFailed(TIMED_OUT, text)
    if isinstance(message, list) and message and str(message[0]).startswith(("AxiosError:", "Error:")):
        return EvolutionFailed(PREPARING_FAILED, text)
    return EvolutionUnknown(UNCLEAR, text)


def _deleting_failed(cause: str, text: str) -> EvolutionError:
    """One error handler covers the sending and all that follows it here as well."""
    is_away = cause == "Error: Connection Closed" or cause.startswith("TypeError: Cannot read properties of undefined")
    return EvolutionUnavailable(UNIT_AWAY, text) if is_away else EvolutionUnknown(UNCLEAR, text)


def _never_connected(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(reason, ProxyError):
        # Not all of them say so: urllib3 also makes one of a reset after the write.
        reason = reason.original_error
    if isinstance(reason, SSLError):
        # A certificate is refused before anything is written; any other break of TLS can come after that.
        return isinstance(reason.args[0] if reason.args else None, ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


_BY_STATUS = {
    400: _bad_request,
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    413: _too_large,
    500: _server_error,
    503: _unavailable,
}
