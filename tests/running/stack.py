"""The whole portal as real processes: its servers, its programs, and the simulated Evolution API."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from local import programs
from local.instance import Instance
from local.people import PEOPLE
from local.processes import free_port
from local.redis_server import RedisServer
from local.services import Services
from portal.queue import QUEUES
from tests.running.clients import PortalApi, Rows, SimulatorApi
from tests.running.program import Program
from tests.running.waiting import until

ADMIN, AGENT, OPERATOR = (person.email for person in PEOPLE)
EMPTY: Mapping[str, str] = MappingProxyType({})
# The environment of the servers -> the one that web and workers get, where they reach them by another way.
Detour = Callable[[Mapping[str, str]], Mapping[str, str]]


@dataclass(frozen=True)
class Stack:
    """A running portal. `secrets` are those that only the test knows, by what they are; `worker` is the first one."""

    folder: Path
    env: dict[str, str]
    passwords: dict[str, str]
    redis: RedisServer
    evolution: Program
    web: Program
    worker: Program
    workers: tuple[Program, ...]
    api: PortalApi
    simulator: SimulatorApi
    rows: Rows
    secrets: dict[str, set[str]] = field(default_factory=dict)

    def note_secret(self, kind: str, value: str) -> None:
        self.secrets.setdefault(kind, set()).add(value)

    def flask(self, *command: str) -> str:
        """Run one of the operators' commands."""
        line = [sys.executable, "-m", "flask", "--app", "wsgi", *command]
        done = subprocess.run(line, env=self.env, cwd=programs.ROOT, check=True, capture_output=True, text=True)
        return done.stdout

    def link(self, unit: str, *, number: str, name: str = "Loja Exemplo") -> str:
        """Connect a unit to a simulated phone, and give the name of its instance."""
        self.api.connect(unit)
        instance = self.rows.instance_of(unit)
        until(lambda: self._shows_code(instance), "QR code at the simulator")
        self.simulator.scan(instance, number=number, name=name)
        until(lambda: self.api.status(unit) == "connected", f"connection of {unit}")
        return instance

    def _shows_code(self, instance: str) -> bool:
        return any(one["name"] == instance and one["code"] for one in self.simulator.instances())


@contextmanager
def stack_on_own_database(
    services: Services, schema: str, name: str, *, flags: Sequence[str], settings: Mapping[str, str] = EMPTY
) -> Iterator[Stack]:
    """Start everything on a database of that name, which is made for it and dropped afterwards."""
    services.drop_database(name)
    services.create_database(name, template=schema)
    with (
        tempfile.TemporaryDirectory(prefix="portal-test-") as folder,
        open_stack(services, name, Path(folder) / "instance", flags=flags, settings=settings) as stack,
    ):
        yield stack
    services.drop_database(name)


@contextmanager
def open_stack(
    services: Services,
    database: str,
    folder: Path,
    *,
    flags: Sequence[str] = (),
    settings: Mapping[str, str] = EMPTY,
    workers: int = 1,
    detour: Detour = dict,
) -> Iterator[Stack]:
    """Start everything on an empty, migrated database; `flags` are the simulator's, `settings` the portal's."""
    instance = Instance(folder)
    # Of its own, so that a test may stop it.
    redis = RedisServer(folder, wheels_only=True, is_durable=False)
    with ExitStack() as ending:
        ending.callback(redis.stop)
        redis.start()
        env = {**_environment(instance, services.url_of(database), redis.url), **settings}
        subprocess.run(programs.setup(folder), env=env, check=True, capture_output=True)
        stack = _make_stack(instance, env, redis, workers=workers, detour=detour)
        ending.callback(stack.evolution.stop)
        stack.evolution.start(*flags)
        # Side by side: each loads the whole portal first.
        portal = (stack.web, *stack.workers)
        for program in portal:
            ending.callback(program.stop)
            program.begin()
        for program in portal:
            program.wait_until_ready()
        stack.api.sign_in(ADMIN, stack.passwords[ADMIN])
        yield stack


def _environment(instance: Instance, database_url: str, redis_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    evolution_url = f"http://{programs.HOST}:{free_port()}"
    settings = programs.settings(instance, {}, web_port=free_port(), evolution_url=evolution_url)
    return {**kept, "DATABASE_URL": database_url, "REDIS_URL": redis_url, **settings}


def _make_stack(instance: Instance, env: dict[str, str], redis: RedisServer, *, workers: int, detour: Detour) -> Stack:
    folder, web_port = instance.folder, int(env["PORT"])
    evolution_port = int(env["EVOLUTION_API_URL"].rpartition(":")[2])
    rows = Rows(env["DATABASE_URL"])
    commands = {
        "evolution": programs.evolution(
            evolution_port, api_key=env["EVOLUTION_API_KEY"], state_file=folder / "evolution.json"
        ),
        "web": programs.web(web_port),
        "worker": programs.worker(),
    }
    signs_of_life = {
        "evolution": lambda _: programs.answers(evolution_port, "/simulator/instances"),
        "web": lambda _: programs.answers(web_port, "/health"),
        "worker": lambda started_at: rows.workers_since(started_at) >= len(QUEUES),
    }

    def program(kind: str, number: int = 1) -> Program:
        its_env = env if kind == "evolution" else detour(env)
        name = kind if number == 1 else f"{kind}-{number}"
        return Program(name, commands[kind], its_env, folder=folder, is_ready=signs_of_life[kind])

    many = tuple(program("worker", number) for number in range(1, workers + 1))
    return Stack(
        folder=folder,
        env=env,
        passwords=instance.known_passwords(),
        redis=redis,
        api=PortalApi(env["BASE_URL"]),
        simulator=SimulatorApi(env["EVOLUTION_API_URL"]),
        rows=rows,
        evolution=program("evolution"),
        web=program("web"),
        worker=many[0],
        workers=many,
    )
