"""Run the simulated Evolution API: `python -m local.evolution --api-key KEY --state FILE.json`."""

import argparse
import json
import signal
from pathlib import Path
from queue import SimpleQueue

from local.evolution.app import create_simulator, serve
from local.evolution.crowd import CrowdPlan
from local.evolution.crowd_settings import changed_crowd
from local.evolution.settings import SimulatorSettings
from local.evolution.tool import Refused

DURATIONS = (
    "create_wait_s",
    "connect_wait_s",
    "first_qr_s",
    "qr_interval_s",
    "retry_initial_s",
    "receipt_delay_s",
    "read_delay_s",
    "send_latency_s",
    "loading_s",
)

CROWD = "let every number that nobody plays be a customer, as usual or as this JSON of /simulator/crowd says"


def main() -> None:
    """Serve until interrupted."""
    arguments = read_arguments()
    server_url = arguments.server_url or f"http://{arguments.host}:{arguments.port}"
    app = create_simulator(settings_of(arguments, server_url))
    server, _ = serve(app, arguments.port, arguments.host)
    ending: SimpleQueue[None] = SimpleQueue()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ending.put(None))
    print(f"Simulated Evolution API: {server_url} (phones: {server_url}/phone)", flush=True)
    ending.get()
    server.shutdown()
    app.extensions["simulator"].stop()


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.evolution", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--api-key", required=True, help="the global key")
    parser.add_argument("--state", type=Path, help="file that keeps instances and chats")
    parser.add_argument("--server-url", help="how webhooks name this server")
    parser.add_argument("--version", default=SimulatorSettings.version)
    parser.add_argument("--demo-chat", action="store_true", help="let a customer write to the first shop connected")
    parser.add_argument(
        "--crowd", type=read_crowd, nargs="?", const=CrowdPlan(is_on=True), default=CrowdPlan(), help=CROWD
    )
    parser.add_argument("--qr-limit", type=int, default=SimulatorSettings.qr_limit)
    for name in DURATIONS:
        parser.add_argument(flag(name), type=float, default=getattr(SimulatorSettings, name), metavar="SECONDS")
    return parser.parse_args()


def settings_of(arguments: argparse.Namespace, server_url: str) -> SimulatorSettings:
    """Turn the command line into the settings of the run."""
    return SimulatorSettings(
        api_key=arguments.api_key,
        state_file=arguments.state,
        server_url=server_url,
        version=arguments.version,
        qr_limit=arguments.qr_limit,
        has_demo_chat=arguments.demo_chat,
        crowd=arguments.crowd,
        **{name: getattr(arguments, name) for name in DURATIONS},
    )


def read_crowd(text: str) -> CrowdPlan:
    """Read a crowd that is on, as PUT /simulator/crowd takes it."""
    try:
        return changed_crowd(CrowdPlan(is_on=True), json.loads(text))
    except (Refused, ValueError, TypeError, AttributeError) as e:
        raise argparse.ArgumentTypeError(str(e)) from e


def flag(name: str) -> str:
    """Spell a setting as a flag."""
    return "--" + name.replace("_", "-")


if __name__ == "__main__":
    main()
