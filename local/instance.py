"""What a run keeps in its folder for the next one: secrets made once, the demo's sign-ins, the addresses."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instance:
    """The folder of one local portal."""

    folder: Path

    def secret(self, name: str) -> str:
        """The secret of that name, made by the first run that asks."""
        kept = self._read("secrets.json")
        if name not in kept:
            kept[name] = secrets.token_urlsafe(48)
            self._write("secrets.json", kept)
        return kept[name]

    def password(self, email: str) -> str:
        """The password of a demo user, made at random by the first run that asks."""
        kept = self._read("demo.json")
        if email not in kept:
            kept[email] = secrets.token_urlsafe(12)
            self._write("demo.json", kept)
        return kept[email]

    def known_passwords(self) -> dict[str, str]:
        """Email -> password of the demo users that a run of this folder made."""
        return self._read("demo.json")

    def note_address(self, url: str) -> None:
        self._write("run.json", {"url": url})

    def address(self) -> str:
        """Where the run that holds this folder answers; empty while it is starting."""
        return self._read("run.json").get("url", "")

    def _read(self, name: str) -> dict[str, str]:
        try:
            kept: dict[str, str] = json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return {}
        return kept

    def _write(self, name: str, values: dict[str, str]) -> None:
        """Replace the file in one step, readable by its owner only."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f"{name}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(values, file, indent=2)
        fresh.replace(self.folder / name)
