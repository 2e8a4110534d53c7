"""The 13 metrics in words: what each is called and counts, how good a value is, and what a release's verdict means."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from portal.models import Level, Verdict
from portal.monitor.metric_names import NAMES
from portal.monitor.thresholds import Limit, Threshold
from portal.web.words import State, Tone


@dataclass(frozen=True)
class MetricWords:
    """A metric: its name, and what it counts in one sentence."""

    name: str
    meaning: str


METRICS: Mapping[str, MetricWords] = {
    "http_5xx": MetricWords(NAMES["http_5xx"], _("Answers with a status of 500 or above: the portal itself failed.")),
    "http_denied": MetricWords(
        NAMES["http_denied"], _("Answers 401 and 403: wrong passwords, tokens and webhook secrets, or missing rights.")
    ),
    "unknown_instances": MetricWords(
        NAMES["unknown_instances"], _("Webhook events in the name of an instance that no unit has.")
    ),
    "secrets_in_logs": MetricWords(
        NAMES["secrets_in_logs"], _("Log lines that still held a secret or a number after masking. It was masked then.")
    ),
    "processing_errors": MetricWords(
        NAMES["processing_errors"], _("How many of the webhook events could not be applied at once.")
    ),
    "retries": MetricWords(NAMES["retries"], _("Sends that went back to wait because Evolution was away.")),
    "database": MetricWords(
        NAMES["database"], _("How long statements take (95th percentile), and whether connecting failed.")
    ),
    "connection_drops": MetricWords(
        NAMES["connection_drops"], _("Units that lost their connection to WhatsApp twice or more.")
    ),
    "inbound_flow": MetricWords(
        NAMES["inbound_flow"], _("How long incoming events took from the webhook until they could be read.")
    ),
    "outbound_success": MetricWords(
        NAMES["outbound_success"],
        _("How many of the sends WhatsApp took. Numbers that are not on WhatsApp do not count."),
    ),
    "campaigns_stuck": MetricWords(
        NAMES["campaigns_stuck"], _("Running campaigns that could send and have not for more than 10 minutes.")
    ),
    "http_429": MetricWords(NAMES["http_429"], _("Answers 429: somebody asks more often than they may.")),
    "overall": MetricWords(NAMES["overall"], _("All of them together: one critical or three warnings are too many.")),
}
# An operator can raise an alert to see that it is heard.
TEST_ALERT = MetricWords(_("Test"), _("An operator raised it to see that alerts are heard."))

LEVELS: Mapping[Level, State] = {
    Level.OK: State(_("OK"), _("As it should be."), "", Tone.GOOD),
    Level.WARNING: State(_("Warning"), _("Not as it should be."), _("Keep an eye on it."), Tone.WARNING),
    Level.CRITICAL: State(_("Critical"), _("So bad that a release must not stay."), _("See to it now."), Tone.BAD),
}

VERDICTS: Mapping[Verdict, State] = {
    Verdict.GO: State(_("GO"), _("Every metric is OK."), _("The release can stay."), Tone.GOOD),
    Verdict.MONITOR: State(
        _("MONITOR"),
        _("One or two metrics are at a warning, and none is critical."),
        _("Keep watching, and see to what is named here before the next checkpoint."),
        Tone.WARNING,
    ),
    Verdict.NO_GO: State(
        _("NO-GO"),
        _("A metric is critical, or three are at a warning."),
        _("See to what is named here at once, or roll the release back."),
        Tone.BAD,
    ),
}
NO_VERDICT = State(_("No verdict yet"), _("No checkpoint was done yet."), _("Wait for the first one."), Tone.CALM)


def metric_words(metric: str) -> MetricWords:
    """Of a metric that the portal no longer has, its bare name."""
    return METRICS.get(metric, MetricWords(metric, "")) if metric != "test" else TEST_ALERT


def verdict_state(verdict: Verdict | None) -> State:
    return NO_VERDICT if verdict is None else VERDICTS[verdict]


def threshold_words(threshold: Threshold) -> str:
    """`OK ≤ 5 · warning 6–15 · critical > 15`, where there is room for a warning."""
    words = {"ok": _with_unit(threshold.ok, threshold.unit), "critical": _with_unit(threshold.critical, threshold.unit)}
    between = _between(threshold)
    if between is None:
        return str(gettext("OK %(ok)s · critical %(critical)s", **words))
    return str(gettext("OK %(ok)s · warning %(warning)s · critical %(critical)s", warning=between, **words))


def _with_unit(limit: Limit, unit: str) -> str:
    sign = limit.sign.replace("<=", "≤").replace(">=", "≥")
    return _unbroken(f"{sign} {limit.value:g} {unit}")


def _between(threshold: Threshold) -> str | None:
    """What is neither OK nor critical: `6–15`, of whole numbers where things are counted."""
    below, above = sorted((threshold.ok, threshold.critical), key=lambda limit: limit.sign)
    step = 0 if threshold.unit else 1
    low, high = below.value + step * ("=" in below.sign), above.value - step * ("=" in above.sign)
    if low > high or (low == high and threshold.unit):
        return None
    span = f"{low:g}" if low == high else f"{low:g}–{high:g}"
    return _unbroken(f"{span} {threshold.unit}")


def _unbroken(words: str) -> str:
    """On one line, however narrow the page is."""
    return words.rstrip().replace(" ", "\N{NO-BREAK SPACE}")
