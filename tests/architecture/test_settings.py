"""Every setting is in the example file and in the docs, and settings are read in one place."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from portal.config import REQUIRED, Config
from tests.conftest import make_config

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
# Read by the web server's own settings, before there is a portal.
OF_THE_WEB_SERVER = {"PORT", "WEB_CONCURRENCY"}
# Set by the platform itself; named after the settings that they stand in for.
OF_THE_PLATFORM = {"HEROKU_SLUG_COMMIT", "RAILWAY_GIT_COMMIT_SHA"}
MAY_READ_THE_ENVIRONMENT = {"portal/worker.py", "wsgi.py", "gunicorn.conf.py"}


class Recorder(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values, self.asked = values, set[str]()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)


def settings_read() -> set[str]:
    example = {
        "DATABASE_URL": "postgresql://db.test/portal",
        "REDIS_URL": "redis://cache.test",
        "SECRET_KEY": "k" * 32,
        "BASE_URL": "https://portal.test",
        "EVOLUTION_API_URL": "https://evolution.test",
        "EVOLUTION_API_KEY": "e" * 16,
    }
    env = Recorder(example)
    Config.load(env)
    return env.asked


def documents() -> str:
    return "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


def in_example() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE))


def test_settings_are_read_from_the_environment() -> None:
    assert settings_read() > set(REQUIRED)


def test_example_file_holds_every_setting_and_nothing_else() -> None:
    assert in_example() == settings_read() - OF_THE_PLATFORM | OF_THE_WEB_SERVER


def test_documents_name_every_setting() -> None:
    unnamed = {name for name in in_example() if not re.search(rf"\b{name}\b", documents())}

    assert unnamed == set()


@pytest.mark.parametrize("name", sorted(OF_THE_WEB_SERVER))
def test_web_server_reads_its_settings(name: str) -> None:
    started_with = (ROOT / "gunicorn.conf.py").read_text() + (ROOT / "Procfile").read_text()

    assert re.search(rf"\b{name}\b", started_with)


def test_example_file_explains_every_setting() -> None:
    explained = re.findall(r"^#.*\n((?:[A-Z_]+=.*\n?)+)", EXAMPLE, re.MULTILINE)

    assert set(re.findall(r"^([A-Z_]+)=", "".join(explained), re.MULTILINE)) == in_example()


def test_example_file_holds_no_secret() -> None:
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))

    assert {values[name] for name in ("SECRET_KEY", "EVOLUTION_API_KEY", "ENCRYPTION_KEYS")} == {""}


def test_nothing_else_reads_the_environment() -> None:
    paths = [*sorted((ROOT / "portal").rglob("*.py")), ROOT / "wsgi.py", ROOT / "gunicorn.conf.py"]

    readers = {str(path.relative_to(ROOT)) for path in paths if _reads_environment(ast.parse(path.read_text()))}

    assert readers <= MAY_READ_THE_ENVIRONMENT


def test_settings_of_the_tests_are_no_production_settings() -> None:
    assert not make_config("postgresql://db.test/p", "redis://cache.test").is_production


def _reads_environment(tree: ast.Module) -> bool:
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return bool(names & {"environ", "getenv", "environb"})
