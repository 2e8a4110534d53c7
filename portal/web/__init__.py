"""Pages, the JSON API and the webhook door: parse, call one service or query, answer."""

from portal.web.language import choose_locale, choose_time_zone
from portal.web.lean import Portal
from portal.web.registry import register
from portal.web.uploads import WholeRequest

__all__ = ["Portal", "WholeRequest", "choose_locale", "choose_time_zone", "register"]
