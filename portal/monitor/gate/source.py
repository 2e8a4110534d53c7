"""Whether the files that were shipped hold no secret, and what is installed is what was tried."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from portal.config import KNOWN_API_KEYS
from portal.monitor.gate.checks import Application, Check, Outcome, none_wrong

BUILT_IN_KEY = "Evolution's built-in key"
PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "GitHub token": r"\bgh[opusr]_[A-Za-z0-9]{36}\b",
    "Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "Stripe key": r"\b[rs]k_live_[0-9A-Za-z]{20,}",
    "JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    # Examples name "password", a variable, a host of this machine, or one under the name that no host has.
    "URL with a password": r"\b(?:postgres(?:ql)?|rediss?)://\w*:(?!password@|[$%{<\[*])[^\s:@/\"']{6,}@(?!localhost|127\.|[\w.-]+\.test\b)",
    "secret with a value": r"^[ \t]*(?:SECRET_KEY|ENCRYPTION_KEYS|EVOLUTION_API_KEY|METRICS_TOKEN)=[\w+/=-]{16,}(?!\S)",
    BUILT_IN_KEY: rf"\b(?:{'|'.join(sorted(KNOWN_API_KEYS))})\b",
}
_PATTERNS = {kind: re.compile(pattern, re.MULTILINE) for kind, pattern in PATTERNS.items()}
# They name it to refuse it.
MAY_NAME_BUILT_IN_KEY = frozenset({"portal/config.py", "tests/test_config.py"})
SETTINGS_FILES = frozenset({".env", "demo.json", "secrets.json", "id_rsa"})
REQUIREMENTS = "requirements.txt"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
# Rows of `make run`, what Python compiled, and what git, the platform and tools keep beside the code.
NOT_SHIPPED = frozenset({"instance", "__pycache__", ".git", ".heroku", ".cache", ".venv", ".hypothesis"})
CACHE = re.compile(r"\..*_cache")


def secrets_in(text: str) -> list[str]:
    """The kinds of secrets that stand in it."""
    return [kind for kind, pattern in _PATTERNS.items() if pattern.search(text)]


def kept_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Each file that git tracks or would add, by its path from the root; without git, all but what is no source."""
    names = _git_names(root) if (root / ".git").exists() and shutil.which("git") else _all_names(root)
    return ((name, root / name) for name in names if (root / name).is_file())


def files_with_secrets(root: Path) -> dict[str, list[str]]:
    """Path of each file that holds any -> their kinds."""
    found = {name: secrets_in(path.read_text(errors="ignore")) for name, path in kept_files(root)}
    for name in MAY_NAME_BUILT_IN_KEY & found.keys():
        found[name] = [kind for kind in found[name] if kind != BUILT_IN_KEY]
    return {name: kinds for name, kinds in found.items() if kinds}


def settings_files(root: Path) -> list[str]:
    return [name for name, path in kept_files(root) if path.name in SETTINGS_FILES]


def _look_for_secrets(application: Application) -> Outcome:
    found = files_with_secrets(application.root)
    return none_wrong([f"{name} holds: {', '.join(kinds)}" for name, kinds in found.items()], "none")


def _look_for_settings_files(application: Application) -> Outcome:
    return none_wrong([f"{name} was shipped" for name in settings_files(application.root)], "none was shipped")


def _look_at_packages(application: Application) -> Outcome:
    pinned = PINNED.findall((application.root / REQUIREMENTS).read_text())
    wrong = [
        f"{name} is {found or 'missing'}, tried was {tried}"
        for name, tried in pinned
        if (found := _found(name)) != tried
    ]
    return none_wrong(wrong, f"{len(pinned)} as pinned")


def _found(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_names(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={root}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name]


def _all_names(root: Path) -> list[str]:
    shipped = [one for one in root.iterdir() if _is_shipped(one.name) and not (one / "pyvenv.cfg").exists()]
    found = [path.relative_to(root) for one in shipped for path in (one.rglob("*") if one.is_dir() else [one])]
    return [str(path) for path in found if all(map(_is_shipped, path.parts))]


def _is_shipped(name: str) -> bool:
    return name not in NOT_SHIPPED and not CACHE.fullmatch(name)


CHECKS = (
    Check("secrets in files", _look_for_secrets, limit_s=60.0),
    Check("settings files", _look_for_settings_files, limit_s=30.0),
    Check("packages", _look_at_packages),
)
