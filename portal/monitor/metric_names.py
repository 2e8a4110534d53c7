"""What people call the metrics."""

from collections.abc import Mapping

from flask_babel import lazy_gettext as _

NAMES: Mapping[str, str] = {
    "http_5xx": _("Server errors"),
    "http_denied": _("Refused requests"),
    "unknown_instances": _("Unknown instances"),
    "secrets_in_logs": _("Secrets in logs"),
    "processing_errors": _("Events that fail"),
    "retries": _("Sends tried again"),
    "database": _("Database"),
    "connection_drops": _("Connections that drop"),
    "inbound_flow": _("Incoming messages"),
    "outbound_success": _("Outgoing messages"),
    "campaigns_stuck": _("Campaigns that stand still"),
    "http_429": _("Throttled requests"),
    "overall": _("Overall"),
}
