"""The programs of a portal on this machine: how each is called, with which settings, and whether it answers."""

import http.client
import sys
from collections.abc import Mapping
from pathlib import Path

from local.instance import Instance

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
KEPT_SECRETS = ("SECRET_KEY", "EVOLUTION_API_KEY")


def setup(folder: Path, *, has_examples: bool = False) -> list[str]:
    """The schema and the demo's rows; ends by itself."""
    return [sys.executable, "-m", "local.demo", str(folder), *(["--examples"] if has_examples else [])]


def web(port: int) -> list[str]:
    return [sys.executable, "-m", "gunicorn", f"--bind={HOST}:{port}", "wsgi:app"]


def worker() -> list[str]:
    return [sys.executable, "-m", "portal.worker"]


def evolution(port: int, *, api_key: str, state_file: Path) -> list[str]:
    """The simulated Evolution API; its flags may follow."""
    where = ["--host", HOST, "--port", str(port), "--state", str(state_file)]
    # One word: a random key may begin with a hyphen.
    return [sys.executable, "-m", "local.evolution", *where, f"--api-key={api_key}"]


def settings(instance: Instance, env: Mapping[str, str], *, web_port: int, evolution_url: str) -> dict[str, str]:
    """What setup, web and worker need besides DATABASE_URL and REDIS_URL; secrets that `env` lacks are the folder's."""
    return {
        **{name: env.get(name) or instance.secret(name) for name in KEPT_SECRETS},
        "PORTAL_ENV": "development",
        "PORT": str(web_port),
        "BASE_URL": f"http://{HOST}:{web_port}",
        "EVOLUTION_API_URL": evolution_url,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }


def answers(port: int, path: str) -> bool:
    """Whether a request is answered by anything but a failure of the server."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
