"""Build the Flask app of the simulator and serve it."""

import threading

from flask import Flask, request
from werkzeug.exceptions import NotFound
from werkzeug.serving import BaseWSGIServer

from local.evolution import (
    api_changes,
    api_instances,
    api_media,
    api_messages,
    control,
    control_crowd,
    control_events,
    control_faults,
    control_harm,
    phone,
    phone_faults,
    phone_tools,
)
from local.evolution.errors import register_errors
from local.evolution.gates import stand_before
from local.evolution.messages import Interrupted
from local.evolution.server import Server
from local.evolution.settings import SimulatorSettings
from local.evolution.simulator import Simulator
from local.evolution.wires import break_off

LARGEST_BODY = 136 * 1024 * 1024
MODULES = (
    api_changes,
    api_instances,
    api_media,
    api_messages,
    control,
    control_crowd,
    control_events,
    control_faults,
    control_harm,
    phone,
    phone_faults,
    phone_tools,
)


def create_simulator(settings: SimulatorSettings) -> Flask:
    """Build the app; its Simulator is in `extensions` and has begun to run."""
    app = Flask("local.evolution", root_path=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions["simulator"] = Simulator(settings)
    app.before_request(stand_before)
    app.before_request(refuse_double_slash)
    app.register_error_handler(Interrupted, lambda _: break_off())
    register_errors(app)
    for module in MODULES:
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
    server = Server(host, port, app)
    app.extensions["server"] = server
    thread = threading.Thread(target=server.serve_forever, name="evolution", daemon=True)
    thread.start()
    return server, thread
