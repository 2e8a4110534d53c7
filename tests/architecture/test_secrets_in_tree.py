"""No secret lies in the files that git keeps."""

import re
import subprocess
from pathlib import Path

import pytest

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
}
PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "GitHub token": r"\bgh[opusr]_[A-Za-z0-9]{36}\b",
    "Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "Stripe key": r"\b[rs]k_live_[0-9A-Za-z]{20,}",
    "JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    # Examples name "password", a variable, or a host of this machine.
    "URL with a password": r"\b(?:postgres(?:ql)?|rediss?)://\w*:(?!password@|[$%{<\[*])[^\s:@/\"']{6,}@(?!localhost|127\.)",
    "secret with a value": r"^\s*(?:SECRET_KEY|ENCRYPTION_KEYS|EVOLUTION_API_KEY|METRICS_TOKEN)=[\w+/=-]{16,}\s*$",
}
# Evolution's built-in key (contract §2): the settings and their tests name it to refuse it.
KNOWN_KEY = "BQYHJ" + "GJHJ"
MAY_NAME_KNOWN_KEY = {"portal/config.py", "tests/test_config.py"}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_kind_of_secret_is_recognised(kind: str) -> None:
    assert found_in(f"first line\n{EXAMPLES[kind]}\n") == [kind]


def test_no_file_that_git_keeps_holds_a_secret() -> None:
    found = {path: found_in(text) for path, text in kept_files()}

    assert {path: kinds for path, kinds in found.items() if kinds} == {}


def test_evolutions_built_in_key_stands_only_where_it_is_refused() -> None:
    holding = {path for path, text in kept_files() if re.search(rf"\b{KNOWN_KEY}\b", text)}

    assert holding <= MAY_NAME_KNOWN_KEY


def test_no_settings_file_is_kept() -> None:
    names = {Path(path).name for path, _ in kept_files()}

    assert not names & {".env", "demo.json", "secrets.json", "id_rsa"}


def found_in(text: str) -> list[str]:
    return [kind for kind, pattern in PATTERNS.items() if re.search(pattern, text, re.MULTILINE)]


def kept_files() -> list[tuple[str, str]]:
    """The path and text of each file that git tracks or would add; without git, of all but the hidden ones."""
    names = _git_names() if (ROOT / ".git").exists() else _all_names()
    paths = [ROOT / name for name in names]
    return [(str(path.relative_to(ROOT)), path.read_text(errors="ignore")) for path in paths if path.is_file()]


def _git_names() -> list[str]:
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name]


def _all_names() -> list[str]:
    folders = [path for path in ROOT.iterdir() if path.name != "instance" and not path.name.startswith(".")]
    found = [path for folder in folders for path in (folder.rglob("*") if folder.is_dir() else [folder])]
    return [str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts]
