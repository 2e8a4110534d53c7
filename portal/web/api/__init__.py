"""The JSON API: the same rules as the pages, for programs. `/openapi.json` describes it."""

from flask import Flask, Response
from flask_smorest import Api

from portal import __version__
from portal.web.access import public
from portal.web.api import (
    campaigns,
    connections,
    contacts,
    conversations,
    described,
    health,
    limits,
    messages,
    sessions,
    units,
)
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.campaign_schemas import PlaceCursor
from portal.web.api.fields import Base64, Cursor
from portal.web.api.schemas import ErrorAnswer

BLUEPRINTS = (
    health.bp,
    sessions.bp,
    units.bp,
    connections.bp,
    messages.bp,
    conversations.bp,
    contacts.bp,
    campaigns.bp,
)


class PortalApi(Api):  # type: ignore[misc]
    """flask-smorest's description of the calls, without its own way to answer errors: `web/errors.py` has one."""

    # Every status that a call may answer with is described.
    DEFAULT_ERROR_RESPONSE_NAME = None

    def register_blueprint(self, blueprint: ApiBlueprint) -> None:
        """Describe the calls under the blueprint's title, where it would be its name."""
        self._app.register_blueprint(blueprint)
        blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
        self.spec.tag({"name": blueprint.title, "description": blueprint.description})

    def _register_error_handlers(self) -> None:
        """Leave the errors of the app, which are pages' errors too, as they are."""

    def _register_responses(self) -> None:
        """Describe the refusals and the headers once, for all calls."""
        for name, header in described.HEADERS.items():
            self.spec.components.header(name, header)
        for name, refusal in described.refusals(ErrorAnswer):
            self.spec.components.response(name, refusal, lazy=True)

    def _register_pagination_header(self) -> None:
        """Pages say in their body where they end."""

    @public
    def _openapi_json(self) -> Response:
        description: Response = super()._openapi_json()
        return description


def register(app: Flask) -> None:
    app.config.update(
        API_TITLE="Evolution Portal",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": described.ABOUT},
            "security": [{"bearer": []}],
            "components": {"securitySchemes": {"bearer": described.BEARER}},
        },
    )
    limits.register(app)
    api = PortalApi(app)
    for field, format_ in ((Cursor, "cursor"), (PlaceCursor, "place"), (Base64, "byte")):
        api.register_field(field, "string", format_)
    api.ma_plugin.converter.add_attribute_function(described.strict_nulls)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
