"""Build the Flask app of the simulator and serve it."""

import threading
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import NotFound
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from local.evolution import api_instances, api_messages, control, phone
from local.evolution.errors import register_errors
from local.evolution.settings import SimulatorSettings
from local.evolution.simulator import Simulator

LARGEST_BODY = 136 * 1024 * 1024


def create_simulator(settings: SimulatorSettings) -> Flask:
    """Build the app; its Simulator is in `extensions` and has begun to run."""
    app = Flask("local.evolution", root_path=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions["simulator"] = Simulator(settings)
    app.before_request(refuse_double_slash)
    register_errors(app)
    for module in (api_instances, api_messages, control, phone):
        app.register_blueprint(module.blueprint)
    app.extensions["simulator"].start()
    return app


def refuse_double_slash() -> None:
    """Refuse what a base URL with a slash at its end leads to."""
    if request.environ.get("RAW_URI", "").startswith("//"):
        raise NotFound


def serve(app: Flask, port: int, host: str = "127.0.0.1") -> tuple[BaseWSGIServer, threading.Thread]:
    """Serve the app on a thread of its own; port 0 takes any free one.

    The server and its thread; `shutdown()` ends both, `Simulator.stop()` the rest.
    """
    server = make_server(host, port, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, name="evolution", daemon=True)
    thread.start()
    return server, thread


class QuietHandler(WSGIRequestHandler):
    """Keep the requests out of the terminal, and paths as they were asked for."""

    def make_environ(self) -> dict[str, Any]:
        """Describe the request with its whole target: the library hides a double slash at the start."""
        return {**super().make_environ(), "RAW_URI": self.requestline.split()[1]}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: paths hold instance names, and the poll of the phone page would fill the screen."""
