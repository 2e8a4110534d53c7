"""What the OpenAPI description says of all calls alike: how they refuse, which headers come, what addresses name."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from marshmallow import Schema

ABOUT = (
    "The WhatsApp numbers of a company for its programs: send, read, run campaigns, connect. "
    "Sentences in answers are in the language of `Accept-Language`, Portuguese unless English is asked for. "
    "Fields and parameters that a call does not know are ignored."
)
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of the company, made by an administrator in the portal, or one from `POST /admin/login`.",
}
# What stands in the address. One that names nothing which the caller may see answers 404.
PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "unit_id": {
        "description": "The unit's id, or its short name for callers of its company.",
        "schema": {"type": "string", "minLength": 1},
        "example": "centro",
    },
    "message_id": {"description": "The message's id, from the answer to sending it."},
    "conversation_id": {"description": "The conversation's id."},
    "contact_id": {"description": "The contact's id."},
    "campaign_id": {"description": "The campaign's id, from the answer to making it."},
}
PREFER = {
    "in": "header",
    "name": "Prefer",
    "description": "`wait=N` waits up to N seconds, 10 at most, until it is known whether the message was sent.",
    "schema": {"type": "string"},
    "example": "wait=10",
}
EXAMPLE_ID = "0198c8a2-6f1e-7cc3-98c4-dc0c0c07398f"

NULL_OR_ANY_OBJECT = {"type": "object", "nullable": True}
INTEGER = {"type": "integer"}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "By this the portal's log knows the request. Tell it when you ask for help.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "X-RateLimit-Limit": {"description": "How many calls the limit allows that is nearest.", "schema": INTEGER},
    "X-RateLimit-Remaining": {"description": "How many of them are left.", "schema": INTEGER},
    "X-RateLimit-Reset": {"description": "When they are counted anew: seconds since 1970.", "schema": INTEGER},
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "Says Bearer.", "required": True, "schema": {"type": "string"}},
}
ON_EVERY_ANSWER = ("X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
# Referred to by the names under which they are described once.
HEADERS_OF_EVERY_ANSWER = {name: name for name in ON_EVERY_ANSWER}

# Status -> when a call refuses with it, and the headers that come with that besides.
REFUSALS: dict[int, tuple[str, tuple[str, ...]]] = {
    400: ("The body is no JSON object.", ()),
    401: ("No token, one that is over, or a wrong password.", ("WWW-Authenticate",)),
    403: ("The role or the token's scope does not allow it, or the company is `suspended`: see `code`.", ()),
    404: ("Nothing is there, or it belongs to another company or to a unit that is not yours.", ()),
    409: ("The state does not allow it; `code` says which.", ()),
    413: ("The body is too large.", ()),
    415: ("The body is not sent as JSON.", ()),
    422: ("A field or a parameter is wrong or missing: see `details`.", ()),
    429: ("Too many calls.", ("Retry-After",)),
    500: ("Something went wrong in the portal, where it was noted.", ()),
    503: ("The portal (`unavailable`) or Evolution is away, or there is no room: `code` says why.", ()),
}


def refusal_name(status: int) -> str:
    """Under which name the description has the refusal."""
    return HTTPStatus(status).name


def refusals(schema: type[Schema]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name -> the refusal as the description has it, once for all calls."""
    for status, (sentence, headers) in REFUSALS.items():
        yield (
            refusal_name(status),
            {
                "description": sentence,
                "headers": {**HEADERS_OF_EVERY_ANSWER, **{name: name for name in headers}},
                "content": {"application/json": {"schema": schema}},
            },
        )


def refusals_of(
    rule: str, *, is_open: bool, body: type[Schema] | None, query: type[Schema] | None, besides: Iterable[int]
) -> list[int]:
    """With which statuses a call may refuse: what follows from its address and what it takes, and those besides."""
    found = {429, 500, 503, *besides}
    if not is_open:
        found |= {401, 403}
    if body is not None:
        found |= {400, 413, 415, 422}
    if query is not None:
        found.add(422)
    if "<" in rule or any("unit_id" in schema._declared_fields for schema in (body, query) if schema is not None):
        found.add(404)
    return sorted(found)


def path_parameters(rule: str) -> list[dict[str, Any]]:
    """What the address of a call names; its type follows from the rule unless it is said here."""
    named = {name: about for name, about in PATH_PARAMETERS.items() if f"{name}>" in rule}
    return [{"in": "path", "name": name, "example": EXAMPLE_ID, **about} for name, about in named.items()]


def strict_nulls(converter: object, field: object, *, ret: dict[str, Any]) -> dict[str, Any]:
    """Correct what apispec says of a field: `ret` is its description so far.

    A field without a default needs none that is null, and where null may stand for an object, not every object may.
    """
    if ret.get("default", "") is None:
        del ret["default"]
    if NULL_OR_ANY_OBJECT in ret.get("anyOf", ()):
        objects = [one for one in ret["anyOf"] if one != NULL_OR_ANY_OBJECT]
        ret["anyOf"] = [*objects, {**NULL_OR_ANY_OBJECT, "enum": [None]}]
    return {}
