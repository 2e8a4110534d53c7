"""What is read out of an answer's JSON, which may be anything."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One answer of the portal; `items` are the objects of an answer that is a list."""

    status: int
    body: Mapping[str, object]
    items: tuple[Mapping[str, object], ...] = ()

    def text(self, name: str) -> str:
        """A text field; empty where there is none."""
        return text_in(self.body, name)

    def object(self, name: str) -> Mapping[str, object]:
        found = self.body.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def error_code(self) -> str:
        return text_in(self.object("error"), "code")

    @property
    def refusal(self) -> str:
        """Why the portal refused, in its own words: the sentence, and what is said of single fields."""
        error = self.object("error")
        details = error.get("details")
        fields = details.items() if isinstance(details, dict) else ()
        said = [text_in(error, "message"), *(f"{name}: {sentence}" for name, sentence in fields)]
        return " ".join(part for part in said if part)


def text_in(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
