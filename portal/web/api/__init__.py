"""The JSON API: the same rules as the pages, for programs. `/openapi.json` describes it."""

from flask import Flask, Response
from flask_smorest import Api

from portal import __version__
from portal.web.access import public
from portal.web.api import connections, conversations, health, messages, sessions, units
from portal.web.api.schemas import ErrorAnswer

BLUEPRINTS = (health.bp, sessions.bp, units.bp, connections.bp, messages.bp, conversations.bp)


class PortalApi(Api):  # type: ignore[misc]
    """flask-smorest's description of the calls, without its own way to answer errors: `web/errors.py` has one."""

    ERROR_SCHEMA = ErrorAnswer

    def _register_error_handlers(self) -> None:
        """Leave the errors of the app, which are pages' errors too, as they are."""

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
            "security": [{"bearer": []}],
            "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        },
    )
    api = PortalApi(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
