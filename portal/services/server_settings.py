"""What an operator types about an Evolution server, checked."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask_babel import gettext as _

from portal.config import KNOWN_API_KEYS
from portal.errors import Invalid

# The server of the portal's own settings; the outbox keeps its row.
DEFAULT_NAME = "default"
LONGEST_NAME = 60
LONGEST_URL = 500
LARGEST_CAPACITY = 1000


@dataclass(frozen=True)
class Settings:
    """How a server is reached and how much it takes. No key: the one that is there stays."""

    name: str
    url: str
    api_key: str | None
    capacity: int
    accepts_units: bool


def checked(
    name: str,
    url: str,
    api_key: str,
    capacity: int | None,
    accepts_units: bool,
    *,
    needs_key: bool = False,
    is_default: bool = False,
) -> Settings:
    """Raises Invalid with a sentence per field."""
    name, url, api_key = name.replace("\x00", "").strip(), url.strip(), api_key.strip()
    problems = {
        "name": None if is_default else _name_problem(name),
        "url": None if is_default else _url_problem(url),
        "api_key": _key_problem(api_key, needs_key),
        "capacity": _capacity_problem(capacity),
    }
    found = {field: sentence for field, sentence in problems.items() if sentence}
    if found:
        raise Invalid(found)
    return Settings(name, url.rstrip("/"), api_key or None, capacity or 0, accepts_units)


def _name_problem(name: str) -> str | None:
    if not 1 <= len(name) <= LONGEST_NAME:
        return str(_("Give a name of 1 to %(longest)s characters.", longest=LONGEST_NAME))
    if name.casefold() == DEFAULT_NAME:
        return str(_("This is the name of the server in the portal's settings. Choose another one."))
    return None


def _url_problem(url: str) -> str | None:
    try:
        parsed = urlsplit(url)
        is_address = parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0
    except ValueError:
        is_address = False
    if not is_address or len(url) > LONGEST_URL or any(c.isspace() or not c.isprintable() for c in url):
        return str(_("Give the server's address, such as https://evolution.company.com."))
    if "@" in parsed.netloc or "?" in url or "#" in url:
        return str(_("Leave out user names, passwords, ? and #: an address such as https://evolution.company.com."))
    return None


def _key_problem(api_key: str, is_needed: bool) -> str | None:
    if is_needed and not api_key:
        return str(_("Give the server's key, which stands there as AUTHENTICATION_API_KEY."))
    if api_key in KNOWN_API_KEYS:
        return str(_("This is Evolution's built-in key, which anybody can look up. Give the server one of its own."))
    if not api_key.isascii() or any(c.isspace() or not c.isprintable() for c in api_key):
        return str(_("A key has no spaces and no accents. Copy it once more."))
    return None


def _capacity_problem(capacity: int | None) -> str | None:
    if capacity is None or not 1 <= capacity <= LARGEST_CAPACITY:
        return str(_("Give a number from 1 to %(largest)s.", largest=LARGEST_CAPACITY))
    return None
