"""Addresses that a company's programs listen at: what may be one, and how much of it is shown."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from flask_babel import gettext as _

from portal.extensions import parts

LONGEST_URL = 2_000
LOOPBACK_NAME = "localhost"


def address_problem(url: str) -> str | None:
    """What is wrong with the address, as a sentence; None when nothing is.

    A name is not looked up here: where it leads is checked whenever something is posted, for it may change.
    """
    parsed = _parsed(url)
    if parsed is None:
        return str(_("Give the whole address, such as https://crm.company.com/whatsapp."))
    if len(url) > LONGEST_URL:
        return str(_("Give an address of at most %(longest)s characters.", longest=LONGEST_URL))
    if "@" in parsed.netloc:
        return str(_("Leave out user names and passwords: what is posted is signed instead."))
    if parsed.scheme != "https" and parts.config.is_production:
        return str(_("The address must begin with https://, since messages travel there."))
    if _leads_inside(parsed.hostname or ""):
        return str(_("This address leads into a private network. Give one that the internet can reach."))
    return None


def without_query(url: str) -> str:
    """The address as it may be shown and noted: what comes after the path often is a secret."""
    parsed = urlsplit(url)
    return f"{parsed.scheme}://{parsed.netloc}{parsed.path}"


def _parsed(url: str) -> SplitResult | None:
    if any(c.isspace() or not c.isprintable() for c in url):
        return None
    try:
        parsed = urlsplit(url)
        is_whole = parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0
        _ascii(parsed.hostname or "")
    except ValueError:
        return None
    return parsed if is_whole else None


def _leads_inside(host: str) -> bool:
    """Whether the host is written as an address, or a name, of this machine or of a network that is not public."""
    name = _ascii(host).rstrip(".")
    if name == LOOPBACK_NAME or name.endswith(f".{LOOPBACK_NAME}"):
        return parts.config.is_production
    ip = _literal(name)
    if ip is None:
        return False
    if ip.is_loopback:
        return parts.config.is_production
    return not ip.is_global or ip.is_multicast


def _literal(name: str) -> IPv4Address | IPv6Address | None:
    """The address that is written out, in any of the ways in which the system reads one: 2130706433, or 0x7f.1."""
    try:
        ip = ip_address(name)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(name))
        except OSError:
            return None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


def _ascii(host: str) -> str:
    """The host as it is looked up: wide digits and dots become plain ones. Raises ValueError."""
    return host.encode("idna").decode().lower()
