"""A blueprint whose calls say everything at once: who may call, what goes in, and what comes out."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

from flask import Request, Response
from flask_smorest import Blueprint
from marshmallow import Schema, ValidationError
from marshmallow.exceptions import SCHEMA
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from portal.errors import Invalid
from portal.extensions import csrf
from portal.web.api.access import open_scope, take_unit
from portal.web.api.answers import refusal
from portal.web.api.described import HEADERS_OF_EVERY_ANSWER, path_parameters, refusal_name, refusals_of
from portal.web.api.limits import count_call

View = TypeVar("View", bound=Callable[..., Any])
# What services call by another name than the calls do.
FIELD_NAMES = {
    "text": "message",
    "file": "media",
    "answers_to": "answersTo",
    "pairing_number": "pairingNumber",
    "pasted": "phones",
    "at": "scheduledAt",
    "audience": "contactIds",
    **{f"variant_{number}": "content" for number in range(1, 6)},
}


class JsonParser(FlaskParser):
    """Reads JSON objects; what a schema refuses is said field by field."""

    def load_json(self, req: Request, schema: Schema) -> dict[str, object]:
        body = req.get_data(cache=True)
        if not body:
            return {}
        if not req.is_json:
            raise UnsupportedMediaType
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as e:
            raise BadRequest from e
        if not isinstance(value, dict):
            raise BadRequest
        return value

    def handle_error(
        self,
        error: ValidationError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        by_location: dict[str, dict[str, object]] = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise Invalid({name: said for fields in by_location.values() for name, said in _named(fields)})


class ApiBlueprint(Blueprint):  # type: ignore[misc]
    """Calls of the JSON API. Unless `is_open`, each needs a bearer token, which opens the scope in `g.scope`."""

    ARGUMENTS_PARSER = JsonParser()

    def __init__(self, name: str, *, title: str, description: str, url_prefix: str = "", is_open: bool = False) -> None:
        super().__init__(f"api_{name}", __name__, url_prefix=url_prefix, description=description)
        self.title = title
        self.is_open = is_open
        self.register_error_handler(Invalid, _invalid)
        # No cookie is read here, so there is nothing that a foreign page could misuse.
        csrf.exempt(self)
        if not is_open:
            self.url_value_preprocessor(take_unit)
            self.before_request(count_call)
            self.before_request(open_scope)

    def call(
        self,
        method: str,
        rule: str,
        *,
        access: Callable[[Any], Any],
        operation: str,
        answer: type[Schema] | Schema,
        status: int = 200,
        also: tuple[int, ...] = (),
        refuses: tuple[int, ...] = (),
        body: type[Schema] | None = None,
        query: type[Schema] | None = None,
        header: Mapping[str, Any] | None = None,
    ) -> Callable[[View], View]:
        """Register a view under this method and address, in Flask and in the OpenAPI description.

        `access` is `public` or `requires(…)`; `operation` is what generated clients call it, and the docstring what
        the description says of it. `also` are other statuses that the same answer comes with, and `refuses` those
        that do not follow from the address and from what goes in. `header` is one that the view itself reads.
        """

        address = f"{self.url_prefix}{rule}"
        refusals = refusals_of(address, is_open=self.is_open, body=body, query=query, besides=refuses)

        def register(view: View) -> View:
            guarded = self._answering(view, answer, status, also, refusals)
            if query is not None:
                guarded = self.arguments(query, location="query")(guarded)
            if body is not None:
                is_needed = any(field.required for field in body._declared_fields.values())
                guarded = self.arguments(body, required=is_needed)(guarded)
            if header is not None:
                guarded = self.doc(parameters=[header])(guarded)
            if self.is_open:
                guarded = self.doc(security=[])(guarded)
            guarded = self.doc(operationId=operation)(guarded)
            self.add_url_rule(
                rule,
                view_func=access(guarded),
                methods=[method],
                parameters=path_parameters(address),
                tags=[self.title],
            )
            return view

        return register

    def _answering(
        self,
        view: View,
        answer: type[Schema] | Schema,
        status: int,
        also: Iterable[int],
        refusals: Iterable[int],
    ) -> Any:
        """The view with what it answers: written by the schema, and described with each status."""
        described = self.response(status, answer, headers=HEADERS_OF_EVERY_ANSWER)(view)
        for other in also:
            same = self.alt_response(other, schema=answer, headers=HEADERS_OF_EVERY_ANSWER, success=other < 400)
            described = same(described)
        # The answer itself says more than the refusal of that status.
        for refused in (one for one in refusals if one not in also):
            described = self.alt_response(refused, refusal_name(refused))(described)
        return described


def _invalid(error: Invalid) -> Response:
    details = {FIELD_NAMES.get(name, name): sentence for name, sentence in error.fields.items()}
    return refusal(422, error.code, error.message, details=details)


def _named(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Each field and what is said about it; one in another is named `media.content`."""
    for name, said in fields.items():
        if not isinstance(said, Mapping) or SCHEMA in said:
            yield name, _sentence(said)
        else:
            yield from ((f"{name}.{inner}", sentence) for inner, sentence in _named(said))


def _sentence(said: object) -> str:
    """The first thing that is said about a field, or about all that is in it."""
    said = said[SCHEMA] if isinstance(said, Mapping) else said
    return str(next(iter(said), "")) if isinstance(said, list) else str(said)
