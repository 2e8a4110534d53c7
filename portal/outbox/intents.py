"""How an instance is to be set up at Evolution, and in what one that was found there differs from it."""

from collections.abc import Mapping
from typing import Any

from portal.evolution.types import ChatFilter, FoundWebhook, Webhook, events_of
from portal.evolution_versions import signs_webhooks
from portal.extensions import parts
from portal.models import Unit
from portal.secrets import matches, webhook_jwt_purpose


def webhook(instance_name: str, secret: str, version: tuple[int, ...]) -> Webhook:
    """Where the instance is to post, as a server of that version understands it."""
    url = f"{parts.config.base_url}/webhooks/whatsapp/evolution/{secret}"
    key = parts.vault.derived(webhook_jwt_purpose(instance_name))[0]
    return Webhook(url=url, jwt_key=key, events=events_of(version))


def chat_filter(unit: Unit) -> ChatFilter:
    """The chats that the unit wants to hear of."""
    return ChatFilter(ignores_groups=not unit.keeps_groups, reads_status=unit.keeps_stories or unit.keeps_broadcasts)


def webhook_faults(found: FoundWebhook | None, wanted: Webhook, version: tuple[int, ...]) -> list[str]:
    """The fields in which it is not as it is to be. An event too many does no harm."""
    if found is None:
        return ["missing"]
    # Older servers sign nothing.
    is_signed = not signs_webhooks(version) or found.headers.get("jwt_key") == wanted.jwt_key
    faults = {
        "url": found.url != wanted.url,
        "enabled": not found.is_enabled,
        "events": not found.events.issuperset(wanted.events),
        "byEvents": found.by_events,
        "base64": found.has_base64,
        "headers": not is_signed,
    }
    return [field for field, is_wrong in faults.items() if is_wrong]


def is_of_before(found: FoundWebhook | None, wanted: Webhook, faults: list[str], accepted_hash: str | None) -> bool:
    """Whether it only has the secret that somebody has just renewed: nothing went elsewhere, and nobody meddled.

    `accepted_hash`: of the secret of before, while what comes with it is still taken.
    """
    if found is None or faults != ["url"]:
        return False
    place, _, secret = found.url.rpartition("/")
    return place == wanted.url.rpartition("/")[0] and matches(secret, accepted_hash)


def settings_faults(found: Mapping[str, Any] | None, wanted: ChatFilter) -> list[str]:
    """The settings that are not as they are to be."""
    was = found or {}
    return [field for field, value in wanted.as_settings().items() if (was.get(field) is True) != value]
