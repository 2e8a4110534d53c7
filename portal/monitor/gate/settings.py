"""Whether the settings of this process are fit to be reached by anybody. Development relaxes https and secrets only."""

from urllib.parse import urlsplit

from portal.config import KNOWN_API_KEYS, SHORTEST_API_KEY, SHORTEST_METRICS_TOKEN, SHORTEST_SECRET
from portal.extensions import parts
from portal.monitor.gate.checks import Application, Check, Outcome, none_wrong

# Random text has more different characters; `changeme` over and over has not.
FEWEST_CHARACTERS = 8
MOST_PROXIES = 5
COOKIES = ("SESSION_COOKIE", "REMEMBER_COOKIE")
# What only tests set, and its value where all is as it should be.
TEST_SWITCHES: dict[str, object] = {
    "TESTING": False,
    "WTF_CSRF_ENABLED": True,
    "WTF_CSRF_CHECK_DEFAULT": True,
    "RATELIMIT_ENABLED": True,
    "LOGIN_DISABLED": False,
}
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def _look_at_secret_key(application: Application) -> Outcome:
    config = parts.config
    return _strong({"SECRET_KEY": (config.secret_key,), "SECRET_KEY_FALLBACKS": config.secret_key_fallbacks})


def _look_at_encryption_keys(application: Application) -> Outcome:
    keys = parts.config.encryption_keys
    if not keys:
        return True, "derived from SECRET_KEY"
    return _strong({"ENCRYPTION_KEYS": keys})


def _look_at_evolution_key(application: Application) -> Outcome:
    key = parts.config.evolution_api_key
    if key in KNOWN_API_KEYS:
        return _relaxed(False, "EVOLUTION_API_KEY is Evolution's built-in one")
    return _strong({"EVOLUTION_API_KEY": (key,)}, shortest=SHORTEST_API_KEY)


def _look_at_metrics_token(application: Application) -> Outcome:
    token = parts.config.metrics_token
    if not token:
        return True, "not set: there is no /metrics"
    return _strong({"METRICS_TOKEN": (token,)}, shortest=SHORTEST_METRICS_TOKEN)


def _look_for_same_secrets(application: Application) -> Outcome:
    config = parts.config
    named = {
        "SECRET_KEY": config.secret_key,
        "EVOLUTION_API_KEY": config.evolution_api_key,
        "METRICS_TOKEN": config.metrics_token,
    }
    used = {name: value for name, value in named.items() if value}
    same = [name for name, value in used.items() if list(used.values()).count(value) > 1]
    return _relaxed(not same, f"{' and '.join(same)} are the same" if same else f"{len(used)} that differ")


def _look_at_base_url(application: Application) -> Outcome:
    address = urlsplit(parts.config.base_url)
    if address.scheme != "https":
        return _relaxed(False, "BASE_URL is not https")
    if address.hostname in LOCAL_HOSTS:
        return _relaxed(False, "BASE_URL leads to this machine only")
    return True, f"https://{address.netloc.rpartition('@')[2]}"


def _look_at_debug(application: Application) -> Outcome:
    is_on = bool(application.settings.get("DEBUG"))
    return not is_on, "on: take FLASK_DEBUG and --debug away" if is_on else "off"


def _look_for_test_switches(application: Application) -> Outcome:
    settings = application.settings
    wrong = [name for name, value in TEST_SWITCHES.items() if settings.get(name, value) != value]
    return none_wrong([f"{name} is {settings[name]}" for name in wrong], "none is thrown")


def _look_at_cookies(application: Application) -> Outcome:
    settings = application.settings
    wrong = [f"{name}_HTTPONLY" for name in COOKIES if settings.get(f"{name}_HTTPONLY") is not True]
    wrong += [f"{name}_SAMESITE" for name in COOKIES if settings.get(f"{name}_SAMESITE") not in ("Lax", "Strict")]
    if wrong:
        return none_wrong(wrong, "")
    plain = [f"{name}_SECURE" for name in COOKIES if settings.get(f"{name}_SECURE") is not True]
    return _relaxed(not plain, f"{' and '.join(plain)} are off" if plain else "Secure, HttpOnly, SameSite")


def _look_at_proxies(application: Application) -> Outcome:
    """Our own server speaks no TLS: with https somebody stands in front, whose word on the caller's address counts."""
    hops, is_https = parts.config.trusted_proxies, parts.config.base_url.startswith("https://")
    if is_https and not hops:
        return False, "TRUSTED_PROXIES is 0 and BASE_URL https: everybody would have the address of the proxy"
    if hops > MOST_PROXIES:
        return False, f"TRUSTED_PROXIES is {hops}: whoever calls could make up an address"
    return True, f"{hops} in front"


def _strong(secrets: dict[str, tuple[str, ...]], *, shortest: int = SHORTEST_SECRET) -> Outcome:
    weak = [name for name, values in secrets.items() if any(_is_weak(value, shortest) for value in values)]
    return _relaxed(not weak, f"{' and '.join(weak)} can be guessed" if weak else f"{shortest} characters or more")


def _is_weak(secret: str, shortest: int) -> bool:
    return len(secret) < shortest or len(set(secret)) < FEWEST_CHARACTERS


def _relaxed(is_ok: bool, detail: str) -> Outcome:
    """Let it pass in development, and say so."""
    if is_ok or parts.config.is_production:
        return is_ok, detail
    return True, f"{detail}; relaxed in development"


CHECKS = (
    Check("SECRET_KEY", _look_at_secret_key),
    Check("ENCRYPTION_KEYS", _look_at_encryption_keys),
    Check("EVOLUTION_API_KEY", _look_at_evolution_key),
    Check("METRICS_TOKEN", _look_at_metrics_token),
    Check("secrets differ", _look_for_same_secrets),
    Check("BASE_URL", _look_at_base_url),
    Check("debug", _look_at_debug),
    Check("test switches", _look_for_test_switches),
    Check("cookies", _look_at_cookies),
    Check("TRUSTED_PROXIES", _look_at_proxies),
)
