"""`python -m local.run`: the whole portal on one machine, with a simulated Evolution API beside it."""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import programs
from local.instance import Instance
from local.lock import FolderInUse
from local.people import PEOPLE
from local.processes import LocalError, is_port_free
from local.programs import HOST, ROOT
from local.services import Services
from local.supervisor import StopRequests, Supervisor

WEB_PORT = 8000
EVOLUTION_PORT = 8081
PORTS_TO_TRY = 50
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen; the simulated phone is missing when a real Evolution API is named."""

    web_port: int
    evolution_url: str
    evolution_port: int | None

    @property
    def web_url(self) -> str:
        return f"http://{HOST}:{self.web_port}"


def main() -> int:
    """Run until a signal comes or a part ends."""
    instance = Instance(_arguments().folder.absolute())
    stops = StopRequests()
    try:
        with Services(instance.folder) as services, Supervisor(stops) as supervisor:
            _run(instance, services, supervisor)
    except KeyboardInterrupt:
        print("Stopped; everything is kept for the next run.")
        return 0
    except FolderInUse as error:
        print(f"The portal already runs{' at ' + instance.address() if instance.address() else ''}: {error}")
        return 1
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.run", description="Run the portal on this machine.")
    parser.add_argument("--folder", type=Path, default=ROOT / "instance", help="where its data lies")
    return parser.parse_args()


def _run(instance: Instance, services: Services, supervisor: Supervisor) -> None:
    instance.note_address("")
    addresses = _choose_addresses(os.environ)
    env = _environment(instance, services, addresses)
    if addresses.evolution_port is not None:
        _start_evolution(instance, supervisor, env, addresses.evolution_port)
    # A real Evolution API would write to whoever has these numbers.
    has_examples = addresses.evolution_port is not None
    supervisor.finish("setup", programs.setup(instance.folder, has_examples=has_examples), env)
    supervisor.start("web", programs.web(addresses.web_port), env)
    supervisor.start("worker", programs.worker(), env)
    _await_answer(supervisor, addresses.web_port, "/health")
    if addresses.evolution_port is not None:
        _await_answer(supervisor, addresses.evolution_port, "/simulator/instances")
    instance.note_address(addresses.web_url)
    print(_summary(instance, services, addresses), flush=True)
    while True:
        supervisor.require_all()
        time.sleep(0.2)


def _choose_addresses(env: Mapping[str, str]) -> Addresses:
    web_port = _named_port(env["PORT"]) if env.get("PORT") else _next_free(WEB_PORT)
    if env.get("EVOLUTION_API_URL"):
        return Addresses(web_port, env["EVOLUTION_API_URL"], None)
    port = _next_free(EVOLUTION_PORT, taken=web_port)
    return Addresses(web_port, f"http://{HOST}:{port}", port)


def _named_port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise LocalError(f"PORT is {text!r}: it must be a number up to 65535.")
    if not is_port_free(int(text)):
        raise LocalError(f"Port {text} (from PORT) is busy: free it or set PORT to another one.")
    return int(text)


def _next_free(first: int, *, taken: int | None = None) -> int:
    for port in range(first, first + PORTS_TO_TRY):
        if port == taken or not is_port_free(port):
            continue
        if port != first:
            print(f"Port {first} is busy: using {port}.")
        return port
    raise LocalError(f"The ports {first} to {first + PORTS_TO_TRY - 1} are all busy.")


def _environment(instance: Instance, services: Services, addresses: Addresses) -> dict[str, str]:
    settings = programs.settings(
        instance, os.environ, web_port=addresses.web_port, evolution_url=addresses.evolution_url
    )
    return {**os.environ, **services.environment, **settings}


def _start_evolution(instance: Instance, supervisor: Supervisor, env: Mapping[str, str], port: int) -> None:
    state_file = instance.folder / "evolution.json"
    command = programs.evolution(port, api_key=env["EVOLUTION_API_KEY"], state_file=state_file)
    supervisor.start("evolution", [*command, "--demo-chat", "--crowd"], env)


def _await_answer(supervisor: Supervisor, port: int, path: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not programs.answers(port, path):
        supervisor.require_all()
        if time.monotonic() > deadline:
            raise LocalError(f"http://{HOST}:{port}{path} did not answer within {START_TIMEOUT_S} s.")
        time.sleep(0.1)


def _summary(instance: Instance, services: Services, addresses: Addresses) -> str:
    lines = [f"Portal           {addresses.web_url}"]
    if addresses.evolution_port is not None:
        lines.append(f"Simulated phone  {addresses.evolution_url}/phone")
    lines += ["", "Sign in with"]
    known = instance.known_passwords()
    for person in PEOPLE:
        password = known.get(person.email, "(set by an earlier run, not kept here)")
        lines.append(f"  {person.title:<13} {person.email:<23} {password}")
    lines += ["", f"Stop with Ctrl-C. Data stays in {instance.folder}"]
    if not services.database_folder.is_relative_to(instance.folder):
        lines.append(f"and, as root's folders are closed to PostgreSQL, in {services.database_folder}")
    return "\n".join(_boxed(lines))


def _boxed(lines: list[str]) -> list[str]:
    width = max(map(len, lines))
    edge = "+" + "-" * (width + 2) + "+"
    return ["", edge, *(f"| {line.ljust(width)} |" for line in lines), edge, ""]


if __name__ == "__main__":
    sys.exit(main())
