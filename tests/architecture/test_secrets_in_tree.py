"""No secret lies in the files that git keeps."""

from pathlib import Path

import pytest

from portal.monitor.gate import source

ROOT = Path(__file__).resolve().parents[2]
# The examples are put together here, so that this file does not find itself.
EXAMPLES = {
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "AWS key": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub token": "ghp_" + "a1B2" * 9,
    "Slack token": "xoxb-" + "123456789012-abcdef",
    "Stripe key": "sk_live_" + "a1B2" * 6,
    "JSON web token": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkw" + ".SflKxwRJSMeKKF2QT4fw",
    "URL with a password": "postgres://" + "portal:hunter2hunter2@db.example.com/portal",
    "secret with a value": "SECRET_KEY=" + "0123456789abcdef0123456789abcdef",
    # The settings and their tests name it to refuse it.
    source.BUILT_IN_KEY: "BQYHJ" + "GJHJ",
}
FOLDERS_NOT_SHIPPED = (".heroku", ".venv/bin", ".mypy_cache", "instance", "portal/__pycache__", "venv")


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_kind_of_secret_is_recognised(kind: str) -> None:
    assert source.secrets_in(f"first line\n{EXAMPLES[kind]}\n") == [kind]


def test_every_kind_has_an_example() -> None:
    assert set(source.PATTERNS) == set(EXAMPLES)


def test_no_file_that_git_keeps_holds_a_secret() -> None:
    assert source.files_with_secrets(ROOT) == {}


def test_no_settings_file_is_kept() -> None:
    assert source.settings_files(ROOT) == []


def test_where_there_is_no_git_all_is_looked_at_but_what_is_no_source(tmp_path: Path) -> None:
    for folder in ("portal/web", *FOLDERS_NOT_SHIPPED):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "left.txt").write_text(EXAMPLES["AWS key"])
    (tmp_path / "venv" / "pyvenv.cfg").touch()

    assert source.files_with_secrets(tmp_path) == {"portal/web/left.txt": ["AWS key"]}


@pytest.mark.parametrize("name", [".env", "portal/.env"])
def test_where_there_is_no_git_a_settings_file_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "portal").mkdir()
    (tmp_path / name).touch()

    assert source.settings_files(tmp_path) == [name]


def test_built_in_key_of_evolution_may_be_named_only_where_it_is_refused(tmp_path: Path) -> None:
    for name in ("portal/config.py", "portal/app.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(EXAMPLES[source.BUILT_IN_KEY])

    assert set(source.files_with_secrets(tmp_path)) == {"portal/app.py"}
